"""verdict — what drifts: the first third of the samples against the last. Knows no server."""
from statistics import mean, median


def floor(values):
    """What the lowest tenth stays below: queues and garbage come and go on top of it, a leak does
    not go."""
    return sorted(values)[len(values) // 10]


WARM_UP_S = 30  # at least, and a tenth of the whole: caches, pools and arenas fill first

# figure: how the samples of a third become one number, how far the last may be above the first as
# a part of it, and by how much in any case: latency is also that of a busy machine.
DRIFT_MAX = {
    "rss_kib": (floor, 0.05, 2048), "pss_kib": (floor, 0.05, 2048),
    "descriptors": (mean, 0.05, 20), "threads": (max, 0, 0),
    "p50_ms": (median, 0.25, 0.5), "p99_ms": (median, 0.5, 30),
}
LUA_DRIFT_MAX = (floor, 0.10, 256)


def _rows(samples):
    """Per figure: its values, in time, and what it may do."""
    for name, rule in DRIFT_MAX.items():
        yield name, [sample[name] for sample in samples if sample[name] is not None], rule
    for script in sorted(samples[0]["lua_kib"]):
        values = [sample["lua_kib"][script] for sample in samples if script in sample["lua_kib"]]
        yield f"Lua {script}, KiB", values, LUA_DRIFT_MAX


def slopes(samples):
    """Rows of (figure, first third, last third, largest, whether it is flat)."""
    from_s = max(WARM_UP_S, samples[-1]["at_s"] / 10)
    warm = [sample for sample in samples if sample["at_s"] >= from_s]
    rows = []
    for name, values, (combine, part, least) in _rows(warm):
        third = len(values) // 3
        if third == 0:
            rows.append((name, None, None, None, False))
            continue
        first, last = combine(values[:third]), combine(values[-third:])
        rows.append((name, first, last, max(values), last - first <= max(part * first, least)))
    return rows


def print_table(rows):
    print(f"\n| {'figure':<20} | first third | last third |    change |   largest | verdict |")
    print("|" + "-" * 22 + "|------------:|-----------:|----------:|----------:|---------|")
    for name, first, last, largest, flat in rows:
        if first is None:
            print(f"| {name:<20} | too few samples |")
            continue
        change = f"{(last - first) / first * 100:+.1f} %" if first else f"{last - first:+.1f}"
        print(f"| {name:<20} | {first:11.2f} | {last:10.2f} | {change:>9} | {largest:9.2f} | "
              f"{'flat' if flat else 'GROWS':<7} |")
