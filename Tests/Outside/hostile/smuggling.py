"""Request smuggling: one answer to what is refused, the end, and never an answer to what is inside."""
import time

from hostile.ambiguity import bad_chunks, good_chunks, harmless, refused_heads
from hostile.requests import (CANARY, CHUNKED, MARK, bearer, head, is_canary, is_smuggled)
from hostile.wire import RawClient

JSON = b"Content-Type: application/json"


def exchange(victim, request, how):
    """Sends a request and a canary after it; the responses up to the end."""
    victim.counts["smuggling probes"] += 1
    with RawClient(victim, local=how == "local") as client:
        data = request + CANARY
        if how == "pieces":
            cuts = sorted(victim.generator.randrange(1, len(data)) for _ in range(3))
            for begin, end in zip([0] + cuts, cuts + [len(data)]):
                if not client.send(data[begin:end]):
                    break
                time.sleep(0.001)
        elif how == "bytes":
            for index in range(len(data)):
                if not client.send(data[index:index + 1]):
                    break
        else:
            client.send(data)
        first = client.response(to="HEAD" if request.startswith(b"HEAD ") else "GET")
        rest = client.responses() if first else []
        assert client.end == ("fin" if how == "local" else "notified"), (request[:99], client.end)
        return ([first] if first else []) + rest


def run(victim):
    deviations = []

    def refused(request, statuses, how):
        """One refusal of these, and then the connection is closed."""
        found = exchange(victim, request, how)
        if len(found) == 1 and found[0].status in statuses and MARK not in found[0].body:
            victim.counts["refused with %d" % found[0].status] += 1
        else:
            deviations.append("%r (%s): %s" % (request[:200], how, found))

    def served(request, how):
        """One answer, and the canary's after it."""
        found = exchange(victim, request, how)
        if len(found) == 2 and is_canary(found[1]) and not is_smuggled(found[0]) and (
                found[0].status < 500):
            victim.counts["served as one request"] += 1
        else:
            deviations.append("%r (%s): %s" % (request[:200], how, found))

    authorized = (CHUNKED, bearer(victim.tokens["operator"]), JSON)
    for how in ("whole", "pieces", "local"):
        for request, statuses in refused_heads():
            refused(request, statuses, how)
        for request in harmless():
            served(request, how)
        for lines in ((CHUNKED,), authorized):
            for body in bad_chunks():
                # Read, it is 400 or 413; unread, the answer is the route's, and then the end.
                unread = 415 if how == "local" else 401
                refused(head(*lines) + body, (400, 413) if lines is authorized else (unread,), how)
            for body in good_chunks():
                served(head(*lines) + body, how)
        for host in (b"Host: evil.example\r\n", b"Host: localhost.evil.example\r\n",
                     b"Host: localhost.\r\n", b"Host: 169.254.169.254\r\n", b"Host: [::2]\r\n"):
            request = head(start=b"GET /v1/health/ready HTTP/1.1", host=host)
            if how == "local":
                served(request, how)  # A socket is named by its path, so any Host will do.
            else:
                refused(request, (421,), how)
    served(head(start=b"GET HTTPS://LocalHost/v1/nothing HTTP/1.1"), "bytes")
    served(head(b"Transfer-Encoding: Chunked") + b"5\r\nhello\r\n0\r\n\r\n", "bytes")
    served(head(b"Connection: keep-alive", start=b"GET /v1/nothing HTTP/1.0"), "bytes")
    assert not deviations, "%d deviations:\n%s" % (len(deviations), "\n".join(deviations[:20]))
