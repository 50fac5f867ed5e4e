#!/usr/bin/env python3
"""A supervisor with real targets: outages, while the vault is killed, and a log that joins afterwards.

An AI engine, a phone system, a backup and a place in the internet are HTTP servers that die, hang and answer
503. The supervisor is asked over its socket; its log is checked by verify.py, and the vault's too.
"""
import json
import os
import signal
import statistics
import subprocess
import time

import jsonschema_rs
import yaml

from supervisor import DAYS, REPOSITORY, Supervisor, Target, token, verdict
from vault_service import CALLVAULT, SCRATCH, Service, say

TOKEN_SECRET = bytes(range(32))
FOLDER = os.path.join(SCRATCH, "failover")


class Plain(yaml.SafeLoader):
    """Days are text, as in our subset."""


Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if not tag.endswith(":timestamp")]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()}
SCHEMA = jsonschema_rs.validator_for(
    json.loads((REPOSITORY / "Policies/routing.schema.json").read_text()))


def policy(targets, digest):
    def probe(name):
        return ('{kind: http, url: "http://127.0.0.1:%d", path: "/", interval_ms: 100, limit_ms: 1000,'
                ' silence_ms: 600, probes: 3, dwell_ms: 500}' % targets[name].port)
    return """
v: 1
version: "test"
owner: test
private_addresses: true
hours:
  time_zone: Etc/UTC
  week: {%s}
groups: {front-desk: {}}
targets:
  pbx: {role: pbx, probes: [%s]}
  ai: {role: ai, quorum: 2, probes: [%s, {kind: passive, dwell_ms: 0}]}
  twilio: {role: twilio, probes: [%s]}
  internet: {role: uplink, quorum: 1, probes: [{kind: uplink, places: [{tcp: "127.0.0.1:%d"}], interval_ms: 100}]}
routes:
  - {name: ai-first, state: NORMAL, provider: 3cx, ai: true, needs: [pbx, ai], contacts: ["sip:ai@127.0.0.1"], records: true}
  - {name: desk, state: HUMANS_ONLY, provider: 3cx, needs: [pbx], groups: [front-desk], contacts: ["sip:desk@127.0.0.1"], records: true}
  - {name: twilio-desk, state: TWILIO_BACKUP, provider: twilio, needs: [twilio], contacts: ["sip:desk@example.sip.twilio.com"], paid: true, records: true}
  - {name: pstn, state: EMERGENCY_PSTN, provider: pstn_backup, contacts: ["+13135550142"], records: false}
emergency: {routes: [desk, twilio-desk, pstn]}
switching: {hold_down_ms: 0, empty_ms: 500, flap_limit: 100}
failback: {when: recovered, dwell_ms: 500}
tokens:
  - {name: pbx, sha256: %s, scopes: ["signals:write"]}
""" % (DAYS, probe("pbx"), probe("ai").replace("dwell_ms: 500", "dwell_ms: 500, decisive: true"),
       probe("twilio"), targets["internet"].port, digest)


one = Supervisor(FOLDER)
ask, route, until, command = one.ask, one.route, one.until, one.command
targets = {name: Target() for name in ("pbx", "ai", "twilio", "internet")}
text, digest = token(TOKEN_SECRET)
service = Service()
with service:
    pass
shipped = (REPOSITORY / "Policies/routing.yaml").read_text()
SCHEMA.validate(yaml.load(shipped, Plain))
assert not SCHEMA.is_valid(yaml.load(shipped.replace("quorum: 2", "quorum: two"), Plain))
SCHEMA.validate(yaml.load(policy(targets, digest), Plain))
key = one.make(service.data, policy(targets, digest))
with open(os.path.join(service.data, "callvault.yaml"), "a") as file:
    file.write('\nfailover: ["%s"]\n' % FOLDER)
