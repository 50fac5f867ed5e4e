#!/usr/bin/env python3
"""Calls go by a plan that two people approved, and openssl verifies their certificates.

The service is killed at random while it purges; a hold that comes a second before the run wins, and so does one that
comes while it goes on, for all that is still there; a plan is taken back; a clock that is ten years ahead, or goes an
hour a day too fast for a year, with and without a time stamp authority that knows the true time, purges nothing and rings.
faketime moves the time of day and leaves the time since boot alone.
"""
import atexit
import base64
import datetime
import glob
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

REPOSITORY = pathlib.Path(os.environ["REPOSITORY"])
sys.path.insert(0, str(REPOSITORY / "Tests/Torture"))
from clock_steps import DAY, Dated, HOUR, YEAR  # noqa: E402
from outside_anchors import Authority  # noqa: E402
from vault_service import SCRATCH, say, wav  # noqa: E402

library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
if not library or not shutil.which("openssl"):
    print("faketime or openssl is not installed")
    sys.exit(77)

POLICY = """
v: 2
version: "test"
owner: records manager
default: recording
state: US-MI
jurisdictions:
  US: {majority: 18, cite: test, confirmed: true}
classes:
  recording:
    owner: records manager
    rules:
      - {rule: service, version: "1", after: date-of-service, keep: 7y, cite: test, confirmed: true, effective: "2000-01-01"}
purge: {cite: test, owner: test, grace: 1d, percent: 100, recordings: 1000, window: 30d, sweep: never, approvers: [privacy-officer, records-manager]}
quarantines: {}
"""
CALLS = 60


def end(service):
    if service.lives():
        service.kill()


def make(name, anchors=""):
    service = Dated(name, library[0])
    atexit.register(end, service)
    service.make()
    with open(os.path.join(service.data, "policies", "retention.yaml"), "w") as file:
        file.write(POLICY)
    if anchors:
        with open(os.path.join(service.data, "callvault.yaml"), "a") as file:
            file.write(anchors)
    service.start()
    return service


def people(service):
    return (service.token("records-manager", name="Manager"),
            service.token("privacy-officer", name="Officer"))


def today(service):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + service.offset))


def fails(service, *words, token, why=""):
    """A command that must be refused, and says why."""
    done = subprocess.run([os.environ["CALLVAULT"], *words], env=service.environment(token),
                          capture_output=True, text=True, timeout=120)
    assert done.returncode != 0 and why in done.stderr, (words, done.returncode, done.stderr)
    return done.returncode


def approve(service, hash, *more):
    for token in people(service):
        answer = service.command("retention", "approve", hash, *more, token=token)
    return answer


def approve_policy(service):
    with open(os.path.join(service.data, "policies", "retention.yaml"), "rb") as file:
        approve(service, hashlib.sha256(file.read()).hexdigest())


def store(service, count, years, **more):
    worker = service.token("service", "calls:write", "recordings:write")
    began = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=years * 366)
    return [service.put(wav([0, 900, -900] * 200), worker, started=began.isoformat(timespec="seconds"),
                        **{"from": "+1313555%04d" % number}, to="+13135550100", **more)
            for number in range(count)]


# The log's key as openssl reads it.
def public_key(vkey):
    raw = base64.b64decode(vkey.split("+", 2)[2])
    path = os.path.join(SCRATCH, "key.der")
    with open(path, "wb") as file:
        file.write(bytes.fromhex("302a300506032b6570032100") + raw[1:])
    return path


def verifies(note, key):
    """What openssl says of a certificate's signature; the certificate."""
    text, _, line = note.rpartition("\n\n")
    text += "\n"
    with open(os.path.join(SCRATCH, "text"), "w") as file:
        file.write(text)
    with open(os.path.join(SCRATCH, "signature"), "wb") as file:
        file.write(base64.b64decode(line.split(" ")[2])[4:])
    done = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", key,
                           "-rawin", "-in", SCRATCH + "/text", "-sigfile", SCRATCH + "/signature"],
                          capture_output=True)
    return done.returncode == 0, json.loads(text.split("\n")[2].removeprefix("certificate "))


def page(path):
    text = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, check=True).stdout
    return "".join(text.decode().split())


def objects(service):
    return sum(len(files) for _, _, files in os.walk(os.path.join(service.data, "objects")))


