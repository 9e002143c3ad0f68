# connect_flood.py — new connections without a pause, each asked something and its answer compared — knows
# nothing of what it connects to but that it answers with what it is sent.
#
#   connect_flood.py ADDRESS...      tcp://HOST:PORT, tls://HOST:PORT, unix:PATH, udp://HOST:PORT, control:PATH
#
# Writes "begun" when each address has answered once; ends at SIGTERM, with one JSON object: for each address how often it was asked, and what went wrong.
import json
import signal
import socket
import ssl
import sys
import threading

PER_ADDRESS = 2
TIMEOUT_S = 60
ended = threading.Event()
insecure = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
insecure.check_hostname = False
insecure.verify_mode = ssl.CERT_NONE


def host_and_port(rest):
    host, _, port = rest.strip("/").rpartition(":")
    return host, int(port)


def connect(kind, rest):
    if kind in ("unix", "control"):
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(TIMEOUT_S)
        made.connect(rest)
        return made
    made = socket.create_connection(host_and_port(rest), timeout=TIMEOUT_S)
    return insecure.wrap_socket(made) if kind == "tls" else made


def ask_stream(kind, rest, number):
    control = kind == "control"
    question = b"ping\n" if control else b"question %d\n" % number
    expected = b'{"ok":true}\n' if control else question
    with connect(kind, rest) as peer:
        peer.sendall(question)
        answer = b""
        while len(answer) < len(expected):
            got = peer.recv(100)
            if not got:
                break
            answer += got
    if answer != expected:
        raise ValueError("%r answered with %r" % (question, answer))


def ask_datagram(rest, number):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.settimeout(TIMEOUT_S)
        made.connect(host_and_port(rest))
        question = b"question %d" % number
        made.send(question)
        answer = made.recv(100)
    if answer != question:
        raise ValueError("%r answered with %r" % (question, answer))


class Asker(threading.Thread):
    def __init__(self, address):
        super().__init__(daemon=True)
        self.address = address
        self.kind, _, self.rest = address.partition(":")
        self.asked = 0
        self.failures = []
        self.begun = threading.Event()

    def run(self):
        while not ended.is_set():
            try:
                if self.kind == "udp":
                    ask_datagram(self.rest, self.asked)
                else:
                    ask_stream(self.kind, self.rest, self.asked)
            except (OSError, ValueError) as error:
                self.failures.append(repr(error))
            self.asked += 1
            self.begun.set()


def main():
    signal.signal(signal.SIGTERM, lambda number, frame: ended.set())
    askers = [Asker(address) for address in sys.argv[1:] for _ in range(PER_ADDRESS)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.begun.wait()
    print("begun", flush=True)
    ended.wait()
    told = {}
    for asker in askers:
        asker.join()
        entry = told.setdefault(asker.address, {"asked": 0, "failures": []})
        entry["asked"] += asker.asked
        entry["failures"] += asker.failures[:5]
    print(json.dumps(told), flush=True)


main()
