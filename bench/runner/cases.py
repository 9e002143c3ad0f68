"""cases — what is measured, against which yardstick and target. Knows no /proc and no output."""
import contextlib
import dataclasses
import subprocess
import time
from dataclasses import dataclass

from . import clients, peers, reloads
from .failure import BenchError, Skipped
from .machine import descriptor_count, private_bytes, settled_cpu_ns
from .rounds import Bench, Row, Sample, Side, rate_row, seen, timed
from .servers import OURS, ControlledSpec, WatchedSpec
from .stats import Target, figure_at_most, no_target, ratio_at_least, ratio_at_most, worst_at_most

WARM_UP_S = 0.5  # what compiles while it runs has compiled the handler by then
IDLE_CONNECTIONS = 10_000
REST_S = 2  # a server at rest gives free memory back, some tenths of a second after its last work
TLS_CONNECTIONS = 2_000  # as many: each costs what fifty do without TLS
BURST_HELLOS = 1_000
NGINX_BUFFER_BYTES = 4096  # where memory is measured, the smallest
IDLE_ACCEPT_MAX_S = 20
HTTP_CONNECTIONS = KEY_VALUE_CONNECTIONS = 50
FORWARD_BYTES = 64 * 1024
FORWARDED_PER_MIB = 2**20 / (2 * FORWARD_BYTES)  # messages; each goes through the proxy twice
PROBES = 10


@dataclass(frozen=True)
class Case:
    name: str
    what: str                 # and the head of its column
    unit: str
    measure: object           # (case, bench) -> a Column, or [Row]
    rounds: int
    rounds_quick: int
    target: Target
    sides: object = None      # (programs, machine) -> a context: the Specs, the yardstick first
    load: tuple = ()          # load's mode and options
    per_round: float = 0.5    # seconds, or requests for redis-benchmark
    per_round_quick: float = 0.2
    scale: float = 1.0        # how many of what the client counts make up one of the unit
    depth: int = 1
    counted: int = 0          # messages for counts; 0: not counted
    receivers: int = 1        # of a message: each is counted
    held: int = IDLE_CONNECTIONS  # where memory is measured


# --- Who is measured. What a context starts beside the servers runs on the client's processor. ----

MAIN = f"{OURS}, main"


def stream_sides(mode, script, *more):
    """`more`: other scripts of ours and their names."""
    @contextlib.contextmanager
    def sides(programs, _machine):
        yield [programs.baseline("echo", mode), programs.moonport(script),
               *(programs.moonport(path, name) for path, name in more),
               *peers.of(programs, mode)]
    return sides


echo_sides = stream_sides("echo", "scripts/echo.lua", ("bench/scripts/main_echo.lua", MAIN))
line_sides = stream_sides("lines", "bench/scripts/lines.lua",
                          ("bench/scripts/main_lines.lua", MAIN),
                          ("bench/scripts/lines_by_hand.lua", f"{OURS}, split in Lua"))
broadcast_sides = stream_sides("broadcast", "bench/scripts/broadcast.lua")
# Reading no file but the script, and no handler but on_data: what there is to start and to keep.
own_sides = stream_sides("echo", "scripts/echo.lua")


def others_sides(mode, script, what):
    """No C: the first of the others that is installed is what is compared with."""
    @contextlib.contextmanager
    def sides(programs, _machine):
        others = peers.of(programs, mode)
        if not others:
            raise Skipped(f"no other server of {what} is installed")
        yield [others[0], programs.moonport(script), *others[1:]]
    return sides


@contextlib.contextmanager
def metrics_sides(programs, _machine):
    yield [programs.moonport("scripts/echo.lua", f"{OURS}, no metrics"),
           programs.moonport("scripts/echo.lua", options=("--metrics", "127.0.0.1:0"))]


websocket_sides = others_sides("websocket", "bench/scripts/websocket.lua", "WebSocket")
json_sides = others_sides("json", "bench/scripts/json.lua", "HTTP that knows JSON")