# 1. Two people, a hold, kills, certificates.
service = make("practice")
key = public_key(service.init["verifier_key"])
old, young = store(service, CALLS, 8), store(service, 2, 1)
held = store(service, 1, 8, extension="204")[0]
manager, officer = people(service)
fails(service, "retention", "run", "0" * 64, token=manager)
planned = service.command("retention", "plan", "-o", SCRATCH + "/plan.txt", token=manager)
plan = planned["plan"]
with open(SCRATCH + "/plan.txt", "rb") as file:
    listed = file.read()
assert hashlib.sha256(listed).hexdigest() == plan, "the list does not have the plan's hash"
assert planned["calls"] == CALLS + 1 and planned["kept"]["young"] == 2, planned
service.command("retention", "approve", plan, "--today", today(service), token=manager)
fails(service, "retention", "approve", plan, token=manager, why="two different people")
fails(service, "retention", "approve", plan, token=service.token("records-manager", name="Manager"))
fails(service, "retention", "approve", plan, token=service.token("administrator", name="A"))
service.command("retention", "approve", plan, "--today", today(service), token=officer)
fails(service, "retention", "run", plan, token=manager)  # the policy, and the grace
approve_policy(service)
fails(service, "retention", "run", plan, token=manager, why="grace")
before = objects(service)
service.hop(4 * DAY)
approve(service, plan, "--today", today(service))
manager, officer = people(service)
hold = service.command("hold", "set", "--matter", "Doe", "--reason", "subpoena", "--custodian", "Counsel",
                       "--extension", "204", token=manager)["hold"]
service.command("retention", "run", plan, token=manager)
kills, dice = 8, random.Random(20261128)
for _ in range(kills):
    # It goes on with the run as soon as it is up, so it dies anywhere in it.
    service.kill()
    service.spawn()
    time.sleep(dice.uniform(0.1, 0.7))
    os.close(service.ready)
service.kill()
service.start()
deadline = time.monotonic() + 60
while True:
    state = service.command("retention", "status", token=people(service)[0])["plans"][0]
    if state["stage"] == "done":
        break
    assert time.monotonic() < deadline, state
    time.sleep(0.2)
assert state["purged"] == CALLS and state["skipped"] == {"held": 1}, state
# A kill between a call's rows and its objects leaves these without a key; the daily sweep takes them.
left = objects(service) - (before - CALLS)
assert 0 <= left < CALLS, (before, objects(service))
auditor = service.token("auditor")
shown = service.command("audit", "show", "--action", "recording.purged", "--limit", "100", token=auditor)
leaves = [json.loads(entry["leaf"]) for entry in shown["entries"]]
gone = [leaf["objects"][0] for leaf in leaves if leaf.get("outcome") == "success"]
assert sorted(gone) == sorted(created["call"] for created, _ in old), "entries are not the plan's"
assert all(leaf["evidence"] == plan for leaf in leaves if leaf["objects"][0] in gone)
manager, officer = people(service)
rows = service.command("retention", "certificates", plan, "--calls", token=manager)["certificates"]
assert sorted(row["call"] for row in rows) == sorted(gone)
for name in [plan] + gone:
    note = service.command("retention", "certificates", name, token=manager)["note"]
    sound, certificate = verifies(note, key)
    assert sound and certificate["plan"] == plan, certificate
    assert not verifies(note.replace("NIST", "NISt"), key)[0]
assert certificate["time_source"].startswith("typed by both approvers"), certificate
run = service.command("retention", "certificates", plan, "--pdf", SCRATCH + "/run.pdf", token=manager)
assert run["certificate"]["purged"] == CALLS and plan in page(SCRATCH + "/run.pdf")
# faketime holds timers up, for which nothing above waits: the rest of this part goes by the machine's clock,
# which the program takes up where it was.
service.stop()
service.set(0)
service.start()
manager, officer = people(service)
service.command("keys", "ratchet")
deadline = time.monotonic() + 60
while True:
    certificate = verifies(service.command("retention", "certificates", gone[0], token=manager)["note"],
                           key)[1]
    if "t1" in certificate:
        break
    assert time.monotonic() < deadline, service.command("keys", "status")
    time.sleep(0.2)
# Nobody configured anchors of the ring: then erasure is not claimed.
assert certificate["t1"]["proven"] is False, certificate
for token, released in ((manager, False), (officer, True)):
    answer = service.command("hold", "release", hold, "--reason", "closed", token=token)
    assert answer["released"] is released
