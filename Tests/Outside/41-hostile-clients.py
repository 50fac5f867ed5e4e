#!/usr/bin/env python3
"""Hostile clients: smuggling, endless and slow requests, clients that vanish, and lies.

After each group the service must still answer, hold the descriptors it began with, have grown by no
more than a bound, list nothing partial, have answered no 5xx but those of a protocol it refuses, and
have a log that verifies against a checkpoint kept before.

CALLVAULT_HOSTILE_ROUNDS=n runs every group n times, some 80 s each; without it nothing is run, because
two groups read and write one TLS stream from two threads, which Python's ssl does not promise to
bear: once in some runs the client, not the service, loses an answer. `make torture` sets it.
"""
import base64
import collections
import hashlib
import json
import os
import random
import resource
import ssl
import subprocess
import threading
import time

from raw_client import RawClient, context, seconds_until_end
from vault_service import CALLVAULT, SCRATCH, Service, say, wav

ROUNDS = int(os.environ.get("CALLVAULT_HOSTILE_ROUNDS") or 0)
if ROUNDS < 1:
    print("runs in make torture, or with CALLVAULT_HOSTILE_ROUNDS=1")
    raise SystemExit(77)
SEED = int(os.environ.get("CALLVAULT_SEED") or 41)
# What the process may keep of its memory at the worst, and what a second crowd may add to that:
# what was freed does not all go back to the kernel, but is used again.
GROWTH_KIB = 80 * 1024
AGAIN_KIB = 8 * 1024
IDLE, SILENT = 1000, 100

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if hard < 4 * IDLE:
    print("needs %d descriptors, may have %d" % (4 * IDLE, hard))
    raise SystemExit(77)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
generator = random.Random(SEED)
counts = collections.Counter()

HOST = b"Host: localhost\r\n"
SMUGGLED = b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n"
CANARY = b"GET /v1/health/live HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
LIVE = b'{"status":"live"}'


def is_canary(response):
    return response.status == 200 and response.body == LIVE


def is_smuggled(response):
    return b'"openapi"' in response.body


# MARK: Requests that two programs may read differently

def head(*lines, start=b"POST /v1/calls HTTP/1.1", host=HOST):
    return start + b"\r\n" + host + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def length(text):
    return b"Content-Length: " + text


