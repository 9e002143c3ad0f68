# killing.py — connects all the time, and kills who answers — knows no server.
#
#   killing.py HOST PORT KILLS [SIGNAL]...
#
# The server sends the number of its process and a newline to who connects, and then back what comes. Each
# exchange has an end here: it is served, or cut (reset, or ended too early), or refused, or late. The
# processes that answered are killed, one after the other, by the signals in turn; of one that is stopped
# (SIGSTOP) it is waited that nobody misses it, and it goes on again. Prints the counts as JSON.
import asyncio
import collections
import json
import os
import signal
import sys

host, port, kills = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
signals = [getattr(signal, name) for name in sys.argv[4:] or ["SIGKILL"]]

CLIENTS = 24
LATE_S = 40
WAIT_S = 0.05  # between two kills, so that most are served between them

counts = collections.Counter()
answered = []  # the processes that did, latest last
done = False


async def exchange(number):
    reader, writer = await asyncio.open_connection(host, port)
    try:
        pid = await reader.readline()
        token = b"%d\n" % number
        writer.write(token)
        echo = await reader.readline()
        if echo != token:
            raise ConnectionResetError
        answered.append(int(pid))
        del answered[:-200]
    finally:
        writer.close()


async def client(number):
    while not done:
        try:
            await asyncio.wait_for(exchange(number), LATE_S)
            counts["served"] += 1
        except ConnectionRefusedError:
            counts["refused"] += 1
        except asyncio.TimeoutError:
            counts["late"] += 1
        except (ConnectionError, ValueError):
            counts["cut"] += 1


async def served(more):
    """Until so many more have been."""
    wanted = counts["served"] + more
    while counts["served"] < wanted:
        await asyncio.sleep(0.005)


async def strike(number):
    pid = answered[-1]
    sent = signals[number % len(signals)]
    try:
        os.kill(pid, sent)
    except ProcessLookupError:
        await asyncio.sleep(0.005)  # it was killed before, and answered just before that
        return
    counts["killed"] += 1
    if sent == signal.SIGSTOP:
        await served(5 * CLIENTS)
        os.kill(pid, signal.SIGCONT)
    await served(CLIENTS)
    await asyncio.sleep(WAIT_S)


async def main():
    global done
    clients = [asyncio.ensure_future(client(n)) for n in range(CLIENTS)]
    await served(CLIENTS)
    number = 0
    while counts["killed"] < kills:
        await strike(number)
        number += 1
    done = True
    await asyncio.gather(*clients)
    print(json.dumps(counts))


asyncio.run(main())
