"""Forgetting: a plan over a practice's calls, and calls that go."""
import itertools
import json
import os
import secrets
import sqlite3
import subprocess
import sys
import uuid

import measure
from peers.sealers import HERE
from service import PROGRAM

TITLE = "Plans and purges"

POLICY = """
v: 2
version: "bench"
owner: records manager
default: recording
state: US-MI
jurisdictions:
  US: {majority: 18, cite: bench, confirmed: true}
classes:
  recording:
    owner: records manager
    rules:
      - {rule: service, version: "1", after: date-of-service, keep: 7y, cite: bench, confirmed: true, effective: "2000-01-01"}
purge: {cite: bench, owner: bench, grace: 1d, percent: 100, recordings: 1000000000, window: 30d, sweep: never, approvers: [privacy-officer, records-manager]}
quarantines: {}
"""


def run(bench, section):
    policies = bench.memory / "policies"
    policies.mkdir()
    (policies / "retention.yaml").write_text(POLICY)
    access = HERE.parents[1] / "Policies/access.yaml"
    (policies / "access.yaml").write_bytes(access.read_bytes())
    turn = itertools.count()

    def told(*words):
        with subprocess.Popen([str(word) for word in (PROGRAM, *words)],
                              stdout=subprocess.PIPE) as process:
            said = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"the bench ended with {process.returncode}: {said[-300:]}")
        return {**json.loads(said), "peak": usage.ru_maxrss * 1024}

    # The catalog lies where a practice's would: on the disk.
    calls = 1_000_000 // bench.divisor
    vault = bench.disk / "planned"
    told("plan", vault, policies)
    fill(vault / "catalog.sqlite", calls)
    plans = [told("plan", vault, policies) for _ in range(bench.rounds)]
    bench.discard(vault)
    if plans[0]["calls"] != calls:
        raise RuntimeError(f"{plans[0]['calls']} of {calls} calls were planned")
    section.value(f"plan of {calls} recordings, all of which may go",
                  measure.Sample([plan["milliseconds"] / 1000 for plan in plans]), "s",
                  at_most=10 / bench.divisor if bench.divisor > 1 else 10,
                  note="From the question to the entry; the list is a file of 75 bytes a call.")
    section.value("peak memory of that", measure.Sample([plan["peak"] / 1e6 for plan in plans]),
                  "MB", at_most=200)

    count = 8192 // bench.divisor

    def ours():
        folder = bench.disk / f"purged-{next(turn)}"
        said = told("purge", folder, policies, count)
        bench.discard(folder)
        return said["a_second"]

    def bare():
        folder = bench.disk / f"deleted-{next(turn)}"
        rate = float(measure.run(sys.executable, HERE / "deletes.py", folder, count).stdout)
        bench.discard(folder)
        return rate

    taken = measure.in_turns(bench.rounds, warm_up=False, ours=ours, bare=bare)
    met = taken["ours"].median >= 1000
    section.compare(
        "recordings purged to T0", taken["ours"], taken["bare"], "unlink and DELETE", "a second",
        at_least=1, otherwise=(met, "≥ 1 000 a second"),
        note="Holds asked, a signed entry with tags and commitments for each, its key taken out of the "
             "ring, rows and object gone, in batches of 256; the peer deletes as many rows and files and "
             "nothing else.")


def fill(path, count):
    """A practice of `count` old calls with a recording each: rows as the service writes them.

    Keys are named as those of the one call that is there; nobody opens them.
    """
    database = sqlite3.connect(path, isolation_level=None)
    wrap, = database.execute("SELECT substr(wrapped_key, 1, 18) FROM call").fetchone()
    database.execute("PRAGMA synchronous=OFF")
    database.execute("BEGIN")
    began = 1_262_304_000_000  # 2010
    for start in range(0, count, 10_000):
        rows = []
        for number in range(start, min(start + 10_000, count)):
            call, time = uuid.uuid4().bytes, began + number * 100
            rows.append((call, call, time, time, uuid.uuid4().bytes, wrap + secrets.token_bytes(77),
                         secrets.token_bytes(250)))
        database.executemany(
            "INSERT INTO subject (id, wrapped_key) VALUES (?, ?)", [(r[1], r[5]) for r in rows])
        database.executemany(
            "INSERT INTO call (id, subject, created, started, started_offset, direction, source,"
            " extension, key_id, wrapped_key, details, details_generation, recording_numbers)"
            " VALUES (?, ?, ?, ?, 0, 'inbound', 'bench', '204', ?, ?, ?, 1, 1)", rows)
        database.executemany(
            "INSERT INTO recording (id, log_index, call, number, generation, stored, blob,"
            " plaintext_length, ciphertext_length, digest, content_key, content_value, key_id,"
            " audio_condition, duration) VALUES (?, 1, ?, 1, 1, ?, ?, 960044, 960324, ?, ?, ?, ?,"
            " 'sound', 60000)",
            [(uuid.uuid4().bytes, r[0], r[2], secrets.token_hex(16), secrets.token_bytes(32),
              r[4], secrets.token_bytes(32), r[4]) for r in rows])
    database.execute(
        "UPDATE totals SET calls = calls + ?, recordings = recordings + ?, plaintext_bytes ="
        " plaintext_bytes + ?, ciphertext_bytes = ciphertext_bytes + ?",
        (count, count, count * 960044, count * 960324))
    database.execute("COMMIT")
    database.close()
