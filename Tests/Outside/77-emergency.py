#!/usr/bin/env python3
"""EMERGENCY_ALERT to the transfer at the provider: how long, and that nothing stands before it.

Fakes of Asterisk's manager and of Twilio note when the transfer of a call arrives. Whoever is told of emergencies
answers only when it has, so a transfer that waited for a notice would never come. `figures N` prints more runs.
"""
import collections
import http.server
import json
import os
import statistics
import sys
import threading
import time

from supervisor import ALWAYS, Listening, token
from vault_service import SCRATCH, say
from vendor_fakes import Asterisk, Twilio

ACCOUNT, SECRET = "AC" + "0" * 32, "k" * 40
RUNS = int(sys.argv[2]) if sys.argv[1:2] == ["figures"] else 20
with open(os.path.join(SCRATCH, "secret"), "w") as file:
    file.write(SECRET + "\n")


class Arrivals:
    """When each call's transfer arrived."""

    def __init__(self):
        self.times, self.condition = {}, threading.Condition()

    def add(self, call):
        with self.condition:
            self.times.setdefault(call, time.monotonic())
            self.condition.notify_all()

    def wait(self, count):
        with self.condition:
            return self.condition.wait_for(lambda: len(self.times) >= count, 20)


arrivals = Arrivals()


class Stuck:
    """Calls whose transfers nobody answers until the test is over."""

    def __init__(self):
        self.calls, self.asked, self.over = set(), collections.Counter(), threading.Event()

    def wait(self, call):
        self.asked["Twilio" if call.startswith("CA") else "Asterisk"] += 1
        self.over.wait(60)

    def hang(self):
        """Whether all moves that may be under way at once are."""
        return self.asked["Asterisk"] >= 1 and self.asked["Twilio"] >= 10


stuck = Stuck()


class Manager(Asterisk):
    def answer(self, name, fields, is_in):
        if name == "Redirect":
            if fields["Channel"] in stuck.calls:
                stuck.wait(fields["Channel"])
            arrivals.add(fields["Channel"])
        return super().answer(name, fields, is_in)


class Provider(Twilio):
    def act(self, template, method, values, given, fields):
        if method == "POST" and "Twiml" in fields:
            if values["Sid"] in stuck.calls:
                # Others are answered meanwhile.
                self.lock.release()
                stuck.wait(values["Sid"])
                self.lock.acquire()
            arrivals.add(values["Sid"])
        return super().act(template, method, values, given, fields)


class Told(http.server.BaseHTTPRequestHandler):
    """A notifier whose answer waits until the transfer has arrived."""
    protocol_version = "HTTP/1.1"
    alerts, early, made, is_up = {}, 0, 0, True

    def do_GET(self):
        self.send_response(200 if Told.is_up or self.command == "POST" else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        notice = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if notice["event"] == "emergency-transfer" and notice["notice"] not in Told.alerts:
            Told.alerts[notice["notice"]] = notice
            Told.early += not arrivals.wait(Told.made)
        self.do_GET()

    def log_message(self, *_):
        pass


told = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Told)
threading.Thread(target=told.serve_forever, daemon=True).start()
manager, provider = Manager("callvault", SECRET), Provider(ACCOUNT, SECRET)
text, digest = token(bytes(range(32)))
notifier = '{kind: webhook, url: "http://127.0.0.1:%d", path: /notices, secret_file: %s/secret}' % (told.server_address[1], SCRATCH)
POLICY = f"""
v: 1
version: "test"
owner: test
private_addresses: true
{ALWAYS}
targets:
  pbx: {{role: pbx, probes: [{{kind: http, url: "http://127.0.0.1:{told.server_address[1]}", path: "/"}}]}}
  internet: {{role: uplink, quorum: 1, probes: [{{kind: uplink, places: [{{tcp: "127.0.0.1:{told.server_address[1]}"}}]}}]}}
routes:
  - {{name: desk, state: NORMAL, provider: 3cx, needs: [pbx], contacts: ["sip:desk@pbx.example.org"], records: true}}
  - {{name: pstn, state: EMERGENCY_PSTN, provider: pstn_backup, contacts: ["+13135550142"], records: false}}
emergency: {{routes: [desk, pstn], notify: [team, manager]}}
notifiers:
  team: {notifier}
  manager: {notifier}
actuators:
  pbx: {{kind: asterisk, states: [], host: 127.0.0.1, port: {manager.port}, user: callvault, secret_file: {SCRATCH}/secret,
        mode: {{family: failover, key: mode}}, routes: {{desk: desk, pstn: away}},
        places: {{desk: {{context: rescue, extension: "200"}}, pstn: {{context: rescue, extension: "300"}}}}}}
  carrier: {{kind: twilio, states: [], account: {ACCOUNT}, secret_file: {SCRATCH}/secret, api: "{provider.origin}", trunking: "{provider.origin}"}}
tokens:
  - {{name: engine, sha256: {digest}, scopes: ["emergency:write"]}}
"""


