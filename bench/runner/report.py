"""report — the tables that are printed, and the JSON. Knows no way to measure."""
import dataclasses
import json
import os
import statistics

from .stats import differences, ratios, spread

BUSY_DISTURBED = 0.5  # load average above which the figures deserve a warning


class Report:
    def __init__(self, machine, quick, noise):
        self._machine = machine
        self._about = machine.describe()
        self._quick = quick
        self._noise = noise
        self._rows = []
        self._counts = []
        self._skipped = []
        self.failures = []

    def heading(self):
        about = self._about
        lines = [f"{about['processor']}, {about['kernel']}; servers on processor "
                 f"{about['server_cpu']}, clients on {about['client_cpu']}"
                 + ("; short rounds" if self._quick else "")]
        if self._machine.shared_cpu:
            lines.append("Only one processor: client and server take turns on it.")
        if about["load_average_before"] > BUSY_DISTURBED:
            lines.append(f"The load average was {about['load_average_before']} before this began: "
                         "something else runs here, expect noise.")
        return "\n".join(lines) + "\n"

    def add_rows(self, case, rows):
        if isinstance(rows, str):
            self._skipped.append((case.name, rows))
        else:
            self._rows += [(case.name, row) for row in rows]

    def add_counts(self, case, counted):
        if isinstance(counted, str):
            self._skipped.append((case.name, counted))
        else:
            self._counts.append((case.name, case.what, counted))

    def add_failure(self, case, error):
        self.failures.append((case.name, str(error)))

    def markdown(self):
        parts = []
        if self._rows:
            parts += [self._ratio_table(), self._latency_table()]
        if self._counts:
            parts.append(self._count_table())
        parts += [f"Skipped: {name}: {why}." for name, why in self._skipped]
        parts += [f"FAILED: {name}: {why}" for name, why in self.failures]
        return "\n\n".join(part for part in parts if part)

    def _ratio_table(self):
        ours_name = "C baseline again" if self._noise else "moonport"
        lines = [f"| case | unit | yardstick | {ours_name} | ratio: median (min–max) | target | |",
                 "|---|---|---|---|---|---|---|"]
        for _, row in self._rows:
            lines.append(f"| {row.name} | {row.unit} | {_yardstick(row)} | {_figure(row)} | "
                         f"{_compared(row)} | {row.target.text()} | "
                         f"{row.target.verdict(row.ours, row.theirs)} |")
        return "\n".join(lines)

    def _latency_table(self):
        lines = ["| case | server | rounds | per second | p50 µs | p99 µs | max µs | busy | waited |",
                 "|---|---|---|---|---|---|---|---|---|"]
        shown = set()  # a case with several yardsticks has a row for each, and ours in all of them
        for _, row in self._rows:
            for number, (side, served) in enumerate(row.latency.items()):
                if (row.name, side) in shown:
                    continue
                shown.add((row.name, side))
                middle = [statistics.median(getattr(s, key) for s in served)
                          for key in ("per_second", "p50_us", "p99_us", "max_us")]
                lines.append(f"| {row.name} | {side} | {len(served)} | "
                             + " | ".join(f"{value:,.0f}" for value in middle)
                             + f" | {row.busy[number]:.0%} | {row.waited[number]:.0%} |")
        return "\n".join(lines) if len(lines) > 2 else ""

    def _count_table(self):
        lines = ["| case | per message | yardstick | moonport | ratio |", "|---|---|---|---|---|"]
        for _, what, counted in self._counts:
            *yardsticks, (_, ours) = counted.items()
            for name, theirs in yardsticks:
                lines += [f"| {what} | {line}" for line in _count_lines(name, theirs, ours)]
        return "\n".join(lines)

    def write_json(self, path):
        content = {
            "machine": self._about,
            "quick": self._quick,
            "rows": [{"case": name, **dataclasses.asdict(row)} for name, row in self._rows],
            "counts": [{"case": name, "what": what, "per_message": counted}
                       for name, what, counted in self._counts],
            "skipped": dict(self._skipped),
            "failures": dict(self.failures),
        }
        partial = path + ".partial"
        with open(partial, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, ensure_ascii=False)
            file.write("\n")
        os.replace(partial, path)


def _count_lines(yardstick, theirs, ours):
    """One for each thing that was counted, and their sum where there are several."""
    names = sorted(set(theirs) | set(ours), key=lambda name: -theirs.get(name, 0))
    pairs = [(name, theirs.get(name, 0), ours.get(name, 0)) for name in names]
    if len(pairs) > 1:
        pairs.append(("all system calls", sum(theirs.values()), sum(ours.values())))
    return [f"{name} | {yardstick} {_number(a)} | {_number(b)} | {f'{b / a:.2f}' if a else '–'} |"
            for name, a, b in pairs]


def _number(value):
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _yardstick(row):
    return f"{row.yardstick} {_number(spread(row.theirs).median)}" if row.theirs else "–"


def _figure(row):
    """For start-up the best of all is worth knowing too: it is what the program itself needs."""
    ours = spread(row.ours)
    best = f" (best {_number(ours.low)})" if row.best else ""
    worst = f" (worst {_number(ours.high)})" if row.target.of == "worst" else ""
    return _number(ours.median) + best + worst


def _compared(row):
    if not row.theirs:
        return "–"
    if row.target.of == "difference":
        return differences(row.ours, row.theirs).text(signed=True)
    return ratios(row.ours, row.theirs).text()
