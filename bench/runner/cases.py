"""cases — what is measured, against which yardstick and target. Knows no /proc and no output."""
import contextlib
import time
from dataclasses import dataclass

from . import clients, others, reloads
from .failure import BenchError, Skipped
from .machine import descriptor_count, private_bytes, settled_cpu_ns
from .rounds import Bench, Row, Side, cpu_row, rate_row, timed
from .stats import Target, figure_at_most, no_target, ratio_at_least, ratio_at_most

WARM_UP_S = 0.1
IDLE_CONNECTIONS = 10_000
IDLE_ACCEPT_MAX_S = 20
HTTP_CONNECTIONS = KEY_VALUE_CONNECTIONS = 50
FORWARD_BYTES = 64 * 1024
FORWARDED_PER_MIB = 2**20 / (2 * FORWARD_BYTES)  # messages; each goes through the proxy twice


@dataclass(frozen=True)
class Case:
    name: str
    what: str
    measure: object  # (case, bench) -> [Row]
    rounds: int
    rounds_quick: int
    target: Target
    sides: object = None      # (programs, machine) -> a context: the Specs, yardsticks first
    load: tuple = ()          # load's mode and options
    per_round: float = 0.0    # seconds, or requests for redis-benchmark
    per_round_quick: float = 0.0
    depth: int = 1
    unit: str = "µs CPU/message"
    counted: int = 0          # messages for counts; 0: not counted


# --- Who is measured. What a context starts beside the servers runs on the client's processor. ----

@contextlib.contextmanager
def echo_sides(programs, _machine):
    yield [programs.baseline("echo"), programs.moonport("scripts/echo.lua")]


@contextlib.contextmanager
def main_sides(programs, _machine):
    if programs.noise:
        raise Skipped("it compares moonport with itself")
    yield [programs.moonport("scripts/echo.lua", "moonport, on_data"),
           programs.moonport("bench/scripts/main_echo.lua", "moonport, main")]


@contextlib.contextmanager
def trace_sides(programs, _machine):
    if programs.noise:
        raise Skipped("it compares moonport with itself")
    yield [programs.moonport("scripts/echo.lua", "moonport, unwatched"),
           programs.watched("scripts/echo.lua", "moonport, traced")]


@contextlib.contextmanager
def line_sides(programs, _machine):
    in_lua = [] if programs.noise else [
        programs.moonport("bench/scripts/lines_by_hand.lua", "splitter in Lua"),
        programs.moonport("bench/scripts/lines_textbook.lua", "textbook splitter in Lua")]
    yield [programs.baseline("echo"), *in_lua, programs.moonport("bench/scripts/lines.lua")]


@contextlib.contextmanager
def udp_sides(programs, _machine):
    yield [programs.baseline("udp"), programs.moonport("bench/scripts/udp_echo.lua",
                                                       listen="udp://127.0.0.1:0", baseline="udp")]


def _unless_missing(*makers):
    """What is not installed is left out: it is beside the point, not the yardstick."""
    for make in makers:
        with contextlib.suppress(Skipped):
            yield make()


@contextlib.contextmanager
def proxy_sides(programs, machine):
    with programs.baseline("echo").started(machine, beside_client=True) as upstream:
        address = upstream.address
        beside = [] if programs.noise else _unless_missing(
            lambda: others.socat(address),
            lambda: others.haproxy(address, splice=False),
            lambda: others.haproxy(address, splice=True))
        yield [programs.baseline("proxy", address), *beside,
               programs.moonport("scripts/proxy.lua", environment={"UPSTREAM": address},
                                 baseline="proxy", arguments=(address,))]


# --- How ------------------------------------------------------------------------------------------

def _loaded(case, bench):
    """Every side under the case's load, in turn."""
    mode, *options = case.load

    def drive(process):
        def client(seconds):
            return clients.load(bench.programs.tool("load"), mode, process.address, *options,
                                "--seconds", str(seconds))
        client(WARM_UP_S)
        return timed(process, lambda: client(bench.per_round))

    with case.sides(bench.programs, bench.machine) as specs:
        samples = bench.in_turn(specs, drive)
        return [Side(spec.name, each) for spec, each in zip(specs, samples)]


def measure_cpu(case, bench):
    theirs, ours = _loaded(case, bench)
    return [cpu_row(case.what, case.unit, theirs, ours, case.target)]


def measure_traced(case, bench):
    theirs, ours = _loaded(case, bench)
    return [rate_row(case.what, theirs, ours, case.target),
            cpu_row(case.what, case.unit, theirs, ours, no_target())]


def measure_lines(case, bench):
    baseline, *in_lua, ours = _loaded(case, bench)
    rows = _rate_rows(case, baseline, ours, "message")
    for side in in_lua:
        rows += _rate_rows(case, side, ours, "message", ratio_at_least(2.5))
    return rows


def measure_forward(case, bench):
    *theirs, ours = _loaded(case, bench)
    return [cpu_row(case.what, case.unit, side, ours, case.target if number == 0 else no_target(),
                    FORWARDED_PER_MIB)
            for number, side in enumerate(theirs)]


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
    def drive_with(touch):
        def drive(process):
            settled_cpu_ns(process.pid)
            before = private_bytes(process.pid)
            count = descriptor_count(process.pid) + IDLE_CONNECTIONS
            with clients.HeldConnections(bench.programs.tool("load"), process.address,
                                         IDLE_CONNECTIONS, touch):
                _wait_accepted(process, count)
                return (private_bytes(process.pid) - before) / IDLE_CONNECTIONS
        return drive

    rows = []
    with case.sides(bench.programs, bench.machine) as specs:
        for touch, name in ((False, "nothing sent"), (True, "after one echo each")):
            samples = bench.in_turn(specs, drive_with(touch))
            rows.append(Row(f"{case.what}, {name}", "bytes", specs[0].name, *samples, case.target))
    return rows