def refused_heads():
    """(bytes, statuses): one refusal, and then the connection must be closed."""
    attack = b"0\r\n\r\n" + SMUGGLED
    whole = length(b"%d" % len(attack))
    coding = b"Transfer-Encoding: chunked"
    bad = (400, 501)
    # Both framings, in either order, the inner request within the one and beyond the other.
    for lines in ((whole, coding), (coding, whole), (length(b"5"), coding), (coding, length(b"5")),
                  (length(b"0"), coding), (whole, coding.lower()), (whole, coding.upper())):
        yield head(*lines) + attack, (400,)
    spellings = [
        b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked",
        b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunkedx",
        b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: chunked,",
        b"Transfer-Encoding: ,chunked", b"Transfer-Encoding:", b"Transfer-Encoding: ",
        b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: \x0cchunked",
        b"Transfer-Encoding: chunked\x00", b"Transfer-Encoding: chunked\x0b",
        b'Transfer-Encoding: "chunked"', b"Transfer-Encoding: 'chunked'",
        b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding: chunked; a",
        b"Transfer-Encoding: chunked\xa0", b"Transfer-Encoding: \xc2\xa0chunked",
        b"Transfer-Encoding: \xe2\x80\x8bchunked", b"Transfer-Encoding: chun\xe2\x84\xaaed",
        b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding:\r\n\tchunked",
        b"Transfer-Encoding: \r\n chunked", b" Transfer-Encoding: chunked",
        b"\tTransfer-Encoding: chunked", b"X: y\nTransfer-Encoding: chunked",
        b"X: y\rTransfer-Encoding: chunked", b"X: y\r\rTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding\x00: chunked", b"Transfer-Encoding\x0b: chunked",
        b"Transfer\x00-Encoding: chunked", b"Transfer-Encoding\r\n: chunked",
        b"\x00Transfer-Encoding: chunked", b"Transfer-Encoding:\x00chunked",
        b"Transfer-Encoding chunked", b"Transfer Encoding: chunked", b": chunked",
    ]
    for spelling in spellings:
        yield head(spelling) + attack, bad
        yield head(whole, spelling) + attack, bad
        yield head(spelling, length(b"5")) + attack, bad
    # Lengths.
    for text in (b"5\r\nContent-Length: 5", b"5\r\nContent-Length: 6", b"5\r\ncontent-length: 0",
                 b"0\r\nContent-Length: 44", b"5, 5", b"5,6", b"5 5", b"+5", b"-5", b"-0", b"0x5",
                 b"05", b"00", b"5.", b"5.0", b"5e0", b"5;", b'"5"', b"", b" ", b"5\x00", b"5\x0b",
                 b"\x0b5", b"\x005", b"\xd9\xa5", b"\xef\xbc\x95", b"5\xa0", b"0b101", b"5_0",
                 b"9223372036854775808", b"18446744073709551615", b"18446744073709551616",
                 b"18446744073709551621", b"4294967296" * 9, b"9" * 4000, b"nan", b"\r\n 5",
                 b"5\r\n 5"):
        yield head(length(text)) + SMUGGLED, (400,)
    for name in (b"Content-Length : 5", b"Content-Length\t: 5", b" Content-Length: 5",
                 b"Content-Length\x00: 5", b"Content\x00-Length: 5", b"Content-Length 5",
                 b"X: y\nContent-Length: 5", b"X: y\rContent-Length: 5"):
        yield head(name) + SMUGGLED, (400,)
    for text in (b"9223372036854775807", b"1000000000000000"):
        yield head(length(text)) + SMUGGLED, (413,)
    # HTTP/1.0 knows no chunks.
    yield head(coding, start=b"POST /v1/calls HTTP/1.0") + attack, (400,)
    yield head(coding, b"Connection: keep-alive", start=b"POST /v1/calls HTTP/1.0") + attack, (400,)
    yield head(length(b"5"), b"Expect: 200-ok") + SMUGGLED, (417,)
    # Hosts.
    get = b"GET /v1/health/ready HTTP/1.1"
    for host in (b"", HOST + HOST, HOST + b"Host: evil.example\r\n", b"Host:\r\n", b"Host: \r\n",
                 b"Host: localhost, evil.example\r\n", b"Host: localhost evil\r\n",
                 b"Host : localhost\r\n", b" Host: localhost\r\n", b"Host: localhost/evil\r\n",
                 b"Host: evil@localhost\r\n", b"Host: localhost:x\r\n", b"Host: localhost:443:443\r\n",
                 b"Host: localhost:999999\r\n", b"Host: [::1\r\n", b"Host: []\r\n",
                 b"Host: local\x00host\r\n", b"Host: localhost#\r\n", b"Host: localhost?\r\n",
                 b"Host: localhost\xc3\xa9\r\n", b"Host: http://localhost\r\n"):
        yield head(start=get, host=host), (400,)
    yield head(start=b"GET /v1/health/ready HTTP/1.0", host=b""), (400,)
    # Lines.
    for text in (b"\r\n", b"\n", b"\r", b" ", b"\t", b"\x00", b"\x16\x03\x01", b"\x80"):
        yield text + head(start=get), (400,)
    yield head(start=get).replace(b"\r\n", b"\n"), (400,)
    yield head(start=get).replace(b"\r\n", b"\r"), (400,)
    yield head(start=get).replace(b"\r\n", b"\n\r"), (400,)
    yield get + b"\r\n" + HOST + b"\n" + SMUGGLED, (400,)
    yield get + b"\r\n" + HOST + b"\r\r\n" + SMUGGLED, (400,)
    for line in (b"X: a\r\n b", b"X: a\r\n\tb", b"X : a", b": a", b"X", b"X\x7f: a", b"X: a\x7f",
                 b"X: a\x00b", b"X: a\x08", b"X: \x1b[0m", b"X(: a", b"X/Y: a", b"X\xc3\xa9: a",
                 b"X: \xff\xfe", b"X: \xc0\xae", b"X: \xed\xa0\x80", b"X: a\nY: b", b"X: a\rY: b",
                 b"@: a", b"X;: a", b'"X": a'):
        yield head(line, start=get), (400,)
    # Versions and request lines.
    for version, status in ((b"HTTP/0.9", 505), (b"HTTP/1.2", 505), (b"HTTP/1.9", 505),
                            (b"HTTP/2.0", 505), (b"HTTP/3.0", 505), (b"HTTP/9.9", 505),
                            (b"HTTP/2", 400), (b"HTTP/1.10", 400), (b"HTTP/01.1", 400),
                            (b"HTTP/1.1.1", 400), (b"http/1.1", 400), (b"HTTP /1.1", 400),
                            (b"HTTP/1,1", 400), (b"HTTP/1.", 400), (b"HTTP/-1.1", 400),
                            (b"HTTPS/1.1", 400), (b"HTTP/1.1 ", 400), (b"HTTP/1.1\t", 400),
                            (b" HTTP/1.1", 400), (b"", 400), (b"ICY/1.1", 400)):
        yield head(start=b"GET /v1/health/ready " + version), (status,)
    yield b"GET /v1/health/ready\r\n\r\n", (400,)
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505)
    for start in (b"GET", b"GET /", b"/ HTTP/1.1", b"GET  / HTTP/1.1", b"GET\t/ HTTP/1.1",
                  b"GET /\tHTTP/1.1", b"G(T / HTTP/1.1", b"GET\x00 / HTTP/1.1", b"G\xc3 / HTTP/1.1",
                  b"A" * 33 + b" / HTTP/1.1", b"GET / x HTTP/1.1"):
        yield head(start=start), (400,)
    # Targets.
    for target in (b"*", b"localhost:443", b"v1/health/ready", b"http://evil.example/",
                   b"https://evil.example/v1/health/live", b"https://evil@localhost/",
                   b"https://localhost.evil.example/", b"https://localhost:1/", b"ftp://localhost/",
                   b"https:/localhost/", b"https:localhost", b"javascript:1", b"\\v1", b"",
                   b"/%", b"/%2", b"/%zz", b"/%0", b"/%00", b"/v1%00/health", b"/%0a", b"/%0d%0a",
                   b"/%7f", b"/%1f", b"/%u0041", b"/% 41", b"/%+1", b"/%-1", b"/%0x", b"/%2f",
                   b"/%2Fv1", b"/v1%5chealth", b"/v1\\health", b"/.", b"/..", b"/./v1", b"/v1/..",
                   b"/v1/../v1", b"/%2e", b"/%2e%2e", b"/.%2e/v1", b"/%2E./v1", b"/v1/%2e%2E/x",
                   b"/%c0%ae%c0%ae", b"/%e0%80%ae", b"/%ff", b"/%fe%ff", b"/%ed%a0%80", b"/%c3",
                   b"/\x80", b"/\xc3\xa9", b"/#a", b"/v1#", b'/"', b"/<a>", b"/{a}", b"/a|b", b"/^",
                   b"/`", b"/[a]", b"/v1?a=%", b"/v1?a=%zz", b"/v1?%00=1", b"/v1?a=%0d%0ab",
                   b"/v1?a=\xff", b"/v1?a=%ff", b"/v1?a=#", b"/v1?" + b"a=1&" * 65):
        yield head(start=b"GET " + target + b" HTTP/1.1"), (400,)
    # Sizes.
    yield head(start=b"GET /" + b"a" * 9000 + b" HTTP/1.1"), (414,)
    yield head(b"X: " + b"a" * 17000, start=get), (431,)
    yield head(b"X" * 17000 + b": a", start=get), (431,)
    yield head(*[b"X: y"] * 101, start=get), (431,)
    yield head(*[b"X: " + b"y" * 900] * 20, start=get), (431,)


