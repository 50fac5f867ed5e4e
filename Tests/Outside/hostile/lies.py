"""Uploads that lie: about length, digest, type, coding, or about waiting to be asked."""
import base64
import hashlib
import json
import time
import zlib

from hostile.requests import CANARY, CHUNKED, bearer, head, is_canary, length, upload_head
from hostile.wire import RawClient
from vault_service import wav

ASKS = b"Expect: 100-continue"
GIB = 1 << 30


def digest(data, name="sha-256", as_name=None):
    made = base64.b64encode(hashlib.new(name.replace("-", ""), data).digest())
    return b"Content-Digest: %s=:%s:" % ((as_name or name).encode(), made)


class Uploads:
    """Uploads of one operator, and how the log must account for them: those that began as an intent
    and its outcome, those whose request could not be read in one entry."""

    def __init__(self, victim):
        self.victim = victim
        self.token = victim.tokens["operator"]
        self.begun = self.unread = 0
        status, _, body = victim.request(
            "POST", "/v1/calls", {"source": "lies", "source_id": "%d" % time.monotonic_ns()},
            self.token)
        assert status == 201, (status, body)
        victim.calls += 1
        self.call = json.loads(body)["call"]
        self.start = b"POST /v1/calls/%s/recordings HTTP/1.1" % self.call.encode()

    def head(self, *lines):
        return upload_head(self.call, self.token, *lines)

    def send(self, body, *lines, wanted, begins=False, unread=True, then_served=True):
        """One upload and its answer; it begins, or it is refused unread, or it reaches no route."""
        with RawClient(self.victim) as client:
            client.send(self.head(*lines) + body + CANARY)
            found = client.responses()
        assert found and found[0].status == wanted, (lines, wanted, found)
        if then_served:
            assert len(found) == 2 and is_canary(found[1]), (lines, found)
        self.begun += begins
        self.unread += unread and not begins
        self.victim.recordings += wanted == 201
        self.victim.counts["uploads answered %d" % wanted] += 1
        return found[0]

    def is_kept(self, answer, content):
        status, _, body = self.victim.play(json.loads(answer.body)["recording"])
        assert status == 200 and body == content, (status, len(body))


def about_length(uploads, audio):
    victim = uploads.victim
    size = len(audio)
    # Short: the client goes before the end that it announced.
    for taken in (0, 44, size - 1):
        for lines, framing in (((length(size),), b"%s"), ((CHUNKED,), b"%x\r\n" % size + b"%s")):
            with RawClient(victim) as client:
                client.send(uploads.head(*lines) + framing % audio[:taken])
                client.half_close()
                assert client.responses() == []
            uploads.begun += 1
            victim.counts["uploads that ended early"] += 1
    # Long: what comes after the announced end is another request, and no good one.
    with RawClient(victim) as client:
        client.send(uploads.head(length(size - 100)) + audio + CANARY)
        found = client.responses()
    assert [answer.status for answer in found] == [201, 400], found
    uploads.begun += 1
    victim.recordings += 1
    uploads.is_kept(found[0], audio[:-100])
    # Larger than any recording may be: refused by its word alone, or where the chunks say so.
    uploads.send(b"", length(5 * GIB), wanted=413, unread=False, then_served=False)
    uploads.send(b"ffffffffffffffff\r\n", CHUNKED, wanted=413, begins=True, then_served=False)
    uploads.send(b"", wanted=411)
    uploads.send(b"", length(0), wanted=411)
    uploads.send(b"0\r\n\r\n", CHUNKED, wanted=201, begins=True)  # An empty file is a file.


def about_digest(uploads, audio):
    size = length(len(audio))
    # Wrong: read to its end, compared, and nothing stored.
    for line in (digest(audio + b"x"), digest(b""), digest(audio + b"x") + b", " +
                 digest(audio, "sha-512")[16:], digest(hashlib.sha256(audio).digest())):
        uploads.send(audio, size, line, wanted=400, begins=True)
    # Unreadable, or of no algorithm that is checked here.
    for line in (b"Content-Digest: sha-256=:AAAA:", b"Content-Digest: sha-256=AAAA",
                 b"Content-Digest: ", b"Content-Digest: sha-256=:" + b"!" * 44 + b":",
                 digest(audio) + b"\r\n" + digest(audio + b"x"),
                 digest(audio) + b", " + digest(audio)[16:], b"Content-Digest: " + b"a" * 2000,
                 digest(audio) + b";q=1", digest(audio, as_name="SHA-256"),
                 digest(audio, "sha-512", "sha-256"), digest(audio, as_name="sha-512")):
        uploads.send(audio, size, line, wanted=400)
    for line in (digest(audio, "sha-512"), digest(audio + b"x", "sha-512"), digest(audio, "md5"),
                 digest(audio, as_name="sha-257")):
        answer = uploads.send(audio, size, line, wanted=400)
        assert answer.fields["want-content-digest"] == "sha-256=10", answer.fields