service.start()
first, ready = one.begin()
assert ready.readline(), one.told()
second = None
try:
    until("ai-first")
    # The vault is killed: nothing of what follows needs it.
    service.process.kill()
    service.process.wait()

    took = {"ai": [], "pbx": []}
    for name, wanted in (("ai", "desk"), ("pbx", "twilio-desk")):
        for how in ("kill", "503"):
            if how == "kill":
                targets[name].kill()
            else:
                targets[name].status = 503
            took[name].append(until(wanted))
            if how == "kill":
                targets[name].start()
            targets[name].status = 200
            until("ai-first")
    worst = max(took["ai"] + took["pbx"])
    assert worst < 5, took
    say("new calls went another way %.2f s after an outage (median of %d, worst %.2f s), the vault being dead"
        % (statistics.median(took["ai"] + took["pbx"]), len(took["ai"] + took["pbx"]), worst))

    # Everything at once: first with the line, which is no reason to go anywhere.
    before = len(ask("GET", "/v1/route/history?limit=500")[1]["decisions"])
    for target in reversed(targets.values()):
        target.kill()
    time.sleep(4)
    assert route()[0] == "ai-first", route()
    for target in targets.values():
        target.start()
    time.sleep(2)
    assert len(ask("GET", "/v1/route/history?limit=500")[1]["decisions"]) == before
    assert any(n["notice"] == "uplink-suspected" for n in ask("GET", "/v1/notices")[1]["notices"])
    # Then without: static numbers, where nothing is recorded.
    for name in ("pbx", "ai", "twilio"):
        targets[name].kill()
    until("pstn")
    time.sleep(0.5)
    assert "unrecorded_since" in route()[2]
    emergency = ask("POST", "/v1/emergency", {"event": "EMERGENCY_ALERT"})[1]
    assert emergency["bypass_ai"] and [r["route"] for r in emergency["routes"]] == ["pstn"], emergency
    for name in ("pbx", "ai", "twilio"):
        targets[name].start()
    until("ai-first")

    # Reports of others are one voice, need their scope, and are limited.
    assert ask("POST", "/v1/signals", {"target": "ai", "outcome": "failed"}, "cv1_nothing")[0] == 401
    assert ask("GET", "/v1/route", token=text)[0] == 403
    answers = [ask("POST", "/v1/signals", {"target": "ai", "outcome": "failed"}, text)[0]
               for _ in range(150)]
    assert answers.count(202) >= 50 and set(answers) <= {202, 503}, set(answers)
    time.sleep(1)
    assert route()[0] == "ai-first", "reports alone moved calls"
    assert ask("POST", "/v1/signals", {"target": "fax", "outcome": "ok"}, text)[0] in (422, 503)
    refused = answers.count(503)
    # They keep calls from going back there, until somebody reports better or nobody reports any more.
    assert ask("POST", "/v1/signals", {"target": "ai", "outcome": "ok"}, text)[0] == 202

    # By hand.
    command("override", "desk", "--for", "1m")
    assert route()[:2] == ("desk", "MANUAL")
    command("override", "--end")
    until("ai-first")
    assert command("plan", "--dead", "pbx")["route"] == "twilio-desk"
    assert command("plan", "--emergency")["decision"] == "EMERGENCY_HUMAN"
    drill = command("drill", "--dead", "pbx")
    assert drill["route"] == "twilio-desk" and drill["passed"], drill
    assert route()[0] == "ai-first", "a drill changes nothing"
    assert command("override", "nowhere", expect=2)["error"]
    report = command("report")
    rows = {row["name"]: row for row in report["targets"]}
    assert rows["failover to backup"]["met"] and rows["pickup"]["measured"] == "not measured here"
    assert len(report["unrecorded"]) == 1 and report["unrecorded"][0]["to"]
    history = command("history")["decisions"]
    causes = {decision["cause"] for decision in history}
    assert {"ai-engine-failure", "pbx-connection-lost", "recovered", "operator"} <= causes, causes
    assert all(decision["evidence"] for decision in history)
    assert "callvault_failover_state{state=\"NORMAL\"} 1" in ask("GET", "/metrics")[1]

    # A second one stands by, and goes on where the first was killed.
    targets["pbx"].kill()
    until("twilio-desk")
    fencing = route()[2]["plan"]["fencing"]
    second, ready = one.begin()
    time.sleep(0.5)
    first.kill()
    first.wait()
    begin = time.monotonic()
    assert ready.readline(), one.told()
    gap = time.monotonic() - begin
    now = route()
    assert now[0] == "twilio-desk" and now[2]["plan"]["fencing"] == fencing + 1, now
    targets["pbx"].start()
    until("ai-first")
    remembered = command("history")["decisions"]
    assert len(remembered) >= len(history), "the log tells the next one what was decided"

    # The vault is back: its log takes the supervisor's head.
    service.start()
    auditor = service.token("auditor")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        joined = service.command("audit", "show", "--action", "journal.joined",
                                 token=auditor)["entries"]
        if joined:
            break
        time.sleep(0.2)
    assert joined, "the vault's log took no head"
finally:
    for process in (first, second):
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    service.__exit__()

assert all(json.loads(entry["leaf"])["digest"] in one.heads() for entry in joined), "joined was a head of the supervisor's log"
code, told = verdict(os.path.join(FOLDER, "log"), key)
assert code == 10, told
code, told = verdict(os.path.join(service.data, "log"), service.init["verifier_key"])
assert code == 10, told
say("%d decisions with evidence; a killed supervisor's successor served after %.2f s under a higher number"
    % (len(remembered), gap))
say("%d of 150 reports refused, none moved calls; the vault's log joined %d heads of the supervisor's, "
    "and verify.py finds both whole" % (refused, len(joined)))

simulated = subprocess.run([CALLVAULT, "failover", "simulate", "--count", "200", "--json"],
                           capture_output=True, timeout=300)
assert simulated.returncode == 0, simulated
say("%(outages)d simulated outages, %(switches)d changes, no promise broken" % json.loads(simulated.stdout))
