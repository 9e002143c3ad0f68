"""control — asks a running moonport over its control socket. Knows its protocol, and no command."""
import json
import socket
import threading

from .failure import BenchError

ANSWER_MAX_S = 10


class Control:
    """A client of the control socket at `path`; to be closed by a with block."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_MAX_S)
        try:
            self._socket.connect(path)
        except OSError as error:
            raise BenchError(f"no control socket at {path}: {error}") from None
        self._lines = self._socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._lines.close()
        self._socket.close()

    def ask(self, command):
        """Waits for the whole answer, and fails unless it is ok; the objects before that one."""
        objects = []
        try:
            self._socket.sendall(command.encode() + b"\n")
            for line in self._lines:
                answer = json.loads(line)
                if answer.get("ok"):
                    return objects
                if "ok" in answer:
                    raise BenchError(f"{command}: {answer['error']}")
                objects.append(answer)
            raise BenchError(f"{command}: the control socket was closed")
        except OSError as error:
            raise BenchError(f"{command}: {error}") from None


class Asking:
    """Asks again and again, a pause after each answer, for the length of a with block."""

    def __init__(self, path, command, pause_s):
        self.count = 0
        self._ask = (path, command, pause_s)
        self._error = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        path, command, pause_s = self._ask
        try:
            with Control(path) as control:
                while not self._ended.wait(pause_s):
                    control.ask(command)
                    self.count += 1
        except BenchError as error:
            self._error = error

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._ended.set()
        self._thread.join()
        if self._error and kind is None:
            raise self._error