def bad_chunks():
    """Bodies that no reading of RFC 9112 makes whole; nothing after them may be answered."""
    yield from (
        b"5\nhello\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n", b"5\t\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n",
        b"5h\r\nhello\r\n0\r\n\r\n", b"5,5\r\nhello\r\n0\r\n\r\n", b"\xef\xbc\x95\r\nhello\r\n",
        b"5\r\nhelloX\r\n0\r\n\r\n", b"5\r\nhell\r\n0\r\n\r\n", b"5\r\r\nhello\r\n0\r\n\r\n",
        b"\r\n5\r\nhello\r\n0\r\n\r\n", b"\r\n", b";a\r\n", b"g\r\n", b"5\x00\r\nhello\r\n",
        b"ffffffffffffffff\r\nhello", b"7fffffffffffffff\r\nhello", b"8000000000000000\r\nhello",
        b"10000000000000005\r\nhello\r\n0\r\n\r\n", b"fffffffffffffffffffffb\r\nhello",
        b"0" * 30 + b"5\r\nhello\r\n0\r\n\r\n", b"5;a\nhello\r\n0\r\n\r\n",
        b"5;a\rb\r\nhello\r\n0\r\n\r\n", b"5;a\x00\r\nhello\r\n0\r\n\r\n", b"5;\x7f\r\nhello\r\n",
        b"5;" + b"a" * 9000 + b"\r\nhello\r\n0\r\n\r\n",
        b"".join(b"1;" + b"a" * 300 + b"\r\nx\r\n" for _ in range(30)) + b"0\r\n\r\n",
        b"0\r\n\n", b"0\n\r\n", b"0\r\nX: a\n\r\n", b"0\r\nX : a\r\n\r\n", b"0\r\n X: a\r\n\r\n",
        b"0\r\nX\r\n\r\n", b"0\r\n: a\r\n\r\n", b"0\r\nX: \x00\r\n\r\n", b"0\r\nX: a\r\n b\r\n\r\n",
        b"0\r\nX: " + b"a" * 9000 + b"\r\n\r\n", b"0\r\n" + b"X: a\r\n" * 2000 + b"\r\n",
        b"0\r\n" + SMUGGLED)


def good_chunks():
    yield from (
        b"5\r\nhello\r\n0\r\n\r\n", b"5;a\r\nhello\r\n0\r\n\r\n", b"5;a=b\r\nhello\r\n0;c\r\n\r\n",
        b'5;a="b;c d"\r\nhello\r\n0\r\n\r\n', b"00005\r\nhello\r\n000\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", b"5\r\nhello\r\n0\r\nContent-Length: 900\r\n\r\n",
        b"5\r\nhello\r\n0\r\nHost: evil.example\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"A\r\nhellohello\r\n0\r\n\r\n", b"1\r\nx\r\n" * 40 + b"0\r\n\r\n",
        b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED),
        b"1\r\n0\r\n2\r\n\r\n\r\n0\r\n\r\n")


def harmless():
    """Requests of which there is one reading only: one answer each, and the next one is served."""
    inner = length(b"%d" % len(SMUGGLED))
    yield head(inner) + SMUGGLED
    yield head(inner, b"Transfer_Encoding: chunked") + SMUGGLED
    yield head(inner, b"X-Transfer-Encoding: chunked") + SMUGGLED
    yield head(inner, b"TE: trailers, chunked", b"Trailer: Content-Length") + SMUGGLED
    yield head(inner, b"Connection: Content-Length, Transfer-Encoding, Host") + SMUGGLED
    yield head(inner, b"Content_Length: 0", b"Content-Length2: 0") + SMUGGLED
    yield head(inner, start=b"GET /v1/health/ready HTTP/1.1") + SMUGGLED
    yield head(inner, start=b"HEAD /v1/nothing HTTP/1.1", host=HOST) + SMUGGLED
    yield head(inner, start=b"DELETE /v1/calls HTTP/1.1") + SMUGGLED
    yield head(inner, start=b"OPTIONS / HTTP/1.1") + SMUGGLED
    yield head(inner, start=b"FOO /nowhere HTTP/1.1") + SMUGGLED
    yield head(length(b"0"))
    yield head(b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__", b"Connection: Upgrade",
               start=b"GET /v1/nothing HTTP/1.1")
    for name in (b"X-HTTP-Method-Override: DELETE", b"X-Original-URL: /openapi.json",
                 b"X-Rewrite-URL: /openapi.json", b"X-Forwarded-Host: evil.example",
                 b"Forwarded: host=evil.example", b"X-Forwarded-For: 127.0.0.1"):
        yield head(name, start=b"GET /v1/nothing HTTP/1.1")
    for target in (b"/v1/%252e%252e/openapi.json", b"//openapi.json", b"/openapi.json/",
                   b"/openapi.json;a", b"/..;/openapi.json", b"/...", b"/v1/health/live%20"):
        yield head(start=b"GET " + target + b" HTTP/1.1")


def exchange(service, request, how):
    """Sends a request and a canary after it; the responses up to the end."""
    counts["probes"] += 1
    with RawClient(service, local=how == "local") as client:
        data = request + CANARY
        if how == "pieces":
            cuts = sorted(generator.randrange(1, len(data)) for _ in range(3))
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
        return ([first] if first else []) + rest