@contextlib.contextmanager
def udp_sides(programs, _machine):
    yield [programs.baseline("udp"),
           programs.moonport("bench/scripts/udp_echo.lua", listen="udp://127.0.0.1:0"),
           *peers.of(programs, "udp")]


@contextlib.contextmanager
def proxy_sides(programs, machine):
    with programs.baseline("echo").started(machine, beside_client=True) as upstream:
        address = upstream.address
        yield [programs.baseline("proxy", address),
               programs.moonport("scripts/proxy.lua", environment={"UPSTREAM": address}),
               *peers.proxies(programs, address)]


def tls_sides(chosen, nginx_buffer=peers.FORWARD_BUFFER_BYTES):
    """chosen(C, moonport, certificate): who takes part, the yardstick first. Proxies always do."""
    @contextlib.contextmanager
    def sides(programs, machine):
        with peers.certificate() as tls, \
             programs.baseline("echo").started(machine, beside_client=True) as upstream:
            ours = programs.moonport("scripts/echo.lua", listen="tls://127.0.0.1:0", options=(
                "--tls-cert", tls.certificate, "--tls-key", tls.key))
            yield [*chosen(programs.baseline("tls", tls.certificate, tls.key), ours, tls),
                   *peers.tls_proxies(programs, upstream.address, tls, nginx_buffer)]
    return sides


tls_echo_sides = tls_sides(lambda baseline, ours, _: [baseline, ours])
tls_kept_sides = tls_sides(lambda baseline, ours, _: [baseline, ours], NGINX_BUFFER_BYTES)
# nginx's HTTP server, which after a handshake waits for the client, as we do.
handshake_sides = tls_sides(lambda baseline, ours, tls: [peers.nginx(1, tls), ours, baseline])


@contextlib.contextmanager
def http_sides(programs, machine):
    ours = programs.moonport("scripts/http.lua")
    with ours.started(machine) as process:
        size = clients.http_body_size(process.address)
    yield [peers.nginx(size), ours, *peers.http(programs, size)]


@contextlib.contextmanager
def key_value_sides(programs, _machine):
    yield [peers.redis_server(), programs.moonport("scripts/kv.lua")]


@contextlib.contextmanager
def health_sides(programs, _machine):
    yield [peers.redis_server(), ControlledSpec(programs.moonport("scripts/echo.lua"))]


# --- How: each returns drive(process) -> Sample ---------------------------------------------------

def _loaded(case, bench):
    """Over connections that are open and warm."""
    def drive(process):
        with clients.HeldLoad(bench.programs.tool("load"), case.load[0], process.address,
                              *case.load[1:], "--warm-up", str(WARM_UP_S),
                              "--seconds", str(bench.per_round)) as load:
            return timed(process, load.run, case.scale)
    return drive


def _opened(case, bench):
    """Connections are what is measured, or, with datagrams, nothing that costs."""
    def drive(process):
        def client(seconds):
            return clients.load(bench.programs.tool("load"), case.load[0], process.address,
                                *case.load[1:], "--seconds", str(seconds))
        client(WARM_UP_S)
        return timed(process, lambda: client(bench.per_round))
    return drive


def _requested(_case, bench):
    def drive(process):
        def client():
            return clients.wrk(process.address, HTTP_CONNECTIONS, int(bench.per_round))
        clients.http_body_size(process.address)
        client()  # to warm it up
        return timed(process, client)
    return drive


def _key_value(case, bench):
    def drive(process):
        clients.check_key_value(process.address)
        return timed(process, lambda: clients.redis_benchmark(
            process.address, KEY_VALUE_CONNECTIONS, case.depth, int(bench.per_round)))
    return drive


def _wait_accepted(process, count):
    deadline = time.monotonic() + IDLE_ACCEPT_MAX_S
    while descriptor_count(process.pid) < count:
        process.check_alive()
        if time.monotonic() > deadline:
            raise BenchError(f"{process.name} accepted only {descriptor_count(process.pid)} "
                             f"of {count} connections; is ulimit -n too low?")
        time.sleep(0.05)
    settled_cpu_ns(process.pid)


