"""A thousand clients that say nothing, beside whom others are served; too many of one address."""
import collections
import time

from hostile.requests import LIVE, is_canary
from hostile.wire import RawClient
from vault_service import say, wav

IDLE, SILENT = 1000, 100


def run(victim):
    clients = []
    alive = 0
    try:
        begin = time.monotonic()
        # After one request a client may wait for long, before its first only for seconds.
        for number in range(IDLE + SILENT):
            client = RawClient(victim, source="127.0.1.%d" % (1 + number % 4))
            clients.append(client)
            if number < IDLE:
                client.send(LIVE)
                assert is_canary(client.response())
        opened = time.monotonic() - begin
        slowest = 0
        audio = wav([victim.generator.randrange(-3000, 3000) for _ in range(4000)])
        for _ in range(20):
            began = time.monotonic()
            recording = victim.put(audio + victim.generator.randbytes(8), victim.tokens["operator"])
            status, _, body = victim.play(recording[1]["recording"])
            assert status == 200 and body[:len(audio)] == audio
            slowest = max(slowest, time.monotonic() - began)
        for client in clients[:IDLE]:
            assert client.send(LIVE) and is_canary(client.response()), "an idle client was lost"
            alive += 1
        victim.counts["idle clients"] += len(clients)
        say("%d idle connections in %.1f s; beside them a store and a play took %.2f s at most, and "
            "%d were served again" % (len(clients), opened, slowest, alive))
        too_many(victim)
    finally:
        for client in clients:
            client.close()


def too_many(victim):
    """One address may have 512: more are told so, then not even that; others are served."""
    crowd = []
    statuses = collections.Counter()
    try:
        for _ in range(600):
            try:
                client = RawClient(victim, source="127.0.2.1")
            except OSError:
                statuses["cut"] += 1
                continue
            crowd.append(client)
            client.send(LIVE)
            answer = client.response()
            statuses[answer.status if answer else "cut"] += 1
            assert not answer or answer.status == 200 or answer.fields["retry-after"] == "5"
        assert statuses[200] == 512 and statuses[503] > 0, statuses
        assert victim.request("GET", "/v1/health/live")[0] == 200
    finally:
        for client in crowd:
            client.close()
    say("600 of one address: %s" % ", ".join("%s %d" % item for item in statuses.items()))