def check_smuggling(service, tokens):
    authorization = b"Authorization: Bearer " + tokens["operator"].encode()

    deviations = []

    def refused(request, statuses, how):
        """One refusal of these, and then the connection is closed."""
        found = exchange(service, request, how)
        if len(found) == 1 and found[0].status in statuses:
            counts["refused"] += 1
        else:
            deviations.append("%r (%s): %s" % (request[:200], how, found))

    def served(request, how):
        """One answer, and the canary's after it."""
        found = exchange(service, request, how)
        if len(found) == 2 and is_canary(found[1]) and not is_smuggled(found[0]) and (
                found[0].status < 500):
            counts["served as one"] += 1
        else:
            deviations.append("%r (%s): %s" % (request[:200], how, found))

    for how in ("whole", "pieces", "local"):
        for request, statuses in refused_heads():
            if how == "local" and statuses == (421,):
                continue
            refused(request, statuses, how)
        for request in harmless():
            served(request, how)
        json_type = b"Content-Type: application/json"
        chunked = b"Transfer-Encoding: chunked"
        for lines in ((chunked,), (chunked, authorization, json_type)):
            for body in bad_chunks():
                # A route that reads the body says 400 or 413; one that does not says its own.
                refused(head(*lines) + body, (400, 401, 413, 415), how)
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
    assert not deviations, "%d deviations:\n%s" % (len(deviations), "\n".join(deviations))

# MARK: Requests without an end

def flood(service, start, piece, statuses, limit=32 << 20):
    """Sends without end; the server must answer and close, whatever is still on its way."""
    counts["endless"] += 1
    with RawClient(service) as client:
        client.stream.settimeout(0.2)
        begin = time.monotonic()
        sent = len(start)
        taken = client.send(start)
        while taken and sent < limit and time.monotonic() - begin < 20:
            taken = client.send(piece)
            sent += len(piece)
        assert not taken or sent >= limit, "still taken after %d bytes" % sent
        client.stream.settimeout(10)
        answer = b""
        while True:
            more = client.receive()
            if not more:
                break
            answer += more
        # What was answered before the flood went on may be lost to a reset, but no more than that.
        status = int(answer[9:12]) if answer else None
        assert status in statuses or status is None, (start[:100], answer[:300])
        assert answer.count(b"HTTP/1.1 ") <= 1, answer[:2000]
        counts["endless answered"] += status is not None


def check_endless(service, tokens):
    authorization = b"Authorization: Bearer " + tokens["operator"].encode()
    chunked = b"Transfer-Encoding: chunked"
    flood(service, b"GET /", b"a" * 4096, (414,))
    flood(service, b"A", b"A" * 4096, (400, 414))
    flood(service, b"GET / HTTP/1.1\r\n" + HOST, b"X: y\r\n" * 500, (431,))
    flood(service, b"GET / HTTP/1.1\r\n" + HOST + b"X: ", b"y" * 4096, (431,))
    flood(service, b"GET / HTTP/1.1\r\n" + HOST, b"X" * 4096, (431,))
    for lines in ((chunked,), (chunked, authorization, b"Content-Type: application/json")):
        flood(service, head(*lines) + b"0\r\n", b"X: y\r\n" * 500, (400, 401, 413))
        flood(service, head(*lines) + b"0\r\nX: ", b"y" * 4096, (400, 401, 413))
        flood(service, head(*lines) + b"5;", b"y" * 4096, (400, 401, 413))
        flood(service, head(*lines), b"1;a=b\r\nx\r\n" * 400, (400, 401, 413))
        flood(service, head(*lines), b"1\r\nx\r\n" * 800, (401, 413))
        flood(service, head(*lines), b"1000\r\n" + b"x" * 4096 + b"\r\n", (401, 413))
        flood(service, head(length(b"4000000000"), *lines[1:]), b"x" * 65536, (401, 413, 415))


# MARK: Clients that vanish

def vanish(client, how):
    if how == "reset":
        client.reset()
    elif how == "half":
        client.half_close()
        client.ends()
        client.close()
    elif how == "goodbye":
        # A close_notify of TLS in the middle.
        client.stream.settimeout(0.05)
        try:
            client.stream.unwrap()
        except (OSError, ValueError):
            pass
        client.close()
    else:
        client.close()


WAYS = ("close", "reset", "half", "goodbye")


def upload_head(call, token, *lines):
    return head(b"Authorization: Bearer " + token.encode(), b"Content-Type: audio/wav", *lines,
                start=b"POST /v1/calls/%s/recordings HTTP/1.1" % call.encode())


def check_vanishing(service, tokens):
    state = service.state
    audio = generator.randbytes(200_000)
    download = (b"GET /v1/recordings/%s/audio HTTP/1.1\r\n" % state["large"].encode() + HOST
                + b"Authorization: Bearer " + tokens["clinician"].encode()
                + b"\r\nPurpose-Of-Use: TREAT\r\n\r\n")
    for how in WAYS:
        for taken in (0, 1, 65_536, 199_999):
            with RawClient(service) as client:
                client.send(upload_head(state["call"], tokens["operator"], length(b"200000")))
                client.send(audio[:taken])
                vanish(client, how)
            with RawClient(service) as client:
                client.send(upload_head(
                    state["call"], tokens["operator"], b"Transfer-Encoding: chunked"))
                client.send(b"30d40\r\n" + audio[:taken])
                vanish(client, how)
            counts["vanished uploads"] += 2
        # The whole body, but not the chunk that ends it.
        with RawClient(service) as client:
            client.send(upload_head(
                state["call"], tokens["operator"], b"Transfer-Encoding: chunked"))
            client.send(b"30d40\r\n" + audio + b"\r\n0\r\n")
            vanish(client, how)
            counts["vanished uploads"] += 1
        for taken in (0, 1, 100_000, 2_000_000):
            with RawClient(service) as client:
                client.send(download)
                got = 0
                while got < taken:
                    got += len(client.receive(min(65_536, taken - got)))
                vanish(client, how)
            counts["vanished downloads"] += 1
        with RawClient(service) as client:
            client.send(download * 20)
            vanish(client, how)
        for part in (b"", b"G", b"GET / HTTP/1.1\r\nHo"):
            with RawClient(service) as client:
                client.send(part)
                vanish(client, how)
            counts["vanished heads"] += 1
    # In clear a half-closed client has only finished speaking, and gets its answer.
    with RawClient(service, local=True) as client:
        client.send(CANARY)
        client.half_close()
        assert is_canary(client.response())