def about_type(uploads, audio):
    size = length(len(audio))
    for line in (b"Content-Type: audio/wav", b"Content-Encoding: gzip", b"Content-Encoding: identity",
                 b"Content-Encoding: br, gzip", b"Content-Encoding:"):
        uploads.send(audio, size, line, wanted=415)
    # A small body that would unfold to a great one is refused as it is, JSON as well.
    bomb = zlib.compress(bytes(64 << 20), 9)
    uploads.send(bomb, length(len(bomb)), b"Content-Encoding: deflate", wanted=415)
    victim = uploads.victim
    for kind, status in ((b"multipart/form-data; boundary=x", 415), (b"Multipart/Mixed", 415)):
        with RawClient(victim) as client:
            client.send(head(bearer(uploads.token), size, b"Content-Type: " + kind,
                             start=uploads.start)
                        + audio + CANARY)
            found = client.responses()
        assert found[0].status == status and is_canary(found[1]), found
        uploads.unread += 1
    for line in (b"Content-Encoding: deflate", b"Content-Type: text/plain",
                 b"Content-Type: application/x-www-form-urlencoded"):
        lines = [bearer(uploads.token), length(len(bomb)), line]
        if b"Encoding" in line:
            lines.append(b"Content-Type: application/json")
        with RawClient(victim) as client:
            client.send(head(*lines) + bomb + CANARY)
            found = client.responses()
        assert found[0].status == 415 and is_canary(found[1]), (line, found)
        victim.counts["bodies of a wrong type"] += 1


def about_waiting(uploads, audio):
    victim = uploads.victim
    size = length(len(audio))
    # Refused before it is asked: its body may or may not come, so the connection ends.
    for lines, status in ((() , 401), ((bearer(uploads.token), b"Content-Encoding: gzip"), 415),
                          ((bearer(uploads.token), b"Content-Digest: x"), 400)):
        for body in (b"", audio):
            with RawClient(victim) as client:
                client.send(head(size, ASKS, *lines, start=uploads.start) + body)
                found = client.responses()
            assert [answer.status for answer in found] == [status], found
            assert found[0].fields["connection"] == "close"
            uploads.unread += status != 401
            victim.counts["not asked for their body"] += 1
    # Expectations of another kind.
    for line in (b"Expect: 200-ok", b"Expect:", b"Expect: 100-continue, 200-ok",
                 ASKS + b"\r\nExpect: x", b"Expect: 100-continue;q=1"):
        uploads.send(b"", size, line, wanted=417, unread=False, then_served=False)
    # Asked for once, however often it says so, and taken when it comes.
    for number, lines in enumerate(((ASKS,), (b"expect: 100-CONTINUE",), (ASKS, ASKS))):
        content = audio + b"waited %d" % number
        with RawClient(victim) as client:
            client.send(uploads.head(length(len(content)), *lines))
            assert client.response().status == 100
            client.send(content + CANARY)
            found = client.responses()
        assert [answer.status for answer in found] == [201, 200], found
        uploads.begun += 1
        victim.recordings += 1
        uploads.is_kept(found[0], content)
    # Asked for, it goes: the attempt has its outcome.
    with RawClient(victim) as client:
        client.send(uploads.head(size, ASKS))
        assert client.response().status == 100
    uploads.begun += 1


def run(victim):
    before = victim.accounts("recording.stored")
    uploads = Uploads(victim)
    audio = wav([victim.generator.randrange(-9000, 9000) for _ in range(5000)])
    about_length(uploads, audio)
    about_digest(uploads, audio)
    about_type(uploads, audio)
    about_waiting(uploads, audio)
    # The truth, at last.
    answer = uploads.send(audio, length(len(audio)), digest(audio), wanted=201, begins=True)
    uploads.is_kept(answer, audio)
    victim.check("lies")
    found = victim.accounts("recording.stored") - before
    phases = {phase: sum(count for key, count in found.items() if key[0] == phase)
              for phase in ("intent", "outcome", "single")}
    assert phases == {
        "intent": uploads.begun, "outcome": uploads.begun, "single": uploads.unread}, (
            uploads.begun, uploads.unread, found)
    victim.counts["upload attempts in the log, each once"] += uploads.begun + uploads.unread
