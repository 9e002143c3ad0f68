"""machine — processors, and what /proc tells about a process. Knows no server and no case.

CPU time is that of the process's own clock: nanoseconds on a processor, user and kernel, of threads
that have ended, too. A counter in ticks (/proc/PID/stat) is far too coarse here.
"""
import contextlib
import os
import platform
import resource
import time

CUTIME = 13  # of the fields of /proc/PID/stat that follow the name, from 0; cstime is the next
SETTLE_STEP_S = 0.004
SETTLE_IDLE_NS = 20_000  # less than this in a step: only a timer ticked
SETTLE_MAX_S = 2.0


class Machine:
    """Which processor serves and which one drives; one of each when there are two."""

    def __init__(self):
        allowed = sorted(os.sched_getaffinity(0))
        self.server_cpu = allowed[0]
        self.client_cpu = allowed[1] if len(allowed) > 1 else allowed[0]
        os.sched_setaffinity(0, {self.client_cpu})

    @contextlib.contextmanager
    def on_server_cpu(self):
        """What is started inside inherits the server's processor."""
        os.sched_setaffinity(0, {self.server_cpu})
        try:
            yield
        finally:
            os.sched_setaffinity(0, {self.client_cpu})

    @property
    def shared_cpu(self):
        return self.server_cpu == self.client_cpu

    def describe(self):
        return {
            "processor": _processor_name(),
            "kernel": f"{platform.system()} {platform.release()}",
            "server_cpu": self.server_cpu,
            "client_cpu": self.client_cpu,
            "load_average_before": round(os.getloadavg()[0], 2),
        }


class OtherWork:
    """The share of all processors that is taken, from here on, by what the bench has not started.
    Of its own programs only those count that have ended."""

    def __init__(self):
        self._begun = time.monotonic()
        self._others_s = _busy_s() - _own_s()

    def share(self):
        took_s = (time.monotonic() - self._begun) * os.cpu_count()
        return max(0.0, _busy_s() - _own_s() - self._others_s) / took_s


def _busy_s():
    """Of all processors together, since the start of the machine."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, file.read().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own_s():
    return sum(usage.ru_utime + usage.ru_stime for usage in
               map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def _processor_name():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def _children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children",
                                                encoding="ascii") as file:
            found += [int(child) for child in file.read().split()]
    return found


def _family(pid):
    """The process and its children (nginx's worker)."""
    return [pid, *_children(pid)]


def _used_ns(pid):
    """Of the process, its children, and theirs."""
    total = time.clock_gettime_ns(~pid << 3 | 2)  # as clock_getcpuclockid(3) names it
    for child in _children(pid):
        with contextlib.suppress(OSError):  # it has just ended
            total += _used_ns(child)
    return total


def _ended_children_ns(pid):
    """CPU time of children that have ended (socat's): only in ticks, 10 ms."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    user, system = int(fields[CUTIME]), int(fields[CUTIME + 1])
    return (user + system) * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))


def cpu_ns(pid):
    """Time on a processor."""
    return _used_ns(pid) + _ended_children_ns(pid)


def waiting_ns(pid):
    """Time in which it could have run but something else had its processor."""
    total = 0
    for each in _family(pid):
        with contextlib.suppress(OSError), open(f"/proc/{each}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[1])
    return total


def settled_cpu_ns(pid):
    """CPU time once the process has nothing left to do, so that every close is counted."""
    last = cpu_ns(pid)
    deadline = time.monotonic() + SETTLE_MAX_S
    while time.monotonic() < deadline:
        time.sleep(SETTLE_STEP_S)
        now = cpu_ns(pid)
        if now - last < SETTLE_IDLE_NS:
            return now
        last = now
    return last


def private_bytes(pid):
    """Memory that exists because this process and its children do: private pages, written to."""
    return sum(map(_private_bytes, _family(pid)))


def _private_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("Private_Dirty:"):
                return int(line.split()[1]) * 1024
    raise OSError("no Private_Dirty in smaps_rollup")


def descriptor_count(pid):
    return sum(len(os.listdir(f"/proc/{each}/fd")) for each in _family(pid))
