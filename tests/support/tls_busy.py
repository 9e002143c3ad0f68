# tls_busy.py — connections over TLS that echo without a pause — knows nothing of certificates but whom
# to trust.
#
# tls_busy.py PORT CA NAME COUNT: says "ready" when each had an answer. SIGTERM ends it: it says how many
# rounds each made since, at least, and how many connections were lost.
import signal, socket, ssl, sys, threading

port, ca, name, count = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
context = ssl.create_default_context(cafile=ca)
ending = threading.Event()
ready = threading.Barrier(count + 1)
rounds, lost = [0] * count, [0] * count


def exchange(peer):
    peer.sendall(b"x" * 1000)
    got = 0
    while got < 1000:
        bytes = peer.recv(1000 - got)
        if not bytes:
            raise OSError("the end")
        got += len(bytes)


def run(index):
    with socket.create_connection(("127.0.0.1", port)) as plain:
        with context.wrap_socket(plain, server_hostname=name) as peer:
            exchange(peer)
            ready.wait()
            try:
                while not ending.is_set():
                    exchange(peer)
                    rounds[index] += 1
            except OSError:
                lost[index] = 1


threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
signal.signal(signal.SIGTERM, lambda *_: ending.set())
for thread in threads:
    thread.start()
ready.wait()
print("ready", flush=True)
ending.wait()
for thread in threads:
    thread.join()
print("rounds", min(rounds), "lost", sum(lost), flush=True)
