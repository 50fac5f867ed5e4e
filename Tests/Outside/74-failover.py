#!/usr/bin/env python3
"""A supervisor with real targets: outages, while the vault is killed, and a log that joins afterwards.

An AI engine, a phone system, a backup and a place in the internet are HTTP servers that die, hang and answer
503. The supervisor is asked over its socket; its log is checked by verify.py, and the vault's too.
"""
import base64
import hashlib
import http.client
import http.server
import importlib.util
import io
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import redirect_stdout

import jsonschema_rs
import yaml

from vault_service import CALLVAULT, SCRATCH, Service, say

REPOSITORY = pathlib.Path(os.environ["REPOSITORY"])
spec = importlib.util.spec_from_file_location("verify", REPOSITORY / "Evidence/verify.py")
checker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(checker)
TOKEN_SECRET = bytes(range(32))
FOLDER = os.path.join(SCRATCH, "failover")


class Plain(yaml.SafeLoader):
    """Days are text, as in our subset."""


Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if not tag.endswith(":timestamp")]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()}
SCHEMA = jsonschema_rs.validator_for(
    json.loads((REPOSITORY / "Policies/routing.schema.json").read_text()))


def token(secret):
    """An access token as formats/policies.md, 3, spells it, and its SHA-256."""
    checksum = hashlib.sha256(b"cv1_" + secret).digest()[:4]
    text = "cv1_" + base64.urlsafe_b64encode(secret + checksum).decode().rstrip("=")
    return text, hashlib.sha256(text.encode()).hexdigest()


class Target:
    """An HTTP server that can be killed and brought back on its port."""

    def __init__(self):
        self.status, self.server = 200, None
        self.port = 0
        self.start()

    def start(self):
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.send_response(target.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

            def get_request(self):
                connection, address = super().get_request()
                target.connections.append(connection)
                return connection, address

        self.connections = []
        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def kill(self):
        """No listener and no connection: what a killed process leaves."""
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
                connection.close()
            except OSError:
                pass


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
""" % (", ".join('%s: ["00:00-24:00"]' % day for day in
                 ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")),
       probe("pbx"), probe("ai").replace("dwell_ms: 500", "dwell_ms: 500, decisive: true"),
       probe("twilio"), targets["internet"].port, digest)


class Socket(http.client.HTTPConnection):
    def __init__(self):
        super().__init__("localhost", timeout=30)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(os.path.join(FOLDER, "run", "failover.sock"))


def ask(method, path, body=None, token=None):
    connection = Socket()
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if token:
        headers["Authorization"] = "Bearer " + token
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    kind = response.headers.get("Content-Type", "")
    return response.status, json.loads(content) if "json" in kind else content.decode()


def supervisor(name):
    reading, writing = os.pipe()
    with open(os.path.join(SCRATCH, name + ".log"), "ab") as log:
        process = subprocess.Popen(
            [CALLVAULT, "failover", "run", "--dir", FOLDER, "--ready-fd", str(writing)],
            stderr=log, stdout=log, pass_fds=[writing])
    os.close(writing)
    return process, os.fdopen(reading)


def route():
    status, answer = ask("GET", "/v1/route")
    assert status == 200, answer
    return answer["plan"]["route"], answer["state"], answer


def until(wanted, seconds=15):
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if route()[0] == wanted and not route()[2]["pending"]:
            return time.monotonic() - begin
        time.sleep(0.01)
    raise AssertionError("not %s but %s" % (wanted, json.dumps(route()[2])))


def command(*words, expect=0):
    result = subprocess.run([CALLVAULT, "failover", *words, "--dir", FOLDER, "--json"],
                            capture_output=True, timeout=120)
    assert result.returncode == expect, (words, result)
    return json.loads(result.stdout)


def verdict(folder, key):
    out = io.StringIO()
    argv, sys.argv = sys.argv, ["verify.py", "log", folder, "--key", key, "--json"]
    try:
        with redirect_stdout(out):
            code = checker.main()
    finally:
        sys.argv = argv
    return code, json.loads(out.getvalue())


targets = {name: Target() for name in ("pbx", "ai", "twilio", "internet")}
text, digest = token(TOKEN_SECRET)
service = Service()
with service:
    pass
shipped = (REPOSITORY / "Policies/routing.yaml").read_text()
SCHEMA.validate(yaml.load(shipped, Plain))
assert not SCHEMA.is_valid(yaml.load(shipped.replace("quorum: 2", "quorum: two"), Plain))
SCHEMA.validate(yaml.load(policy(targets, digest), Plain))
made = subprocess.run([CALLVAULT, "failover", "init", "--dir", FOLDER, "--data", service.data,
                       "--json"], capture_output=True, check=True)
key = json.loads(made.stdout)["verifier_key"]
with open(os.path.join(FOLDER, "routing.yaml"), "w") as file:
    file.write(policy(targets, digest))
with open(os.path.join(service.data, "callvault.yaml"), "a") as file:
    file.write('\nfailover: ["%s"]\n' % FOLDER)
service.start()
first, ready = supervisor("first")
assert ready.readline(), open(os.path.join(SCRATCH, "first.log")).read()
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
    for target in targets.values():
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
    second, ready = supervisor("second")
    time.sleep(0.5)
    first.kill()
    first.wait()
    begin = time.monotonic()
    assert ready.readline(), open(os.path.join(SCRATCH, "second.log")).read()
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

heads = set()
for month in pathlib.Path(FOLDER, "log", "checkpoints").iterdir():
    history, at = month.read_bytes(), 0
    while at < len(history):
        length = int.from_bytes(history[at:at + 2], "big")
        heads.add(hashlib.sha256(history[at + 2:at + 2 + length]).hexdigest())
        at += 2 + length
assert all(json.loads(entry["leaf"])["digest"] in heads for entry in joined), "joined was a head of the supervisor's log"
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