# MARK: Crowds

def check_crowd(service, tokens):
    clients = []
    alive = lost = 0
    live = b"GET /v1/health/live HTTP/1.1\r\n" + HOST + b"\r\n"
    try:
        begin = time.monotonic()
        # After one request a client may wait for long, before its first only for seconds.
        for number in range(IDLE + SILENT):
            client = RawClient(service, source="127.0.1.%d" % (1 + number % 4))
            clients.append(client)
            if number < IDLE:
                client.send(live)
                assert is_canary(client.response())
        opened = time.monotonic() - begin
        slowest = 0
        audio = wav([generator.randrange(-3000, 3000) for _ in range(4000)])
        for _ in range(20):
            began = time.monotonic()
            recording = service.put(audio + generator.randbytes(8), tokens["operator"])[1]
            service.state["calls"] += 1
            service.state["recordings"] += 1
            status, _, body = service.request(
                "GET", "/v1/recordings/%s/audio" % recording["recording"], None,
                tokens["clinician"], {"Purpose-Of-Use": "TREAT"})
            assert status == 200 and body[:len(audio)] == audio
            slowest = max(slowest, time.monotonic() - began)
        for client in clients[:IDLE]:
            assert client.send(live) and is_canary(client.response()), "an idle client was lost"
            alive += 1
        counts["idle"] += len(clients)
        say("%d idle connections in %.1f s; beside them a store and a play took %.2f s at most, and "
            "%d were served again" % (len(clients), opened, slowest, alive))
        # One address may have 512: more are told so, then not even that; others are served.
        crowd = []
        statuses = collections.Counter()
        try:
            for _ in range(600):
                try:
                    client = RawClient(service, source="127.0.2.1")
                except OSError:
                    lost += 1
                    continue
                crowd.append(client)
                client.send(live)
                answer = client.response()
                statuses[answer.status if answer else "closed"] += 1
            assert statuses[200] == 512 and statuses[503] > 0, statuses
            assert service.request("GET", "/v1/health/live")[0] == 200
        finally:
            for client in crowd:
                client.close()
        say("600 of one address: %d served, %d told 503, %d cut" % (
            statuses[200], statuses[503], lost + statuses["closed"]))
    finally:
        for client in clients:
            client.close()


# MARK: TLS

def check_tls(service, tokens):
    def garbage(data):
        with RawClient(service, tls=None) as client:
            client.send(data)
            client.half_close()
            assert client.ends() < 4096
            counts["TLS garbage"] += 1

    hello = client_hello()
    garbage(b"")
    garbage(CANARY)
    garbage(b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" + bytes(40))  # SSLv2
    garbage(b"\x16\x03\x01\xff\xff" + bytes(1000))
    garbage(b"\x16\x03\x01\x00\x00" * 1000)
    garbage(b"\x14\x03\x03\x00\x01\x01" * 100)
    garbage(b"\x15\x03\x03\x00\x02\x01\x00" * 100)
    garbage(b"\x17\x03\x03\x40\x00" + bytes(16384))
    for _ in range(40):
        garbage(generator.randbytes(generator.randrange(1, 3000)))
        garbage(hello[:generator.randrange(1, len(hello))])
        broken = bytearray(hello)
        for _ in range(generator.randrange(1, 6)):
            broken[generator.randrange(len(broken))] = generator.randrange(256)
        garbage(bytes(broken))
    # An old client, or one of another protocol, gets no further than the handshake.
    old = [(ssl.TLSVersion.TLSv1_2, None), (ssl.TLSVersion.TLSv1_3, ["h2"]),
           (ssl.TLSVersion.TLSv1_3, ["acme-tls/1", "spdy/3"])]
    for version, protocols in old:
        tls = context(version, version, protocols)
        try:
            with RawClient(service, tls=tls) as client:
                raise AssertionError("accepted: %s %s" % (client.stream.version(), protocols))
        except ssl.SSLError:
            counts["TLS refused"] += 1
    # The name in the handshake opens nothing: Host decides.
    for name in ("evil.example", "localhost.evil.example", "a." * 120 + "b", "127.0.0.1"):
        try:
            with RawClient(service, name=name) as client:
                client.send(head(start=b"GET /v1/health/live HTTP/1.1",
                                 host=b"Host: " + name[:200].encode() + b"\r\n"))
                status = client.response().status
                assert status == (200 if name == "127.0.0.1" else 421), (name, status)
        except ssl.SSLError:
            pass
        counts["wrong names"] += 1
    # A stranger's certificate is nobody's.
    folder = os.path.join(SCRATCH, "stranger")
    os.makedirs(folder, exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "1", "-subj", "/CN=operator", "-keyout", folder + "/key.pem", "-out",
         folder + "/certificate.pem"], check=True, capture_output=True)
    tls = context()
    tls.load_cert_chain(folder + "/certificate.pem", folder + "/key.pem")
    tls.post_handshake_auth = True
    with RawClient(service, tls=tls) as client:
        client.send(head(b"X-SSL-Client-Verify: SUCCESS", b"X-SSL-Client-S-DN: CN=operator",
                         start=b"GET /v1/calls HTTP/1.1"))
        assert client.response().status == 401
        counts["stranger's certificates"] += 1
    # Bytes that are no record, in the middle of a connection.
    for data in (b"\x17\x03\x03\x00\x20" + bytes(32), generator.randbytes(500), b"GET / HTTP/1.1\r\n"):
        for began in (b"", b"GET / HT", upload_head(
                service.state["call"], tokens["operator"], length(b"9000"))):
            with RawClient(service) as client:
                client.send(began)
                try:
                    client.below.sendall(data)
                except OSError:
                    pass
                assert client.ends() < 4096
                counts["broken records"] += 1


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


