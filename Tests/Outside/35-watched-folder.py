#!/usr/bin/env python3
"""A phone system's folder: everything that is dropped is stored once or put aside, and the folder ends empty.

Files come by rename, by a plain write, slowly in pieces and with sidecars; junk of every kind comes between
them. The program is stopped and killed in the middle, over and over.
"""
import hashlib
import json
import os
import random
import re
import signal
import sys
import threading
import time

from vault_service import SCRATCH, Service, say, wav

sys.path.insert(0, os.path.join(os.environ["REPOSITORY"], "Tests/Torture"))
from account import entries_of  # noqa: E402

dice = random.Random(35)
folder = os.path.join(SCRATCH, "drop")
for extension in ("100", "101", "102"):
    os.makedirs(os.path.join(folder, extension))

expected = {}                 # source_id -> set of SHA-256
facts = {}                    # source_id -> what the call must say
aside = {}                    # name -> reason
number = 0


def sound():
    return wav([dice.randrange(-9000, 9000) for _ in range(dice.choice([1, 800, 8000, 60000]))])


def place(name, how, data):
    path = os.path.join(folder, dice.choice(["100", "101", "102"]), name)
    if how == "rename":
        hidden = os.path.join(folder, ".coming-%d" % dice.getrandbits(64))
        with open(hidden, "wb") as file:
            file.write(data)
        os.rename(hidden, path)
        return path
    with open(path, "wb") as file:
        if how == "whole":
            file.write(data)
        else:
            for start in range(0, len(data), max(1, len(data) // 7)):
                file.write(data[start:start + max(1, len(data) // 7)])
                file.flush()
                time.sleep(0.25)
    return path


def drop():
    global number
    number += 1
    data = sound()
    kind = dice.choice(["inbound", "outbound", "internal", "sidecar", "both", "junk", "name"])
    how = dice.choice(["rename", "whole", "rename", "whole", "slow"])
    clock = "20260219%02d%02d%02d" % (9 + number // 3600, number // 60 % 60, number % 60)
    names = {
        "inbound": "[Caller %d]_+1313555%04d-100_%s(%d).wav" % (number, number, clock, number),
        "outbound": "[]_101-+1313555%04d_%s(%d).wav" % (number, clock, number),
        "internal": "[a]_b]_101-102_%s(%d).wav" % (clock, number),
        "both": "[]_100-+1313555%04d_%s(%d).wav" % (number, clock, number),
        "sidecar": "recording %d.wav" % number,
        "name": "recording %d.wav" % number,
        "junk": "[]_100-200_%s(%d).wav" % (clock, number),
    }
    name = names[kind]
    if kind in ("sidecar", "both"):
        source = "side-%d" % number
        sidecar = {"v": 1, "source_id": source, "started": "2026-11-20T09:30:00-05:00",
                   "from": "+13135550142", "direction": "inbound", "agent": "Dana Reyes"}
        if dice.random() < 0.5:
            sidecar["sha256"] = hashlib.sha256(data).hexdigest()
        # The sidecar first, in the same folder: what comes after its recording comes too late.
        path = place(name + ".json", "rename", json.dumps(sidecar).encode())
        beside = os.path.join(folder, ".beside-%d" % number)
        with open(beside, "wb") as file:
            file.write(data)
        os.rename(beside, path[:-len(".json")])
        expected.setdefault(source, set()).add(hashlib.sha256(data).hexdigest())
        facts[source] = ("2026-11-20T09:30:00-05:00", "inbound", "Dana Reyes")
        return
    if kind == "name":
        place(name, how, data)
        aside[name] = "name-not-understood"
        return
    if kind == "junk":
        what = dice.choice(["text", "empty", "link", "pipe", "bytes", "hard"])
        if what == "text":
            place(name, how, b"this is no sound")
            aside[name] = "not-audio"
        elif what == "empty":
            place(name, "whole", b"")
            aside[name] = "empty"
        elif what == "link":
            os.symlink("/etc/passwd", os.path.join(folder, name))
            aside[name] = "not-a-file"
        elif what == "pipe":
            os.mkfifo(os.path.join(folder, name))
            aside[name] = "not-a-file"
        elif what == "bytes":
            raw = b"\xff\xfe %d" % number
            with open(os.path.join(folder.encode(), raw), "wb") as file:
                file.write(data)
            aside[os.fsdecode(raw)] = "name-not-text"
        else:
            second = os.path.join(SCRATCH, "second-%d" % number)
            with open(second, "wb") as file:
                file.write(data)
            os.link(second, os.path.join(folder, name))
            aside[name] = "has-another-name"
        return
    place(name, how, data)
    expected.setdefault(name, set()).add(hashlib.sha256(data).hexdigest())
    facts[name] = ("%s-%s-%sT%s:%s:%s-05:00" % (
        clock[:4], clock[4:6], clock[6:8], clock[8:10], clock[10:12], clock[12:14]), kind, None)
    if dice.random() < 0.2:
        # The phone system's second copy, in another folder.
        place(name, "rename", data)


def lying():
    """What waits, `.cv~` before its name or not; a kill between a recording's removal and its sidecar's leaves
    the sidecar for a day."""
    found = []
    for where, _, names in os.walk(folder):
        if ".quarantine" in where:
            continue
        own = [name.removeprefix(".cv~") for name in names]
        found += [os.path.join(where, name) for name in own if not name.startswith(".")
                  and not (name.endswith(".json") and name[:-5] not in own)]
    return found


def wait_empty(service):
    deadline = time.monotonic() + 120
    while lying():
        assert time.monotonic() < deadline, (lying(), open(service.stderr).read()[-3000:])
        time.sleep(0.2)


service = Service()
service.init = service.command("init", "--data", service.data, "--keys", service.keys)
settings = os.path.join(service.data, "callvault.yaml")
with open(settings) as file:
    text = file.read()


def configure(intake):
    with open(settings, "w") as file:
        file.write(text + "\nlocations:\n  downtown: { country: US, time_zone: America/Detroit }\n"
                   + intake)


# Wrong settings are refused with their place.
for wrong, says in [
        ("intake: { folders: [ { path: relative, source: a, time_zone: UTC } ] }", "from / on"),
        ("intake: { folders: [ { path: /a, source: a } ] }", "time_zone"),
        ("intake: { folders: [ { path: /a, source: a, location: nowhere } ] }", "locations"),
        ("intake: { folders: [ { path: /a, source: a, time_zone: Mars/Base } ] }", "time zone"),
        ("intake: { folders: [ { path: /a, source: a, time_zone: UTC, settle: 2d } ] }", "hour"),
        ("intake: { folders: [ { path: /a, source: a, time_zone: UTC, colour: red } ] }", "colour"),
        ("intake: { folders: [ { path: /a, source: a, time_zone: UTC, quarantine: /a/b } ] }",
         "dot")]:
    configure(wrong + "\n")
    failure = service.command("doctor", expect=2)
    assert re.search(r"callvault.yaml:\d+:\d+: ", failure["error"]["message"]), failure
    assert says in failure["error"]["message"], failure

configure("""
intake:
  folders:
    - path: %s
      source: 3cx
      location: downtown
      settle: 1s
      recursive: true
""" % folder)

try:
    service.start()
    stopping = threading.Event()
    failures = []

    def traffic():
        try:
            while not stopping.is_set():
                drop()
                time.sleep(dice.random() * 0.1)
        except Exception as error:  # Told below.
            failures.append(error)

    thread = threading.Thread(target=traffic)
    thread.start()
    kills = 0
    for turn in range(8):
        time.sleep(1.2 + dice.random() * 1.5)
        if turn == 4:
            service.stop()
        else:
            service.process.send_signal(signal.SIGKILL)
            service.process.wait()
            kills += 1
        service.start()
    stopping.set()
    thread.join()
    assert not failures, failures
    wait_empty(service)

    officer = service.token("privacy-officer")
    found, listed, cursor = {}, {}, ""
    recordings = 0
    while True:
        _, _, body = service.request("GET", "/v1/calls?limit=100" + cursor, None, officer,
                                     {"Purpose-Of-Use": "TREAT"})
        page = json.loads(body)
        for call in page["calls"]:
            source = call["details"]["source_id"]
            assert source not in found, "a call is there twice: %s" % source
            listed[source] = call
            _, _, body = service.request("GET", "/v1/calls/" + call["call"], None, officer)
            found[source] = set()
            for recording in json.loads(body)["recordings"]:
                status, _, audio = service.request(
                    "GET", "/v1/recordings/%s/audio" % recording["recording"], None, officer,
                    {"Purpose-Of-Use": "TREAT"})
                assert status == 200
                digest = hashlib.sha256(audio).hexdigest()
                assert digest not in found[source], "a recording is there twice: %s" % source
                found[source].add(digest)
                recordings += 1
        if "next" not in page:
            break
        cursor = "&cursor=" + page["next"]
    assert found == expected, (
        set(found) ^ set(expected), [s for s in expected if found.get(s) != expected[s]])
    for source, (started, direction, agent) in facts.items():
        call = listed[source]
        assert (call["started"], call["direction"], call["details"].get("agent")) == (
            started, direction, agent), call
        assert call["location"] == "downtown" and call["source"] == "3cx", call

    shelf = os.path.join(folder, ".quarantine")
    put = {}
    for item in os.listdir(shelf):
        if item.endswith(".json"):
            continue
        reason = json.load(open(os.path.join(shelf, item + ".json")))
        assert set(reason) == {"v", "reason"} and reason["v"] == 1, reason
        for name in os.listdir(os.path.join(shelf, item)):
            assert name not in put, "put aside twice: %s" % name
            put[name] = reason["reason"]
    assert put == aside, {n: (put.get(n), aside.get(n)) for n in set(put) ^ set(aside)}

    auditor = service.token("auditor")
    copy = os.path.join(SCRATCH, "copy")
    service.command("audit", "export", copy, token=auditor)
    entries = [entry for _, entry in entries_of(copy) if entry["action"] == "intake.quarantined"]
    # A kill after the move leaves an open intent, which the next start closes as interrupted.
    assert sum(e["phase"] == "intent" for e in entries) >= len(aside), (entries, aside)
    assert sum(e["phase"] == "outcome" for e in entries) >= len(aside), (entries, aside)
    for entry in entries:
        assert entry["actor"]["kind"] in ("service", "system"), entry
        assert not entry.get("objects") and "commits" in entry or entry["phase"] == "outcome", entry

    sidecars_left = [name for where, folders, names in os.walk(folder) for name in names
                     if ".quarantine" not in where and name.endswith(".json")]
    state = service.command("intake", "status")["folders"][0]
    assert state["state"] == "watching" and state["waiting"] == len(sidecars_left), state
    assert state["in_quarantine"] == len(aside), (state, len(aside))
    metrics = service.request("GET", "/metrics", None, service.token("operator"))[2].decode()
    assert 'callvault_intake_quarantine_files{folder="1"} %d' % len(aside) in metrics
    assert 'callvault_intake_failing{folder="1"} 0' in metrics

    # A folder that goes away is told, and taken up again when it comes back.
    os.rename(folder, folder + "-away")
    deadline = time.monotonic() + 60
    while service.command("intake", "status")["folders"][0]["state"] != "not-readable":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    os.makedirs(os.path.join(folder, "100"))
    os.makedirs(os.path.join(folder, "101"))
    os.makedirs(os.path.join(folder, "102"))
    name = "[]_100-+13135559999_20261101013000(9).wav"
    place(name, "rename", sound())
    wait_empty(service)
    service.stop()
    finding = [f for f in service.command("doctor", expect=1)["findings"] if f["check"] == "intake"]
    assert finding and finding[0]["state"] == "ok", finding
    log = open(service.stderr).read()
    for secret in ("+1313555", "Dana Reyes", "Caller "):
        assert secret not in log, "a caller detail in the service's log"
    say("%d files in %d calls and %d put aside after %d kills, each exactly once" % (
        recordings, len(expected), len(aside), kills))
finally:
    service.__exit__()
