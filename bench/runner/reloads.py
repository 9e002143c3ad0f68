"""reloads — what a reload does to those who are connected, and how soon a save is answered by the
new code. Knows no table.

Where the yardstick is "without reloads", the server is asked for nothing (`ping`) just as often as
it is asked to reload on the other side: both have the same client beside the load.
"""
import concurrent.futures
import contextlib
import dataclasses
import os
import random
import socket
import tempfile
import time

from . import clients
from .control import Asking, Control
from .failure import BenchError
from .machine import private_bytes, settled_cpu_ns
from .rounds import Row, Side, rate_row, seen, timed
from .servers import ControlledSpec
from .stats import difference_at_most, figure_at_most, no_target, ratio_at_most, worst_at_most

SCRIPT = "bench/scripts/reload_echo.lua"
RELOADS = 200            # in all rounds together, at least
PAUSES_SHARE = 0.7       # of a round: the rest is for answers and for starting the load
BUSY_CONNECTIONS = 50
CONNECTIONS = 10_000
EVERY_MS = 1000          # a message on each of them
HELD_CONNECTIONS = 50
RELOADS_BEFORE = 10
RELOADS_AFTER = 1000
RELOADS_LONG_AFTER = 2000
SAVES = 10
SAVES_QUICK = 3
ASK_AGAIN_S = 0.001
SAVE_MAX_S = 10
ANSWER = 'return {{ on_data = function(conn) conn:send("{:08d}") end }}\n'
ANSWER_BYTES = 8


@dataclasses.dataclass(frozen=True)
class Served:
    """A moonport that takes commands, and a directory of its own."""
    process: object
    directory: str

    @property
    def control(self):
        return self.process.control


@contextlib.contextmanager
def _serving(bench, make_script):
    """make_script(directory) -> the script's path."""
    with tempfile.TemporaryDirectory(prefix="moonport-bench-") as directory:
        spec = ControlledSpec(bench.programs.moonport(make_script(directory)))
        with spec.started(bench.machine) as process:
            yield Served(process, directory)


def _beside(bench, command, drive):
    """The Sample that drive(served) takes of a fresh server that is asked `command` all the while,
    and how often that was."""
    pause_s = PAUSES_SHARE * bench.per_round * bench.rounds / RELOADS
    with _serving(bench, lambda _: SCRIPT) as served:
        with Asking(served.control, command, pause_s) as asking:
            got = drive(served)
        return got, asking.count


def _without_and_with(bench, drive):
    """Both sides, with a sample of each round, in alternating order."""
    got, counts = {"ping": [], "reload": []}, {"ping": 0, "reload": 0}
    for number in range(bench.rounds):
        for command in (list(got) if number % 2 == 0 else reversed(list(got))):
            result, count = _beside(bench, command, drive)
            got[command].append(result)
            counts[command] += count
    if counts["reload"] < RELOADS:
        raise BenchError(f"there was time for {counts['reload']} of {RELOADS} reloads only")
    return Side("without reloads", got["ping"]), Side("moonport", got["reload"])


# --- Connects and bytes -----------------------------------------------------------------------

def _flood_rows(case, bench):
    load = bench.programs.tool("load")
    options = ("--connections", str(BUSY_CONNECTIONS), "--seconds", str(bench.per_round))

    def drive(served):
        address = served.process.address
        with concurrent.futures.ThreadPoolExecutor() as threads:
            flood = threads.submit(clients.load, load, "churn", address, *options)
            sample = timed(served.process, lambda: clients.load(load, "echo", address, *options))
            return dataclasses.replace(sample, beside=flood.result())

    theirs, ours = _without_and_with(bench, drive)
    what = f"{case.what}, {BUSY_CONNECTIONS} busy connections and a connect flood"
    # A client that met a failed connect, or a wrong byte, has raised.
    connects = sum(sample.beside.units for sample in ours.samples)
    messages = sum(sample.served.units for sample in ours.samples)
    return [Row(f"{what}: failed, of {connects:,} connects and {messages:,} messages", "", "",
                [], [0], figure_at_most(0, "")),
            rate_row(f"{what}: messages per second", theirs, ours, no_target())]


# --- The longest pause ---------------------------------------------------------------------------

