#!/usr/bin/env python3
"""A card number is read aloud: found, kept from everybody, taken out, and no old copy brings it back.

Sounds are made and looked at by sox and Python's wave; the consent policy is held against its JSON Schema.
Needs mounts of its own (root or a user namespace) for the anchors; without them it is skipped.
"""
import glob
import io
import json
import os
import shutil
import subprocess
import sys
import wave

if "CALLVAULT_MOUNTS" not in os.environ:
    own = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    if subprocess.run([*own, "true"], capture_output=True).returncode:
        print("mounting needs root or a user namespace")
        sys.exit(77)
    os.environ["CALLVAULT_MOUNTS"] = "1"
    os.execvp(own[0], [*own, sys.executable, *sys.argv])

import jsonschema_rs  # noqa: E402
import yaml  # noqa: E402
from vault_service import CALLVAULT, SCRATCH, Service, say  # noqa: E402

REPOSITORY = os.environ["REPOSITORY"]
TREAT, REVIEW = {"Purpose-Of-Use": "TREAT"}, {"Purpose-Of-Use": "HOPERAT"}
# Published by schemes for tests, as somebody reads them aloud.
SPOKEN = ["sure it's four one double one", "triple one one", "okay", "one one one one", "and eleven eleven thanks"]
DIGITS = b"4111"
FROM, TO = 1.5, 2.25


def sound(*coding, name="call.wav"):
    """Three seconds that are nowhere silent, written by sox."""
    path = os.path.join(SCRATCH, name)
    subprocess.run(["sox", "-n", "-r", "8000", "-c", "1", *coding, path, "synth", "3", "whitenoise",
                    "vol", "0.5"], check=True, capture_output=True)
    return open(path, "rb").read()


def loudest(audio, start, length):
    """The greatest sample of a stretch, as sox hears it."""
    path = os.path.join(SCRATCH, "heard.wav")
    open(path, "wb").write(audio)
    result = subprocess.run(["sox", path, "-n", "trim", str(start), str(length), "stat"],
                            capture_output=True, text=True, check=True)
    line = next(line for line in result.stderr.splitlines() if line.startswith("Maximum amplitude"))
    least = next(line for line in result.stderr.splitlines() if line.startswith("Minimum amplitude"))
    return max(abs(float(text.split(":")[1])) for text in (line, least))


class Practice(Service):
    def __init__(self):
        super().__init__()
        self.anchors = [self.folder + "/anchor-a", self.folder + "/anchor-b"]
        for path in self.anchors:
            os.makedirs(path)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "none", path], check=True)

    def make(self):
        words = [word for path in self.anchors for word in ("--anchor", path)]
        self.init = self.command("init", "--data", self.data, "--keys", self.keys, *words)

    def get(self, path, token, purpose=TREAT):
        return self.request("GET", path, None, token, purpose)

    def audio(self, recording, token, purpose=TREAT):
        status, _, body = self.get("/v1/recordings/%s/audio" % recording, token, purpose)
        return status, body


def transcript(texts):
    return {"provider": "test", "language": "en-US", "segments": [
        {"speaker": "agent" if text == "okay" else "caller", "text": text, "start_ms": 1500 + place * 150,
         "end_ms": 1500 + place * 150 + 140, "confidence": None} for place, text in enumerate(texts)]}


def schema_agrees():
    schema = json.load(open(REPOSITORY + "/Policies/consent.schema.json"))
    policy = yaml.safe_load(open(REPOSITORY + "/Policies/consent.yaml"))
    assert jsonschema_rs.is_valid(schema, policy)
    changes = [
        lambda p: p.update(missing="ignore"), lambda p: p.pop("cut_short"), lambda p: p.update(extra=1),
        lambda p: p["states"].update(California=p["states"]["CA"]),
        lambda p: p["states"]["CA"].pop("cite"), lambda p: p["states"]["CA"].update(rule="none"),
        lambda p: p["states"]["CA"].update(confirmed="yes"), lambda p: p.update(v=2)]
    for number, change in enumerate(changes):
        wrong = json.loads(json.dumps(policy))
        change(wrong)
        assert not jsonschema_rs.is_valid(schema, wrong), number
    return len(changes)


