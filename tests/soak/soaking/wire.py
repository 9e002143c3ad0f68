"""wire — connections from many addresses, and bytes that are known. Knows no protocol."""
import asyncio
import os
import socket
import struct

TURN_MAX_S = 60  # no answer of the server may take longer, on however busy a machine

_BLOB = os.urandom(1 << 20)


class Fault(Exception):
    """The server did something wrong."""


def some_bytes(rng, size):
    """`size` bytes that no other place in the stream has."""
    at = rng.randrange(len(_BLOB))
    wanted = at + size
    return (_BLOB * (wanted // len(_BLOB) + 1))[at:wanted]


def some_line(rng, size_max):
    return some_bytes(rng, rng.randint(1, size_max)).hex().encode()


class Peer:
    """One connection; closes with the `async with` block, in whatever way was chosen."""

    def __init__(self, port, rng, receive_buffer=None):
        self._port = port
        self._from = f"127.{rng.randrange(1, 255)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
        self._receive_buffer = receive_buffer
        self.reader = self._writer = self._socket = None

    async def __aenter__(self):
        self._socket = socket.socket()
        try:
            self._socket.setblocking(False)
            if self._receive_buffer:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
            self._socket.bind((self._from, 0))
            loop = asyncio.get_running_loop()
            await asyncio.wait_for(loop.sock_connect(self._socket, ("127.0.0.1", self._port)),
                                   TURN_MAX_S)
            # Small: what is not asked for is to stay in the kernel.
            self.reader, self._writer = await asyncio.open_connection(sock=self._socket,
                                                                      limit=16 << 10)
        except BaseException:
            self._socket.close()
            raise
        return self

    async def __aexit__(self, *_):
        self._writer.transport.abort()

    def reset(self):
        """RST instead of FIN."""
        self._writer.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def send(self, data):
        self._writer.write(data)
        await asyncio.wait_for(self._writer.drain(), TURN_MAX_S)

    def finish(self):
        self._writer.write_eof()

    async def receive(self, size):
        try:
            return await asyncio.wait_for(self.reader.readexactly(size), TURN_MAX_S)
        except asyncio.IncompleteReadError as error:
            raise Fault(f"the stream ended after {len(error.partial)} of {size} bytes") from None

    async def receive_line(self):
        line = await asyncio.wait_for(self.reader.readline(), TURN_MAX_S)
        if not line.endswith(b"\n"):
            raise Fault(f"the stream ended within a line: {line[:80]!r}")
        return line[:-1]

    async def receive_until(self, mark):
        try:
            return await asyncio.wait_for(self.reader.readuntil(mark), TURN_MAX_S)
        except asyncio.IncompleteReadError as error:
            raise Fault(f"the stream ended before {mark!r}: {error.partial[-80:]!r}") from None

    async def receive_all(self):
        return await asyncio.wait_for(self.reader.read(), TURN_MAX_S)

    async def expect(self, wanted):
        got = await self.receive(len(wanted))
        if got != wanted:
            at = next(i for i, (a, b) in enumerate(zip(got, wanted)) if a != b)
            raise Fault(f"byte {at} of {len(wanted)} is wrong: {got[at:at + 20]!r} instead of "
                        f"{wanted[at:at + 20]!r}")

    async def expect_end(self):
        rest = await self.receive_all()
        if rest:
            raise Fault(f"{len(rest)} bytes more than were due: {rest[:40]!r}")