# MARK: Lies about a body

def check_lies(service, tokens):
    state = service.state
    token = tokens["operator"]

    def digest(data, name="sha-256"):
        made = hashlib.new(name.replace("-", ""), data).digest()
        return b"Content-Digest: %s=:%s:" % (name.encode(), base64.b64encode(made))

    def upload(body, *lines):
        counts["lies"] += 1
        with RawClient(service) as client:
            client.send(upload_head(state["call"], token, *lines) + body + CANARY)
            return client.responses()

    audio = wav([generator.randrange(-9000, 9000) for _ in range(5000)])
    size = length(b"%d" % len(audio))
    # Short: the client goes before the end that it announced.
    for taken in (0, 44, len(audio) - 1):
        with RawClient(service) as client:
            client.send(upload_head(state["call"], token, size) + audio[:taken])
            client.half_close()
            assert client.responses() == []
            counts["lies"] += 1
    # Wrong, twice, malformed, of another length.
    for line, status in ((digest(audio + b"x"), 400), (digest(b""), 400),
                         (b"Content-Digest: sha-256=:AAAA:", 400),
                         (b"Content-Digest: sha-256=AAAA", 400), (b"Content-Digest: ", 400),
                         (b"Content-Digest: sha-256=:" + b"!" * 44 + b":", 400),
                         (digest(audio) + b"\r\n" + digest(audio + b"x"), 400),
                         (digest(audio) + b", " + digest(audio)[16:], 400),
                         (b"Content-Digest: " + b"a" * 2000, 400)):
        found = upload(audio, size, line)
        # Nothing is read of a body whose digest cannot be read, and it is drained.
        assert found and 400 <= found[0].status < 500, (line[:100], found)
        assert len(found) == 2 and is_canary(found[1]), (line[:100], found)
        counts["digest lies refused"] += 1
    # Forms and codings that are not read.
    for line in (b"Content-Encoding: gzip", b"Content-Type: audio/wav"):
        found = upload(audio, size, line)
        assert found[0].status == 415 and is_canary(found[1]), (line, found)
    # A client that waits to be asked is not asked, and its body may or may not come.
    for body in (b"", audio):
        with RawClient(service) as client:
            client.send(head(size, b"Expect: 100-continue", b"Content-Type: audio/wav",
                             start=b"POST /v1/calls/%s/recordings HTTP/1.1" % state["call"].encode()))
            client.send(body)
            found = client.responses()
            assert [answer.status for answer in found] == [401], found
            assert found[0].fields["connection"] == "close"
            counts["lies"] += 1
    # The truth, at last; then long: what comes after the announced end is another request.
    found = upload(audio, size, digest(audio))
    assert found[0].status == 201 and is_canary(found[1]), found
    state["recordings"] += 1
    first = json.loads(found[0].body)["recording"]
    with RawClient(service) as client:
        client.send(upload_head(state["call"], token, length(b"%d" % (len(audio) - 100)))
                    + audio + CANARY)
        found = client.responses()
    assert [answer.status for answer in found] == [201, 400], found
    state["recordings"] += 1
    second = json.loads(found[0].body)["recording"]
    for recording, content in ((first, audio), (second, audio[:-100])):
        status, _, body = service.request(
            "GET", "/v1/recordings/%s/audio" % recording, None, tokens["clinician"],
            {"Purpose-Of-Use": "TREAT"})
        assert status == 200 and body == content, (status, len(body))
    # Larger than any recording may be: refused by its word alone.
    found = upload(b"", length(b"%d" % (5 << 30)))
    assert [answer.status for answer in found] == [413], found


# MARK: Unread bodies and pipelines