def _kept(case, bench):
    """Memory, in bytes, for each connection that was answered once."""
    def drive(process):
        settled_cpu_ns(process.pid)
        before = private_bytes(process.pid)
        count = descriptor_count(process.pid) + case.held
        with clients.held_connections(bench.programs.tool("load"), process.address, case.held,
                                     *case.load):
            _wait_accepted(process, count)
            time.sleep(REST_S)
            return Sample((private_bytes(process.pid) - before) / case.held)
    return drive


def _held_up(_case, bench):
    """The longest time, in ms, that an open connection waits while many begin."""
    def drive(process):
        served = clients.load(bench.programs.tool("load"), "burst", process.address, *FULL,
                              "--connections", str(BURST_HELLOS))
        return Sample(served.max_us / 1e3, served)
    return drive


def _started(_case, _bench):
    def drive(process):
        return Sample((process.listening_at - process.started_at) * 1e3)
    return drive


def _probed(_case, bench):
    """From the exec of the command that asks whether a server is well to its end."""
    def drive(process):
        argv = ([bench.programs.binary, "health", "--control", process.control]
                if process.control else ["redis-cli", "-p", str(process.port), "ping"])
        begun = time.perf_counter()
        for _ in range(PROBES):
            if subprocess.run(argv, stdout=subprocess.DEVNULL, check=False).returncode != 0:
                raise BenchError(f"{' '.join(argv)} failed")
        return Sample((time.perf_counter() - begun) * 1e3 / PROBES)
    return drive


def column(how):
    """A measure: how(case, bench) -> drive, with all the case's sides."""
    def measure(case, bench):
        with case.sides(bench.programs, bench.machine) as specs:
            return bench.column(case, specs, how(case, bench))
    return measure


def beside_plain(plain, framed, how, names=("TCP", "WebSocket"), extra=None):
    """A measure: WebSockets beside plain TCP, both ours, or another way beside the plain one. Their loads
    may differ, and so it is no column."""
    def measure(case, bench):
        sides = []
        for name, script, load in ((names[0], plain, case.load),
                                   (names[1], framed, (*case.load, *(FRAMED if extra is None else extra)))):
            one = dataclasses.replace(case, load=load)
            spec = bench.programs.moonport(script, f"{OURS}, {name}")
            got = bench.column(one, [spec], how(one, bench))
            sides.append(Side(spec.name, got.samples[spec.name]))
        theirs, ours = sides
        more = seen(theirs, ours) if ours.samples[0].served else {}
        return [Row(case.what, case.unit, theirs.name, theirs.costs(), ours.costs(), case.target,
                    **more)]
    return measure


def beside_own(*sides):
    """A measure: ours beside ours, by (name, script, more of the load), the yardstick first."""
    def measure(case, bench):
        specs = [bench.programs.moonport(script, f"{OURS}, {name}") for name, script, _ in sides]
        more = {spec.name: side[2] for spec, side in zip(specs, sides)}

        def drive(process):
            one = dataclasses.replace(case, load=(*case.load, *more.get(process.name, ())))
            return _opened(one, bench)(process)
        got = bench.column(case, specs, drive)
        theirs, ours = (Side(spec.name, got.samples[spec.name]) for spec in specs)
        return [Row(case.what, case.unit, theirs.name, theirs.costs(), ours.costs(), case.target)]
    return measure


def measure_traced(case, bench):
    """moonport with and without somebody who watches: no column, since there is no peer."""
    unwatched = bench.programs.moonport("scripts/echo.lua", f"{OURS}, unwatched")
    watched = WatchedSpec(bench.programs.moonport("scripts/echo.lua", f"{OURS}, traced"),
                          bench.programs.binary)
    got = bench.column(case, [unwatched, watched], _loaded(case, bench))
    theirs, ours = (Side(spec.name, got.samples[spec.name]) for spec in (unwatched, watched))
    return [rate_row(case.what, theirs, ours, case.target),
            Row(case.what, case.unit, theirs.name, theirs.costs(), ours.costs(), no_target(),
                **seen(theirs, ours))]


