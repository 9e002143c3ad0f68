"""tls_raw — a client of TLS whose records a test sees, cuts and changes before they leave — does not
know what answers."""
import socket
import ssl

ANSWER_S = 20


def context(ca, **settings):
    made = ssl.create_default_context(cafile=ca)
    for name, value in settings.items():
        setattr(made, name, value)
    return made


def v12(ca):
    return context(ca, maximum_version=ssl.TLSVersion.TLSv1_2)


class Raw:
    """A connection. TLS reads and writes in memory, and what is sent is up to the test."""

    def __init__(self, port, made, name="localhost", session=None):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.came, self.to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = made.wrap_bio(self.came, self.to_send, server_hostname=name, session=session)
        self.how = None  # it ended: "eof", "reset"

    def receive(self):
        """Gives TLS what has come; False at the end."""
        try:
            got = self.sock.recv(65536)
        except ConnectionError:
            self.how, got = "reset", b""
        if got:
            self.came.write(got)
            return True
        self.how = self.how or "eof"
        self.came.write_eof()
        return False

    def send(self, some):
        try:
            self.sock.sendall(some)
            return True
        except ConnectionError:
            self.how = "reset"
            return False

    def shake(self, send=None):
        """The handshake: whether it is done. `send` takes what is to leave, and is False to stop."""
        send = send or self.send
        while True:
            try:
                self.tls.do_handshake()
                return bool(send(self.to_send.read()))
            except ssl.SSLWantReadError:
                if not send(self.to_send.read()) or not self.receive():
                    return False
            except ssl.SSLError:
                return False

    def records(self, text=b"", goodbye=False):
        """As TLS wants to have it sent: some text, and close_notify."""
        if text:
            self.tls.write(text)
        if goodbye:
            try:
                self.tls.unwrap()
            except ssl.SSLWantReadError:
                pass
        return self.to_send.read()

    def read(self, size):
        """So many bytes of text, or fewer at the end."""
        got = b""
        while len(got) < size:
            try:
                more = self.tls.read(size - len(got))
                if not more:
                    break
                got += more
            except ssl.SSLWantReadError:
                if not self.receive():
                    break
        return got

    def end(self):
        """All that is left, and how it ended: "notify", "eof", "reset", or the fault."""
        got = b""
        while True:
            try:
                more = self.tls.read(65536)
                if not more:
                    return got, "notify"
                got += more
            except ssl.SSLWantReadError:
                self.receive()
            except ssl.SSLError as error:
                how = self.how if isinstance(error, ssl.SSLEOFError) else error.reason
                return got, how or error.reason

    def drain(self):
        """Reads until the other side ends, whatever comes."""
        while self.how is None:
            self.receive()

    def close(self):
        self.sock.close()
