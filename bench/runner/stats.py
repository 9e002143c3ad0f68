"""stats — medians and ratios of rounds. Knows nothing of what was measured."""
import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float

    def text(self, digits=2):
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}–{self.high:.{digits}f})"


def spread(values):
    return Spread(statistics.median(values), min(values), max(values))


def ratios(ours, theirs):
    """Round by round: what disturbed the machine in a round disturbed both sides of it."""
    return spread([a / b for a, b in zip(ours, theirs)])


@dataclass(frozen=True)
class Target:
    """A bound on the ratio (`of` is "ratio") or on moonport's own figure (`of` is "figure")."""
    of: str
    relation: str  # "≤" or "≥"; "" when there is no bound
    bound: float
    unit: str = ""

    def verdict(self, value):
        if not self.relation:
            return ""
        met = value <= self.bound if self.relation == "≤" else value >= self.bound
        return "met" if met else "missed"

    def text(self):
        if not self.relation:
            return "–"
        number = f"{self.bound:.2f}" if self.of == "ratio" else f"{self.bound:g}"
        return f"{self.relation} {number}{' ' + self.unit if self.unit else ''}"


def ratio_at_most(bound):
    return Target("ratio", "≤", bound)


def ratio_at_least(bound):
    return Target("ratio", "≥", bound)


def figure_at_most(bound, unit):
    return Target("figure", "≤", bound, unit)


def no_target():
    """For a row that is there to compare, not to judge."""
    return Target("ratio", "", 0)
