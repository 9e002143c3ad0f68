"""peers — those who behave: each talks one protocol and compares every byte of the answers."""
import asyncio
import struct

from .wire import Fault, Peer, some_bytes, some_line


async def _both_ways(peer, data, rng):
    """Sends in pieces while what comes back is compared: neither side may wait for the other."""
    async def send():
        at = 0
        while at < len(data):
            size = rng.choice((1, 100, 1500, 65536))
            await peer.send(data[at:at + size])
            at += size
    await asyncio.gather(send(), peer.expect(data))


async def echo(ports, rng, name="echo"):
    async with Peer(ports[name], rng) as peer:
        for _ in range(rng.randint(1, 20)):
            await _both_ways(peer, some_bytes(rng, rng.choice((1, 64, 5000, 200_000))), rng)
            await asyncio.sleep(rng.random() / 20)
        peer.finish()
        await peer.expect_end()


async def proxy(ports, rng):
    await echo(ports, rng, "proxy")


async def churn(ports, rng):
    async with Peer(ports["echo"], rng) as peer:
        data = some_bytes(rng, 64)
        await peer.send(data)
        await peer.expect(data)


async def half_close(ports, rng):
    """All that was sent before the FIN comes back after it."""
    async with Peer(ports["echo"], rng) as peer:
        data = some_bytes(rng, 100_000)
        await peer.send(data[:50_000])
        rest = asyncio.ensure_future(peer.send(data[50_000:]))
        await peer.expect(data[:50_000])
        await rest
        peer.finish()
        await peer.expect(data[50_000:])
        await peer.expect_end()


async def slow_reader(ports, rng):
    async with Peer(ports["echo"], rng, receive_buffer=4096) as peer:
        data = some_bytes(rng, 300_000)
        sending = asyncio.ensure_future(peer.send(data))
        for at in range(0, len(data), 5000):
            await peer.expect(data[at:at + 5000])
            await asyncio.sleep(0.02)
        await sending


async def lines(ports, rng, name="lines"):
    async with Peer(ports[name], rng) as peer:
        for _ in range(rng.randint(1, 10)):
            burst = [some_line(rng, 300) for _ in range(rng.randint(1, 20))]
            await _both_ways(peer, b"".join(line + b"\n" for line in burst), rng)
            await asyncio.sleep(rng.random() / 20)


async def waits(ports, rng):
    async with Peer(ports["waits"], rng) as peer:
        for _ in range(rng.randint(1, 20)):
            line = rng.choice((b"s", b"t", b"")) + some_line(rng, 300)
            await peer.send(line + b"\n")
            await peer.expect(line + b"\n")
        peer.finish()
        await peer.expect_end()


async def timers(ports, rng):
    async with Peer(ports["timers"], rng) as peer:
        before = -1
        for _ in range(5):
            await peer.send(b"?")
            ticks = int(await peer.receive_line())
            if ticks <= before:
                raise Fault(f"timers stand still: {before}, then {ticks} ticks")
            before = ticks
            await asyncio.sleep(0.3)  # thirty ticks


def _command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)


async def kv(ports, rng, owner):
    async with Peer(ports["kv"], rng) as peer:
        for _ in range(rng.randint(1, 10)):
            asked, wanted = [], []
            for _ in range(rng.randint(1, 30)):
                key, value = b"k%d-%d" % (owner, rng.randrange(50)), some_bytes(rng, 200)
                asked += [_command(b"SET", key, value), _command(b"GET", key)]
                wanted.append(b"+OK\r\n$%d\r\n%b\r\n" % (len(value), value))
            await asyncio.gather(peer.send(b"".join(asked)), peer.expect(b"".join(wanted)))
            await asyncio.sleep(rng.random() / 20)


async def http(ports, rng):
    hello = b"Hello from moonport!\n"
    async with Peer(ports["http"], rng) as peer:
        for _ in range(rng.randint(1, 20)):
            depth = rng.randint(1, 5)
            body = some_bytes(rng, rng.choice((0, 10, 100_000)))
            request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
            if body:
                request = (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
                           + body)
            await peer.send(request * depth)
            for _ in range(depth):
                head = await peer.receive_until(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 200 OK\r\n"):
                    raise Fault(f"HTTP says {head[:60]!r}")
                await peer.expect(hello)


async def chat(ports, rng):
    """One speaks, the other hears it, whatever else is said in the room."""
    async with Peer(ports["chat"], rng) as one, Peer(ports["chat"], rng) as other:
        welcome = await one.receive_line()
        await other.receive_line()
        nick = welcome.split(b"Welcome, ")[1].split(b":")[0]
        for _ in range(rng.randint(1, 5)):
            said = some_line(rng, 40)
            await one.send(said + b"\n")
            while await other.receive_line() != nick + b": " + said:
                pass
        await one.send(b"/quit\n")
        while await one.receive_line() != b"* Goodbye":
            pass
        await one.receive_all()


async def daytime(ports, rng):
    async with Peer(ports["daytime"], rng) as peer:
        text = await peer.receive_all()
        if not text.endswith(b"\r\n") or text.count(b"\n") != 1:
            raise Fault(f"daytime says {text[:80]!r}")


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self):
        self.got = asyncio.Queue(100)

    def datagram_received(self, data, addr):
        if not self.got.full():
            self.got.put_nowait(data)


async def dns(ports, rng):
    """Datagrams may be lost, also on loopback when a buffer is full: three tries."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        _Datagrams, local_addr=("127.0.0.1", 0), remote_addr=("127.0.0.1", ports["dns"]))
    try:
        for _ in range(3):
            number = rng.randrange(65536)
            transport.sendto(some_bytes(rng, rng.randrange(12)))  # no header: never answered
            transport.sendto(struct.pack(">6H", number, 0x0100, 1, 0, 0, 0)
                             + b"\4port\4test\0" + struct.pack(">2H", 1, 1))
            try:
                answer = await asyncio.wait_for(protocol.got.get(), 5)
            except asyncio.TimeoutError:
                continue
            if answer[:2] != struct.pack(">H", number) or answer[-4:] != bytes((192, 0, 2, 80)):
                raise Fault(f"DNS says {answer[:60]!r}")
            return
        raise Fault("DNS answered none of three")
    finally:
        transport.close()


async def idle(ports, rng):
    """Connected for a minute or two, and says a byte now and then."""
    async with Peer(ports["echo"], rng) as peer:
        for _ in range(rng.randint(2, 5)):
            byte = some_bytes(rng, 1)
            await peer.send(byte)
            await peer.expect(byte)
            await asyncio.sleep(rng.uniform(5, 30))
