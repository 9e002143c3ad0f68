"""rounds — drives servers in turn, and what they cost. Knows no server and no case.

Each round starts every server afresh, in an order drawn anew: luck with page placement and a
machine that slowly warms up or fills hit all sides alike.
"""
import dataclasses
import random
import statistics
import time
from dataclasses import dataclass, field

from .clients import Served
from .failure import BenchError
from .machine import settled_cpu_ns, waiting_ns
from .servers import OURS
from .stats import Target

AGAIN = "the yardstick again"


@dataclass
class Row:
    """A figure of our own for each round, and what it is compared with; `theirs` may be empty."""
    name: str
    unit: str
    yardstick: str
    theirs: list
    ours: list
    target: Target
    latency: dict = field(default_factory=dict)  # side -> [Served]
    busy: list = None    # for both sides: the share of the time in which the server ran
    waited: list = None  # and in which something else had its processor


@dataclass
class Sample:
    cost: float           # per unit of the case
    served: Served = None
    busy: float = 0.0     # share of the client's time in which the server ran
    waited: float = 0.0   # and in which the server could not, because something else did
    beside: Served = None  # what a second client got at the same time


@dataclass
class Column:
    """A case of the field: for each server a sample a round, the yardstick first."""
    case: object
    samples: dict  # name -> [Sample]
    dropped: dict  # name -> why it is not among them

    @property
    def yardstick(self):
        return next(iter(self.samples))

    def costs(self, name):
        return [sample.cost for sample in self.samples[name]]


@dataclass(frozen=True)
class Bench:
    """What a case needs to measure."""
    programs: object  # servers.Programs
    machine: object
    rounds: int
    per_round: float

    def column(self, case, specs, drive):
        """drive(process) -> Sample, for every server in each round. One of others that fails is
        dropped; the yardstick takes part twice, which shows what cannot be resolved."""
        sides = {spec.name: spec for spec in specs}
        yardstick = specs[0].name
        sides[AGAIN] = dataclasses.replace(specs[0], name=AGAIN)
        samples, dropped = {name: [] for name in sides}, {}
        for _ in range(self.rounds):
            for name in random.sample(list(sides), len(sides)):
                try:
                    with sides[name].started(self.machine) as process:
                        samples[name].append(drive(process))
                except (BenchError, OSError) as error:  # OSError: /proc has it no more
                    if name in (yardstick, AGAIN) or name.startswith(OURS):
                        raise
                    dropped[name] = str(error)
                    del sides[name], samples[name]
        return Column(case, samples, dropped)


def timed(process, client, scale=1.0):
    """Runs the client and charges the server's CPU time, in µs, to what it served. `scale`: how
    many of what the client counts make up one of the unit."""
    before = settled_cpu_ns(process.pid)
    waiting = waiting_ns(process.pid)
    begun = time.monotonic()
    served = client()
    took_ns = (time.monotonic() - begun) * 1e9
    process.check_alive()
    waited_ns = waiting_ns(process.pid) - waiting
    used_ns = settled_cpu_ns(process.pid) - before
    return Sample(used_ns / 1e3 / max(served.units, 1) * scale, served,
                  min(1.0, used_ns / took_ns), waited_ns / took_ns)


@dataclass(frozen=True)
class Side:
    """A server's name and its samples, one a round."""
    name: str
    samples: list

    def costs(self):
        return [sample.cost for sample in self.samples]

    def per_second(self):
        return [sample.served.per_second for sample in self.samples]

    def middle(self, key):
        return statistics.median(getattr(sample, key) for sample in self.samples)


def seen(theirs, ours):
    """A row's part for the second table."""
    sides = (theirs, ours)
    return {"latency": {side.name: [sample.served for sample in side.samples] for side in sides},
            "busy": [side.middle("busy") for side in sides],
            "waited": [side.middle("waited") for side in sides]}


def rate_row(name, theirs, ours, target):
    return Row(name, "/s", theirs.name, theirs.per_second(), ours.per_second(), target)
