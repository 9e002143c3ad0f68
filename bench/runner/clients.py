"""clients — runs what makes load and reads what it printed. Knows no server and no ratios."""
import csv
import http.client
import io
import json
import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass

from .failure import BenchError, Skipped

RUN_MAX_S = 90
PROBE_MAX_S = 5


@dataclass
class Served:
    """What a client got: how much, how fast, and the latency it saw."""
    units: int          # messages, connections or requests
    per_second: float
    p50_us: float
    p99_us: float
    max_us: float


def _output(argv, what):
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=RUN_MAX_S, check=False)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{what} did not end within {RUN_MAX_S} s") from None
    if done.returncode != 0:
        raise BenchError(f"{what} failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def _served(line):
    result = json.loads(line)
    units = result["connects" if result["mode"] in ("churn", "handshake") else "messages"]
    seconds = result["seconds"]
    return Served(units, units / seconds if seconds > 0 else 0.0, result["p50_us"],
                  result["p99_us"], result["max_us"])


def load(program, mode, address, *options):
    """The project's own generator; fails when a byte is wrong or a connection is lost."""
    return _served(_output([program, mode, address, *options], f"load {mode}"))


class HeldLoad:
    """The same, with connections that are open for the length of a with block: those of `load
    idle`, or warm ones (--warm-up), which run() then sends over."""

    def __init__(self, program, mode, address, *options):
        self._what = f"load {mode}"
        self._popen = subprocess.Popen([program, mode, address, *options], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        self._line()
        return self

    def run(self):
        self._popen.stdin.write("\n")
        self._popen.stdin.flush()
        return _served(self._line())

    def _line(self):
        """Without an end it says itself that nothing comes; with a failure it ends."""
        line = self._popen.stdout.readline()
        if not line or '"errors":0' not in line and line != "ready\n":
            self._popen.kill()
            raise BenchError(f"{self._what} failed: {self._popen.communicate()[1].strip()}")
        return line

    def __exit__(self, *_):
        if self._popen.poll() is not None:
            return
        try:
            _, error = self._popen.communicate("\n", timeout=RUN_MAX_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.communicate()
            raise BenchError(f"{self._what} did not end") from None
        if self._popen.returncode != 0:
            raise BenchError(f"{self._what} failed: {error.strip()}")


def held_connections(program, address, count, *options):
    """Connections on which nothing happens, or, with --touch, nothing after one answer on each."""
    return HeldLoad(program, "idle", address, "--connections", str(count), *options)


def _microseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def wrk(address, connections, seconds):
    if shutil.which("wrk") is None:
        raise Skipped("wrk is not installed")
    text = _output(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
                    f"http://{address}/"], "wrk")
    bad = re.search(r"(Socket errors|Non-2xx).*", text)
    if bad:
        raise BenchError(f"wrk: {bad.group(0)}")
    units = int(re.search(r"(\d+) requests in", text).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
    p50, p99 = (_microseconds(re.search(rf"(?m)^\s+{p}%\s+(\S+)", text).group(1)) for p in (50, 99))
    worst = _microseconds(re.search(r"Latency\s+\S+\s+\S+\s+(\S+)", text).group(1))
    return Served(units, rate, p50, p99, worst)


def http_body_size(address):
    """Asks once and checks the answer: a server that is fast but wrong measures nothing."""
    conn = http.client.HTTPConnection(address, timeout=PROBE_MAX_S)
    try:
        conn.request("GET", "/")
        answer = conn.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"GET / on {address}: {error!r}") from None
    finally:
        conn.close()
    if answer.status != 200 or not body:
        raise BenchError(f"GET / on {address}: status {answer.status}, {len(body)} bytes")
    return len(body)


def redis_benchmark(address, connections, depth, requests):
    """SET and GET, half of the requests each."""
    if shutil.which("redis-benchmark") is None:
        raise Skipped("redis-benchmark is not installed")
    host, port = address.split(":")
    text = _output(["redis-benchmark", "-h", host, "-p", port, "-c", str(connections),
                    "-P", str(depth), "-n", str(requests // 2), "-t", "set,get", "--csv"],
                   "redis-benchmark")
    rows = list(csv.DictReader(io.StringIO(text[text.index('"test"'):])))
    if [row["test"] for row in rows] != ["SET", "GET"]:
        raise BenchError(f"redis-benchmark printed no SET and GET: {text.strip()[-200:]}")
    seconds = sum(requests / 2 / float(row["rps"]) for row in rows)
    worst = {key: max(float(row[key]) for row in rows) * 1e3
             for key in ("p50_latency_ms", "p99_latency_ms", "max_latency_ms")}
    return Served(requests, requests / seconds, *worst.values())


def check_key_value(address):
    """Sets and gets one value, pipelined, and compares it."""
    host, port = address.split(":")
    value = os.urandom(8).hex().encode()
    asked = (b"*3\r\n$3\r\nSET\r\n$11\r\nbench:probe\r\n$16\r\n" + value +
             b"\r\n*2\r\n$3\r\nGET\r\n$11\r\nbench:probe\r\n")
    expected = b"+OK\r\n$16\r\n" + value + b"\r\n"
    got = b""
    try:
        with socket.create_connection((host, int(port)), PROBE_MAX_S) as conn:
            conn.sendall(asked)
            while len(got) < len(expected):
                chunk = conn.recv(4096)
                if not chunk:
                    break
                got += chunk
    except OSError as error:
        raise BenchError(f"SET and GET on {address}: {error}") from None
    if got != expected:
        raise BenchError(f"SET and GET on {address} gave {got[:80]!r} instead of {expected!r}")
