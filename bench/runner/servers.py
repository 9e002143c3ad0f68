"""servers — starts what is measured, waits until it listens, ends it. Knows no client, no figures."""
import collections
import contextlib
import dataclasses
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field

from .failure import BenchError, Skipped

OURS = "moonport"
START_MAX_S = 10.0
START_SLOW_MAX_S = 60.0  # under valgrind, or with much to load
STOP_MAX_S = 5.0
LISTENING = re.compile(rb"listening on (?:tcp|udp|tls)://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class Programs:
    """What was built, and where."""
    root: str      # the project's, which scripts are named from
    tools: str     # the directory of load and the baselines
    binary: str    # moonport
    peers: bool = True  # whether the servers of others are measured, too

    def tool(self, name):
        return os.path.join(self.tools, name)

    def peer(self, name):
        return os.path.join(self.root, "bench", "peers", name)

    def baseline(self, name, *arguments):
        return Spec(f"C {name}" if name == "proxy" else "C",
                    (self.tool(f"baseline_{name}"), *arguments))

    def moonport(self, script, name=OURS, listen="127.0.0.1:0", environment=None, options=()):
        """Serves a script, or a directory of them, each of which says itself where it listens."""
        path = os.path.join(self.root, script)
        if not os.path.exists(path):
            raise Skipped(f"{script} is not there")
        where = () if os.path.isdir(path) else ("--listen", listen)
        return Spec(name, (self.binary, "serve", *where, *options, path), environment or {})


@dataclass(frozen=True)
class Spec:
    """How to start a server that says on stderr where it listens."""
    name: str
    argv: tuple
    environment: dict = field(default_factory=dict)  # added to our own

    @contextlib.contextmanager
    def started(self, machine, prefix=(), start_max_s=START_MAX_S, beside_client=False):
        """A Process that listens. `prefix` is a command that runs it: valgrind, strace. With
        `beside_client` it shares the client's processor and is not what is measured."""
        place = contextlib.nullcontext if beside_client else machine.on_server_cpu
        process = Process(self.name, [*prefix, *self.argv], place, self.environment)
        try:
            process.wait_listening(start_max_s)
            yield process
            process.check_alive()
        finally:
            process.stop()


@dataclass(frozen=True)
class ControlledSpec:
    """A moonport that takes commands at process.control."""
    spec: Spec

    @property
    def name(self):
        return self.spec.name

    @contextlib.contextmanager
    def started(self, machine, prefix=(), start_max_s=START_MAX_S):
        with tempfile.TemporaryDirectory(prefix="moonport-bench-") as directory:
            control = os.path.join(directory, "control.sock")
            spec = dataclasses.replace(self.spec, environment={**self.spec.environment,
                                                               "MOONPORT_CONTROL": control})
            with spec.started(machine, prefix, start_max_s) as process:
                _wait_for_socket(control, process, start_max_s)
                process.control = control
                yield process


def _wait_for_socket(path, process, max_s):
    """It is there once the scripts have been told that they are in force."""
    deadline = time.monotonic() + max_s
    while True:
        process.check_alive()
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
            return
        if time.monotonic() > deadline:
            raise BenchError(f"{process.name} takes no commands at {path}")
        time.sleep(0.01)


@dataclass(frozen=True)
class WatchedSpec:
    """A moonport with a trace attached, which gets every event and runs beside the client."""
    spec: Spec
    binary: str

    @property
    def name(self):
        return self.spec.name

    @contextlib.contextmanager
    def started(self, machine, prefix=(), start_max_s=START_MAX_S):
        with ControlledSpec(self.spec).started(machine, prefix, start_max_s) as process, \
             tempfile.NamedTemporaryFile(prefix="moonport-bench-") as events:
            trace = subprocess.Popen([self.binary, "trace", "--json", "--control", process.control],
                                     stdin=subprocess.DEVNULL, stdout=events)
            try:
                _wait_written(events.name, trace)
                yield process
            finally:
                trace.terminate()
                trace.wait()


def _wait_written(path, writer):
    """The first event is told at once: that the server listens."""
    deadline = time.monotonic() + START_MAX_S
    while os.path.getsize(path) == 0:
        if writer.poll() is not None or time.monotonic() > deadline:
            raise BenchError("moonport trace told no event")
        time.sleep(0.01)


@dataclass(frozen=True)
class QuietSpec:
    """A server of others: it gets a port and a directory, and says nothing when it is ready."""
    name: str
    make_argv: object  # (port, directory) -> argv

    @contextlib.contextmanager
    def started(self, machine):
        with tempfile.TemporaryDirectory(prefix="moonport-bench-") as directory:
            os.chmod(directory, 0o755)  # nginx's worker may be another user
            port = _free_port()
            process = Process(self.name, self.make_argv(port, directory), machine.on_server_cpu)
            try:
                process.wait_connectable(port)
                yield process
                process.check_alive()
            finally:
                process.stop()


class Process:
    """A running server: its pid, its port, the last lines of its log."""

    def __init__(self, name, argv, place, environment=None):
        self.name = name
        self.port = None
        self.control = None  # a ControlledSpec knows
        self._log = collections.deque(maxlen=20)
        self._drain = None
        with place():
            self.started_at = time.perf_counter()
            self._popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                           bufsize=0,
                                           env={**os.environ, "MOONPORT_CONTROL": "off",
                                                **(environment or {})})
        self.pid = self._popen.pid
        self.listening_at = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def wait_listening(self, max_s):
        pending = b""
        deadline = time.monotonic() + max_s
        while self.port is None:
            ready, _, _ = select.select([self._popen.stderr], [], [],
                                        max(0, deadline - time.monotonic()))
            chunk = os.read(self._popen.stderr.fileno(), 65536) if ready else b""
            if not chunk:
                self._log.append(pending)
                raise BenchError(f"{self.name} did not say where it listens: {self._tail()}")
            self.listening_at = time.perf_counter()
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                self._log.append(line)
                found = LISTENING.search(line)
                if found:
                    self.port = int(found.group(1))
        self._drain_log()

    def wait_connectable(self, port):
        self._drain_log()
        deadline = time.monotonic() + START_MAX_S
        while time.monotonic() < deadline:
            self.check_alive()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                self.port = port
                return
            time.sleep(0.01)
        raise BenchError(f"{self.name} does not listen on port {port}: {self._tail()}")

    def _drain_log(self):
        def drain():
            for line in self._popen.stderr:
                self._log.append(line.rstrip(b"\n"))
        self._drain = threading.Thread(target=drain, daemon=True)
        self._drain.start()

    def check_alive(self):
        code = self._popen.poll()
        if code is not None:
            raise BenchError(f"{self.name} died (exit code {code}): {self._tail()}")

    def _tail(self):
        text = b" | ".join(list(self._log)[-3:]).decode("utf-8", "backslashreplace")
        return text or "its log is empty"

    def stop(self):
        """SIGTERM, and SIGKILL for one that does not end."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
            try:
                self._popen.wait(STOP_MAX_S)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
        if self._drain:
            self._drain.join()
        self._popen.stderr.close()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
