"""Clients that go in the middle, in every way there is."""
import time

from hostile.requests import CANARY, CHUNKED, download, is_canary, length, upload_head
from hostile.wire import RawClient
from vault_service import wav

WAYS = ("close", "reset", "half", "goodbye")


def vanish(client, how):
    if how == "reset":
        client.reset()
    elif how == "half":
        client.half_close()
        client.ends()
    elif how == "goodbye":
        client.say_goodbye()
    client.close()


def run(victim):
    audio = victim.generator.randbytes(200_000)
    operator = victim.tokens["operator"]
    play = download(victim.large, victim.tokens["clinician"])
    for how in WAYS:
        for taken in (0, 1, 65_536, 199_999):
            with RawClient(victim) as client:
                client.send(upload_head(victim.call, operator, length(200_000)))
                client.send(audio[:taken])
                vanish(client, how)
            with RawClient(victim) as client:
                client.send(upload_head(victim.call, operator, CHUNKED))
                client.send(b"30d40\r\n" + audio[:taken])
                vanish(client, how)
            victim.counts["vanished uploads"] += 2
        # The whole body, but not the chunk that ends it.
        with RawClient(victim) as client:
            client.send(upload_head(victim.call, operator, CHUNKED))
            client.send(b"30d40\r\n" + audio + b"\r\n0\r\n")
            vanish(client, how)
            victim.counts["vanished uploads"] += 1
        for taken in (0, 1, 100_000, 2_000_000):
            with RawClient(victim) as client:
                client.send(play)
                got = 0
                while got < taken:
                    got += len(client.receive(min(65_536, taken - got)))
                vanish(client, how)
            victim.counts["vanished downloads"] += 1
        with RawClient(victim) as client:
            client.is_deaf = how != "half"
            client.send(play * 20)
            vanish(client, how)
        for part in (b"", b"G", b"GET / HTTP/1.1\r\nHo"):
            with RawClient(victim) as client:
                client.send(part)
                vanish(client, how)
            victim.counts["vanished heads"] += 1
    finished_speaking(victim)


def finished_speaking(victim):
    """Who only ends its own side gets its answer, whole."""
    audio = wav([0] * 100) + victim.generator.randbytes(300_000)
    recording = victim.put(audio, victim.tokens["operator"])[1]["recording"]
    sent = 'callvault_response_bytes_total{route="/v1/recordings/{recording}/audio"}'
    before = victim.metrics().get(sent, 0)
    with RawClient(victim) as client:
        client.is_deaf = True
        client.send(download(recording, victim.tokens["clinician"]))
        # Until the last byte has left the service; most of it is in the kernel now.
        deadline = time.monotonic() + 30
        while victim.metrics()[sent] < before + len(audio):
            assert time.monotonic() < deadline, "the response does not end"
            time.sleep(0.05)
        client.half_close()
        # Until the service has taken note: the connection is closed, and its descriptor is free.
        while victim.figures()[0] > victim.descriptors:
            assert time.monotonic() < deadline, "the connection does not end"
            time.sleep(0.05)
        client.is_deaf = False
        assert client.response().body == audio
        assert client.receive() == b"" and client.end != "reset"
    victim.counts["answers after the last word"] += 1
    # In clear a half-closed client has only finished speaking, and gets its answer.
    with RawClient(victim, local=True) as client:
        client.send(CANARY)
        client.half_close()
        assert is_canary(client.response())
