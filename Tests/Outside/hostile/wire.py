"""A client that sends any bytes at all, and reads strictly what comes back.

Python's own HTTP client would repair or refuse what a hostile one sends. Each connection is one
non-blocking socket with TLS in memory above it, and sends and receives in turn in one thread:
Python's `ssl` lets two threads into OpenSSL with one connection, and then now and then reports an
end where TCP has none. Only the standard library is needed.
"""
import select
import socket
import ssl
import struct
import time

PIECE = 65_536


def context(minimum=ssl.TLSVersion.TLSv1_3, maximum=ssl.TLSVersion.TLSv1_3, alpn=None):
    """TLS without a look at the certificate: a hostile client does not care."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.minimum_version, made.maximum_version = minimum, maximum
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


TLS = context()


def client_hello():
    """The first bytes of a handshake that would be a good one."""
    outgoing = ssl.MemoryBIO()
    session = TLS.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


class Response:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def __repr__(self):
        return "%d (%d bytes)" % (self.status, len(self.body))


class RawClient:
    """A connection: over TLS, in clear to the TLS port, or to the local socket.

    `end` says how the server ended it, once it has: "notified" by TLS, "fin" by TCP alone, "alert",
    or "reset".
    """

    def __init__(self, service, source="127.0.0.1", tls=TLS, name="localhost", local=False,
                 timeout=30):
        self.timeout = timeout
        self.pending = bytearray()
        self.unsent = bytearray()
        self.end = None
        # The server takes nothing more; what it said may still be there to be read.
        self.refused = False
        self.session = None
        # A client that has not looked up from sending, or never will.
        self.is_deaf = False
        if local:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(service.data + "/run/callvault.sock")
            tls = None
        else:
            self.socket = socket.socket()
            self.socket.bind((source, 0))
            self.socket.connect(("127.0.0.1", service.port))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        if tls:
            self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.session = tls.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
            try:
                self.shake()
            except Exception:
                self.close()
                raise

    def shake(self):
        begin = time.monotonic()
        while True:
            try:
                self.session.do_handshake()
                return self.flush()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                self.flush()
                raise
            self.unsent += self.outgoing.read()
            assert time.monotonic() - begin < self.timeout, "the handshake hangs"
            self.move(1, decrypts=False)
            if self.end:
                raise ssl.SSLError("the connection ended within the handshake")

    # MARK: Moving bytes

    def move(self, wait, decrypts=True):
        """Waits for the socket once, then sends and receives what it can without waiting.

        Returns whether anything moved, the end included.
        """
        reads = [] if self.is_deaf or self.end else [self.socket]
        writes = [self.socket] if self.unsent else []
        # `select` has no descriptors above 1023, of which a crowd needs more.
        poll = select.poll()
        poll.register(self.socket, (select.POLLIN if reads else 0)
                      | (select.POLLOUT if writes else 0))
        if not poll.poll(max(0, wait) * 1000):
            return False
        moved = False
        if writes:
            try:
                sent = self.socket.send(self.unsent[:4 * PIECE])
                del self.unsent[:sent]
                moved = True
            except BlockingIOError:
                pass
            except OSError:
                self.unsent.clear()
                self.refused = True
                moved = True
                if not reads:
                    self.end = "reset"
        if reads:
            try:
                came = self.socket.recv(4 * PIECE)
            except BlockingIOError:
                return moved
            except OSError:
                self.end = "reset"
                return True
            self.take(came, decrypts)
            moved = True
        return moved

    def take(self, came, decrypts):
        if self.session is None:
            self.pending += came
            self.end = None if came else "fin"
            return
        if came:
            self.incoming.write(came)
        else:
            self.incoming.write_eof()
        if not decrypts:
            self.end = None if came else "fin"
            return
        while True:
            try:
                piece = self.session.read(PIECE)
                if not piece:
                    self.end = "notified"
                    break
                self.pending += piece
            except ssl.SSLWantReadError:
                break
            except ssl.SSLEOFError:
                self.end = "fin"
                break
            except ssl.SSLZeroReturnError:
                self.end = "notified"
                break
            except ssl.SSLError:
                self.end = "alert"
                break
        self.unsent += self.outgoing.read()

    def flush(self):
        """Sends what has been written; says whether the server took it."""
        if self.session is not None:
            self.unsent += self.outgoing.read()
        quiet = time.monotonic()
        while self.unsent and not self.end:
            if self.move(1):
                quiet = time.monotonic()
            assert time.monotonic() - quiet < self.timeout, "the server neither takes nor closes"
        return not self.end and not self.refused

    def send(self, data):
        """Sends, reading meanwhile; says whether the server took it: it may close at any time."""
        view = memoryview(data)
        for start in range(0, len(view), PIECE):
            if self.end or self.refused:
                return False
            if self.session is None:
                self.unsent += view[start:start + PIECE]
            else:
                self.session.write(view[start:start + PIECE])
            if not self.flush():
                return False
        return True

    def send_below(self, data):
        """Sends bytes beneath TLS."""
        self.unsent += data
        return self.flush()

    def receive(self, limit=PIECE):
        """Some bytes, or none at the end, however the end came; a hang is a failure."""
        quiet = time.monotonic()
        while not self.pending and not self.end:
            if self.move(1):
                quiet = time.monotonic()
            assert time.monotonic() - quiet < self.timeout, "the server neither answers nor closes"
        piece = bytes(self.pending[:limit])
        del self.pending[:limit]
        return piece

    # MARK: Responses

    def exactly(self, count):
        while len(self.pending) < count:
            assert self.more(), "ended within a body, %s" % self.end
        piece = bytes(self.pending[:count])
        del self.pending[:count]
        return piece

    def more(self):
        """Waits for more than there is; false at the end."""
        have = len(self.pending)
        quiet = time.monotonic()
        while len(self.pending) == have and not self.end:
            self.move(1)
            assert time.monotonic() - quiet < self.timeout, "the server neither answers nor closes"
        return len(self.pending) > have

    def line(self, end):
        """What comes before `end`, which is taken off, too."""
        while True:
            at = self.pending.find(end)
            if at >= 0:
                return self.exactly(at + len(end))[:at]
            if not self.more():
                return None

    def response(self, to="GET"):
        """The next response, or None at the end of the connection between two responses."""
        text = self.line(b"\r\n\r\n")
        if text is None:
            assert not self.pending, "ended within a head: %r" % self.pending[:80]
            return None
        lines = text.decode("ascii").split("\r\n")
        version, status, _ = (lines[0] + " ").split(" ", 2)
        assert version == "HTTP/1.1" and status.isdigit(), lines[0]
        fields = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            assert name.lower() not in fields, "twice: " + line
            fields[name.lower()] = value
        status = int(status)
        if to == "HEAD" or status in (100, 204, 304):
            return Response(status, fields, b"")
        if fields.get("transfer-encoding") == "chunked":
            return Response(status, fields, self.chunks())
        return Response(status, fields, self.exactly(int(fields["content-length"])))

    def chunks(self):
        body = b""
        while True:
            size = int(self.line(b"\r\n") or b"", 16)
            body += self.exactly(size)
            assert self.exactly(2) == b"\r\n"
            if size == 0:
                return body

    def responses(self):
        """All responses up to the end of the connection."""
        found = []
        while True:
            response = self.response()
            if response is None:
                return found
            found.append(response)

    def ends(self):
        """Reads up to the end of the connection; how many bytes came."""
        count = 0
        while True:
            piece = self.receive()
            if not piece:
                return count
            count += len(piece)

    # MARK: Leaving

    def half_close(self):
        """Ends our side of the TCP connection only, without a word of TLS."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def say_goodbye(self):
        """Ends our side of TLS only."""
        try:
            self.session.unwrap()
        except (OSError, ValueError):
            pass
        self.flush()

    def reset(self):
        """Vanishes with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def seconds_until_end(client, byte, every=1.0, limit=90):
    """Sends a byte now and then until the server ends it; seconds, and the status it gave."""
    begin = time.monotonic()
    due = begin + every
    while not client.end:
        now = time.monotonic()
        if now - begin > limit:
            raise AssertionError("still open after %d s" % limit)
        if byte is not None and now >= due:
            due += every
            client.send(byte)
        else:
            client.move(due - now if byte is not None else every)
    answer = bytes(client.pending[:12])
    status = int(answer[9:12]) if answer[9:12].isdigit() else None
    return time.monotonic() - begin, status