say("%d calls purged over %d kills, each with its entry; openssl verified %d certificates"
    % (CALLS, kills, len(gone) + 1))

# 2. A hold while the run goes on: each call went before it, or stays.
def create(service, count, **more):
    """Calls of eight years ago without a recording."""
    worker = service.token("service", "calls:write")
    connection, calls = service.connection(), set()
    began = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=8 * 366)
    for number in range(count):
        status, _, body = service.request(
            "POST", "/v1/calls", {"source": "bulk", "source_id": "%s %d" % (more, number),
                                  "started": began.isoformat(timespec="seconds"), "from": "+13135550142",
                                  "to": "+13135550100", **more}, worker, connection=connection)
        assert status == 201, body
        calls.add(json.loads(body)["call"])
    connection.close()
    return calls


def entries(service, action):
    """Where the successful ones are, and about what."""
    found, first, auditor = [], 0, service.token("auditor")
    while first is not None:
        shown = service.command("audit", "show", "--action", action, "--limit", "100", "--first", str(first),
                                token=auditor)
        found += shown["entries"]
        first = shown.get("next")
    leaves = [(entry["index"], json.loads(entry["leaf"])) for entry in found]
    return [(index, leaf["objects"][0]) for index, leaf in leaves if leaf.get("outcome") == "success"]


def state_of(service, plan, token, connection=None):
    status, _, body = service.request("GET", "/v1/retention", token=token, connection=connection)
    assert status == 200, body
    return next(p for p in json.loads(body)["plans"] if p["plan"] == plan)


def until(service, plan, token, *stages):
    deadline = time.monotonic() + 120
    while (state := state_of(service, plan, token))["stage"] not in stages:
        assert time.monotonic() < deadline, state
        time.sleep(0.1)
    return state


MANY = 600
# The program goes on from the latest time that it was told.
service.hop(5 * DAY)
many = create(service, MANY, extension="301")
manager, officer = people(service)
plan = service.command("retention", "plan", "--beyond-caps", token=manager)["plan"]
approve(service, plan, "--today", today(service), "--beyond-caps")
service.hop(9 * DAY)
approve(service, plan, "--today", today(service))
manager, officer = people(service)
service.command("retention", "run", plan, token=manager)
# It begins at the next start: faketime holds timers up.
service.kill()
service.start()
connection = service.connection()
deadline = time.monotonic() + 60
while not (state := state_of(service, plan, manager, connection)).get("done") and state["stage"] == "running":
    assert time.monotonic() < deadline, state
status, _, body = service.request(
    "POST", "/v1/holds", {"matter": "Roe", "reason": "subpoena", "custodian": "Counsel", "kind": "legal",
                          "scope": {"extensions": ["301"]}}, manager, connection=connection)
assert status == 201, body
placed = json.loads(body)["log_index"]
state = until(service, plan, manager, "done")
skipped = state["skipped"].get("held", 0)
assert state["purged"] + skipped >= MANY, state
gone = [(index, call) for index, call in entries(service, "recording.purged") if call in many]
late = [call for index, call in gone if index > placed]
assert len(gone) + skipped == MANY, (len(gone), state)
assert not late, "%d calls went after the hold" % len(late)
say("a hold placed %d calls into a run kept the other %d" % (state["purged"], skipped))

# 3. Taken back while it runs: it never runs again.
service.hop(10 * DAY)
create(service, 20, extension="302")
manager, officer = people(service)
plan = service.command("retention", "plan", "--beyond-caps", token=manager)["plan"]
approve(service, plan, "--today", today(service), "--beyond-caps")
service.hop(14 * DAY)
approve(service, plan, "--today", today(service))
manager, officer = people(service)
with subprocess.Popen([os.environ["CALLVAULT"], "retention", "run", plan, "--wait"], stdout=subprocess.PIPE,
                      env=service.environment(manager), text=True) as waiting:
    until(service, plan, manager, "running")
    service.command("retention", "void", plan, "--reason", "a child", token=officer)
    told = waiting.communicate(timeout=60)[0]
assert told.startswith("void (withdrawn): ") and waiting.returncode == 0, told
state = state_of(service, plan, manager)
assert state["stage"] == "void" and state["voided"] == "withdrawn", state
sound, certificate = verifies(service.command("retention", "certificates", plan, token=manager)["note"], key)
assert sound and certificate["stopped"] == "withdrawn" and certificate["purged"] == state["purged"], certificate
fails(service, "retention", "run", plan, token=manager)
fails(service, "retention", "void", plan, "--reason", "again", token=manager)
service.stop()
service.set(0)
service.start()

