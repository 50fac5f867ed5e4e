"""Requests from their lines, and the one that tells whether a connection still works."""
import ssl

from hostile.wire import RawClient

HOST = b"Host: localhost\r\n"
# Client text that must reach neither the operator's log nor anybody's answer.
MARK = b"Zzhostilezz"
LIVE = (b"GET /v1/health/live HTTP/1.1\r\n" + HOST + b"User-Agent: " + MARK + b"\r\n\r\n")
CANARY = b"GET /v1/health/live HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
# What an attacker hides in a body: answered, it would show itself.
SMUGGLED = b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n"


def is_canary(response):
    return (response is not None and response.status == 200
            and response.body == b'{"status":"live"}')


def is_smuggled(response):
    return b'"openapi"' in response.body


def head(*lines, start=b"POST /v1/calls HTTP/1.1", host=HOST):
    return start + b"\r\n" + host + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def length(text):
    return b"Content-Length: " + (b"%d" % text if isinstance(text, int) else text)


CHUNKED = b"Transfer-Encoding: chunked"


def bearer(token):
    return b"Authorization: Bearer " + token.encode()


def upload_head(call, token, *lines):
    return head(bearer(token), b"Content-Type: audio/wav", *lines,
                start=b"POST /v1/calls/%s/recordings HTTP/1.1" % call.encode())


def download(recording, token):
    return head(bearer(token), b"Purpose-Of-Use: TREAT",
                start=b"GET /v1/recordings/%s/audio HTTP/1.1" % recording.encode())


def connects(service, **how):
    """Whether a client gets through the handshake and one request."""
    try:
        with RawClient(service, **how) as client:
            client.send(CANARY)
            return is_canary(client.response())
    except ssl.SSLError:
        return False
