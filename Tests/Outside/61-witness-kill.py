#!/usr/bin/env python3
"""A witness killed at each file call and each answer: started again it remembers all that left it.

strace sends SIGKILL with the n-th call of a kind, for every n until a run is not met. The requests are
those of Tests/Vectors/tlog/witness.json."""
import hashlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys

from outside_anchors import Witness, parse
from vault_service import say

vectors = json.load(open(os.path.join(os.environ["REPOSITORY"], "Tests/Vectors/tlog/witness.json")))
steps = {step["desc"]: step["request_body"] for step in vectors["steps"]}
growth = [(3, steps["first submission from size 0 with empty proof"]), (8, steps["grow"]),
          (20, steps["grow to the end"])]
rollback = growth[0][1]

if not shutil.which("strace"):
    print("strace is not installed")
    sys.exit(77)

name = hashlib.sha256(vectors["trusted_vkeys"][0].split("+")[0].encode()).hexdigest()


def attach(process, call, number):
    """Kills the process with its n-th call of that kind from now on."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-p", str(process.pid), "-o", "/dev/null", "-e", "trace=" + call, "-e",
         "inject=%s:signal=SIGKILL:when=%d" % (call, number)], stderr=subprocess.PIPE, text=True)
    line = tracer.stderr.readline()
    if "attached" not in line:
        print("strace may not attach here: " + line)
        sys.exit(77)
    return tracer


def known(witness):
    status, _, note = witness.request(None, "GET", "/checkpoint/" + name)
    return parse(note)[1] if status == 200 else 0


kills = mute = 0
for call in ("openat", "write", "fsync", "rename", "sendto,sendmsg,writev"):
    number = 0
    while True:
        number += 1
        assert number < 100, "a run without an end"
        witness = Witness("w-%s-%d" % (call.replace(",", "-"), number), vectors["trusted_vkeys"][0])
        witness.start()
        tracer = attach(witness.process, call, number)
        answered = 0
        try:
            for size, request in growth:
                status = witness.request(request)[0]
                assert status == 200, status
                answered = size
        except (ConnectionError, http.client.HTTPException):
            assert witness.process.wait(10) == -signal.SIGKILL
        if witness.process.poll() is None:
            witness.stop()
            tracer.wait(10)
            break
        tracer.wait(10)
        kills += 1
        # It remembers what was answered, perhaps more, and never less.
        witness.start()
        kept = known(witness)
        assert kept in (0, 3, 8, 20) and kept >= answered, (call, number, answered, kept)
        mute += kept > answered
        for size, request in growth:
            if size > kept:
                assert witness.request(request)[0] == 200, (call, number, size)
        assert witness.request(rollback)[0] == 409 and known(witness) == 20
        witness.stop()
say("%d kills at file calls and answers; %d between a durable state and its answer" % (kills, mute))
assert kills >= 10 and mute > 0, (kills, mute)
