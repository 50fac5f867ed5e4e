"""Clients that take their time: each must be gone within bounds, and none may hang.

They run beside the other attacks against a service of their own, each in a thread with a connection
that no other thread touches.
"""
import threading
import time

from hostile.requests import (CHUNKED, HOST, LIVE, bearer, download, head, length, upload_head)
from hostile.wire import RawClient, client_hello, seconds_until_end

# The bounds of one head, of a body's first wait, and of the longest wait a client can earn.
SOON, LATE, IDLE = (9, 25), (9, 95), (58, 95)


def clients(victim):
    """Name, how it connects or behaves, what it says, what it then says each second (or how often
    a refused one says something), when it must be gone, and its last status."""
    operator = victim.tokens["operator"]
    upload = upload_head(victim.call, operator, length(200_000))
    chunks = upload_head(victim.call, operator, CHUNKED)
    json = head(length(2000), b"Content-Type: application/json", bearer(operator))
    play = download(victim.large, victim.tokens["clinician"])
    hello = client_hello()
    return [
        ("says nothing", "tls", b"", None, SOON, None),
        ("says nothing in clear", "clear", b"", None, SOON, None),
        ("TLS hello, a byte a second", "clear", hello[:5], hello[5:6], SOON, None),
        ("half a TLS hello", "clear", hello[:90], None, SOON, None),
        ("head, a byte a second", "tls", b"GET / HTTP/1.1\r\nX: ", b"y", SOON, 408),
        ("head, a byte a second, local", "local", b"GET / HTTP/1.1\r\nX: ", b"y", SOON, 408),
        ("half a head", "tls", b"GET / HTTP/1.1\r\n" + HOST, None, SOON, 408),
        ("second head, a byte a second", "tls", LIVE + b"GET /", b"y", SOON, 200),
        ("upload, a byte a second", "tls", upload, b"y", SOON, 408),
        ("upload, a byte a second, local", "local", upload, b"y", SOON, 408),
        ("upload, nothing comes", "tls", upload, None, SOON, 408),
        ("chunks, a byte a second", "tls", chunks + b"1000\r\n", b"y", SOON, 408),
        ("chunk size, a byte a second", "tls", chunks + b"5;", b"y", SOON, 408),
        ("trailer, a byte a second", "tls", chunks + b"0\r\nX:", b"y", SOON, 408),
        ("JSON, a byte a second", "tls", json, b" ", SOON, 408),
        ("unread body, a byte a second", "tls", head(length(2000)), b"y", (9, 60), 401),
        ("refused, a byte a second", "refused", b"GET /\n", 1, (20, 60), 400),
        ("refused, silent for 8 s", "refused", b"GET /\n", 8, (7, 35), 400),
        ("upload, half comes", "tls", upload + bytes(100_000), None, LATE, 408),
        ("download, nothing read", "deaf", play, None, LATE, None),
        ("pipeline, nothing read", "deaf", play * 50, None, LATE, None),
        ("idle after a request", "tls", LIVE, None, IDLE, 200),
    ]


def until_forgotten(client, limit):
    """Reads nothing; seconds until the kernel no longer knows the connection as one that lives."""
    mine = "0100007F:%04X" % client.socket.getsockname()[1]
    begin = time.monotonic()
    missed = None
    while time.monotonic() - begin < limit:
        time.sleep(0.5)
        with open("/proc/net/tcp") as table:
            states = [line.split()[3] for line in table if line.split()[1] == mine]
        if states == ["01"]:  # Established.
            missed = None
            continue
        # Twice: the table is read in pieces, and where connections come and go a line can be missed.
        if missed:
            return missed, None
        missed = time.monotonic() - begin
    raise AssertionError("a client that does not read is still served after %d s" % limit)


def until_cut(client, every, limit):
    """Reads its refusal and stays, sending now and then; seconds until nobody takes it."""
    begin = time.monotonic()
    found = client.responses()
    while time.monotonic() - begin < limit:
        time.sleep(every)
        try:
            client.socket.send(b"y")
        except OSError:
            return time.monotonic() - begin, found[0].status
    raise AssertionError("a client that was refused is still read after %d s" % limit)


class SlowClients:
    """All of them at once, from `start` to `finish`."""

    def __init__(self, victim):
        self.victim = victim
        self.gone = {}
        self.failures = []
        self.threads = [threading.Thread(target=self.one, args=case, daemon=True)
                        for case in clients(victim)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def one(self, name, how, start, byte, bounds, wanted):
        try:
            with RawClient(self.victim, tls=None) if how == "clear" else RawClient(
                    self.victim, local=how == "local") as client:
                client.is_deaf = how == "deaf"
                client.send(start)
                if how == "deaf":
                    took, status = until_forgotten(client, bounds[1])
                elif how == "refused":
                    took, status = until_cut(client, byte, bounds[1])
                else:
                    took, status = seconds_until_end(client, byte, limit=bounds[1])
            assert bounds[0] <= took <= bounds[1], "gone after %.1f s" % took
            assert status == wanted, "status %s" % status
            self.gone[name] = took
        except Exception as error:  # Told at the end, by name.
            self.failures.append("%s: %r" % (name, error))

    def finish(self):
        for thread in self.threads:
            thread.join()
        assert not self.failures, "slow clients:\n" + "\n".join(self.failures)
        self.victim.check("slow")
        for name, took in sorted(self.gone.items(), key=lambda item: item[1]):
            print("%-32s gone after %4.1f s" % (name, took))
        self.victim.counts["slow clients"] += len(self.gone)