# 4. Ten years ahead, and nobody outside.
service.hop(10 * YEAR)
manager, officer = people(service)
plan = service.command("retention", "plan", token=manager)["plan"]
assert approve(service, plan)["stage"] == "approved"
fails(service, "retention", "run", plan, token=manager)
service.hop(10 * YEAR + 3 * DAY)
true = time.strftime("%Y-%m-%d", time.gmtime())
assert approve(service, plan, "--today", true)["stage"] == "approved"
fails(service, "retention", "run", plan, token=people(service)[0])


def rings(service):
    text = service.request("GET", "/metrics", token=service.token("operator"))[2].decode()
    ready = json.loads(service.request("GET", "/v1/health/ready")[2])
    assert any("nothing is purged" in alarm for alarm in ready.get("alarms", [])), ready
    assert "callvault_retention_clock_alarm 1" in text
    status = service.command("retention", "status", token=people(service)[0])
    assert "clock_alarm" in status
    return status["clock_alarm"]["detail"]


rings(service)
for created, stored in young:
    why = service.command("retention", "why", stored["recording"], token=people(service)[0])
    assert why["held"] is False and why["eligible"] > true, why
service.stop()

# 5. Ten years ahead, and a time stamp authority that knows better; then by its time.
def creep(name, anchors, *more):
    """An hour a day for a year, over restarts: by then a clock of ours is fifteen days ahead."""
    service = make(name, anchors)
    approve_policy(service)
    # May go in ten days, by the true time; by ours long before the year is over.
    began = datetime.datetime.now(datetime.timezone.utc)
    began = began.replace(year=began.year - 7, day=min(began.day, 28)) + datetime.timedelta(days=12)
    created, _ = service.put(wav([1, 2, 3] * 100), service.token("service", "calls:write", "recordings:write"),
                             started=began.isoformat(timespec="seconds"))
    planned = 0
    for season in range(1, 4):
        service.kill()
        service.set(season * 122 * HOUR - 61 * HOUR)
        service.start()
        service.hop(season * 122 * HOUR)
        plan = service.command("retention", "plan", token=people(service)[0])
        planned += plan["calls"]
        approve(service, plan["plan"], *more)
        fails(service, "retention", "run", plan["plan"], token=people(service)[0])
    assert planned, "the clock never came to believe that the call may go"
    detail = rings(service)
    why = service.command("retention", "why", created["call"], token=people(service)[0])
    assert why["held"] is False and not entries(service, "recording.purged"), why
    service.stop()
    return detail


creep("crept", "", "--today", true)
authority = Authority(days=36000)
anchors = """
anchors:
  timestamp: { url: "%s", ca: %s, every: 1s, limit: 1h }
""" % (authority.url, authority.certificate)
try:
    stamped = make("stamped", anchors)
    approve_policy(stamped)
    ancient, child = store(stamped, 1, 8)[0], store(stamped, 1, 1)[0]
    first = stamped.command("retention", "plan", token=people(stamped)[0])["plan"]
    answer = approve(stamped, first)
    assert answer["stage"] == "in-grace", answer
    stamped.hop(10 * YEAR)
    fails(stamped, "retention", "run", first, token=people(stamped)[0])
    second = stamped.command("retention", "plan", token=people(stamped)[0])["plan"]
    assert approve(stamped, second)["stage"] == "approved"
    fails(stamped, "retention", "run", second, token=people(stamped)[0])
    detail = rings(stamped)
    ahead = int(detail.split(" seconds")[0].split()[-1])
    assert abs(ahead - 10 * YEAR) < 600, detail
    for created, _ in (ancient, child):
        assert stamped.command("retention", "why", created["call"], token=people(stamped)[0])
    stamped.stop()
    detail = creep("stamped-crept", anchors)
    ahead = int(detail.split(" seconds")[0].split()[-1])
    assert abs(ahead - 366 * HOUR) < 600, detail
finally:
    authority.close()
say("ten years ahead, and an hour a day over three restarts: nothing went, the alarm rang, the authority knew the "
    "true time to %d s" % abs(ahead - 366 * HOUR))
