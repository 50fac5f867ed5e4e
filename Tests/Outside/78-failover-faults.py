#!/usr/bin/env python3
"""Outages that leave something alive: slow and failing answers, half-open TCP, names that are gone, an AI engine that talks
nonsense, a trunk that lost its registration. Each is seen, and calls go another way until it is over.

Times are of this machine under its load; Benchmarks/figures/failover.py takes them often, beside Kamailio, HAProxy and keepalived.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "sip"))
import peers

missing = peers.lacks("kamailio", "kamcmd", "iptables", "ip", "unshare")
if missing:
    print("%s is not installed (Debian: kamailio iptables iproute2)" % missing)
    sys.exit(77)
if "CALLVAULT_NETWORK" not in os.environ:
    own = ["unshare", "--net"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    if subprocess.run([*own, "iptables", "-F"], capture_output=True).returncode:
        print("a network of its own needs root or a user namespace")
        sys.exit(77)
    os.environ["CALLVAULT_NETWORK"] = "1"
    os.execvp(own[0], [*own, sys.executable, *sys.argv])

from outages import REDIRECT, Stage
from peers import Calls
from supervisor import Supervisor
from vault_service import SCRATCH, Service, say

rounds = int(os.environ.get("CALLVAULT_FAULT_ROUNDS", "1"))
service, supervisor = Service(), Supervisor()
stage, calls = Stage(SCRATCH), Calls(REDIRECT, pace=0.02, patience=2)
try:
    with service:
        pass
    supervisor.make(service.data, stage.policy(limit=900, silence=900, sip=900))
    supervisor.start()
    peers.until(lambda: peers.options(5058) is not None, 30, "the redirect server answers")
    calls.start()
    peers.until(lambda: calls.now() == "ai", 30, "calls go to the AI engine")
    took = {}
    for fault in Stage.FAULTS:
        for _ in range(rounds):
            took.setdefault(fault, []).append(stage.trial(fault, supervisor, calls)[1])
    calls.is_over = True
    calls.join()
    assert not [call for call in calls.sent if call[1] in ("nowhere", "safe")][3:], "each call was answered"
    # The design's ceiling; ordinary ones take a tenth of it.
    assert max(max(times) for times in took.values()) < 10, took
    say("calls went another way " + ", ".join("%.2f s (%s)" % (max(times), fault) for fault, times in took.items()))
    say("%d calls, %d outages, each followed by a return; the AI engine's only to people" % (len(calls.sent), rounds * len(took)))
finally:
    calls.is_over = True
    supervisor.end()
    stage.end()
