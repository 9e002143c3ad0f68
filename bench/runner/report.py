"""report — the tables that are printed, and the JSON. Knows no way to measure."""
import dataclasses
import json
import os
import statistics
import time

from .failure import BenchError
from .rounds import AGAIN
from .servers import OURS
from .stats import differences, ratios, spread

OTHERS_SHARE_MAX = 0.02  # of the processors, above which a figure is marked
MARKS = ("<!-- bench: begin -->", "<!-- bench: end -->")
PART_MIN = 0.005         # of a system call a message, below which it is not named
RESOLVED = 0.005         # medians that are closer are the same in the table


class Report:
    def __init__(self, machine, quick):
        self._machine = machine
        self._about = machine.describe()
        self._quick = quick
        self._columns = []
        self._rows = []
        self._counts = {}    # (kind, case) -> {side: {what: per message}}
        self._growths = []
        self._others = {}    # case -> the share of the machine that others took
        self._skipped = {}
        self.failures = {}

    def heading(self):
        about = self._about
        line = (f"{about['processor']}, {about['kernel']}; servers on processor "
                f"{about['server_cpu']}, clients on {about['client_cpu']}"
                + ("; short rounds" if self._quick else "") + ".")
        return line + (" Only one processor: client and server take turns on it."
                       if self._machine.shared_cpu else "")

    # --- What was measured -----------------------------------------------------------------------

    def add(self, name, result, others_share):
        """A Column, a list of Row, or a text: why there is nothing."""
        self._others[name] = others_share
        if isinstance(result, str):
            self._skipped[name] = result
        elif isinstance(result, list):
            self._rows += [(name, row) for row in result]
        else:
            self._columns.append(result)

    def add_counts(self, kind, case, counted):
        if not isinstance(counted, str):
            self._counts[kind, case.name] = (case, counted)

    def add_growths(self, name, growths, others_share):
        self._others[name] = others_share
        self._growths += [(name, growth) for growth in growths]

    def add_failure(self, name, error):
        self.failures[name] = str(error)

    # --- The tables ------------------------------------------------------------------------------

    def markdown(self, versions, missing):
        tables = {
            "The field": self._field_table(),
            "Who does it for less": self._ours_table(),
            "Watched, and reloaded": self._row_table(),
            "Rates and latencies": self._latency_table(),
            "Counted": self._count_table(),
            "What grows": self._growth_table(),
        }
        parts = [f"### {title}\n\n{table}" for title, table in tables.items() if table]
        about = f"{time.strftime('%B %d, %Y')}. {self.heading()} {versions}"
        notes = "\n".join(f"- {note}" for note in self._notes(missing))
        return "\n\n".join(part for part in [about, *parts, notes] if part)

    def _notes(self, missing):
        if self._others:
            yield (f"Others took {max(self._others.values()):.1%} of the processors at most while "
                   "a case was measured.")
        if self._marked():
            yield f"`*`: others took more than {OTHERS_SHARE_MAX:.0%}: not from an idle machine."
        for column in self._columns:
            for name, why in column.dropped.items():
                yield f"Dropped: {name} from {column.case.name}: {why}"
        for what, reasons in (("Left out", missing), ("Skipped", self._skipped),
                              ("FAILED", self.failures)):
            for name, why in reasons.items():
                yield f"{what}: {name}: {why}"

    def _marked(self):
        return [name for name, share in self._others.items() if share > OTHERS_SHARE_MAX]

    def _mark(self, name):
        return " *" if self._others.get(name, 0) > OTHERS_SHARE_MAX else ""

    def _field_table(self):
        """A row for each server and a column for each case."""
        columns = self._columns
        if not columns:
            return ""
        names = list(dict.fromkeys(name for column in columns for name in column.samples
                                   if name != column.yardstick))
        names.sort(key=lambda name: (name != AGAIN, not name.startswith(OURS)))
        heads = [column.case.what + self._mark(column.case.name) for column in columns]
        table = [["what it costs over the yardstick", *heads],
                 ["the yardstick itself", *map(_yardstick_cell, columns)]]
        for name in names:
            cells = [_compared_costs(column, name) for column in columns]
            bold = name.startswith(OURS)
            table.append([f"**{cell}**" if bold and cell else cell for cell in [name, *cells]])
        for kind in ("instructions", "system calls"):
            cells = [self._count_cell(kind, column.case.name) for column in columns]
            if any(cells):
                table.append([f"{OURS}: {kind} per message", *cells])
        return _markdown_table(table)

    def _count_cell(self, kind, name):
        _, counted = self._counts.get((kind, name), (None, {}))
        return _number(sum(counted[OURS].values())) if OURS in counted else ""

    def _ours_table(self):
        """Each case again, and who does it for less than moonport."""
        table = [["case", "unit", "yardstick", OURS, "ratio: median (min–max)", "target", "",
                  "less than moonport"]]
        for column in self._columns:
            theirs, ours = column.costs(column.yardstick), column.costs(OURS)
            table.append([column.case.what + self._mark(column.case.name), column.case.unit,
                          f"{column.yardstick} {_middle(theirs)}",
                          _figure(ours, column.case.target),
                          ratios(ours, theirs).text(), column.case.target.text(),
                          column.case.target.verdict(ours, theirs), _ahead(column)])
        return _markdown_table(table)

    def _row_table(self):
        table = [["case", "unit", "yardstick", OURS, "ratio: median (min–max)", "target", ""]]
        for name, row in self._rows:
            table.append([row.name + self._mark(name), row.unit,
                          f"{row.yardstick} {_middle(row.theirs)}" if row.theirs else "–",
                          _figure(row.ours, row.target), _compared(row), row.target.text(),
                          row.target.verdict(row.ours, row.theirs)])
        return _markdown_table(table)

    def _latency_table(self):
        table = [["case", "server", "rounds", "per second", "p50 µs", "p99 µs", "max µs", "busy",
                  "waited"]]
        for column in self._columns:
            for name in (column.yardstick, OURS):
                table += _served_cells(column.case.what, name, column.samples[name])
        return _markdown_table(table)

    def _count_table(self):
        table = [["case", "per message", "yardstick", OURS, "ratio"]]
        for (kind, _), (case, counted) in self._counts.items():
            (yardstick, theirs), *ours = counted.items()
            for name, each in ours:
                table.append([case.what + name.removeprefix(OURS), kind,
                              f"{yardstick} {_counted(theirs)}", _counted(each),
                              f"{sum(each.values()) / sum(theirs.values()):.2f}"])
        return _markdown_table(table)

    def _growth_table(self):
        table = [["what grows", "unit", "who", "its cost at each size", "input", "cost", ""]]
        for name, growth in self._growths:
            sizes = ", ".join(f"{size:,}: {_number(cost)}" for size, cost in growth.costs.items())
            table.append([growth.what + self._mark(name), growth.unit, growth.who, sizes,
                          f"× {growth.input_factor:,.0f}", f"× {growth.cost_factor:,.2f}",
                          growth.verdict])
        return _markdown_table(table)

    def write_json(self, path):
        content = {
            "machine": self._about,
            "quick": self._quick,
            "others_share": self._others,
            "columns": [{"case": column.case.name, "unit": column.case.unit,
                         "samples": {name: [dataclasses.asdict(sample) for sample in samples]
                                     for name, samples in column.samples.items()}}
                        for column in self._columns],
            "rows": [{"case": name, **dataclasses.asdict(row)} for name, row in self._rows],
            "counts": [{"case": name, "kind": kind, "per_message": counted}
                       for (kind, name), (_, counted) in self._counts.items()],
            "growths": [dataclasses.asdict(growth) for _, growth in self._growths],
            "skipped": self._skipped,
            "failures": self.failures,
        }
        write_whole(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def write_whole(path, text):
    with open(path + ".partial", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".partial", path)


def around_marks(path):
    """What a page has up to the first of the two marks, and from the second one on."""
    with open(path, encoding="utf-8") as file:
        page = file.read()
    before, begin, rest = page.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not end:
        raise BenchError(f"{path} has no lines {MARKS[0]} and {MARKS[1]} to write between")
    return before + begin, end + after


def write_between_marks(path, text):
    write_whole(path, f"\n\n{text}\n\n".join(around_marks(path)))


def _markdown_table(table):
    """Of a list of rows, the first being the head; "" when there is nothing below it."""
    if len(table) < 2:
        return ""
    head, *rows = [f"| {' | '.join(cells)} |" for cells in table]
    return "\n".join([head, "|" + "---|" * len(table[0]), *rows])


def _yardstick_cell(column):
    return f"{column.yardstick} {_middle(column.costs(column.yardstick))} {column.case.unit}"


def _compared_costs(column, name):
    if name not in column.samples:
        return ""
    return ratios(column.costs(name), column.costs(column.yardstick)).text()


def _ahead(column):
    theirs = column.costs(column.yardstick)
    middles = {name: ratios(column.costs(name), theirs).median for name in column.samples
               if name != AGAIN and (name == OURS or not name.startswith(OURS))}
    ours = middles.pop(OURS)
    ahead = sorted((middle, name) for name, middle in middles.items() if middle < ours - RESOLVED)
    return "; ".join(f"{name} {middle:.2f}" for middle, name in ahead)


def _served_cells(what, name, samples):
    served = [sample.served for sample in samples if sample.served]
    if not served:
        return []
    middle = [f"{statistics.median(getattr(each, key) for each in served):,.0f}"
              for key in ("per_second", "p50_us", "p99_us", "max_us")]
    shares = [f"{statistics.median(getattr(sample, key) for sample in samples):.0%}"
              for key in ("busy", "waited")]
    return [[what, name, str(len(served)), *middle, *shares]]


def _counted(each):
    """The sum, and what it is made of where that is several things."""
    parts = [f"{name} {_number(value)}" for name, value in
             sorted(each.items(), key=lambda item: -item[1]) if value >= PART_MIN]
    return _number(sum(each.values())) + (f" ({', '.join(parts)})" if len(parts) > 1 else "")


def _number(value):
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _middle(values):
    return _number(spread(values).median)


def _figure(ours, target):
    """What the target judges is in it."""
    worst = f" (worst {_number(spread(ours).high)})" if target.of == "worst" else ""
    return _middle(ours) + worst


def _compared(row):
    if not row.theirs:
        return "–"
    if row.target.of == "difference":
        return differences(row.ours, row.theirs).text(signed=True)
    return ratios(row.ours, row.theirs).text()