def measure_startup(case, bench):
    with case.sides(bench.programs, bench.machine) as specs:
        samples = bench.in_turn(specs, lambda process:
                                (process.listening_at - process.started_at) * 1e3)
        return [Row(case.what, "ms", specs[0].name, *samples, case.target, best=True)]


def _rate_rows(case, theirs, ours, unit, target=None):
    """The rate, and what it cost: a client that is the bottleneck makes any two rates level."""
    target = target or case.target
    return [rate_row(f"{case.what}: {unit}s per second", theirs, ours, target),
            cpu_row(f"{case.what}: CPU", f"µs CPU/{unit}", theirs, ours,
                    ratio_at_most(1 / target.bound))]


def _no_noise(bench):
    if bench.programs.noise:
        raise Skipped("the baseline speaks no such protocol")


def _requested(case, bench, theirs, ours, drive):
    samples = bench.in_turn([theirs, ours], drive)
    return _rate_rows(case, Side(theirs.name, samples[0]), Side(ours.name, samples[1]), "request")


def measure_http(case, bench):
    _no_noise(bench)
    ours = bench.programs.moonport("scripts/http.lua")
    with ours.started(bench.machine) as process:
        theirs = others.nginx(clients.http_body_size(process.address))

    def drive(process):
        clients.http_body_size(process.address)
        return timed(process, lambda: clients.wrk(process.address, HTTP_CONNECTIONS,
                                                  int(bench.per_round)))

    return _requested(case, bench, theirs, ours, drive)


def measure_key_value(case, bench):
    _no_noise(bench)

    def drive(process):
        clients.check_key_value(process.address)
        return timed(process, lambda: clients.redis_benchmark(
            process.address, KEY_VALUE_CONNECTIONS, case.depth, int(bench.per_round)))

    return _requested(case, bench, others.redis_server(),
                      bench.programs.moonport("scripts/kv.lua"), drive)


CASES = [
    Case("echo", "echo, 64 B, 50 connections", measure_cpu, 11, 7, ratio_at_most(1.10),
         echo_sides, ("echo", "--connections", "50", "--size", "64"), 0.6, 0.2, counted=20_000),
    Case("pipeline", "echo, 64 B, 50 connections, 32 in flight", measure_cpu, 11, 7,
         ratio_at_most(1.15), echo_sides,
         ("echo", "--connections", "50", "--size", "64", "--depth", "32"), 0.6, 0.2,
         counted=200_000),
    Case("large", "echo, 64 KiB, 8 connections", measure_cpu, 11, 7, ratio_at_most(1.15),
         echo_sides, ("echo", "--connections", "8", "--size", "65536"), 0.6, 0.2, counted=3_000),
    Case("churn", "connect, echo 64 B, close", measure_cpu, 11, 7, ratio_at_most(1.08),
         echo_sides, ("churn", "--connections", "50", "--size", "64"), 0.6, 0.2,
         unit="µs CPU/connection", counted=3_000),
    Case("main", "echo, 64 B, 50 connections, sequential", measure_cpu, 11, 7,
         ratio_at_most(1.10), main_sides, ("echo", "--connections", "50", "--size", "64"),
         0.6, 0.2, counted=20_000),
    Case("trace", "echo, 64 B, 50 connections, traced", measure_traced, 11, 7,
         ratio_at_least(0.8), trace_sides, ("echo", "--connections", "50", "--size", "64"),
         0.6, 0.2),
    Case("lines", "lines, 64 B, 50 connections, 16 in flight", measure_lines, 11, 7,
         ratio_at_least(0.6), line_sides,
         ("lines", "--connections", "50", "--size", "64", "--depth", "16"), 0.6, 0.2,
         counted=100_000),
    Case("forward", "forward, 64 KiB, 8 connections", measure_forward, 11, 7,
         ratio_at_most(1.05), proxy_sides,
         ("echo", "--connections", "8", "--size", str(FORWARD_BYTES)), 0.6, 0.2,
         unit="µs CPU/MiB", counted=3_000),
    Case("udp", "UDP echo, 64 B, 50 sockets", measure_cpu, 11, 7, ratio_at_most(1.05),
         udp_sides, ("udp", "--connections", "50", "--size", "64"), 0.6, 0.2,
         unit="µs CPU/datagram", counted=20_000),
    Case("idle", f"memory per connection, {IDLE_CONNECTIONS:,} connections", measure_idle, 7, 1,
         figure_at_most(512, "bytes"), echo_sides),
    Case("startup", "from exec to listening", measure_startup, 20, 20, figure_at_most(10, "ms"),
         echo_sides),
    Case("reload", f"{reloads.RELOADS} reloads", reloads.measure, 5, 2, no_target(),
         per_round=5, per_round_quick=4),
    Case("http", "HTTP, wrk -c50", measure_http, 7, 3, ratio_at_least(1.0),
         per_round=2, per_round_quick=1),
    Case("kv", "key-value, redis-benchmark -c50 -P1", measure_key_value, 7, 3,
         ratio_at_least(1.0), per_round=120_000, per_round_quick=50_000),
    Case("kv16", "key-value, redis-benchmark -c50 -P16", measure_key_value, 7, 3,
         ratio_at_least(0.7), per_round=1_000_000, per_round_quick=400_000, depth=16),
]


def run(case, programs, machine, options):
    """The case's rows, or why there are none: a list of Row, or a text."""
    rounds = options.rounds or (case.rounds_quick if options.quick else case.rounds)
    per_round = case.per_round_quick if options.quick else case.per_round
    try:
        return case.measure(case, Bench(programs, machine, rounds, per_round))
    except Skipped as reason:
        return str(reason)
