"""soak — one soak from its start to its verdict. Knows who takes part, not what they do."""
import asyncio
import json
import os
import resource
import shutil
import signal
import tempfile
import time

from . import verdict
from .load import Load
from .probe import Probe
from .reloads import Reloads
from .server import Server
from .services import Services

SAMPLE_S = 10
PIPE_DESCRIPTORS = 2  # of one that a server keeps once it has forwarded much
QUIET_MAX_S = 30   # until the last peer's descriptor is closed
OVERTIME_MAX_S = 180  # for start, end and a machine that is slow: then it ends in any case


class Soak:
    def __init__(self, root, directory, options):
        scripts = os.path.join(directory, "scripts")
        os.mkdir(scripts)
        self.services = Services(root, scripts)
        control = os.path.join(directory, "control.sock")
        self.server = Server(options.moonport, scripts, control, os.path.join(directory, "log"))
        self.load = Load(self.services, control, options.seed)
        self.reloads = Reloads(self.services, self.server, self.load, options.seed)
        self.probe = None
        self.samples = []
        self._begun = time.monotonic()
        self._seconds = options.minutes * 60

    async def _sample(self):
        self.server.read_log()
        sample = {"at_s": time.monotonic() - self._begun, **self.server.figures()}
        latency = await asyncio.to_thread(self.probe.take)
        if latency is None:
            self.load.fault("the quiet connection had no answer")
        for name, value in zip(("p50_ms", "p99_ms", "max_ms"), latency or [None] * 3):
            sample[name] = value
        try:
            scripts = await self.server.scripts()
        except OSError as error:
            self.load.fault(f"status: {error!r}")
            scripts = {}
        sample["lua_kib"] = {name: status["memory_bytes"] / 1024
                             for name, status in scripts.items() if name != "extra"}
        sample["connections"] = sum(status["connections"] for status in scripts.values())
        sample["faults"] = self.load.fault_count + len(self.server.unexpected)
        self.samples.append(sample)
        print("{at_s:7.0f} s  rss {rss_kib:7d}  pss {pss_kib:7d} KiB  fds {descriptors:4d}  "
              "threads {threads}  conns {connections:4d}  ".format(**sample)
              + ("p50 {p50_ms:.2f} p99 {p99_ms:.2f} max {max_ms:.0f} ms".format(**sample)
                 if latency else "no latency")
              + f"  done {sum(self.load.done.values())}  faults {sample['faults']}", flush=True)

    async def _until_quiet(self, descriptors):
        """The peers have gone: their descriptors must go as well."""
        for _ in range(QUIET_MAX_S * 10):
            if self.server.figures()["descriptors"] <= descriptors + PIPE_DESCRIPTORS:
                return
            await asyncio.sleep(0.1)
        self.load.fault(f"{self.server.figures()['descriptors']} descriptors are left of "
                        f"{descriptors} at the start, {QUIET_MAX_S} s after the last peer left")

    async def drive(self):
        await self.server.start(f"127.0.0.1:{self.services.ports['echo']}")
        descriptors = self.server.figures()["descriptors"]
        self.probe = Probe(self.services.ports["echo"])
        self.load.begin()
        self.reloads.begin()
        while time.monotonic() - self._begun < self._seconds and not self.server.has_ended():
            await asyncio.sleep(SAMPLE_S)
            if not self.server.has_ended():
                await self._sample()
        await self.reloads.end()
        await self.load.end()
        self.probe.end()
        if self.server.has_ended():
            self.load.fault("the server ended on its own")
        else:
            await self._until_quiet(descriptors)
        code = await self.server.end()
        if code != 0:
            self.load.fault(f"the server ended with {code} after SIGTERM")

    def close(self):
        if self.probe:
            self.probe.end()
        self.server.kill()

    def judge(self):
        """Prints what was found; 0 when nothing drifts and nothing went wrong."""
        rows = verdict.slopes(self.samples)
        verdict.print_table(rows)
        done = ", ".join(f"{name} {count}" for name, count in sorted(self.load.done.items()))
        print(f"\ndone: {done}")
        print(f"log: {dict(self.server.log_kinds)}; processor time {self.samples[-1]['cpu_s']:.0f} s")
        for text in self.load.faults + self.server.unexpected[:20]:
            print(f"FAULT {text}")
        faults = self.load.fault_count + len(self.server.unexpected)
        grows = [name for name, *_, flat in rows if not flat]
        print(f"\nverdict: {faults} faults; " +
              (f"grows: {', '.join(grows)}" if grows else "nothing grows"))
        return 1 if faults or grows else 0


async def run(root, options):
    # Whatever hangs: the process ends, and with it the server.
    signal.alarm(int(options.minutes * 60) + OVERTIME_MAX_S)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    directory = tempfile.mkdtemp(prefix="moonport-soak-")
    soak = Soak(root, directory, options)
    print(f"soak: {options.minutes:g} minutes, seed {options.seed}, {options.moonport}")
    try:
        await soak.drive()
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump(soak.samples, file, indent=1)
        return soak.judge() if soak.samples else 1
    finally:
        soak.close()
        shutil.rmtree(directory)
