"""Hundreds of downloads that nobody reads, and of uploads that do not go on.

Each is small while it lasts, others are served meanwhile, and nothing of it stays.
"""
import time

from hostile.requests import download, length, upload_head
from hostile.wire import RawClient
from vault_service import say, wav

STALLED = 200
# A stalled transfer holds its pieces, its TLS and its place in line, not the recording.
EACH_KIB = 512


def run(victim):
    for name, start in (
            ("downloads", download(victim.large, victim.tokens["clinician"])),
            ("uploads", upload_head(victim.call, victim.tokens["operator"], length(1 << 20))
             + bytes(300_000))):
        before = victim.figures()
        clients = []
        try:
            for number in range(STALLED):
                client = RawClient(victim, source="127.0.3.%d" % (1 + number % 4))
                clients.append(client)
                client.is_deaf = True
                client.send(start)
            deadline = time.monotonic() + 60
            while victim.metrics()["callvault_log_open_intents"] < STALLED:
                assert time.monotonic() < deadline, "%s that do not begin" % name
                time.sleep(0.1)
            audio = wav([victim.generator.randrange(-3000, 3000) for _ in range(4000)])
            recording = victim.put(audio, victim.tokens["operator"])[1]["recording"]
            assert victim.play(recording)[2] == audio
            descriptors, memory, threads = victim.figures()
            assert memory - before[1] < STALLED * EACH_KIB, memory - before[1]
        finally:
            for client in clients:
                client.close()
        victim.counts["stalled " + name] += len(clients)
        say("%d stalled %s: %+.1f MiB, %+d threads, %+d descriptors; others were served" % (
            STALLED, name, (memory - before[1]) / 1024, threads - before[2],
            descriptors - before[0]))
