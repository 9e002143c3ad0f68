"""rounds — drives servers in turn and makes rows of what they cost. Knows no server and no case.

Each round starts every server afresh, one after the other, and each round in another order: luck
with page placement and a machine that slowly warms up or fills hit all sides alike.
"""
import statistics
import time
from dataclasses import dataclass, field

from .clients import Served
from .machine import settled_cpu_ns, waiting_ns
from .stats import Target


@dataclass
class Row:
    """One line of the table: a figure for both sides in each round; `theirs` may be empty."""
    name: str
    unit: str
    yardstick: str
    theirs: list
    ours: list
    target: Target
    latency: dict = field(default_factory=dict)  # side -> [Served]
    busy: list = None    # for both sides: the share of the time in which the server ran
    waited: list = None  # and in which something else had its processor
    best: bool = False   # the best of ours is told as well


@dataclass
class Sample:
    served: Served
    cpu_us: float   # of the server, per unit
    busy: float     # share of the client's time in which the server ran
    waited: float   # and in which the server could not, because something else did
    beside: Served = None  # what a second client got at the same time


@dataclass(frozen=True)
class Bench:
    """What a case needs to measure."""
    programs: object  # servers.Programs
    machine: object
    rounds: int
    per_round: float

    def in_turn(self, specs, drive):
        """drive(process) for every server in each round: for each a list of what it returned."""
        got = [[] for _ in specs]
        for number in range(self.rounds):
            for place in range(len(specs)):
                which = (place + number) % len(specs)
                with specs[which].started(self.machine) as process:
                    got[which].append(drive(process))
        return got


def timed(process, client):
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


@dataclass(frozen=True)
class Side:
    """A server's name and its samples, one a round."""
    name: str
    samples: list

    def cpu_us(self, scale):
        return [sample.cpu_us * scale for sample in self.samples]

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


def cpu_row(name, unit, theirs, ours, target, scale=1.0):
    """`scale`: how many of what load counts make up one of the unit."""
    return Row(name, unit, theirs.name, theirs.cpu_us(scale), ours.cpu_us(scale), target,
               **seen(theirs, ours))


def rate_row(name, theirs, ours, target):
    return Row(name, "/s", theirs.name, theirs.per_second(), ours.per_second(), target)
