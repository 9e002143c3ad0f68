"""probe — how long a quiet connection waits for its answer. A process of its own, so that what it
measures is the server and not the load's own lateness."""
import multiprocessing
import socket
import time

PAUSE_S = 0.02
ANSWER_MAX_S = 30


def _measure(port, pipe):
    quiet = socket.create_connection(("127.0.0.1", port), ANSWER_MAX_S)
    quiet.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    taken, count = [], 0
    while True:
        if pipe.poll(PAUSE_S):
            pipe.recv()
            pipe.send(taken)
            taken = []
        count += 1
        wanted = b"%08d" % (count % 10**8)
        before = time.monotonic()
        quiet.sendall(wanted)
        got = b""
        while len(got) < len(wanted):
            piece = quiet.recv(len(wanted) - len(got))
            if not piece:
                raise SystemExit("the quiet connection was ended")
            got += piece
        if got != wanted:
            raise SystemExit(f"the quiet connection got {got!r} instead of {wanted!r}")
        taken.append(time.monotonic() - before)


class Probe:
    def __init__(self, port):
        self._pipe, other = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=_measure, args=(port, other), daemon=True)
        self._process.start()
        other.close()

    def take(self):
        """p50, p99 and the longest since the last time, in milliseconds; None when it failed."""
        try:
            self._pipe.send("take")
            if not self._pipe.poll(ANSWER_MAX_S):
                return None
            taken = sorted(self._pipe.recv())
        except (EOFError, OSError):
            return None
        if not taken:
            return None
        return [1000 * taken[min(len(taken) - 1, int(len(taken) * part))]
                for part in (0.5, 0.99, 1)]

    def end(self):
        self._process.terminate()
        self._process.join()
