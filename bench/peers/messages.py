"""peers/messages.py — what the bench asks of servers of WebSocket, on Python's websockets. Knows no
moonport.

messages.py MODE, of websocket and websocket-broadcast.
"""
import asyncio
import sys

import websockets

MODE = sys.argv[1]
conns = set()


async def echo(conn):
    async for message in conn:
        await conn.send(message)


async def broadcast(conn):
    conns.add(conn)
    await conn.send("+")
    try:
        async for message in conn:
            websockets.broadcast(conns, message)
    finally:
        conns.discard(conn)


async def main():
    handler = echo if MODE == "websocket" else broadcast
    async with websockets.serve(handler, "127.0.0.1", 0, compression=None, max_size=2**30,
                                ping_interval=None) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"listening on tcp://127.0.0.1:{port}", file=sys.stderr, flush=True)
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
