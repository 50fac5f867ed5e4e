"""Requests without an end: heads, trailers, chunk extensions, chunks and bodies."""
from hostile.requests import CHUNKED, HOST, bearer, head, length
from hostile.wire import RawClient

# More than any bound, and less than a client must send to be cut off.
ENOUGH = 8 << 20


def flood(victim, start, piece, status, is_deaf=False):
    """Sends on and on; the server says what is wrong and ends it, whatever is still on its way."""
    with RawClient(victim) as client:
        client.is_deaf = is_deaf
        taken = client.send(start)
        sent = 0
        while taken and sent < ENOUGH:
            taken = client.send(piece)
            sent += len(piece)
        # Who only sends finds the answer afterwards: it is not lost to a reset.
        client.is_deaf = False
        found = client.responses()
        assert [answer.status for answer in found] == [status], (start[:99], status, found)
        assert client.end == "notified", client.end
    victim.counts["endless, refused with %d" % status] += 1


def run(victim):
    json = (CHUNKED, bearer(victim.tokens["operator"]), b"Content-Type: application/json")
    get = b"GET / HTTP/1.1\r\n" + HOST
    for is_deaf in (False, True):
        for start, piece, status in (
                (b"GET /", b"a" * 4096, 414), (b"A", b"A" * 4096, 414),
                (get, b"X: y\r\n" * 500, 431), (get + b"X: ", b"y" * 4096, 431),
                (get, b"X" * 4096, 431)):
            flood(victim, start, piece, status, is_deaf)
        for lines, status in (((CHUNKED,), 401), (json, 413)):
            for start, piece in (
                    (b"0\r\n", b"X: y\r\n" * 500), (b"0\r\nX: ", b"y" * 4096), (b"5;", b"y" * 4096),
                    (b"", b"1;a=b\r\nx\r\n" * 400), (b"", b"1\r\nx\r\n" * 800),
                    (b"", b"1000\r\n" + b"x" * 4096 + b"\r\n")):
                flood(victim, head(*lines) + start, piece, status, is_deaf)
        flood(victim, head(length(4_000_000_000)), b"x" * 65536, 401, is_deaf)
        flood(victim, head(length(4_000_000_000), *json[1:]), b"x" * 65536, 413, is_deaf)
