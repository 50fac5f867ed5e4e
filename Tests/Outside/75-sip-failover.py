#!/usr/bin/env python3
"""`callvault failover run` with SIP at both ends: Kamailio is the phone system, carriers ask the redirect server.

The phone system is killed, stopped and silenced while calls come twenty times a second: from when on are they
sent elsewhere, and are they ever sent back too early?
"""
import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "sip"))
import peers
from peers import Calls, Kamailio, free_port, until
from vault_service import CALLVAULT, SCRATCH, Service, say

missing = peers.lacks("kamailio", "kamcmd")
if missing:
    print("%s is not installed (Debian: kamailio)" % missing)
    sys.exit(77)
FOLDER = os.path.join(SCRATCH, "failover")
trunk_port, asked = free_port(), free_port()
uplink = socket.create_server(("127.0.0.1", 0))
days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
POLICY = """
v: 1
version: "test"
owner: test
private_addresses: true
emergency_numbers: ["144"]
hours: {time_zone: Etc/UTC, week: {%s}}
targets:
  pbx: {role: pbx, probes: [{kind: sip-options, address: 127.0.0.1, port: %d, silence_ms: 1500, dwell_ms: 500}]}
  internet: {role: uplink, quorum: 1, probes: [{kind: uplink, places: [{tcp: "127.0.0.1:%d"}], interval_ms: 100}]}
routes:
  - {name: desk, state: NORMAL, provider: 3cx, needs: [pbx], contacts: ["sip:desk@127.0.0.1:%d"], records: true}
  - {name: pstn, state: EMERGENCY_PSTN, provider: pstn_backup, contacts: ["+13135550142"], records: false}
emergency: {routes: [desk, pstn]}
switching: {hold_down_ms: 0, flap_limit: 100}
failback: {when: recovered, dwell_ms: 500}
redirect:
  listen: [{address: 127.0.0.1, port: %d}]
  sources: [127.0.0.1]
  safe: ["+13135550199"]
  number_domain: carrier.example.com
""" % (", ".join('%s: ["00:00-24:00"]' % day for day in days), trunk_port, uplink.getsockname()[1],
       trunk_port, asked)


def trunk():
    one = Kamailio(SCRATCH, "trunk", "trunk.cfg", ["udp:127.0.0.1:%d" % trunk_port])
    until(lambda: peers.options(trunk_port) is not None, 30, "Kamailio answers")
    return one


service = Service()
with service:
    pass
subprocess.run([CALLVAULT, "failover", "init", "--dir", FOLDER, "--data", service.data, "--json"],
               capture_output=True, check=True)
with open(os.path.join(FOLDER, "routing.yaml"), "w") as file:
    file.write(POLICY)
wrong = os.path.join(SCRATCH, "wrong.yaml")
for part, change in (("number_domain", "number_place"), ("  number_domain: carrier.example.com\n", ""),
                     ("sources: [127.0.0.1]", "sources: [127.0.0.1/8]"), ("+13135550199", "sip:144@a.example.com")):
    with open(wrong, "w") as file:
        file.write(POLICY.replace(part, change))
    refused = subprocess.run([CALLVAULT, "failover", "lint", "--policy", wrong], capture_output=True, timeout=60)
    assert refused.returncode != 0 and b"wrong.yaml:" in refused.stderr, (part, refused)

one = trunk()
reading, writing = os.pipe()
log = open(os.path.join(SCRATCH, "supervisor.log"), "ab")
supervisor = subprocess.Popen(
    [CALLVAULT, "failover", "run", "--dir", FOLDER, "--ready-fd", str(writing)],
    stderr=log, stdout=log, pass_fds=[writing])
os.close(writing)
calls = Calls(asked, pace=0.05, patience=5)
try:
    assert os.fdopen(reading).readline(), open(os.path.join(SCRATCH, "supervisor.log")).read()
    until(lambda: peers.options(asked) is not None, 30, "the redirect server answers")
    calls.start()
    until(lambda: calls.now() == "desk", 30, "calls go to the desk")
    # Before there was a plan, the safe one.
    assert {where for _, where in calls.sent} <= {"+13135550199", "desk"}, calls.sent
    took = {}
    for fault in ("kill -9", "SIGSTOP", "silence", "503 with Retry-After"):
        before = len(calls.sent)
        begun = time.monotonic()
        if fault == "kill -9":
            one.end()
        elif fault == "SIGSTOP":
            one.signal(signal.SIGSTOP)
        else:
            one.mode("drop" if fault == "silence" else "503")
        until(lambda: calls.now() == "+13135550142", 30, "calls go elsewhere after " + fault)
        seen = [(at, where) for at, where in calls.sent[before:] if at >= begun]
        took[fault] = next(at for at, where in seen if where == "+13135550142") - begun
        first = next(i for i, (_, where) in enumerate(seen) if where == "+13135550142")
        assert {where for _, where in seen[:first]} <= {"desk"}, seen
        time.sleep(1)
        assert {where for _, where in calls.sent[before + first + 2:]} == {"+13135550142"}, calls.sent[before:]
        if fault == "kill -9":
            one = trunk()
        elif fault == "SIGSTOP":
            one.signal(signal.SIGCONT)
        else:
            one.mode("ok")
        until(lambda: calls.now() == "desk", 60, "calls come back after " + fault)
    say("calls were sent elsewhere " + ", ".join("%.2f s after %s" % (took[f], f) for f in took))
    # Busy is no outage.
    before = len(calls.sent)
    one.mode("busy")
    time.sleep(2)
    assert {where for _, where in calls.sent[before:]} == {"desk"}, calls.sent[before:]
    calls.is_over = True
    calls.join()
    for number, target in enumerate(("sip:911@127.0.0.1", "tel:144", "urn:service:sos")):
        assert calls.call(900_000 + number, target) == "503", target
    say("%d calls, each answered; a phone system that is busy keeps its calls; 911, the place's 144 and sos: 503"
        % len(calls.sent))
    assert not [call for call in calls.sent if call[1] == "nowhere"]
    told = open(os.path.join(SCRATCH, "supervisor.log")).read()
    assert "entry-refused" not in told, "the log took each decision: " + told
finally:
    calls.is_over = True
    supervisor.send_signal(signal.SIGTERM)
    supervisor.wait(30)
    one.end()
