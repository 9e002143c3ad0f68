"""servers — starts what is measured, waits until it listens, ends it. Knows no client, no figures."""
import collections
import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass

from .failure import BenchError, Skipped

START_MAX_S = 10.0
START_TRACED_MAX_S = 60.0  # under valgrind
STOP_MAX_S = 5.0
LISTENING = re.compile(rb"listening on tcp://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class Programs:
    """Paths of what was built; `noise` puts the baseline in moonport's place."""
    load: str
    baseline: str
    moonport: str
    scripts: str
    noise: bool

    def baseline_echo(self):
        return Spec("C baseline", [self.baseline])

    def moonport_script(self, script):
        if self.noise:
            return Spec("C baseline again", [self.baseline])
        path = os.path.join(self.scripts, script)
        if not os.path.exists(path):
            raise Skipped(f"scripts/{script} is not there")
        return Spec("moonport", [self.moonport, "serve", "--listen", "127.0.0.1:0", path])


@dataclass(frozen=True)
class Spec:
    """How to start a server that says on stderr where it listens."""
    name: str
    argv: list

    @contextlib.contextmanager
    def started(self, machine, prefix=(), start_max_s=START_MAX_S):
        """A Process that listens. `prefix` is a command that runs it: valgrind, strace."""
        process = Process(self.name, [*prefix, *self.argv], machine)
        try:
            process.wait_listening(start_max_s)
            yield process
            process.check_alive()
        finally:
            process.stop()


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
            process = Process(self.name, self.make_argv(port, directory), machine)
            try:
                process.wait_connectable(port)
                yield process
                process.check_alive()
            finally:
                process.stop()


class Process:
    """A running server: its pid, its port, the last lines of its log."""

    def __init__(self, name, argv, machine):
        self.name = name
        self.port = None
        self._log = collections.deque(maxlen=20)
        self._drain = None
        with machine.on_server_cpu():
            self.started_at = time.perf_counter()
            self._popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                           bufsize=0)
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


def _find(program):
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        raise Skipped(f"{program} is not installed")
    return path


NGINX_CONF = """
daemon off;
worker_processes 1;
pid nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  default_type text/plain;
  keepalive_requests 1000000000;
  client_body_temp_path client; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port} backlog=511;
    location / {{ return 200 "{body}"; }}
  }}
}}
"""


def nginx(body_size):
    """One worker that answers every request with so many bytes, from memory."""
    program = _find("nginx")

    def make_argv(port, directory):
        conf = os.path.join(directory, "nginx.conf")
        with open(conf, "w", encoding="ascii") as file:
            file.write(NGINX_CONF.format(port=port, body="x" * body_size))
        return [program, "-e", "stderr", "-p", directory, "-c", conf]

    return QuietSpec("nginx", make_argv)


def redis_server():
    """One thread, nothing written to disk."""
    program = _find("redis-server")

    def make_argv(port, directory):
        return [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                "--appendonly", "no", "--io-threads", "1", "--dir", directory]

    return QuietSpec("redis-server", make_argv)
