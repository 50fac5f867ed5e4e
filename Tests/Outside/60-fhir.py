#!/usr/bin/env python3
"""The log as FHIR R4 AuditEvents, judged by PyPI's fhir.resources and the rules beside it.

First the cases that came with the design; then an event of every action, phase and outcome the log
may have, made by the program's own view; then a real vault, searched as a hospital's program would.
"""
import collections
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.parse
import uuid

try:
    from fhir.resources.R4B.bundle import Bundle
    from fhir.resources.R4B.capabilitystatement import CapabilityStatement
    from fhir.resources.R4B.operationoutcome import OperationOutcome
except ImportError:
    print("fhir.resources is not installed (PyPI)")
    sys.exit(77)
import fhir_check
from vault_service import Service, say, wav

ROOT = pathlib.Path(os.environ["REPOSITORY"])


def judge(event):
    fhir_check.strict(event)
    if event["type"]["code"] in ("rest", "110106"):
        fhir_check.balp(event)


def entry_of(event):
    """The entity that names the entry, as a dictionary of its details."""
    return {d["type"]: d["valueString"] for d in event["entity"][-1]["detail"]}


# The cases of the design.
cases = json.loads((ROOT / "Tests/Vectors/fhir/auditevents.json").read_text())["cases"]
for case in cases:
    try:
        judge(case["event"])
        verdict = "accept"
    except ValueError:
        verdict = "reject"
    assert verdict == case["expect"], (case["id"], verdict)
say("%d cases of the design, %d of them refused" % (
    len(cases), sum(case["expect"] == "reject" for case in cases)))

# Every kind of event. The lists are those of the format page, so a new action is in it.
page = (ROOT / "Documentation/formats/audit-log.md").read_text()


def listed(start):
    text = page[page.index(start):].split("\n\n")[0]
    return re.findall(r"`([a-z.-]+)`", text)


ACTIONS = listed("3.1. Actions:")
assert len(ACTIONS) > 60, ACTIONS
# Those that are a read or a disclosure by how many subjects they have and what became of them.
SHAPED = {"recording.opened", "recording.playback", "transcript.opened", "note.opened",
          "consent.opened", "call.opened",
          "recording.exported", "transcript.exported", "disclosure", "access.request.fulfilled"}
person, session = str(uuid.uuid4()), str(uuid.uuid4())


def lines():
    index = 0
    for action in ACTIONS:
        for phase, outcome in [("intent", None)] + [
                ("single", o) for o in ("success", "partial", "refused", "failed", "presumed")]:
            for subjects in (0, 1, 2) if action in SHAPED or outcome == "success" else (1,):
                ids = [str(uuid.uuid4()) for _ in range(subjects + 1)]
                entry = {
                    "action": action, "class": "restricted" if subjects == 2 else "neutral",
                    "actor": {"id": person, "kind": "person", "method": "token", "strength": 1,
                              "role": "clinician"},
                    "clock": "synced", "id": str(uuid.uuid4()), "idx": index, "node": "n1",
                    "objects": ids, "phase": phase, "policy": "5e" * 32, "prev": "00" * 32,
                    "purpose": "TREAT", "request": str(uuid.uuid4()), "session": session,
                    "software": "callvault 0.1.0", "time": 1795188000123 + index, "v": 1}
                if subjects:
                    entry["subjects"] = ["A" * 21 + "AQgw"[n] for n in range(subjects)]
                if outcome:
                    entry["outcome"] = outcome
                if outcome in ("refused", "failed"):
                    entry["reason"] = "out-of-scope"
                if subjects == 2:
                    entry.update(behalf=str(uuid.uuid4()), recipient=str(uuid.uuid4()), released=1024,
                                 count=3, first=1795188000000, last=1795188000100,
                                 otime="2026-11-20T09:30:00-05:00", flags=["recovered"],
                                 parts=["recording-1"], digest="ab" * 32, length=99)
                index += 1
                yield json.dumps(entry, sort_keys=True, separators=(",", ":"))


