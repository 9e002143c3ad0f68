"""cases — what is measured, against which yardstick and target. Knows no /proc and no output.

Each round starts both servers afresh, one after the other, and every other round in the opposite
order: luck with page placement and a machine that slowly warms up or fills hit both sides alike.
"""
import statistics
import time
from dataclasses import dataclass, field

from . import clients, servers
from .failure import BenchError, Skipped
from .machine import descriptor_count, private_bytes, settled_cpu_ns, waiting_ns
from .stats import Target, figure_at_most, ratio_at_least, ratio_at_most

WARM_UP_S = 0.1
IDLE_CONNECTIONS = 10_000
IDLE_ACCEPT_MAX_S = 20
HTTP_CONNECTIONS = KEY_VALUE_CONNECTIONS = 50


@dataclass
class Row:
    """One line of the table: a figure for both sides in each round."""
    name: str
    unit: str
    yardstick: str
    theirs: list
    ours: list
    target: Target
    latency: dict = field(default_factory=dict)  # side -> [Served]
    busy: list = None    # for both sides: the share of the time in which the server ran
    waited: list = None  # and in which something else had its processor


@dataclass(frozen=True)
class Case:
    name: str
    what: str
    measure: object  # (case, bench) -> [Row]
    rounds: int
    rounds_quick: int
    target: Target
    load: tuple = ()          # load's mode and options
    per_round: float = 0.0    # seconds, or requests for redis-benchmark
    per_round_quick: float = 0.0
    depth: int = 1


@dataclass(frozen=True)
class Bench:
    """What a case needs to measure."""
    programs: servers.Programs
    machine: object
    rounds: int
    per_round: float

    def in_turn(self, theirs, ours, drive):
        """drive(process) for both servers in each round: two lists of what it returned."""
        got = {id(theirs): [], id(ours): []}
        for number in range(self.rounds):
            for spec in (theirs, ours) if number % 2 == 0 else (ours, theirs):
                with spec.started(self.machine) as process:
                    got[id(spec)].append(drive(process))
        return got[id(theirs)], got[id(ours)]


@dataclass
class Sample:
    served: clients.Served
    cpu_us: float   # of the server, per unit
    busy: float     # share of the client's time in which the server ran
    waited: float   # and in which the server could not, because something else did


def _timed(process, client):
    """Runs the client and charges the server's CPU time to what it served."""
    before = settled_cpu_ns(process.pid)
    waiting = waiting_ns(process.pid)
    begun = time.monotonic()
    served = client()
    took_ns = (time.monotonic() - begun) * 1e9
    process.check_alive()
    waited_ns = waiting_ns(process.pid) - waiting
    used_ns = settled_cpu_ns(process.pid) - before
    return Sample(served, used_ns / 1e3 / max(served.units, 1), min(1.0, used_ns / took_ns),
                  waited_ns / took_ns)


def _cpu_row(name, unit, theirs, ours, samples, target):
    return Row(name, unit, theirs.name,
               [s.cpu_us for s in samples[0]], [s.cpu_us for s in samples[1]], target,
               {theirs.name: [s.served for s in samples[0]],
                ours.name: [s.served for s in samples[1]]},
               [statistics.median(s.busy for s in side) for side in samples],
               [statistics.median(s.waited for s in side) for side in samples])


def measure_echo(case, bench):
    theirs = bench.programs.baseline_echo()
    ours = bench.programs.moonport_script("echo.lua")
    mode, *options = case.load

    def drive(process):
        def client(seconds):
            return clients.load(bench.programs.load, mode, process.address, *options,
                                "--seconds", str(seconds))
        client(WARM_UP_S)
        return _timed(process, lambda: client(bench.per_round))

    samples = bench.in_turn(theirs, ours, drive)
    unit = "µs CPU/connection" if mode == "churn" else "µs CPU/message"
    return [_cpu_row(case.what, unit, theirs, ours, samples, case.target)]


def _wait_accepted(process, count):
    deadline = time.monotonic() + IDLE_ACCEPT_MAX_S
    while descriptor_count(process.pid) < count:
        process.check_alive()
        if time.monotonic() > deadline:
            raise BenchError(f"{process.name} accepted only {descriptor_count(process.pid)} "
                             f"of {count} connections; is ulimit -n too low?")
        time.sleep(0.05)
    settled_cpu_ns(process.pid)


