"""hostile — those who do not behave. What they must get is told too; mostly it is an end."""
import asyncio
import os
import socket

from .wire import Fault, Peer, some_bytes

STALL_S = 5  # longer than `timeouts` of services/stalls.lua
_BLOCK = b"".join(b"%07d\n" % index for index in range(1, 1025))


async def reset(ports, rng):
    name = rng.choice(("echo", "lines", "waits", "kv", "http", "chat", "proxy", "timers", "stalls"))
    async with Peer(ports[name], rng) as peer:
        await peer.send(some_bytes(rng, rng.choice((0, 1, 20_000, 100_000))))
        await asyncio.sleep(rng.choice((0, 0.001, 0.1)))
        peer.reset()


async def garbage(ports, rng):
    name = rng.choice(("kv", "http", "chat", "lines", "proxy", "waits"))
    async with Peer(ports[name], rng) as peer:
        await peer.send(some_bytes(rng, rng.randint(1, 3000)))
        await asyncio.sleep(rng.random() / 10)


async def stall(ports, rng):
    """Asks for 2 MB, reads none of it, is ended by a deadline; what came before is in order."""
    async with Peer(ports["stalls"], rng, receive_buffer=4096) as peer:
        await peer.send(b"\xff")
        await asyncio.sleep(STALL_S)
        got = b""
        try:
            while True:
                piece = await asyncio.wait_for(peer.reader.read(1 << 16), 30)
                if not piece:
                    break
                got += piece
        except ConnectionError:
            pass
        wanted = (_BLOCK * 256)[:len(got)]
        if got != wanted:
            raise Fault("what a stalled peer got is not what was sent")


async def silent(ports, rng):
    """Says nothing, and is ended by timeouts.idle."""
    async with Peer(ports["stalls"], rng) as peer:
        await peer.expect_end()


async def script_fault(ports, rng):
    """The script fails in a handler: that connection ends, after what it was sent before."""
    fault = rng.choices((b"raise", b"hog", b"deep", b"loop"), (10, 3, 3, 1))[0]
    async with Peer(ports["faults"], rng) as peer:
        await peer.send(fault)
        await peer.expect(fault)
        await peer.expect_end()


async def control(path, rng):
    """Garbage, half commands, and clients that do not read their answers."""
    if not os.path.exists(path):
        raise Fault("the control socket is gone")
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        kind = rng.randrange(4)
        if kind == 0:
            writer.write(some_bytes(rng, rng.randint(1, 5000)) + b"\n")
        elif kind == 1:
            writer.write(b"conns stat")
        elif kind == 2:
            writer.write(b"conns\nstatus\n" * 200)
        else:
            writer.write(b"events\n")
        await asyncio.sleep(rng.random())
        if kind == 0:
            await asyncio.wait_for(reader.read(100), 30)
        if rng.random() < 0.5:
            writer.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
    except (ConnectionError, OSError):
        pass  # 33 at once: the one that was silent longest makes room
    finally:
        writer.transport.abort()