def check_pipelines(service, tokens):
    authorization = b"Authorization: Bearer " + tokens["operator"].encode()
    starts = (b"POST /v1/calls", b"POST /v1/nothing", b"PUT /v1/calls", b"GET /v1/calls",
              b"POST /v1/tokens", b"POST /v1/calls/x/recordings")
    for start in starts:
        for size in (1, 1000, 65_536, 262_144):
            body = (SMUGGLED * (size // len(SMUGGLED) + 1))[:size]
            with RawClient(service) as client:
                client.send(head(length(b"%d" % size), start=start + b" HTTP/1.1") + body + CANARY)
                found = client.responses()
                assert len(found) == 2 and 400 <= found[0].status < 500 and is_canary(found[1]), (
                    start, size, found)
                counts["unread bodies"] += 1
        # Too much to drain: it is told, and the connection closes.
        body = SMUGGLED * 20_000
        with RawClient(service) as client:
            request = head(length(b"%d" % len(body)), start=start + b" HTTP/1.1") + body + CANARY
            sending = threading.Thread(target=client.send, args=(request,))
            sending.start()
            found = client.responses()
            sending.join()
            assert len(found) == 1 and 400 <= found[0].status < 500, (start, found)
            assert found[0].fields.get("connection") == "close", found[0].fields
            counts["unread bodies"] += 1
    # Many at once are answered one after another, each in its place.
    kinds = [
        (b"GET /v1/health/live HTTP/1.1\r\n" + HOST + b"\r\n", 200, "GET"),
        (b"HEAD /v1/nothing HTTP/1.1\r\n" + HOST + b"\r\n", 404, "HEAD"),
        (head(length(b"%d" % len(SMUGGLED))) + SMUGGLED, 401, "GET"),
        (head(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n", 401, "GET"),
        (head(length(b"2"), authorization, b"Content-Type: text/plain") + b"{}", 415, "GET"),
        (head(length(b"2"), start=b"PATCH /v1/calls HTTP/1.1") + b"{}", 405, "GET"),
        (head(authorization, start=b"GET /v1/calls?nonsense=1 HTTP/1.1"), 400, "GET"),
        (head(authorization, start=b"GET /v1/calls?limit=1 HTTP/1.1"), 200, "GET"),
    ]
    for _ in range(5):
        wanted = [generator.choice(kinds) for _ in range(200)]
        with RawClient(service) as client:
            sending = threading.Thread(
                target=client.send, args=(b"".join(kind[0] for kind in wanted) + CANARY,))
            sending.start()
            for request, status, method in wanted:
                answer = client.response(to=method)
                assert answer and answer.status == status, (request, answer)
            assert is_canary(client.response()) and client.response() is None
            sending.join()
            counts["pipelined"] += len(wanted)


# MARK: Slow clients, on a service of their own because they take their time

def slow_clients(service, tokens):
    """Each with the least and the most seconds after which it must be gone, and its status."""
    state = service.state
    live = b"GET /v1/health/live HTTP/1.1\r\n" + HOST + b"\r\n"
    upload = upload_head(state["call"], tokens["operator"], length(b"200000"))
    chunks = upload_head(state["call"], tokens["operator"], b"Transfer-Encoding: chunked")
    object_head = head(length(b"2000"), b"Content-Type: application/json",
                       b"Authorization: Bearer " + tokens["operator"].encode())
    download = (b"GET /v1/recordings/%s/audio HTTP/1.1\r\n" % state["large"].encode() + HOST
                + b"Authorization: Bearer " + tokens["clinician"].encode()
                + b"\r\nPurpose-Of-Use: TREAT\r\n\r\n")
    hello = client_hello()
    head_time = (9, 14)
    return [
        ("says nothing", None, b"", None, head_time, (None,)),
        ("TLS hello, a byte a second", "clear", hello[:5], hello[5:6], head_time, (None,)),
        ("half a TLS hello", "clear", hello[:90], None, head_time, (None,)),
        ("head, a byte a second", "tls", b"GET / HTTP/1.1\r\nX: ", b"y", head_time, (408,)),
        ("half a head", "tls", b"GET / HTTP/1.1\r\n", None, head_time, (408,)),
        ("second head, a byte a second", "tls", live + b"GET /", b"y", head_time, (200,)),
        ("upload, a byte a second", "tls", upload, b"y", head_time, (408,)),
        ("upload, nothing comes", "tls", upload, None, head_time, (408,)),
        ("upload, half comes", "tls", upload + bytes(100_000), None, (9, 75), (408,)),
        ("chunks, a byte a second", "tls", chunks + b"1000\r\n", b"y", head_time, (408,)),
        ("chunk size, a byte a second", "tls", chunks + b"5;", b"y", head_time, (408,)),
        ("trailer, a byte a second", "tls", chunks + b"0\r\nX:", b"y", head_time, (408,)),
        ("JSON, a byte a second", "tls", object_head, b" ", head_time, (408,)),
        ("unread body, a byte a second", "tls", head(length(b"2000")), b"y", head_time, (401,)),
        ("download, nothing read", "deaf", download, None, (9, 75), (None,)),
        ("pipeline, nothing read", "deaf", download * 50, None, (9, 75), (None,)),
        ("idle after a request", "tls", live, None, (58, 66), (200,)),
    ]


def deaf(service, start, limit):
    """Asks and does not read; seconds until the kernel no longer knows the connection."""
    client = RawClient(service)
    client.send(start)
    mine = "%02X%02X%02X%02X:%04X" % (1, 0, 0, 127, client.below.getsockname()[1])
    begin = time.monotonic()
    try:
        while time.monotonic() - begin < limit:
            time.sleep(0.5)
            with open("/proc/net/tcp") as table:
                states = [line.split()[3] for line in table if line.split()[1] == mine]
            if states != ["01"]:  # No longer established.
                return time.monotonic() - begin, None
    finally:
        client.close()
    raise AssertionError("a client that does not read is still served after %d s" % limit)


def run_slow(service, tokens, results, failures):
    def one(name, kind, start, byte, bounds, statuses):
        try:
            if kind == "deaf":
                took, status = deaf(service, start, bounds[1] + 5)
            else:
                with RawClient(service, tls=None) if kind == "clear" else RawClient(
                        service) as client:
                    client.send(start)
                    took, status = seconds_until_end(client, byte, limit=bounds[1] + 5)
            assert bounds[0] <= took <= bounds[1], "gone after %.1f s" % took
            assert status in statuses, "status %s" % status
            results[name] = took
        except Exception as error:  # Told at the end, by name.
            failures.append("%s: %r" % (name, error))

    threads = [threading.Thread(target=one, args=case, daemon=True) for case in slow_clients(service, tokens)]
    for thread in threads:
        thread.start()
    return threads


# MARK: What must hold after each group

def figures(service):
    root = "/proc/%d" % service.process.pid
    with open(root + "/status") as status:
        memory = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
    return len(os.listdir(root + "/fd")), memory


def settled(service, tokens, group):
    """The service is as it was before the group, whatever came."""
    state = service.state
    deadline = time.monotonic() + 20
    while True:
        metrics = service.request("GET", "/metrics", None, tokens["operator"])[2].decode()
        values = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if line[:1] != "#")
        objects = [name for _, _, names in os.walk(service.data + "/objects") for name in names]
        descriptors, memory = figures(service)
        late = []
        if descriptors > state["descriptors"]:
            late.append("%d descriptors, not %d" % (descriptors, state["descriptors"]))
        if float(values["callvault_log_open_intents"]):
            late.append("%s open intents" % values["callvault_log_open_intents"])
        if len(objects) != state["recordings"]:
            late.append("%d objects, not %d" % (len(objects), state["recordings"]))
        if not late:
            break
        assert time.monotonic() < deadline, (group, late)
        time.sleep(0.1)
    growth = memory - state["memory"]
    assert growth < GROWTH_KIB, "%s: grew by %d KiB" % (group, growth)
    assert service.process.poll() is None
    for path in ("/v1/health/live", "/v1/health/ready"):
        assert service.request("GET", path)[0] == 200, path
    # Nothing partial: the list, the catalog and the store agree, and there is no 5xx of ours.
    assert float(values["callvault_recordings"]) == state["recordings"], group
    assert float(values["callvault_calls"]) == state["calls"], group
    listed = 0
    calls = 0
    cursor = ""
    while True:
        page = json.loads(service.request(
            "GET", "/v1/calls?limit=100" + cursor, None, tokens["operator"])[2])
        calls += len(page["calls"])
        listed += sum(call["recordings"] for call in page["calls"])
        if "next" not in page:
            break
        cursor = "&cursor=" + page["next"]
    assert (calls, listed) == (state["calls"], state["recordings"]), (group, calls, listed)
    faults = [name for name in values if name.startswith("callvault_requests_total")
              and 'status="5' in name and 'status="503"' not in name]
    assert not faults, (group, faults)
    with open(service.stderr) as log:
        bad = [line for line in log if '"level":"error"' in line or "Fatal" in line]
    assert not bad, (group, bad[:5])
    # The log verifies, and continues the one whose checkpoint we kept before.
    copy = os.path.join(SCRATCH, "copy-%d" % time.monotonic_ns())
    service.command("audit", "export", copy, token=tokens["auditor"])
    words = [CALLVAULT, "audit", "verify", copy, "--key", service.init["verifier_key"]]
    if "checkpoint" in state:
        words += ["--checkpoint", state["checkpoint"]]
    verdict = subprocess.run(words, capture_output=True, text=True)
    assert verdict.returncode == (0 if "checkpoint" in state else 10), (group, verdict.stdout)
    state["checkpoint"] = os.path.join(copy, "checkpoint")
    counts["logs verified"] += 1
    return descriptors, growth


def prepared(name):
    service = Service(name)
    service.__enter__()
    tokens = {role: service.token(role) for role in ("operator", "clinician", "auditor")}
    small = service.put(wav(list(range(2000))), tokens["operator"])
    large = service.put(wav([0] * 100) + generator.randbytes(24 << 20), tokens["operator"])
    service.state = {"call": small[0]["call"], "large": large[1]["recording"], "calls": 2,
                     "recordings": 2}
    # Everything has run once before we count: some descriptors are opened for good at first use.
    for size in ("bytes=0-9", "bytes=0-"):
        assert service.request(
            "GET", "/v1/recordings/%s/audio" % large[1]["recording"], None, tokens["clinician"],
            {"Range": size, "Purpose-Of-Use": "TREAT"})[0] == 206
    service.request("GET", "/metrics", None, tokens["operator"])
    service.command("audit", "export", os.path.join(SCRATCH, name + "-warm"),
                    token=tokens["auditor"])
    time.sleep(0.5)
    service.state["descriptors"], service.state["memory"] = figures(service)
    return service, tokens


GROUPS = [
    ("smuggling", check_smuggling), ("lies", check_lies), ("pipelines", check_pipelines),
    ("TLS", check_tls), ("vanishing", check_vanishing), ("endless", check_endless),
    ("crowd", check_crowd), ("crowd again", check_crowd),
]

began = time.monotonic()
slow_service, slow_tokens = prepared("slow")
results, failures = {}, []
try:
    slow_threads = run_slow(slow_service, slow_tokens, results, failures)
    service, tokens = prepared("hostile")
    try:
        settled(service, tokens, "start")
        for turn in range(ROUNDS):
            for name, check in GROUPS:
                group_began = time.monotonic()
                check(service, tokens)
                took = time.monotonic() - group_began
                descriptors, growth = settled(service, tokens, name)
                if name == "crowd again":
                    more = growth - before
                    assert more < AGAIN_KIB, "a second crowd left %d KiB more" % more
                before = growth
                print("%-11s %5.1f s  %d descriptors, %+d KiB" % (name, took, descriptors, growth),
                      flush=True)
        end, growth = figures(service)[0], figures(service)[1] - service.state["memory"]
        service.stop()
    finally:
        service.__exit__()
    for thread in slow_threads:
        thread.join()
    assert not failures, "slow clients:\n" + "\n".join(failures)
    settled(slow_service, slow_tokens, "slow")
    slow_service.stop()
finally:
    slow_service.__exit__()
for name, took in sorted(results.items(), key=lambda item: item[1]):
    print("%-32s gone after %4.1f s" % (name, took))
say(", ".join("%d %s" % (count, name) for name, count in sorted(counts.items())))
say("%d slow clients gone after %.0f to %.0f s; %d descriptors as at first, %.1f MiB more memory; %.0f s"
    % (len(results), min(results.values()), max(results.values()), end, growth / 1024,
       time.monotonic() - began))
