"""load — how many of each kind of peer there are, and what became of them. Knows no figures."""
import asyncio
import random
from collections import Counter

from . import hostile, peers
from .wire import Fault

# kind: how many at a time, and the seconds that one rests before it comes again, on average.
BEHAVED = {
    peers.echo: (6, 0.2), peers.proxy: (3, 0.2), peers.churn: (6, 0.02), peers.half_close: (2, 0.3),
    peers.slow_reader: (4, 0.5), peers.lines: (4, 0.2), peers.waits: (4, 0.2),
    peers.timers: (2, 0.5), peers.http: (3, 0.2), peers.chat: (3, 0.3), peers.daytime: (1, 0.2),
    peers.dns: (2, 0.1), peers.idle: (200, 1),
}
HOSTILE = {
    hostile.reset: (4, 0.05), hostile.garbage: (3, 0.2), hostile.stall: (4, 1),
    hostile.silent: (10, 1), hostile.script_fault: (1, 2),
}
KV_PEERS = 3
CONTROL_PEERS = 4
FAULTS_KEPT = 20


class Load:
    def __init__(self, services, control, seed):
        self._ports = services.ports
        self._control = control
        self._seed = seed
        self._tasks = []
        self._ending = False
        self.done = Counter()
        self.fault_count = 0
        self.faults = []

    def fault(self, text):
        self.fault_count += 1
        if len(self.faults) < FAULTS_KEPT:
            self.faults.append(text)

    async def _again_and_again(self, name, action, rng, rest_s, may_be_reset):
        await asyncio.sleep(rng.random() * rest_s)
        while not self._ending:
            try:
                await action()
                self.done[name] += 1
            except ConnectionError as error:
                if may_be_reset:
                    self.done[name] += 1
                else:
                    self.fault(f"{name}: {error!r}")
            except (Fault, OSError, asyncio.TimeoutError, ValueError, IndexError) as error:
                self.fault(f"{name}: {error!r}")
            await asyncio.sleep(rng.random() * 2 * rest_s)

    def _begin(self, name, make_action, rest_s, may_be_reset=False):
        rng = random.Random(f"{self._seed} {len(self._tasks)}")
        self._tasks.append(asyncio.ensure_future(
            self._again_and_again(name, make_action(rng), rng, rest_s, may_be_reset)))

    def begin(self):
        for table, may_be_reset in ((BEHAVED, False), (HOSTILE, True)):
            for kind, (count, rest_s) in table.items():
                for _ in range(count):
                    self._begin(kind.__name__, lambda rng, kind=kind:
                                lambda: kind(self._ports, rng), rest_s, may_be_reset)
        for owner in range(KV_PEERS):
            self._begin("kv", lambda rng, owner=owner:
                        lambda: peers.kv(self._ports, rng, owner), 0.2)
        for _ in range(CONTROL_PEERS):
            self._begin("control", lambda rng:
                        lambda: hostile.control(self._control, rng), 0.5, True)

    async def end(self):
        self._ending = True
        pending = set(self._tasks)
        # wait_for() swallows a cancellation that meets its result (Python before 3.12): once more.
        while pending:
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=1)