def consent(service, officer, clinician, writer):
    """A strict practice: out of reach until somebody says how the caller agreed."""
    created, stored = service.put(sound(), writer, started="2026-11-28T09:30:00-05:00")
    call, recording = created["call"], stored["recording"]
    assert service.audio(recording, clinician)[0] == 404
    reasons = [i["reason"] for i in service.command(
        "incident", "list", "--purpose", "HOPERAT", token=officer)["incidents"]]
    assert reasons == ["consent"], reasons
    record = ["consent", "record", call, "--method", "announcement", "--state", "CA", "--from", "0", "--to", "4.2"]
    service.command(*record, "--cut-short", token=writer)
    assert service.audio(recording, clinician)[0] == 404
    service.command(*record, token=writer)
    assert service.audio(recording, clinician)[0] == 200
    service.command("consent", "revoke", call, "--at", "2026-11-28T09:41:00-05:00", token=writer)
    assert service.audio(recording, clinician)[0] == 404
    shown = service.command("consent", "show", call, "--purpose", "HOPERAT", token=officer)
    assert [r["kind"] for r in shown["records"]] == ["given", "given", "revoked"], shown
    assert shown["decision"]["status"] == "revoked" and shown["decision"]["measure"] == "quarantine", shown
    assert shown["decision"]["rule"] == "all-party" and shown["decision"]["confirmed"] is False, shown
    return call