def measure_idle(case, bench):
    theirs = bench.programs.baseline_echo()
    ours = bench.programs.moonport_script("echo.lua")

    def drive_with(touch):
        def drive(process):
            settled_cpu_ns(process.pid)
            before = private_bytes(process.pid)
            count = descriptor_count(process.pid) + IDLE_CONNECTIONS
            with clients.HeldConnections(bench.programs.load, process.address, IDLE_CONNECTIONS,
                                         touch):
                _wait_accepted(process, count)
                return (private_bytes(process.pid) - before) / IDLE_CONNECTIONS
        return drive

    rows = []
    for touch, name in ((False, "nothing sent"), (True, "after one echo each")):
        samples = bench.in_turn(theirs, ours, drive_with(touch))
        rows.append(Row(f"{case.what}, {name}", "bytes", theirs.name, *samples, case.target))
    return rows


def measure_startup(case, bench):
    theirs = bench.programs.baseline_echo()
    ours = bench.programs.moonport_script("echo.lua")
    samples = bench.in_turn(theirs, ours, lambda process:
                            (process.listening_at - process.started_at) * 1e3)
    return [Row(case.what, "ms", theirs.name, *samples, case.target)]


def _rate_rows(case, what, theirs, ours, samples):
    """The rate, and what it cost: a client that is the bottleneck makes any two rates level."""
    rate = Row(f"{what}: requests per second", "/s", theirs.name,
               [s.served.per_second for s in samples[0]],
               [s.served.per_second for s in samples[1]], case.target)
    cost = _cpu_row(f"{what}: CPU", "µs CPU/request", theirs, ours, samples,
                    ratio_at_most(1 / case.target.bound))
    return [rate, cost]


def _no_noise(bench):
    if bench.programs.noise:
        raise Skipped("the baseline speaks no such protocol")


def measure_http(case, bench):
    _no_noise(bench)
    ours = bench.programs.moonport_script("http.lua")
    with ours.started(bench.machine) as process:
        theirs = servers.nginx(clients.http_body_size(process.address))

    def drive(process):
        clients.http_body_size(process.address)
        return _timed(process, lambda: clients.wrk(process.address, HTTP_CONNECTIONS,
                                                   int(bench.per_round)))

    return _rate_rows(case, case.what, theirs, ours, bench.in_turn(theirs, ours, drive))


def measure_key_value(case, bench):
    _no_noise(bench)
    ours = bench.programs.moonport_script("kv.lua")
    theirs = servers.redis_server()

    def drive(process):
        clients.check_key_value(process.address)
        return _timed(process, lambda: clients.redis_benchmark(
            process.address, KEY_VALUE_CONNECTIONS, case.depth, int(bench.per_round)))

    return _rate_rows(case, case.what, theirs, ours, bench.in_turn(theirs, ours, drive))


CASES = [
    Case("echo", "echo, 64 B, 50 connections", measure_echo, 11, 7, ratio_at_most(1.10),
         ("echo", "--connections", "50", "--size", "64"), 0.6, 0.2),
    Case("pipeline", "echo, 64 B, 50 connections, 32 in flight", measure_echo, 11, 7,
         ratio_at_most(1.15),
         ("echo", "--connections", "50", "--size", "64", "--depth", "32"), 0.6, 0.2),
    Case("large", "echo, 64 KiB, 8 connections", measure_echo, 11, 7, ratio_at_most(1.15),
         ("echo", "--connections", "8", "--size", "65536"), 0.6, 0.2),
    Case("churn", "connect, echo 64 B, close", measure_echo, 11, 7, ratio_at_most(1.08),
         ("churn", "--connections", "50", "--size", "64"), 0.6, 0.2),
    Case("idle", f"memory per connection, {IDLE_CONNECTIONS:,} connections", measure_idle, 7, 1,
         figure_at_most(512, "bytes")),
    Case("startup", "from exec to listening", measure_startup, 20, 20, figure_at_most(10, "ms")),
    Case("http", "HTTP, wrk -c50", measure_http, 7, 3, ratio_at_least(1.0), (), 2, 1),
    Case("kv", "key-value, redis-benchmark -c50 -P1", measure_key_value, 7, 3,
         ratio_at_least(1.0), (), 120_000, 50_000, 1),
    Case("kv16", "key-value, redis-benchmark -c50 -P16", measure_key_value, 7, 3,
         ratio_at_least(0.7), (), 1_000_000, 400_000, 16),
]


def run(case, programs, machine, options):
    """The case's rows, or why there are none: a list of Row, or a text."""
    rounds = options.rounds or (case.rounds_quick if options.quick else case.rounds)
    per_round = case.per_round_quick if options.quick else case.per_round
    try:
        return case.measure(case, Bench(programs, machine, rounds, per_round))
    except Skipped as reason:
        return str(reason)
