"""stats — medians and ratios of rounds. Knows nothing of what was measured."""
import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float

    def text(self, digits=2, signed=False):
        form = f"{'+' if signed else ''}.{digits}f"
        return f"{self.median:{form}} ({self.low:{form}}–{self.high:{form}})"


def spread(values):
    return Spread(statistics.median(values), min(values), max(values))


def ratios(ours, theirs):
    """Round by round: what disturbed the machine in a round disturbed both sides of it."""
    return spread([a / b for a, b in zip(ours, theirs)])


def differences(ours, theirs):
    """The same, for what a reload adds to what is there anyway."""
    return spread([a - b for a, b in zip(ours, theirs)])


@dataclass(frozen=True)
class Target:
    """A bound on the ratio, on the difference, on moonport's own figure, or on the worst of them."""
    of: str        # "ratio", "difference", "figure" or "worst"
    relation: str  # "≤" or "≥"; "" when there is no bound
    bound: float
    unit: str = ""

    def verdict(self, ours, theirs):
        """Of both sides' figures, one a round; `theirs` may be empty, but not for all kinds."""
        if not self.relation:
            return ""
        value = self._judged(ours, theirs)
        met = value <= self.bound if self.relation == "≤" else value >= self.bound
        return "met" if met else "missed"

    def _judged(self, ours, theirs):
        if self.of == "ratio":
            return round(ratios(ours, theirs).median, 2)
        if self.of == "difference":
            return differences(ours, theirs).median
        return spread(ours).high if self.of == "worst" else spread(ours).median

    def text(self):
        if not self.relation:
            return "–"
        number = f"{self.bound:.2f}" if self.of == "ratio" else f"{self.bound:g}"
        more = "+" if self.of == "difference" else ""
        return f"{self.relation} {more}{number}{' ' + self.unit if self.unit else ''}"


def ratio_at_most(bound):
    return Target("ratio", "≤", bound)


def ratio_at_least(bound):
    return Target("ratio", "≥", bound)


def figure_at_most(bound, unit):
    return Target("figure", "≤", bound, unit)


def worst_at_most(bound, unit):
    return Target("worst", "≤", bound, unit)


def difference_at_most(bound, unit):
    return Target("difference", "≤", bound, unit)


def no_target():
    """For a row that is there to compare, not to judge."""
    return Target("ratio", "", 0)
