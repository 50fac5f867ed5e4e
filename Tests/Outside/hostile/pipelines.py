"""Bodies that nobody reads, which must not become requests, and many requests at once."""
from hostile.requests import (CANARY, CHUNKED, HOST, SMUGGLED, bearer, head, is_canary, length)
from hostile.wire import RawClient


def run(victim):
    starts = (b"POST /v1/calls", b"POST /v1/nothing", b"PUT /v1/calls", b"GET /v1/calls",
              b"POST /v1/tokens", b"POST /v1/calls/x/recordings")
    for start in starts:
        for size in (1, 1000, 65_536, 262_144):
            body = (SMUGGLED * (size // len(SMUGGLED) + 1))[:size]
            with RawClient(victim) as client:
                client.send(head(length(size), start=start + b" HTTP/1.1") + body + CANARY)
                found = client.responses()
                assert len(found) == 2 and 400 <= found[0].status < 500 and is_canary(found[1]), (
                    start, size, found)
            victim.counts["unread bodies"] += 1
        # Too much to drain: it is told, and the connection closes. A client that looks up only when
        # it has sent everything finds the answer all the same.
        body = SMUGGLED * 20_000
        for is_deaf in (False, True):
            with RawClient(victim) as client:
                client.is_deaf = is_deaf
                client.send(head(length(len(body)), start=start + b" HTTP/1.1") + body + CANARY)
                client.is_deaf = False
                found = client.responses()
                assert len(found) == 1 and 400 <= found[0].status < 500, (start, found)
                assert found[0].fields.get("connection") == "close", found[0].fields
                assert client.end == "notified", client.end
            victim.counts["unread bodies"] += 1
    # Many at once are answered one after another, each in its place.
    authorization = bearer(victim.tokens["operator"])
    kinds = [
        (b"GET /v1/health/live HTTP/1.1\r\n" + HOST + b"\r\n", 200, "GET"),
        (b"HEAD /v1/nothing HTTP/1.1\r\n" + HOST + b"\r\n", 404, "HEAD"),
        (head(length(len(SMUGGLED))) + SMUGGLED, 401, "GET"),
        (head(CHUNKED) + b"5\r\nhello\r\n0\r\n\r\n", 401, "GET"),
        (head(length(2), authorization, b"Content-Type: text/plain") + b"{}", 415, "GET"),
        (head(length(2), start=b"PATCH /v1/calls HTTP/1.1") + b"{}", 405, "GET"),
        (head(authorization, start=b"GET /v1/calls?nonsense=1 HTTP/1.1"), 400, "GET"),
        (head(authorization, start=b"GET /v1/calls?limit=1 HTTP/1.1"), 200, "GET"),
    ]
    for _ in range(5):
        wanted = [victim.generator.choice(kinds) for _ in range(200)]
        with RawClient(victim) as client:
            client.send(b"".join(kind[0] for kind in wanted) + CANARY)
            for request, status, method in wanted:
                answer = client.response(to=method)
                assert answer and answer.status == status, (request, answer)
            assert is_canary(client.response()) and client.response() is None
        victim.counts["pipelined requests"] += len(wanted)