def main():
    mutations = schema_agrees()
    service = Practice()
    service.make()
    service.start()
    writer = service.token("service", "recordings:write", "transcripts:write")
    clinician, officer = service.token("clinician"), service.token("privacy-officer")
    codings = {"s16": ("-b", "16"), "s24": ("-b", "24"), "mu-law": ("-e", "mu-law"), "a-law": ("-e", "a-law"),
               "u8": ("-b", "8", "-e", "unsigned-integer")}
    pause = [{"from_ms": 2300, "to_ms": 2400}]
    calls = {}
    for name, coding in codings.items():
        audio = sound(*coding)
        created, stored = service.put(audio, writer, pauses=pause)
        calls[name] = (created["call"], stored["recording"], audio)
    call, recording, audio = calls["s16"]
    status, _, body = service.request(
        "POST", "/v1/calls/%s/recordings" % call, sound("-e", "gsm", name="gsm.wav"), writer,
        {"Content-Type": "audio/wav"})
    assert status == 201, body
    packed = json.loads(body)["recording"]
    kept, kept_recording = (lambda p: (p[0]["call"], p[1]["recording"]))(service.put(audio, writer))
    shown = json.loads(service.get("/v1/calls/" + call, clinician)[2])
    assert shown["details"]["pauses"] == pause, shown

    # Found, and out of reach for who may hear patients; the log and the metrics know how many.
    status, _, body = service.request("POST", "/v1/calls/%s/transcripts" % call, transcript(SPOKEN), writer)
    assert status == 201, body
    listed = [c["call"] for c in json.loads(service.get("/v1/calls?limit=100", clinician)[2])["calls"]]
    assert len(listed) == len(calls) and call not in listed, listed
    hidden = ["/v1/calls/" + call, "/v1/calls/%s/transcripts" % call, "/v1/calls/%s/notes" % call,
              "/v1/recordings/%s/audio" % recording, "/v1/recordings/%s/ciphertext" % recording]
    for path in hidden:
        assert service.get(path, clinician)[0] in (403, 404), path
    assert service.get("/v1/recordings/%s/ciphertext" % recording, officer)[0] == 404
    incidents = service.command("incident", "list", "--purpose", "HOPERAT", token=officer)["incidents"]
    assert [(i["call"], i["reason"], i["spans"]) for i in incidents] == [
        (call, "card-data", [{"from_ms": 1500, "to_ms": 2240}])], incidents
    metrics = service.request("GET", "/metrics", None, service.token("operator"))[2].decode()
    assert 'callvault_incidents_open{reason="card-data"} 1' in metrics, metrics
    assert service.audio(recording, officer, REVIEW) == (200, audio)

    # Old copies of everything, as a backup or a thief has them.
    old = os.path.join(SCRATCH, "old")
    service.stop()
    shutil.copytree(service.data, old, ignore=shutil.ignore_patterns("*.sock"))
    service.start()

    refused = service.command("recording", "excise", packed, "--from", "1", "--to", "2", "--purpose", "HOPERAT",
                              token=officer, expect=2)
    assert "WAVE" in json.dumps(refused), refused
    service.command("recording", "excise", recording, "--from", str(FROM), "--to", str(TO), "--purpose",
                    "TREAT", token=clinician, expect=4)
    # A hold keeps the call as it is, until two people release it.
    manager = service.token("records-manager")
    hold = service.command("hold", "set", "--matter", "Doe", "--reason", "subpoena", "--custodian", "Counsel",
                           "--call", call, token=manager)["hold"]
    refused = service.command("recording", "excise", recording, "--from", str(FROM), "--to", str(TO), "--purpose",
                              "HOPERAT", token=officer, expect=5)
    assert "hold release" in json.dumps(refused) and service.audio(recording, officer, REVIEW) == (200, audio), refused
    for token in (manager, officer):
        service.command("hold", "release", hold, "--reason", "agreed", token=token)
    silent = 0
    for name, (one, its, before) in calls.items():
        excised = service.command("recording", "excise", its, "--from", str(FROM), "--to", str(TO),
                                  "--purpose", "HOPERAT", token=officer)
        assert excised["generation"] == 2 and not excised["holds_card_number"], excised
        if excised["other_recordings"]:
            # Which of them says the number is for a person to hear.
            assert one == call and excised["closed"] == [] and service.audio(its, clinician)[0] == 404, excised
            service.command("incident", "close", incidents[0]["incident"], "--reason", "heard", "--purpose",
                            "HOPERAT", token=officer)
        status, after = service.audio(its, clinician)
        assert status == 200 and len(after) == len(before), (name, status)
        changed = [i for i in range(len(after)) if after[i] != before[i]]
        assert changed and changed[-1] - changed[0] < len(before) * (TO - FROM) / 3 + 8, name
        # A-law and µ-law have no exact zero: their least step is what sox calls silence.
        assert loudest(after, FROM, TO - FROM) < 0.001, (name, loudest(after, FROM, TO - FROM))
        assert loudest(after, 0, FROM) > 0.1 and loudest(after, TO + 0.01, 0.7) > 0.1, name
        silent += 1
    with wave.open(io.BytesIO(service.audio(recording, clinician)[1])) as heard:
        rate = heard.getframerate()
        heard.setpos(int(FROM * rate))
        assert heard.getnframes() == 3 * rate
        assert heard.readframes(int((TO - FROM) * rate)) == bytes(int((TO - FROM) * rate) * 2)
    said = json.loads(service.get("/v1/calls/%s/transcripts" % call, clinician)[2])["segments"]
    assert [s["text"] for s in said] == [""] * len(SPOKEN), said
    assert service.command("incident", "list", "--purpose", "HOPERAT", token=officer)["incidents"] == []
    # The original, sent again, is recognised.
    status, _, body = service.request("POST", "/v1/calls/%s/recordings" % call, audio, writer,
                                      {"Content-Type": "audio/wav"})
    assert status == 200 and json.loads(body)["recording"] == recording, body

    # The ratchet, and then nothing opens it.
    ring = service.command("keys", "status")["ring"]
    assert ring["excised"] == len(calls) and "ratchet_due" in ring, ring
    ratcheted = service.command("keys", "ratchet")
    assert "cryptographically erased" in ratcheted["outcome"], ratcheted
    assert service.command("keys", "status")["ring"]["excised"] == 0
    assert service.audio(recording, clinician)[0] == 200
    strict = service.data + "/policies/consent.yaml"
    service.stop()
    text = open(strict).read().replace("missing: note", "missing: quarantine")
    open(strict, "w").write(text)
    service.start()
    consent(service, officer, clinician, writer)

    # No digit of it in the log, in errors, or anywhere in clear.
    export = os.path.join(SCRATCH, "export")
    service.command("audit", "export", export, token=service.token("auditor"))
    entries = b"".join(open(path, "rb").read() for path in glob.glob(export + "/**", recursive=True)
                       if os.path.isfile(path))
    # Its own ports may have them.
    log = b"".join(line for line in open(service.stderr, "rb") if not line.startswith(b"listening on "))
    assert DIGITS not in log and b'"incident.opened"' in entries and b'"quarantined"' in entries
    assert b"four one" not in entries + log
    verdict = subprocess.run([CALLVAULT, "audit", "verify", export, "--key", service.init["verifier_key"]],
                             capture_output=True, text=True)
    assert verdict.returncode == 10, verdict.stdout
    service.stop()

    today = os.path.join(SCRATCH, "today")
    os.rename(service.data, today)
    # The old copy as it is: its ring lost its anchor.
    shutil.copytree(old, service.data)
    started = subprocess.run(
        [CALLVAULT, "serve", "--data", service.data, "--keys", service.keys, "--listen", "127.0.0.1:0"],
        capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert started.returncode == 6 and "anchor" in started.stderr, (started.returncode, started.stderr)
    # With today's ring and its table: what was excised is gone, the rest opens.
    shutil.rmtree(service.data + "/keys")
    shutil.copytree(today + "/keys", service.data + "/keys")
    service.start()
    for one, its, before in calls.values():
        for token, purpose in ((clinician, TREAT), (officer, REVIEW)):
            assert service.audio(its, token, purpose)[0] == 404, one
    assert service.audio(kept_recording, clinician) == (200, audio)
    service.stop()
    say("%d codings silenced and heard by sox, 1 refused, %d wrong policies refused by the schema, "
        "old copies open nothing" % (silent, mutations))


if __name__ == "__main__":
    main()
