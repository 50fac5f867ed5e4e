"""The TLS port: garbage, old protocols, broken handshakes and records, wrong names, strangers."""
import os
import ssl
import subprocess

from hostile.requests import (CANARY, connects, head, is_canary, length, upload_head)
from hostile.wire import RawClient, client_hello, context


def run(victim):
    garbage(victim)
    other_protocols(victim)
    wrong_names(victim)
    certificates(victim)
    broken_records(victim)
    new_keys(victim)
    assert connects(victim)


def garbage(victim):
    def send(data):
        with RawClient(victim, tls=None) as client:
            client.send(data)
            client.half_close()
            assert client.ends() < 64, "more than an alert"
        victim.counts["broken handshakes"] += 1

    hello = client_hello()
    for data in (b"", CANARY, b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" + bytes(40),  # SSLv2
                 b"\x16\x03\x01\xff\xff" + bytes(1000), b"\x16\x03\x01\x00\x00" * 1000,
                 b"\x14\x03\x03\x00\x01\x01" * 100, b"\x15\x03\x03\x00\x02\x01\x00" * 100,
                 b"\x17\x03\x03\x40\x00" + bytes(16384), hello[:5], hello * 3 + CANARY):
        if data.startswith(hello):
            with RawClient(victim, tls=None) as client:
                client.send(data)
                assert client.ends() < 4096, "a handshake without an end"
        else:
            send(data)
    for _ in range(40):
        send(victim.generator.randbytes(victim.generator.randrange(1, 3000)))
        send(hello[:victim.generator.randrange(1, len(hello))])
        broken = bytearray(hello)
        for _ in range(victim.generator.randrange(1, 6)):
            broken[victim.generator.randrange(len(broken))] = victim.generator.randrange(256)
        with RawClient(victim, tls=None) as client:
            client.send(bytes(broken))
            client.half_close()
            # What was changed may not matter: then the server's half of the handshake comes.
            assert client.ends() < 4096
        victim.counts["broken handshakes"] += 1


def other_protocols(victim):
    """An old client, or one of another protocol, gets no further than the handshake."""
    for version, protocols in (
            (ssl.TLSVersion.TLSv1_2, None), (ssl.TLSVersion.TLSv1_3, ["h2"]),
            (ssl.TLSVersion.TLSv1_3, ["acme-tls/1", "spdy/3"])):
        assert not connects(victim, tls=context(version, version, protocols)), (version, protocols)
        victim.counts["old or other protocols"] += 1


def wrong_names(victim):
    """The name in the handshake opens nothing and closes nothing: Host decides."""
    for name in ("evil.example", "localhost.evil.example", "127.0.0.1"):
        with RawClient(victim, name=name) as client:
            client.send(head(start=b"GET /v1/health/live HTTP/1.1",
                             host=b"Host: " + name.encode() + b"\r\n"))
            status = client.response().status
            assert status == (200 if name == "127.0.0.1" else 421), (name, status)
        with RawClient(victim, name=name) as client:
            client.send(CANARY)
            assert is_canary(client.response())
        victim.counts["wrong names"] += 1


def certificates(victim):
    """Nobody asked for a certificate: a stranger's is not looked at, whatever its subject claims."""
    folder = os.path.join(victim.folder, "stranger")
    os.makedirs(folder, exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "1", "-subj", "/CN=operator", "-keyout", folder + "/key.pem", "-out",
         folder + "/certificate.pem"], check=True, capture_output=True)
    tls = context()
    tls.load_cert_chain(folder + "/certificate.pem", folder + "/key.pem")
    tls.post_handshake_auth = True
    with RawClient(victim, tls=tls) as client:
        client.send(head(b"X-SSL-Client-Verify: SUCCESS", b"X-SSL-Client-S-DN: CN=operator",
                         start=b"GET /v1/calls HTTP/1.1"))
        assert client.response().status == 401
    victim.counts["strangers' certificates"] += 1


def broken_records(victim):
    """Bytes that are no record, a second handshake among them, in the middle of a connection."""
    for data in (b"\x17\x03\x03\x00\x20" + bytes(32), victim.generator.randbytes(500),
                 b"GET / HTTP/1.1\r\n", client_hello(), b"\x14\x03\x03\x00\x01\x01" * 50):
        for began in (b"", b"GET / HT", upload_head(
                victim.call, victim.tokens["operator"], length(9000))):
            with RawClient(victim) as client:
                client.send(began)
                client.send_below(data)
                assert client.responses() == [] and client.end in ("alert", "notified", "reset"), (
                    client.end)
            victim.counts["broken records"] += 1


def new_keys(victim):
    """A client that asks for new keys again and again gets them, and its answer."""
    client = subprocess.Popen(
        ["openssl", "s_client", "-connect", "127.0.0.1:%d" % victim.port, "-servername",
         "localhost", "-tls1_3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    try:
        told = b""
        for number in range(1, 21):
            # A read of its own: the command to update keys and ask for the peer's.
            os.write(client.stdin.fileno(), b"K\n")
            while told.count(b"KEYUPDATE") < number:
                piece = os.read(client.stderr.fileno(), 65_536)
                assert piece, told[-500:]
                told += piece
        os.write(client.stdin.fileno(), CANARY)
        output = b""
        while b'{"status":"live"}' not in output:
            piece = os.read(client.stdout.fileno(), 65_536)
            assert piece, output[-500:]
            output += piece
        assert told.count(b"KEYUPDATE") == 20 and b"HTTP/1.1 200" in output
    finally:
        client.stdin.close()
        client.kill()
        client.wait()
        client.stdout.close()
        client.stderr.close()
    victim.counts["key updates"] += 20