def _pause_row(case, bench):
    def drive(served):
        return timed(served.process, lambda: clients.load(
            bench.programs.tool("load"), "echo", served.process.address,
            "--connections", str(CONNECTIONS), "--every", str(EVERY_MS),
            "--seconds", str(bench.per_round)))

    sides = _without_and_with(bench, drive)
    pauses = [[sample.served.max_us / 1e3 for sample in side.samples] for side in sides]
    return Row(f"{case.what}, {CONNECTIONS:,} connections: longest pause", "ms", sides[0].name,
               *pauses, difference_at_most(5, "ms"), **seen(*sides))


# --- Memory --------------------------------------------------------------------------------------

def _memory_sizes(bench):
    """After each number of reloads: bytes of the Lua state, and private bytes of the process."""
    sizes, reloads = {}, 0
    with _serving(bench, lambda _: SCRIPT) as served, Control(served.control) as control, \
            clients.held_connections(bench.programs.tool("load"), served.process.address,
                                     HELD_CONNECTIONS, "--touch"):
        for total in (RELOADS_BEFORE, RELOADS_AFTER, RELOADS_LONG_AFTER):
            while reloads < total:
                control.ask("reload")
                reloads += 1
            settled_cpu_ns(served.process.pid)
            lua = sum(script["memory_bytes"] for script in control.ask("status"))
            sizes[total] = (lua / 1024, private_bytes(served.process.pid) / 1024)
    return sizes


def _memory_rows(bench):
    sizes = _memory_sizes(bench)

    def row(what, column, before, after):
        return Row(f"{what} after {after:,} reloads", "KiB", f"after {before:,}",
                   [sizes[before][column]], [sizes[after][column]], ratio_at_most(1.02))

    return [row("Lua's memory", 0, RELOADS_BEFORE, RELOADS_AFTER),
            row("the process's memory", 1, RELOADS_BEFORE, RELOADS_AFTER),
            row("the process's memory", 1, RELOADS_AFTER, RELOADS_LONG_AFTER)]


# --- From save to new behaviour ------------------------------------------------------------------

def _ask_version(peer):
    peer.sendall(b"?")
    got = b""
    while len(got) < ANSWER_BYTES:
        chunk = peer.recv(ANSWER_BYTES - len(got))
        if not chunk:
            raise BenchError("the connection that asks for the version was closed")
        got += chunk
    return int(got)


def _rename_over(path, text):
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(text)
    os.replace(path + ".new", path)


def _write_elsewhere(path, text):
    """Through another name of the same file: nothing happens in the directory of the script."""
    with open(os.path.join(os.path.dirname(path), "elsewhere", "script"), "r+b", 0) as file:
        file.write(text.encode())


def _make_script(directory):
    path = os.path.join(directory, "script.lua")
    _rename_over(path, ANSWER.format(0))
    os.mkdir(os.path.join(directory, "elsewhere"))
    os.link(path, os.path.join(directory, "elsewhere", "script"))
    return path


def _saves_ms(bench, save, count):
    """save(served, path, text) for each of `count` versions: how long until each one answers."""
    took = []
    with _serving(bench, _make_script) as served:
        path = os.path.join(served.directory, "script.lua")
        host, port = served.process.address.split(":")
        with socket.create_connection((host, int(port)), SAVE_MAX_S) as peer:
            for version in range(1, count + 1):
                time.sleep(random.uniform(0, 1))  # anywhere between two looks
                begun = time.perf_counter()
                save(served, path, ANSWER.format(version))
                while _ask_version(peer) != version:
                    if time.perf_counter() - begun > SAVE_MAX_S:
                        raise BenchError(f"a save was not found within {SAVE_MAX_S} s")
                    time.sleep(ASK_AGAIN_S)
                took.append((time.perf_counter() - begun) * 1e3)
    return took


def _save_and_ask(served, path, text):
    _rename_over(path, text)
    with Control(served.control) as control:
        control.ask("reload")


def _save_rows(bench, count):
    asked = _saves_ms(bench, _save_and_ask, count)
    ways = (("renamed over", lambda _, path, text: _rename_over(path, text), 500),
            ("written in place", lambda _, path, text: _write_elsewhere(path, text), 500))
    return [Row(f"from save to new behaviour, {name}", "ms", "asked to reload", asked,
                _saves_ms(bench, save, count), worst_at_most(bound, "ms"))
            for name, save, bound in ways]


def measure(case, bench):
    quick = bench.per_round < case.per_round
    return [*_flood_rows(case, bench), _pause_row(case, bench), *_memory_rows(bench),
            *_save_rows(bench, SAVES_QUICK if quick else SAVES)]
