#!/usr/bin/env python3
"""Hostile clients: smuggling, endless and slow requests, clients that vanish, strangers, and lies.

Every attack has its exact answer or end (Tests/Outside/hostile/, a file for each kind), and after each
the service must be as it was before (hostile/victim.py). CALLVAULT_HOSTILE_ROUNDS=n repeats all but
the slow clients n times.
"""
import os
import resource
import time

from hostile import crowds, endless, lies, pipelines, smuggling, stalls, strangers, vanishing
from hostile.slow import SlowClients
from hostile.victim import Victim
from vault_service import say

ROUNDS = int(os.environ.get("CALLVAULT_HOSTILE_ROUNDS") or 1)
SEED = int(os.environ.get("CALLVAULT_SEED") or 41)
# What a second crowd may add to the memory that the first left behind.
AGAIN_KIB = 8 * 1024
# Reasons of refusal of which the operator must have been told.
REASONS = {"malformed", "tls", "misdirected", "targetTooLong", "headTooLarge", "tooLarge",
           "unsupportedVersion", "unsupportedCoding", "unsupportedExpectation", "overloaded"}
GROUPS = (smuggling, lies, pipelines, strangers, vanishing, endless, stalls, crowds, crowds)

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if hard < 4 * crowds.IDLE:
    print("needs %d descriptors, may have %d" % (4 * crowds.IDLE, hard))
    raise SystemExit(77)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

began = time.monotonic()
with Victim("slow", SEED) as slow_victim:
    slow_clients = SlowClients(slow_victim)
    slow_clients.start()
    with Victim("hostile", SEED) as victim:
        victim.check("nothing")
        previous = None
        for turn in range(ROUNDS):
            for group in GROUPS:
                name = group.__name__.rsplit(".", 1)[1]
                start = time.monotonic()
                group.run(victim)
                took = time.monotonic() - start
                descriptors, growth, threads = victim.check(name)
                if previous and previous[0] == name:
                    more = growth - previous[1]
                    assert more < AGAIN_KIB, "a second time %s left %d KiB more" % (name, more)
                previous = name, growth
                print("%-10s %5.1f s  %+d descriptors, %+d KiB, %+d threads"
                      % (name, took, descriptors, growth, threads), flush=True)
        told = [line for line in victim.operator_lines() if line["event"] == "refused"]
        missing = REASONS - {line["reason"] for line in told}
        assert not missing, "the operator was not told of %s" % missing
        # Of each reason a line at once, and then one a minute.
        minutes = (time.monotonic() - began) / 60
        assert len(told) <= (minutes + 1) * (len(REASONS) + 2), "%d lines" % len(told)
        victim.stop()
    slow_clients.finish()
    slow_victim.stop()
counts = victim.counts + slow_victim.counts
say(", ".join("%d %s" % (count, name) for name, count in sorted(counts.items())))
say("slow clients gone after %.0f to %.0f s; %+d descriptors, %+d threads, %+.1f MiB; %.0f s"
    % (min(slow_clients.gone.values()), max(slow_clients.gone.values()), descriptors, threads,
       growth / 1024, time.monotonic() - began))
