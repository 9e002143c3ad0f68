"""reloads — changes and breaks scripts, adds and removes one, while the load goes on."""
import asyncio
import random

from .services import EXTRA
from .wire import Fault, Peer

PAUSE_S = 4
WAIT_MAX_S = 30


class Reloads:
    def __init__(self, services, server, load, seed):
        self._services, self._server, self._load = services, server, load
        self._rng = random.Random(f"{seed} reloads")
        self._task = None

    async def _until(self, what, is_so):
        for _ in range(WAIT_MAX_S * 10):
            if is_so(await self._server.scripts()):
                return
            await asyncio.sleep(0.1)
        raise Fault(f"waited {WAIT_MAX_S} s in vain for {what}")

    async def _change(self, name):
        version = (await self._server.scripts())[name]["version"]
        self._services.change(name)
        await self._until(f"a change of {name} to be in force",
                          lambda scripts: scripts[name]["version"] > version)

    async def _break(self, name):
        version = (await self._server.scripts())[name]["version"]
        how = self._rng.choice(("syntax", "half", "runtime", "field"))
        self._services.break_(name, how)
        await self._until(f"'{how}' in {name} to be told",
                          lambda scripts: scripts[name]["reload_error"])
        if (await self._server.scripts())[name]["version"] != version:
            raise Fault(f"a broken {name} came into force")
        self._services.change(name)
        await self._until(f"{name} to be whole again",
                          lambda scripts: scripts[name]["version"] > version)

    async def _all(self):
        """By command, or by signal, which tells nobody when it is done."""
        if self._rng.random() < 0.5:
            self._server.hang_up()
        elif not (await self._server.ask("reload"))[-1]["ok"]:
            raise Fault("reload failed")

    async def _extra(self):
        self._services.add_extra()
        await self._until("a new script to be served", lambda scripts: EXTRA in scripts)
        async with Peer(self._services.ports[EXTRA], self._rng) as peer:
            await peer.send(b"hello")
            await peer.expect(b"hello")
        self._services.remove_extra()
        await self._until("a removed script to be gone", lambda scripts: EXTRA not in scripts)

    async def _go_on(self):
        names = self._services.names()
        while True:
            name = self._rng.choice(names)
            act = self._rng.choices(
                (lambda: self._change(name), lambda: self._break(name), self._all, self._extra),
                (6, 3, 1, 1))[0]
            try:
                await act()
                self._load.done["reload"] += 1
            except (Fault, OSError, KeyError, asyncio.TimeoutError) as error:
                self._load.fault(f"reload: {error!r}")
            await asyncio.sleep(PAUSE_S)

    def begin(self):
        self._task = asyncio.ensure_future(self._go_on())

    async def end(self):
        while not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=1)
