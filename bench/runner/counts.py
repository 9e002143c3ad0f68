"""counts — instructions and system calls per message, counted and not timed. Knows no ratios.

Both are taken twice, for N messages and for none on as many connections, and subtracted, so that
starting, accepting and ending cancel out. A traced server is slow and finds many sockets ready at
once: the share of epoll_wait is smaller here than in life.
"""
import os
import re
import shutil
import tempfile
import time

from . import clients
from .failure import BenchError, Skipped
from .servers import OURS, START_SLOW_MAX_S

TRACE_END_MAX_S = 10


def _traced(spec, case, programs, machine, prefix, messages):
    mode, *options = case.load
    with spec.started(machine, prefix, START_SLOW_MAX_S) as process:
        clients.load(programs.tool("load"), mode, process.address, *options,
                     "--messages", str(messages // case.receivers))


def _wait_for(path, pattern):
    """A tracer writes its total after its server has ended."""
    deadline = time.monotonic() + TRACE_END_MAX_S
    while time.monotonic() < deadline:
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
            if re.search(pattern, text, re.MULTILINE):
                return text
        time.sleep(0.05)
    raise BenchError(f"{os.path.basename(path)} has no total; the tracer did not work")


def _instructions(spec, case, programs, machine, messages, path):
    prefix = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
              f"--log-file={path}"]
    _traced(spec, case, programs, machine, prefix, messages)
    text = _wait_for(path, r"Collected :")
    return {"instructions": int(re.search(r"Collected : (\d+)", text).group(1))}


def _syscalls(spec, case, programs, machine, messages, path):
    # -D: the tracer is the grandchild, so the process started is the server itself.
    _traced(spec, case, programs, machine, ["strace", "-D", "-f", "-c", "-o", path], messages)
    text = _wait_for(path, r" total$")
    rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)$", text, re.MULTILINE)
    return {name: int(calls) for calls, name in rows if name != "total"}


def _per_message(count, *arguments):
    *arguments, messages = arguments
    with tempfile.TemporaryDirectory(prefix="moonport-bench-") as directory:
        many = count(*arguments, messages, os.path.join(directory, "many"))
        none = count(*arguments, 0, os.path.join(directory, "none"))
    each = {name: (calls - none.get(name, 0)) / messages for name, calls in many.items()}
    return {name: value for name, value in each.items() if abs(value) >= 0.001}


TOOLS = {"instructions": ("valgrind", _instructions), "system calls": ("strace", _syscalls)}


def run(kind, case, programs, machine):
    """{side: {what: per message}} of the yardstick and ours, or a text: why there is none."""
    tool, count = TOOLS[kind]
    try:
        if shutil.which(tool) is None:
            raise Skipped(f"{tool} is not installed")
        with case.sides(programs, machine) as specs:
            return {spec.name: _per_message(count, spec, case, programs, machine, case.counted)
                    for spec in specs if spec is specs[0] or spec.name.startswith(OURS)}
    except Skipped as reason:
        return str(reason)
