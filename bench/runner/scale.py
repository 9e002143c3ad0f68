"""scale — what more connections, timers, scripts and memory cost. Knows no peers and no output.

A cost should grow no faster than what is put in. Each is taken at several sizes, in an order drawn
for each round, and shown as the median. What belongs to one of many (a message on each of N
connections) is shown for one, and all of them together are compared with the input.
"""
import contextlib
import os
import random
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass

from . import clients
from .control import Control
from .machine import cpu_ns, private_bytes, settled_cpu_ns
from .rounds import timed
from .servers import OURS, START_SLOW_MAX_S, ControlledSpec

ROUNDS = 3
SCRIPT = "bench/scripts/scale.lua"
CONNECTIONS = (10, 100, 1_000, 10_000)
TIMERS = (1_000, 10_000, 100_000)
SCRIPTS = (1, 10, 100)
HEAPS_MB = (2, 20, 200)
WARM_UP_S = 0.1
MESSAGES = 50_000
MESSAGES_QUICK = 20_000
MESSAGES_EACH = 10
PAUSE_LOAD_S = 2
IDLE_S = 1.0
FIRE_S = 1
NEVER_S = 3600
RELOADS = 5
TOLERANCE = 1.1  # what the noise of three rounds may look like


@dataclass
class Growth:
    what: str
    unit: str
    who: str
    costs: dict          # size -> cost
    of_each: bool        # of one of so many, rather than of all
    allowed: float = 0   # a yardstick's growth, where that is more than the input's

    @property
    def input_factor(self):
        first, *_, last = self.costs
        return last / first

    @property
    def cost_factor(self):
        first, *_, last = self.costs.values()
        return last / first * (self.input_factor if self.of_each else 1)

    @property
    def verdict(self):
        if self.who != OURS:
            return ""
        bound = max(self.input_factor, self.allowed) * TOLERANCE
        return "no faster" if self.cost_factor <= bound else "faster"


@dataclass(frozen=True)
class Scale:
    """What a scale needs to measure."""
    programs: object
    machine: object
    rounds: int
    messages: int

    def sampled(self, sizes, take):
        """{figure: {size: median}} of take(size) -> {figure: value}."""
        got = {size: [] for size in sizes}
        for _ in range(self.rounds):
            for size in random.sample(sizes, len(sizes)):
                got[size].append(take(size))
        return {key: {size: statistics.median(each[key] for each in got[size]) for size in sizes}
                for key in got[sizes[0]][0]}

    def serving(self, **settings):
        spec = self.programs.moonport(SCRIPT, environment={key.upper(): str(value)
                                                           for key, value in settings.items()})
        return ControlledSpec(spec).started(self.machine, start_max_s=START_SLOW_MAX_S)

    def echoed_us(self, process, connections=50):
        """Processor time of an echo of 64 bytes, one in flight on each of so many connections."""
        messages = max(self.messages, MESSAGES_EACH * connections)
        with clients.HeldLoad(self.programs.tool("load"), "echo", process.address,
                              "--connections", str(connections), "--warm-up", str(WARM_UP_S),
                              "--messages", str(messages)) as load:
            return timed(process, load.run).cost

    def pause_ms(self, process):
        """The longest time to an answer, of messages that come one each 0.1 ms."""
        return clients.load(self.programs.tool("load"), "echo", process.address, "--connections",
                            "100", "--every", "10", "--seconds", str(PAUSE_LOAD_S)).max_us / 1e3


def _reloaded_ms(process):
    """Processor time of a reload."""
    before = settled_cpu_ns(process.pid)
    with Control(process.control) as control:
        for _ in range(RELOADS):
            control.ask("reload")
    return (settled_cpu_ns(process.pid) - before) / 1e6 / RELOADS


def connections(scale):
    def take(size):
        with scale.programs.baseline("echo").started(scale.machine) as process:
            theirs = scale.echoed_us(process, size)
        with scale.serving() as process:
            ours = scale.echoed_us(process, size)
            with clients.held_connections(scale.programs.tool("load"), process.address, size,
                                         "--touch"):
                return {"theirs": theirs, "ours": ours, "reload": _reloaded_ms(process)}

    got = scale.sampled(CONNECTIONS, take)
    theirs = Growth("a message on each of N connections", "µs CPU", "C", got["theirs"], True)
    return [theirs, Growth(theirs.what, "µs CPU", OURS, got["ours"], True, theirs.cost_factor),
            Growth("a reload beside N connections", "ms CPU", OURS, got["reload"], False)]


def timers(scale):
    def take(size):
        with scale.serving() as process:
            nothing = settled_cpu_ns(process.pid)
        with scale.serving(timers=size, fire=FIRE_S) as process:
            time.sleep(FIRE_S)
            fired = settled_cpu_ns(process.pid) - nothing
        with scale.serving(timers=size, fire=NEVER_S) as process:
            return {"fired": fired / 1e3 / size, "echo": scale.echoed_us(process),
                    "reload": _reloaded_ms(process)}

    got = scale.sampled(TIMERS, take)
    return [Growth("each of N timers, set and fired within a second", "µs CPU", OURS, got["fired"],
                   True),
            Growth("a message beside N timers", "µs CPU", OURS, got["echo"], False),
            Growth("a reload that sets N timers again", "ms CPU", OURS, got["reload"], False)]


@contextlib.contextmanager
def _copies(scale, count):
    with tempfile.TemporaryDirectory(prefix="moonport-bench-") as directory:
        for number in range(count):
            shutil.copy(os.path.join(scale.programs.root, SCRIPT),
                        os.path.join(directory, f"script{number}.lua"))
        with ControlledSpec(scale.programs.moonport(directory)).started(scale.machine) as process:
            yield process


def scripts(scale):
    def take(size):
        with _copies(scale, size) as process:
            started = settled_cpu_ns(process.pid)
            memory = private_bytes(process.pid)
            time.sleep(IDLE_S)
            idle = cpu_ns(process.pid) - started
            return {"start": started / 1e6 / size, "memory": memory / 1024 / size,
                    "idle": idle / 1e6 / IDLE_S, "echo": scale.echoed_us(process),
                    "reload": _reloaded_ms(process)}

    got = scale.sampled(SCRIPTS, take)
    return [Growth("each of N scripts, until it listens", "ms CPU", OURS, got["start"], True),
            Growth("each of N scripts, memory", "KiB", OURS, got["memory"], True),
            Growth("a second in which nothing happens, N scripts", "ms CPU", OURS, got["idle"],
                   False),
            Growth("a message beside N scripts", "µs CPU", OURS, got["echo"], False),
            Growth("a reload of N scripts", "ms CPU", OURS, got["reload"], False)]


def heap(scale):
    def take(size):
        with scale.serving(heap=size) as process:
            return {"echo": scale.echoed_us(process), "pause": scale.pause_ms(process),
                    "reload": _reloaded_ms(process)}

    got = scale.sampled(HEAPS_MB, take)
    return [Growth("a message beside a heap of N MB", "µs CPU", OURS, got["echo"], False),
            Growth("the longest pause beside a heap of N MB", "ms", OURS, got["pause"], False),
            Growth("a reload that hands a heap of N MB over", "ms CPU", OURS, got["reload"],
                   False)]


SCALES = {"connections": connections, "timers": timers, "scripts": scripts, "heap": heap}


def run(name, programs, machine, options):
    """A list of Growth."""
    rounds = options.rounds or (1 if options.quick else ROUNDS)
    return SCALES[name](Scale(programs, machine, rounds,
                              MESSAGES_QUICK if options.quick else MESSAGES))