program = os.path.join(os.environ["TOOLS"], "entry-views")
if not os.path.exists(program):
    print("entry-views is not built: swift build --build-tests")
    sys.exit(77)
source = list(lines())
shown = subprocess.run([program, "fhir", "vault.example/callvault"], input="\n".join(source) + "\n",
                       capture_output=True, text=True, timeout=120)
assert shown.returncode == 0, shown.stdout[-500:]
events = [json.loads(line) for line in shown.stdout.splitlines()]
assert len(events) == len(source)
kinds = collections.Counter()
for line, event in zip(source, events):
    entry = json.loads(line)
    try:
        judge(event)
    except Exception as error:
        raise AssertionError("%s %s %s: %s\n%s" % (
            entry["action"], entry["phase"], entry.get("outcome"), error, json.dumps(event))) from None
    found = entry_of(event)
    leaf = hashlib.sha256(b"\0" + line.encode()).hexdigest()
    assert (found["index"], found["leaf"], found["origin"]) == (
        str(entry["idx"]), leaf, "vault.example/callvault"), found
    assert event["subtype"][-1] == {"system": "urn:callvault:action", "code": entry["action"]}
    assert ("outcome" in event) == (entry["phase"] != "intent")
    refused = entry.get("outcome") in ("refused", "failed")
    assert event.get("outcome") == "8" or not refused
    kinds[event["type"]["code"]] += 1
    # What is not in the entry is not in the event: every id and hash in it comes from the entry.
    for value in re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f-]{18}|[0-9a-f]{64}", json.dumps(event)):
        assert value in line or value == leaf, value
assert kinds["rest"] == 6 * 3 and kinds["110106"] == 4 * 2, kinds
say("%d actions in %d events, each accepted; %d types" % (len(ACTIONS), len(events), len(kinds)))

# The page's own table names the same codes as the program.
rows = re.findall(r"^\| (`[^|]+`) \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$",
                  (ROOT / "Documentation/formats/views.md").read_text(), re.M)
checked = 0
for actions, type_, subtypes, codes in rows:
    names = re.findall(r"`([a-z.-]+)`", actions)
    if not names or not re.match(r"11\d{4}", type_):
        continue
    subtypes = [s.split()[-1] for s in subtypes.split(",")] if subtypes.strip() else []
    codes = [c.strip() for c in codes.split(",")]
    for place, name in enumerate(names):
        event = next(e for e in events if e["subtype"][-1]["code"] == name)
        want = ([subtypes[place if len(subtypes) > 1 else 0]] if subtypes else [])
        got = [s["code"] for s in event["subtype"][:-1]]
        code = codes[place if len(codes) > 1 else 0]
        assert (event["type"]["code"], got, event["action"]) == (type_[:6], want, code), (name, event)
        checked += 1
assert checked > 40, checked
say("%d rows of the page's table hold" % checked)

