"""A client that sends any bytes at all, and reads strictly what comes back.

Python's own HTTP client would repair or refuse what a hostile one sends. Only its standard library
is needed.
"""
import socket
import ssl
import struct
import time


def context(minimum=ssl.TLSVersion.TLSv1_3, maximum=ssl.TLSVersion.TLSv1_3, alpn=None):
    """TLS without a look at the certificate: a hostile client does not care."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.minimum_version, made.maximum_version = minimum, maximum
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


PLAIN_CONTEXT = context()


class Response:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def __repr__(self):
        return "%d (%d bytes)" % (self.status, len(self.body))


class RawClient:
    """A connection: over TLS, in clear to the TLS port, or to the local socket."""

    def __init__(self, service, source="127.0.0.1", tls=PLAIN_CONTEXT, name="localhost",
                 local=False, timeout=20):
        self.pending = b""
        if local:
            self.tcp = socket.socket(socket.AF_UNIX)
            self.tcp.settimeout(timeout)
            self.tcp.connect(service.data + "/run/callvault.sock")
            tls = None
        else:
            self.tcp = socket.socket()
            self.tcp.settimeout(timeout)
            self.tcp.bind((source, 0))
            self.tcp.connect(("127.0.0.1", service.port))
            self.tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A second handle on the socket, below TLS.
        self.below = self.tcp.dup()
        try:
            self.stream = tls.wrap_socket(self.tcp, server_hostname=name) if tls else self.tcp
        except Exception:
            self.close()
            raise

    def send(self, data):
        """Sends, and says whether the server still took it: it may close at any time."""
        try:
            self.stream.sendall(data)
            return True
        except (OSError, ValueError):
            return False

    def receive(self, limit=65536):
        """Some bytes, or none at the end, however the end came; a timeout is a hang and raises."""
        try:
            return self.stream.recv(limit)
        except TimeoutError:
            raise AssertionError("the server neither answered nor closed") from None
        except (OSError, ValueError):
            return b""

    def response(self, to="GET"):
        """The next response, or None at the end of the connection between two responses."""
        while b"\r\n\r\n" not in self.pending:
            piece = self.receive()
            if not piece:
                assert not self.pending, "ended within a head: %r" % self.pending[:80]
                return None
            self.pending += piece
        head, self.pending = self.pending.split(b"\r\n\r\n", 1)
        lines = head.decode("ascii").split("\r\n")
        version, status, _ = (lines[0] + " ").split(" ", 2)
        assert version == "HTTP/1.1" and status.isdigit(), lines[0]
        fields = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            assert name.lower() not in fields, "twice: " + line
            fields[name.lower()] = value
        status = int(status)
        if status == 100:
            return Response(status, fields, b"")
        if to == "HEAD" or status in (204, 304):
            return Response(status, fields, b"")
        if fields.get("transfer-encoding") == "chunked":
            return Response(status, fields, self.chunks())
        return Response(status, fields, self.exactly(int(fields["content-length"])))

    def exactly(self, count):
        pieces = [self.pending]
        have = len(self.pending)
        while have < count:
            piece = self.receive()
            assert piece, "ended within a body"
            pieces.append(piece)
            have += len(piece)
        whole = b"".join(pieces)
        self.pending = whole[count:]
        return whole[:count]

    def chunks(self):
        body = b""
        while True:
            while b"\r\n" not in self.pending:
                piece = self.receive()
                assert piece, "ended within a chunk"
                self.pending += piece
            size, self.pending = self.pending.split(b"\r\n", 1)
            body += self.exactly(int(size, 16))
            assert self.exactly(2) == b"\r\n"
            if int(size, 16) == 0:
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

    def half_close(self):
        """Ends our side of the TCP connection only, without a word of TLS."""
        try:
            self.below.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def reset(self):
        """Vanishes with a TCP reset."""
        self.below.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        for handle in (getattr(self, "stream", None), self.tcp, self.below):
            if handle is not None:
                handle.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def seconds_until_end(client, byte=None, every=1.0, limit=90):
    """Sends a byte now and then until the server ends it; seconds, and the status it gave."""
    begin = time.monotonic()
    answer = b""
    client.stream.settimeout(every)
    while time.monotonic() - begin < limit:
        if byte is not None and not client.send(byte):
            break
        try:
            piece = client.stream.recv(4096)
        except TimeoutError:
            continue
        except (OSError, ValueError):
            break
        if not piece:
            break
        answer += piece
    else:
        raise AssertionError("still open after %d s" % limit)
    status = int(answer[9:12]) if answer[9:12].isdigit() else None
    return time.monotonic() - begin, status
