#!/usr/bin/env python3
"""P3: 64 callers at once; afterwards the log has every attempt once, in a sequence without gaps."""
import collections
import json
import os
import subprocess
import threading
import time

from vault_service import CALLVAULT, SCRATCH, Service, say, wav

CALLERS = 64
ROUNDS = 6

with Service() as service:
    operator = service.token("operator")
    auditor = service.token("auditor")
    clinicians = [service.token("clinician", name="clinician %d" % n) for n in range(8)]
    audio = wav(list(range(-16000, 16000)) * 3)
    recordings = [service.put(audio + bytes([n]), operator)[1]["recording"] for n in range(4)]
    failures = []
    granted = collections.Counter()
    lock = threading.Lock()

    def caller(number):
        try:
            connection = service.connection()
            for turn in range(ROUNDS):
                recording = recordings[(number + turn) % 4]
                start = (number * 997 + turn * 65521) % (len(audio) - 5000)
                refused = (number + turn) % 8 == 0
                fields = {"Range": "bytes=%d-%d" % (start, start + 4999)}
                if not refused:
                    fields["Purpose-Of-Use"] = "TREAT"
                status, headers, body = service.request(
                    "GET", "/v1/recordings/%s/audio" % recording, None, clinicians[number % 8],
                    fields, connection)
                if refused:
                    assert status == 400, (status, body)
                else:
                    assert status == 206 and body == (audio + bytes([recordings.index(recording)]))[
                        start:start + 5000], (status, len(body))
                with lock:
                    granted[headers["Request-Id"]] += 0 if refused else 1
            connection.close()
        except Exception as error:  # Told at the end, with its thread.
            failures.append("caller %d: %r" % (number, error))

    began = time.monotonic()
    threads = [threading.Thread(target=caller, args=(n,)) for n in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    assert not failures, "\n".join(failures[:5])
    assert len(granted) == CALLERS * ROUNDS, "request ids repeat"

    # The last outcomes may still be on their way: an outcome follows the last byte.
    deadline = time.monotonic() + 30
    while b"\ncallvault_log_open_intents 0\n" not in service.request("GET", "/metrics", None, operator)[2]:
        assert time.monotonic() < deadline, "an access without its outcome"
        time.sleep(0.05)
    entries = []
    first = 0
    while True:
        status, _, body = service.request(
            "GET", "/v1/audit/entries?limit=100&first=%d" % first, None, auditor)
        assert status == 200, body
        page = json.loads(body)
        entries += [json.loads(entry["leaf"]) for entry in page["entries"]]
        if "next" not in page:
            break
        first = page["next"]
    assert [entry["idx"] for entry in entries] == list(range(len(entries))), "a gap"
    by_request = collections.defaultdict(list)
    for entry in entries:
        if entry.get("request") in granted and entry["action"] == "recording.opened":
            by_request[entry["request"]].append(entry)
    for request, was_granted in granted.items():
        account = by_request[request]
        if was_granted:
            intents = [e for e in account if e["phase"] == "intent"]
            outcomes = [e for e in account if e["phase"] == "outcome"]
            assert len(account) == 2 and len(intents) == len(outcomes) == 1, account
            assert outcomes[0]["ref"] == intents[0]["id"], account
            assert outcomes[0]["released"] == 5000, account
            assert intents[0]["idx"] < outcomes[0]["idx"], account
        else:
            assert len(account) == 1 and account[0]["phase"] == "single", account
            assert account[0]["outcome"] == "refused", account
    copy = os.path.join(SCRATCH, "copy")
    service.command("audit", "export", copy, token=auditor)
    verdict = subprocess.run(
        [CALLVAULT, "audit", "verify", copy, "--key", service.init["verifier_key"]],
        capture_output=True, text=True)
    # Nobody outside kept a checkpoint yet, so it is unanchored and nothing worse.
    assert verdict.returncode == 10, verdict.stdout
    say("%d callers, %d requests in %.1f s (%.0f/s), %d entries without a gap" % (
        CALLERS, len(granted), took, len(granted) / took, len(entries)))