# A real vault.
with Service() as service:
    operator, clinician = service.token("operator"), service.token("clinician")
    created, stored = service.put(wav([0, 1000, -1000] * 800), operator, **{"from": "+13135550142"})
    other, _ = service.put(wav([0, 5] * 800), operator)
    audio = "/v1/recordings/%s/audio" % stored["recording"]
    status, _, _ = service.request("GET", audio, token=clinician, headers={"Purpose-Of-Use": "TREAT"})
    assert status == 200, status
    status, _, _ = service.request("GET", audio, token=operator, headers={"Purpose-Of-Use": "TREAT"})
    assert status == 403, status
    auditor = service.token("auditor")

    def get(path, expect=200, accept=None, token=auditor):
        headers = {"Accept": accept} if accept else {}
        status, fields, body = service.request("GET", path, token=token, headers=headers)
        assert status == expect, (path, status, body)
        return fields, body

    def refused(path, expect, token=auditor):
        fields, body = get(path, expect, token=token)
        assert fields["Content-Type"] == "application/fhir+json", fields["Content-Type"]
        OperationOutcome.model_validate(json.loads(body))

    def search(**parameters):
        """Every event, following the links."""
        url = "/fhir/AuditEvent?" + urllib.parse.urlencode(parameters)
        found = []
        while url:
            fields, body = get(url)
            bundle = json.loads(body)
            Bundle.model_validate(bundle)
            assert "total" not in bundle and bundle["type"] == "searchset"
            for entry in bundle.get("entry", []):
                judge(entry["resource"])
                found.append(entry["resource"])
            links = {link["relation"]: link["url"] for link in bundle["link"]}
            assert links["self"].startswith(service.url + "/fhir/AuditEvent"), links
            url = links.get("next") and links["next"][len(service.url):]
        return found

    _, body = get("/fhir/metadata", token=None)
    CapabilityStatement.model_validate(json.loads(body))
    everything = search(_count=3)
    assert [e["id"] for e in everything] == [str(n) for n in range(len(everything))]
    of_patient = search(patient="Patient/" + created["call"])
    actions = [e["subtype"][-1]["code"] for e in of_patient]
    assert {"call.created", "recording.stored", "recording.opened"} <= set(actions), actions
    assert other["call"] not in json.dumps(of_patient)
    reads = search(type="rest", patient=created["call"])
    assert len(reads) == 1 and reads[0]["outcome"] == "0", reads
    assert search(subtype="urn:callvault:action|recording.opened", outcome="0") == reads
    assert [e["subtype"][-1]["code"] for e in search(entity="urn:uuid:" + stored["recording"])][-1] \
        == "recording.opened"
    denied = search(subtype="urn:callvault:action|recording.opened", outcome="8", action="R")
    assert len(denied) == 1 and denied[0]["type"]["code"] == "access", denied
    who = reads[0]["agent"][-1]["who"]["identifier"]["value"]
    assert search(agent=who, type="rest") == reads
    at = reads[0]["recorded"]
    assert search(date=at, type="rest") == reads
    assert search(date="eq" + at[:10], type="rest") == reads
    assert search(date="gt" + at, type="rest") == [] and search(date="lt" + at, type="rest") == []
    assert search(date="ge" + at, type="rest") == reads == search(date="le" + at, type="rest")
    assert search(date="lt2000") == []
    _, body = get("/fhir/AuditEvent/" + reads[0]["id"])
    assert json.loads(body) == reads[0]

    fields, body = get("/fhir/AuditEvent?_format=ndjson")
    assert fields["Content-Type"] == "application/fhir+ndjson", fields["Content-Type"]
    exported = [json.loads(line) for line in body.decode().splitlines()]
    for event in exported:
        judge(event)
    assert exported[:len(everything)] == everything
    # The export's own reading is in it.
    assert exported[-1]["type"]["code"] == "110101" and exported[-1]["subtype"][-1]["code"] == "audit.read"
    _, body = get("/fhir/AuditEvent?type=rest", accept="application/fhir+ndjson")
    assert [json.loads(line) for line in body.decode().splitlines()] == reads

    # Every event names the entry that stands in the log under that index.
    leaves = {entry["index"]: entry["leaf"] for entry in json.loads(
        get("/v1/audit/entries?limit=100")[1])["entries"]}
    for event in everything:
        found = entry_of(event)
        leaf = hashlib.sha256(b"\0" + leaves[int(found["index"])].encode()).hexdigest()
        assert found["leaf"] == leaf and found["origin"] == service.init["origin"], found

    for query in ("date=yesterday", "date=ge2026-13-01", "patient=Dana", "outcome=5", "_count=0",
                  "_sort=date", "type=", "_count=1&_count=2", "entity=Patient/" + created["call"]):
        refused("/fhir/AuditEvent?" + query, 400)
    refused("/fhir/AuditEvent?_format=xml", 406)
    refused("/fhir/AuditEvent/999999", 404)
    refused("/fhir/Patient/1", 404)
    refused("/fhir/AuditEvent", 403, token=clinician)
    refused("/fhir/AuditEvent", 401, token=None)
    refusal = search(subtype="urn:callvault:action|audit.read", outcome="8")
    assert len(refusal) >= 1, "a refused reader is an entry"
    say("a vault of %d entries: searched, paged, exported; %d refusals as OperationOutcome" % (
        len(exported), 14))
