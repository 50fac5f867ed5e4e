#!/usr/bin/env python3
"""Failback's test calls through a fake of Twilio, a drill with callers, and drills by the calendar."""
import json
import os
import subprocess
import threading
import time

import jsonschema_rs
import yaml

from supervisor import ALWAYS, Listening, Target
from vault_service import CALLVAULT, SCRATCH, say
from vendor_fakes import Twilio

ACCOUNT, SECRET = "AC" + "0" * 32, "k" * 40
with open(os.path.join(SCRATCH, "secret"), "w") as file:
    file.write(SECRET + "\n")


pbx, uplink, twilio = Target(), Target(), Twilio(ACCOUNT, SECRET)
POLICY = f"""
v: 1
version: "test"
owner: test
private_addresses: true
{ALWAYS}
targets:
  pbx: {{role: pbx, probes: [{{kind: http, url: "http://127.0.0.1:{pbx.port}", path: "/", interval_ms: 50, silence_ms: 900, probes: 3, dwell_ms: 200}}]}}
  internet: {{role: uplink, quorum: 1, probes: [{{kind: uplink, places: [{{tcp: "127.0.0.1:{uplink.port}"}}], interval_ms: 50}}]}}
routes:
  - {{name: desk, state: NORMAL, provider: 3cx, needs: [pbx], contacts: ["sip:desk@pbx.example.org"], records: true}}
  - {{name: pstn, state: EMERGENCY_PSTN, provider: pstn_backup, contacts: ["+13135550142"], records: false}}
emergency: {{routes: [desk, pstn]}}
switching: {{hold_down_ms: 0, flap_limit: 100}}
failback: {{when: idle, dwell_ms: 500, idle_ms: 0, latest_ms: 0, canaries: 2}}
drills: [{{dead: [pbx], every_ms: 3000}}]
actuators:
  carrier:
    kind: twilio
    states: []
    account: {ACCOUNT}
    secret_file: {SCRATCH}/secret
    api: "{twilio.origin}"
    trunking: "{twilio.origin}"
    canaries: {{from: "+13125550100", routes: {{desk: "sip:echo@pbx.example.org"}}}}
"""
with open(os.path.join(os.environ["REPOSITORY"], "Policies/routing.schema.json")) as file:
    jsonschema_rs.validator_for(json.load(file)).validate(yaml.safe_load(POLICY))


def command(*words, typed=""):
    result = subprocess.run([CALLVAULT, "failover", *words, "--dir", supervisor.folder, "--json"],
                            input=typed, capture_output=True, text=True, timeout=120)
    return result.returncode, json.loads(result.stdout)


with Listening(POLICY) as supervisor:
    supervisor.until("desk")

    # The better way comes back when two test calls in a row were answered on it, not before.
    twilio.outcomes = ["in-progress", "no-answer", "busy"]
    pbx.status = 503
    supervisor.until("pstn")
    pbx.status = 200
    end = time.monotonic() + 30
    while len(twilio.placed) < 4 and time.monotonic() < end:
        now = supervisor.status()
        assert now["plan"]["route"] == "pstn" or len(twilio.placed) >= 4, now
        time.sleep(0.05)
    supervisor.until("desk")
    assert len(twilio.placed) >= 5, "two after the last that was not answered"
    calls = len(twilio.placed)
    for placed in twilio.placed:
        assert placed["To"] == "sip:echo@pbx.example.org" and placed["From"] == "+13125550100", placed
        assert "<Hangup/>" in placed["Twiml"] and "Dial" not in placed["Twiml"], placed
    assert twilio.refused == [], twilio.refused
    say("%d test calls placed; calls went back after two in a row were answered" % calls)

    # By the calendar: rehearsed, and nothing moved.
    while not supervisor.ask("GET", "/v1/drills")[1]["drills"] and time.monotonic() < end:
        time.sleep(0.1)
    drills = supervisor.ask("GET", "/v1/drills")[1]["drills"]
    assert drills and drills[0]["dead"] == ["pbx"] and drills[0]["passed"] and drills[0]["route"] == "pstn", drills

    # With callers: only after the route's name, and back at its end.
    code, answer = command("drill", "--dead", "pbx", "--live", "--for", "2s", typed="desk\n")
    assert code == 2 and supervisor.status()["plan"]["route"] == "desk", answer
    for body, status in (({"dead": ["pbx"], "confirm": "desk", "for_ms": 2000}, 409), ({"dead": ["pbx"], "confirm": "pstn"}, 422),
                         ({"dead": ["pbx"], "confirm": "pstn", "for_ms": 3600000}, 422)):
        assert supervisor.ask("POST", "/v1/drills", body)[0] == status, body
    assert supervisor.status()["plan"]["route"] == "desk"
    seen = set()
    watching = threading.Event()

    def watch():
        while not watching.is_set():
            seen.add(supervisor.status()["plan"]["route"])
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code, report = command("drill", "--dead", "pbx", "--live", "--for", "2s", typed="pstn\n")
    watching.set()
    watcher.join()
    assert code == 0 and report["passed"] and report["reverted"] and not report["cut_short"], report
    assert seen == {"desk", "pstn"} and supervisor.status()["plan"]["route"] == "desk", seen
    assert len(twilio.placed) <= calls + 1, "whoever confirmed the drill answers for the way back: no test call is waited for"
    say("a drill with callers: there in %d ms, away %d ms, back in %d ms"
        % (report["confirm_ms"], report["live_ms"], report["revert_ms"]))

    # Cut short by a person, and reported so.
    status, begun = supervisor.ask("POST", "/v1/drills", {"dead": ["pbx"], "confirm": "pstn", "for_ms": 600000})
    assert status == 200 and begun["running"], begun
    supervisor.until("pstn")
    status, second = supervisor.ask("POST", "/v1/drills", {"dead": ["pbx"], "confirm": "pstn", "for_ms": 2000})
    assert status == 409 or not second["passed"] and "running" not in second, "one at a time"
    assert supervisor.ask("DELETE", "/v1/route/override")[0] == 200
    supervisor.until("desk")
    end = time.monotonic() + 20
    while time.monotonic() < end:
        report = next(d for d in supervisor.ask("GET", "/v1/drills")[1]["drills"] if d["id"] == begun["id"])
        if "running" not in report:
            break
        time.sleep(0.1)
    assert report["cut_short"] and report["reverted"] and not report["passed"], report
    say("%d drills by the calendar moved nothing; one with callers was cut short by hand and says so" % len(drills))