def _connections(mode, count, size=64, depth=1):
    return (mode, "--connections", str(count), "--size", str(size), "--depth", str(depth))


MESSAGE = "µs CPU/message"
HANDSHAKE = "µs CPU/handshake"
KEPT = "bytes/connection"
FULL = ("--tls", "full")
RESUME = ("--tls", "resume")
FRAMED = ("--websocket",)

CASES = [
    Case("echo", "64 B × 50", MESSAGE, column(_loaded), 7, 3, ratio_at_most(0.95),
         echo_sides, _connections("echo", 50), counted=20_000),
    Case("pipeline", "32 in flight", MESSAGE, column(_loaded), 7, 3, ratio_at_most(1.00),
         echo_sides, _connections("echo", 50, depth=32), counted=200_000),
    Case("large", "64 KiB × 8", MESSAGE, column(_loaded), 7, 3, ratio_at_most(1.04),
         echo_sides, _connections("echo", 8, 65536), counted=3_000),
    Case("churn", "connect, echo, close", "µs CPU/connection", column(_opened), 7, 3,
         ratio_at_most(1.00), echo_sides, ("churn", "--connections", "50", "--size", "64"),
         counted=3_000),
    Case("proxied", "churn, PROXY v2", "µs CPU/connection",
         beside_own(("direct", "scripts/echo.lua", ()),
                    ("behind a proxy", "bench/scripts/proxied.lua", ("--proxied",))), 7, 3,
         ratio_at_most(1.10), load=("churn", "--connections", "50", "--size", "64")),
    Case("networks", "churn, 100 networks", "µs CPU/connection",
         beside_own(("direct", "scripts/echo.lua", ()),
                    ("100 networks", "bench/scripts/networks.lua", ())), 7, 3,
         ratio_at_most(1.05), load=("churn", "--connections", "50", "--size", "64")),
    Case("lines", "lines × 16", MESSAGE, column(_loaded), 5, 3, ratio_at_most(1.25),
         line_sides, _connections("lines", 50, depth=16), counted=100_000),
    Case("broadcast", "broadcast 1:1000", "µs CPU/receiver", column(_loaded), 5, 3,
         ratio_at_most(1.00), broadcast_sides, _connections("broadcast", 1000), counted=50_000,
         receivers=1000),
    Case("websocket", "WebSocket, 64 B × 50", MESSAGE, column(_loaded), 7, 3, ratio_at_most(1.00),
         websocket_sides, (*_connections("echo", 50), *FRAMED), counted=20_000),
    Case("websocket-broadcast", "WebSocket, broadcast 1:1000", "µs CPU/receiver",
         beside_plain("bench/scripts/broadcast.lua", "bench/scripts/websocket_broadcast.lua",
                      _loaded), 5, 3, ratio_at_most(1.10),
         load=_connections("broadcast", 1000)),
    Case("bus", "bus, 1:1000 subscriptions", "µs CPU/receiver",
         beside_plain("bench/scripts/broadcast.lua", "bench/scripts/bus.lua", _loaded,
                      ("broadcast", "bus"), ()), 5, 3, ratio_at_most(1.10),
         load=_connections("broadcast", 1000)),
    Case("websocket-idle", "WebSocket, memory, silent", KEPT,
         beside_plain("scripts/echo.lua", "bench/scripts/websocket.lua", _kept), 1, 1,
         figure_at_most(900, "bytes")),
    Case("udp", "UDP × 50", "µs CPU/datagram", column(_opened), 5, 3, ratio_at_most(1.05),
         udp_sides, _connections("udp", 50), counted=20_000),
    Case("forward", "forward, 64 KiB × 8", "µs CPU/MiB", column(_loaded), 5, 3,
         ratio_at_most(1.00), proxy_sides, _connections("echo", 8, FORWARD_BYTES),
         scale=FORWARDED_PER_MIB, counted=3_000),
    Case("http", "HTTP, wrk -c50", "µs CPU/request", column(_requested), 5, 2,
         ratio_at_most(1.00), http_sides, per_round=1, per_round_quick=1),
    Case("json", "JSON of 1 KiB, wrk -c50", "µs CPU/request", column(_requested), 5, 2,
         ratio_at_most(1.00), json_sides, per_round=1, per_round_quick=1),
    Case("kv", "key-value, -P 1", "µs CPU/request", column(_key_value), 5, 2,
         ratio_at_most(1.00), key_value_sides, per_round=80_000, per_round_quick=30_000),
    Case("kv16", "key-value, -P 16", "µs CPU/request", column(_key_value), 5, 2,
         ratio_at_most(1.20), key_value_sides, per_round=800_000, per_round_quick=300_000,
         depth=16),
    Case("tls", "TLS, 64 B × 50", MESSAGE, column(_loaded), 7, 3, ratio_at_most(1.15),
         tls_echo_sides, (*_connections("echo", 50), *FULL), counted=20_000),
    Case("tls-large", "TLS, 64 KiB × 8", MESSAGE, column(_loaded), 7, 3, ratio_at_most(1.05),
         tls_echo_sides, (*_connections("echo", 8, 65536), *FULL), counted=3_000),
    Case("tls-handshake", "TLS handshakes", HANDSHAKE, column(_opened), 7, 3,
         ratio_at_most(1.05), handshake_sides, ("handshake", "--connections", "50", *FULL)),
    Case("tls-resumed", "TLS, sessions resumed", HANDSHAKE, column(_opened), 5, 3,
         ratio_at_most(1.05), handshake_sides, ("handshake", "--connections", "50", *RESUME)),
    Case("tls-burst", "TLS, held up by 1,000 hellos", "ms", column(_held_up), 5, 3,
         worst_at_most(20, "ms"), tls_echo_sides),
    Case("tls-idle", "TLS, memory, silent", KEPT, column(_kept), 1, 1,
         figure_at_most(16_000, "bytes"), tls_kept_sides, FULL, held=TLS_CONNECTIONS),
    Case("tls-answered", "TLS, memory, after 64 KiB", KEPT, column(_kept), 1, 1,
         figure_at_most(16_000, "bytes"), tls_kept_sides,
         ("--touch", "--size", "65536", *FULL), held=TLS_CONNECTIONS),
    Case("idle", "memory, silent", KEPT, column(_kept), 1, 1,
         figure_at_most(300, "bytes"), own_sides),
    Case("answered", "memory, after an echo", KEPT, column(_kept), 2, 1,
         figure_at_most(400, "bytes"), own_sides, ("--touch",)),
    Case("startup", "exec to listening", "ms", column(_started), 15, 5, figure_at_most(3, "ms"),
         own_sides),
    Case("health", "health probe", "ms", column(_probed), 5, 3, figure_at_most(5, "ms"),
         health_sides),
    Case("trace", "echo, 64 B × 50, traced", MESSAGE, measure_traced, 5, 3, ratio_at_least(0.8),
         load=_connections("echo", 50)),
    Case("metrics", "echo, 64 B × 50, --metrics", MESSAGE, column(_loaded), 9, 5,
         ratio_at_most(1.01), metrics_sides, _connections("echo", 50), counted=20_000),
    Case("reload", f"{reloads.RELOADS} reloads", "", reloads.measure, 5, 2, no_target(),
         per_round=5, per_round_quick=4),
]


def run(case, programs, machine, options):
    """What the case measured, a Column or a list of Row; or why there is nothing, a text."""
    rounds = options.rounds or (case.rounds_quick if options.quick else case.rounds)
    per_round = case.per_round_quick if options.quick else case.per_round
    try:
        return case.measure(case, Bench(programs, machine, rounds, per_round))
    except Skipped as reason:
        return str(reason)