def appear(kind, number):
    """A call that is going on; its name."""
    if kind == "Asterisk":
        call = "PJSIP/caller-%08x" % number
        manager.channels.append((call, "%d.1" % number, "%d.1" % number, "from-carrier"))
    else:
        call = "CA%032x" % number
        provider.calls[call] = {"sid": call, "status": "in-progress", "trunk_sid": None, "parent_call_sid": None}
    return call


with Listening(POLICY) as supervisor:
    supervisor.until("desk")
    took, sent = {"Asterisk": [], "Twilio": []}, 0
    for number in range(RUNS):
        for kind in took:
            call = appear(kind, number)
            Told.made += 1
            begun = time.monotonic()
            status, answer = supervisor.ask(
                "POST", "/v1/emergency", {"event": "EMERGENCY_ALERT", "reference": call}, token=text)
            assert status == 200 and answer["transferred"] and answer["bypass_ai"], answer
            assert call in arrivals.times, "answered before the transfer was sent"
            took[kind].append(arrivals.times[call] - begun)
            sent += 1
    assert len(manager.moved) == RUNS and set(m[1:] for m in manager.moved) == {("rescue", "200")}, manager.moved
    assert all("sip:desk@pbx.example.org" in call["moved"] for call in provider.calls.values())
    end = time.monotonic() + 20
    while len(Told.alerts) < sent and time.monotonic() < end:
        time.sleep(0.05)
    assert len(Told.alerts) == sent and Told.early == 0, (len(Told.alerts), sent, Told.early)
    # Recording is made sure of afterwards.
    def recorded():
        return len(manager.recorded), sum(map(len, list(provider.recordings.values())))

    while recorded() != (RUNS, RUNS) and time.monotonic() < end:
        time.sleep(0.05)
    assert recorded() == (RUNS, RUNS), recorded()
    # A call that nobody here can move is told so, with whom to ring; nobody loses time.
    Told.made = 0
    status, answer = supervisor.ask("POST", "/v1/emergency", {"event": "EMERGENCY_ALERT", "reference": "SIP/gone"}, token=text)
    assert status == 200 and not answer["transferred"], answer
    assert [route["route"] for route in answer["routes"]] == ["desk", "pstn"], answer
    assert supervisor.ask("POST", "/v1/emergency", {"event": "OTHER"}, token=text)[0] == 422
    # A rescue of every other call hangs at both providers; an emergency waits for none of it.
    stuck.calls.update(channel for channel, *_ in manager.channels)
    stuck.calls.update(provider.calls)
    behind = {kind: appear(kind, RUNS) for kind in took}
    Told.is_up = False
    supervisor.until("pstn")
    end = time.monotonic() + 20
    while not stuck.hang() and time.monotonic() < end:
        time.sleep(0.01)
    assert stuck.hang(), stuck.asked
    beside = {}
    for kind, call in behind.items():
        begun = time.monotonic()
        answer = supervisor.ask("POST", "/v1/emergency", {"event": "EMERGENCY_ALERT", "reference": call}, token=text)[1]
        beside[kind] = time.monotonic() - begun
        assert answer["transferred"] and call in arrivals.times, answer
    stuck.over.set()
    say("beside a rescue that hangs, transferred after " + ", ".join("%.0f ms (%s)" % (t * 1000, k) for k, t in beside.items()))
    for kind, times in took.items():
        say("EMERGENCY_ALERT over TLS to the transfer at %s: median %.0f ms, worst %.0f ms of %d; %d within the second"
            % (kind, statistics.median(times) * 1000, max(times) * 1000, len(times), sum(t < 1 for t in times)))
    say("%d alerts told to the team and the manager, whose receivers answered only after their transfer had arrived" % sent)
