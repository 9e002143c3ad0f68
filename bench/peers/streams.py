"""peers/streams.py — what the bench asks of servers, on asyncio or uvloop. Knows no moonport.

streams.py LOOP MODE, of asyncio and uvloop; of echo, lines, broadcast and udp."""
import asyncio
import sys

loop_name, mode = sys.argv[1:3]
conns = set()


def on_line(line):
    return line + b"\n"


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.write = transport.write
        self.rest = b""
        conns.add(self)

    def connection_lost(self, _error):
        conns.discard(self)

    def data_received(self, data):
        self.write(data)


class Lines(Echo):
    def data_received(self, data):
        """What is left of the last piece belongs in front of the next one."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        if lines:
            self.write(b"".join([on_line(line) for line in lines]))


class Broadcast(Echo):
    def connection_made(self, transport):
        super().connection_made(transport)
        self.write(b"+")

    def data_received(self, data):
        for conn in conns:
            conn.write(data)


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        self.transport.sendto(data, peer)


def say(scheme, sock):
    print(f"listening on {scheme}://127.0.0.1:{sock.getsockname()[1]}", file=sys.stderr, flush=True)


async def serve():
    loop = asyncio.get_running_loop()
    if mode == "udp":
        transport, _ = await loop.create_datagram_endpoint(Datagrams, ("127.0.0.1", 0))
        say("udp", transport.get_extra_info("socket"))
        return transport
    protocol = {"echo": Echo, "lines": Lines, "broadcast": Broadcast}[mode]
    server = await loop.create_server(protocol, "127.0.0.1", 0, backlog=511)
    say("tcp", server.sockets[0])
    return server


def main():
    if loop_name == "uvloop":
        import uvloop
        uvloop.install()
    loop = asyncio.new_event_loop()
    kept = loop.run_until_complete(serve())
    loop.run_forever()
    kept.close()


main()
