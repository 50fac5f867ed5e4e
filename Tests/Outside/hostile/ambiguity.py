"""Requests that two programs may read differently, and those of which there is one reading."""
from hostile.requests import CHUNKED, HOST, SMUGGLED, head, length


def refused_heads():
    """(bytes, statuses): one refusal, and then the connection must be closed."""
    attack = b"0\r\n\r\n" + SMUGGLED
    whole = length(len(attack))
    coding = CHUNKED
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
        b"Transfer\xe2\x80\x90Encoding: chunked", b"Tran\xc5\xbffer-Encoding: chunked",
        b"\xef\xbc\xb4ransfer-Encoding: chunked", b"Transfer-Encoding\xc2\xa0: chunked",
        b"Transfer-Encoding\xef\xbc\x9a chunked",
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
                 b"Content\xe2\x80\x90Length: 5", b"\xd0\xa1ontent-Length: 5",
                 b"X: y\nContent-Length: 5", b"X: y\rContent-Length: 5"):
        yield head(name) + SMUGGLED, (400,)
    for text in (b"9223372036854775807", b"1000000000000000"):
        yield head(length(text)) + SMUGGLED, (413,)
    # HTTP/1.0 knows no chunks.
    yield head(coding, start=b"POST /v1/calls HTTP/1.0") + attack, (400,)
    yield head(coding, b"Connection: keep-alive", start=b"POST /v1/calls HTTP/1.0") + attack, (400,)
    yield head(length(5), b"Expect: 200-ok") + SMUGGLED, (417,)
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
    inner = length(len(SMUGGLED))
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
