#!/usr/bin/env python3
"""A restored backup is refused, people begin a new log, and outside programs check both: verify.go each log,
`openssl` the note's two signatures, `sha256sum` that the genesis commits to it, verify.py and a browser the verdicts."""
import base64
import glob
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import time

from devtools import PROGRAM, Browser
from outside_anchors import Witness, entries, leaf, parse, root
from vault_service import CALLVAULT, SCRATCH, Service, say, wav

REPOSITORY = os.environ["REPOSITORY"]


def run(*words, expect, environment=None):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == expect, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def go_verifier():
    program = os.path.join(SCRATCH, "verify-go")
    environment = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOPROXY="off",
                       GOCACHE=os.path.join(SCRATCH, "go"))
    run("go", "build", "-o", program, os.path.join(REPOSITORY, "Tests/Outside/gotlog/verify.go"),
        expect=0, environment=environment)
    return program


def wait(what, condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "never: " + what
        time.sleep(0.05)


def signed(vkey, text, line):
    """Whether a line is this Ed25519 key's, by openssl alone."""
    name, _, rest = vkey.partition("+")
    keyid, _, material = rest.partition("+")
    public = base64.b64decode(material)[1:]
    mark, who, signature = line.split(" ")
    signature = base64.b64decode(signature)
    assert (mark, who, signature[:4].hex()) == ("\u2014", name, keyid), (line, vkey)
    paths = [os.path.join(SCRATCH, part) for part in ("key.der", "text", "signature")]
    for path, content in zip(paths, (bytes.fromhex("302a300506032b6570032100") + public,
                                     text.encode(), signature[4:])):
        with open(path, "wb") as file:
            file.write(content)
    run("openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", paths[0], "-rawin",
        "-in", paths[1], "-sigfile", paths[2], expect=0)


def forged(line):
    """A signature's line with its last bit changed; to exchange letters changes nothing when there are none."""
    mark, who, signature = line.split(" ")
    signature = base64.b64decode(signature)
    return " ".join((mark, who, base64.b64encode(signature[:-1] + bytes([signature[-1] ^ 1])).decode()))


def digest(data):
    done = subprocess.run(["sha256sum"], input=data, capture_output=True, check=True)
    return done.stdout.decode().split()[0]


def verify(*words, expect):
    output = run(CALLVAULT, "audit", "verify", *words, "--json", expect=expect)
    return json.loads(output[output.index("{"):])


def repacked(source, target, name, change):
    """A package with one member changed and the manifest made anew."""
    with tarfile.open(source) as old:
        members = {member.name: old.extractfile(member).read() for member in old}
    members[name] = change(members[name])
    del members["MANIFEST.sha256"]
    manifest = "".join("%s  %s\n" % (hashlib.sha256(members[n]).hexdigest(), n) for n in sorted(members))
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as new:
        for name, data in [*sorted(members.items()), ("MANIFEST.sha256", manifest.encode())]:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return target


def browse(package, past, seen, key, root_key):
    """What the page without network says of both packages, and of earlier logs that were changed."""
    if not PROGRAM:
        return 0
    spoiled = [repacked(package, "%s/spoiled-%d.tar" % (SCRATCH, place), name, change)
               for place, (name, change) in enumerate((
                   ("earlier/1/log/checkpoint", lambda data: open(seen, "rb").read()),
                   ("earlier/1/entries/000000000000.jsonl", lambda data: data.replace(b"call.created", b"call.opened ")),
                   ("log/recovery", lambda data: data.replace(b"\nkept ", b"\nkept 1")),
                   ("package.json", lambda data: re.sub(rb'("from":")\d{4}', rb"\g<1>2098", data))))]
    cases = [(package, "intact"), (past, "intact"), *zip(spoiled, ("unauthentic", "altered", "unauthentic", "altered"))]
    with Browser(SCRATCH) as page:
        for tar, expected in cases:
            page.open("file://" + REPOSITORY + "/Evidence/verify.html", "!!document.getElementById('file')")
            document = page.call("DOM.getDocument")["root"]["nodeId"]
            for field, value in (("key", key), ("root", root_key)):
                page.evaluate("document.getElementById('%s').value = %s" % (field, json.dumps(value)))
            for selector, path in (("#kept", seen), ("#file", tar)):
                node = page.call("DOM.querySelector", nodeId=document, selector=selector)["nodeId"]
                page.call("DOM.setFileInputFiles", nodeId=node, files=[path])
            verdict = page.evaluate(
                "new Promise((done) => { const look = () => { const text = document.getElementById('verdict').textContent;"
                " text && text !== 'checking …' ? done(text) : setTimeout(look, 50); }; look(); })")
            text = page.evaluate("document.body.innerText")
            assert verdict == expected, (tar, verdict, expected, text)
            if expected == "intact":
                assert "earlier/1: " in text and "a recovery began it" in text, text
    return len(cases)


def recover(service, *words, expect=0):
    return service.command("audit", "recover", "--data", service.data, "--keys", service.keys,
                           "--root-key", root_key, "--reason", "the disk died", *words,
                           expect=expect)


service = Service()
root_key = os.path.join(SCRATCH, "stick", "log-root.key")
os.makedirs(os.path.dirname(root_key))
service.init = service.command("init", "--data", service.data, "--keys", service.keys,
                               "--root-key", root_key)
old_key, old_root = service.init["verifier_key"], service.init["root_key"]
elm = Witness("elm", old_key).start()
copies, policy = os.path.join(SCRATCH, "copies"), os.path.join(SCRATCH, "policy")
os.makedirs(copies)


def write_policy(*logs):
    with open(policy, "w") as file:
        file.write("".join("log %s\n" % key for key in logs)
                   + "witness elm %s %s\nquorum elm\n" % (elm.key, elm.url))


write_policy(old_key)
with open(os.path.join(service.data, "callvault.yaml"), "a") as file:
    file.write("\nanchors:\n  policy: %s\n  witness: { every: 1s, limit: 1h }\n"
               "  copy: { path: %s, every: 1s, limit: 1h }\n" % (policy, copies))
recording = wav([((i * 97) % 2001) - 1000 for i in range(4000)])
try:
    verifier = go_verifier()
    service.start()
    worker = service.token("service", "calls:write", "recordings:write")
    call, first = service.put(recording, worker, source_id="one")
    officer = service.token("privacy-officer")
    service.command("subject", "create", "MRN-7", token=officer)
    service.command("subject", "link", call["call"], "MRN-7", token=officer)
    service.stop()
    # Nothing is wrong, so nothing is begun.
    recover(service, expect=5)
    backup = os.path.join(SCRATCH, "backup")
    shutil.copytree(service.data, backup, ignore=shutil.ignore_patterns("*.sock", "epochs"))
    service.start()
    _, lost = service.put(recording, worker, source_id="two")
    kept_size = parse(open(os.path.join(backup, "log/checkpoint")).read())[1]
    known = lambda place: max([int(os.path.basename(path)) for path in glob.glob(place)], default=0)
    wait("anchors that know more than the backup", lambda: min(
        known(copies + "/*/[0-9]*"), known(service.data + "/anchors/cosigned/*/*")) > kept_size)
    service.stop()
    note = open(os.path.join(service.data, "log/checkpoint")).read()
    size = parse(note)[1]
    newest = os.path.join(SCRATCH, "newest")
    with open(newest, "w") as file:
        file.write(note)

    # Yesterday's data, today's anchors.
    service.data = backup
    for _ in range(2):
        refused = run(CALLVAULT, "serve", "--data", backup, "--keys", service.keys, "--listen",
                      "127.0.0.1:0", expect=7)
        assert "behind-anchor" in refused and "audit recover" in refused, refused
    elm.stop()
    # With a witness out of reach nobody knows how much was lost, unless somebody brings it.
    recover(service, expect=5)
    stranger = os.path.join(SCRATCH, "stranger")
    with open(stranger, "w") as file:
        file.write(note.replace(note.split("\n")[2], "A" * 43 + "="))
    recover(service, "--anchor", stranger, expect=2)
    before = open(os.path.join(backup, "log/checkpoint")).read()
    facts = recover(service, "--anchor", newest)
    new_key, new_root = facts["verifier_key"], facts["root_key"]
    kept = facts["kept_size"]
    assert facts["anchored_size"] == size > kept, (facts, size)
    assert facts["loss"] == "entries %d\u2013%d of %s were lost" % (
        kept, size - 1, old_key.split("+")[0]), facts
    assert facts["carried"]["tokens_ended"] == 2, facts
    elm.start()

    # The note: the root that auditors know vouches for the new keys, and for what was lost.
    log, earlier = os.path.join(backup, "log"), os.path.join(backup, "earlier/1")
    text, _, lines = open(os.path.join(log, "recovery")).read().rpartition("\n\n")
    text, lines = text + "\n", lines.splitlines()
    rows = text.splitlines()
    assert rows[:4] == ["callvault/recovery/v1", "log " + new_key, "root " + new_root,
                        "old " + old_key], rows
    assert len(rows) == 6 and len(lines) == 2
    assert new_root.split("+")[2] == old_root.split("+")[2], "another root"
    signed(old_root, text, lines[0])
    signed(new_key, text, lines[1])
    old_leaves = [leaf(entry) for entry in entries(os.path.join(earlier, "log"))]
    head = lambda number, value: "%d %s" % (number, base64.b64encode(value).decode())
    assert rows[4] == "anchored " + head(size, parse(note)[2]), rows
    assert rows[5] == "kept " + head(len(old_leaves), root(old_leaves)), rows
    assert open(os.path.join(earlier, "anchored")).read().startswith(note.split("\n\n")[0])
    assert open(os.path.join(earlier, "log/checkpoint")).read() == before
    genesis = json.loads(entries(log)[0])
    assert genesis["action"] == "log.genesis" and genesis["flags"] == ["restarted"], genesis
    assert genesis["evidence"] == digest(text.encode()), "the genesis commits to another note"
    assert "reason" in genesis["commits"] and "disk" not in json.dumps(genesis)
    for path in glob.glob(backup + "/**", recursive=True):
        assert not os.path.isfile(path) or b"the disk died" not in open(path, "rb").read(), path
    say("openssl: the note is signed by the root and the log; sha256sum: the genesis commits to it")

    # It serves: what was kept can be read, by new tokens only.
    write_policy(new_key)
    elm.stop()
    elm.command("add-log", "--dir", elm.folder, new_key)
    elm.start()
    write_policy(new_key)
    service.start()
    assert service.request("GET", "/v1/calls", token=worker)[0] == 401, "an old token still works"
    clinician, auditor = service.token("clinician"), service.token("auditor")
    worker = service.token("service", "calls:write", "recordings:write")
    status, _, audio = service.request("GET", "/v1/recordings/%s/audio" % first["recording"],
                                       token=clinician, headers={"Purpose-Of-Use": "TREAT"})
    assert (status, audio) == (200, recording), status
    status, _, _ = service.request("GET", "/v1/recordings/%s/audio" % lost["recording"],
                                   token=clinician, headers={"Purpose-Of-Use": "TREAT"})
    assert status == 404, status
    status, _, body = service.request(
        "POST", "/v1/calls/%s/recordings" % call["call"], recording, worker,
        {"Content-Type": "audio/wav"})
    again = json.loads(body)
    assert (status, again["earlier_log"], again["log_index"]) == (200, 1, first["log_index"]), body
    status, _, published = service.request("GET", "/v1/audit/recovery", token=auditor)
    assert status == 200 and published.decode() == open(os.path.join(log, "recovery")).read()
    # What an auditor asks about the time before is answered from the log of that time, under its own head.
    ask = lambda *words, token=auditor: service.command("audit", *words, token=token)
    seen = os.path.join(SCRATCH, "seen")
    with open(seen, "wb") as file:
        file.write(service.request("GET", "/v1/audit/checkpoint", token=auditor)[2])
    listed = json.loads(service.request("GET", "/v1/audit/logs", token=auditor)[2])["logs"]
    assert [(row["log"], row["verifier_key"]) for row in listed] == [(1, old_key), (2, new_key)], listed
    assert listed[0]["size"] == kept and listed[0]["loss"] == facts["loss"], listed
    shown = ask("show", "--object", first["recording"])
    assert [row["log"] for row in shown["entries"]][0::len(shown["entries"]) - 1] == [1, 2], shown
    assert ask("show", "--log", "1", "--limit", "1")["entries"][0]["leaf"].encode() == entries(
        os.path.join(earlier, "log"))[0]
    def fhir(path, expect=200):
        status, _, body = service.request("GET", "/fhir/AuditEvent" + path, token=auditor)
        assert status == expect, (path, status, body)
        return json.loads(body)
    first_page = fhir("?_count=1")["entry"]
    assert (first_page[0]["resource"]["id"], first_page[1]["search"]["mode"]) == ("0", "outcome"), first_page
    assert "`_log` 1 to 1" in first_page[1]["resource"]["issue"][0]["diagnostics"], first_page
    page = fhir("?_log=1&_count=2&entity=" + first["recording"])
    event = page["entry"][0]["resource"]
    assert event["id"].startswith("1-") and page["link"][0]["url"].endswith("&_log=1"), page
    assert fhir("/" + event["id"]) == event and fhir("/2-0") == first_page[0]["resource"], event
    for path in ("?_log=3", "/3-0", "/1-99999", "/1-", "/-1", "/1-0-0"):
        fhir(path, 404)
    draw = [CALLVAULT, "audit", "sample", "--from", "2026-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z",
            "--action", "recording.stored", "--seed", "s"]
    environment = service.environment(auditor)
    assert "log 1 may hold" in run(*draw, expect=0, environment=environment)
    assert "may hold" not in run(*draw, "--log", "1", expect=0, environment=environment)
    short = ask("show", "--limit", "2")
    assert (short["next_log"], short["next"]) == (1, 2), short
    lineage = ask("lineage", first["recording"])
    actions = [entry["action"] for entry in lineage["entries"]]
    assert actions[0] == "call.created" and "recording.stored" in actions, actions
    assert actions[-1] == "recording.opened" and min(p["entries"] for p in lineage["logs"]) > 1, lineage
    counts = ask("openings", "--log", "1")
    assert counts["missing"] == 0 and counts["present"] > 3, counts
    officer = service.token("privacy-officer")
    proof = os.path.join(SCRATCH, "patient.json")
    proofs = ask("subject", "MRN-7", "--prove", "-o", proof, "--purpose", "PATRQT", token=officer)
    assert [row["file"] for row in proofs["logs"]] == [proof + ".log-1", proof], proofs
    package, past = os.path.join(SCRATCH, "evidence.tar"), os.path.join(SCRATCH, "past.tar")
    began = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(genesis["time"] // 1000)) + ".%03dZ" % (
        genesis["time"] % 1000)
    ask("package", "--from", "2026-01-01T00:00:00Z", "--to", "2099-01-01T00:00:00Z", "--out", package)
    made = ask("package", "--from", "2026-01-01T00:00:00Z", "--to", began, "--out", past)
    assert "first" not in made and made["logs"][1]["last"] == kept - 1, made
    ask("export", "--log", "1", os.path.join(SCRATCH, "exported"))
    cosigned = lambda: any(new_key.split("+")[0] + "\n" in open(path).read() for path in
                           glob.glob(backup + "/anchors/cosigned/*/*"))
    wait("a cosigned head of the new log", cosigned)
    service.stop()

    # Both logs, by programs of others and by both of ours.
    checkpoint = os.path.join(log, "checkpoint")
    for folder, key in ((log, new_key), (os.path.join(earlier, "log"), old_key)):
        run(verifier, key, folder, expect=0)
    restarted = "restarted: " + facts["loss"]
    python = ["python3", os.path.join(REPOSITORY, "Evidence/verify.py")]
    for words, expect in (
            ([log, "--key", new_key, "--root", new_root, "--checkpoint", checkpoint], 0),
            ([log, "--policy", policy], 0), ([log, "--key", new_key], 10)):
        report = verify(*words, expect=expect)
        assert any(n.startswith(restarted) for n in report["notes"]), report
        assert not report["sentence"].startswith("Intact:"), report
        output = run(*python, "log", *words, expect=expect)
        assert restarted in output, output
    for tar in (package, past):
        words = ["package", tar, "--key", new_key, "--root", new_root]
        output = run(*python, *words, expect=10)
        assert restarted in output and "earlier/1: %d entries" % kept in output, output
        run(*python, *words, "--checkpoint", seen, expect=0)
    unpacked = os.path.join(SCRATCH, "unpacked")
    os.makedirs(unpacked)
    run("tar", "-xf", past, "-C", unpacked, expect=0)
    last = os.path.join(unpacked, "earlier/1")
    names = sorted(os.listdir(last))
    assert set(names) > {"entries", "identities.jsonl", "log", "package.json", "proofs", "report.pdf"}, names
    assert not os.path.exists(os.path.join(unpacked, "entries"))
    # The log of that time by itself, by a program of others and with its own key; its patient's proof too.
    run(verifier, old_key, os.path.join(last, "log"), expect=0)
    run(*python, "log", os.path.join(SCRATCH, "exported"), "--key", old_key, expect=10)
    run(*python, "subject", proof + ".log-1", "--key", old_key, "--log", os.path.join(last, "log"), expect=0)
    run(*python, "subject", proof, "--key", new_key, "--log", package, expect=0)
    run(*python, "subject", proof + ".log-1", "--key", new_key, expect=24)

    def spoil(name, change, wanted):
        """The unpacked package with one file changed by somebody who also makes the manifest anew."""
        path = os.path.join(unpacked, name)
        before = open(path, "rb").read()
        with open(path, "wb") as file:
            file.write(change(before))
        lines = subprocess.run("find . -type f ! -name MANIFEST.sha256 -printf '%P\\0' | sort -z | xargs -0 sha256sum",
                               shell=True, cwd=unpacked, capture_output=True, check=True).stdout
        with open(os.path.join(unpacked, "MANIFEST.sha256"), "wb") as file:
            file.write(lines)
        words = ["package", unpacked, "--key", new_key, "--checkpoint", seen]
        output = run(*python, *words, expect=wanted)
        with open(path, "wb") as file:
            file.write(before)
        return output

    bundle = [name for name in glob.glob(last + "/log/tile/entries/*.p/*")][0][len(unpacked) + 1:]
    assert "earlier/1" in spoil(bundle, lambda data: data.replace(b"call.created", b"call.opened "), 20)
    spoil("earlier/1/log/checkpoint", lambda data: open(checkpoint, "rb").read(), 24)
    spoil("earlier/1/identities.jsonl", lambda data: data.replace(b'"name":"', b'"name":"x'), 20)
    spoil("earlier/1/package.json", lambda data: data.replace(b'"first":0', b'"first":1'), 20)
    spoil("package.json", lambda data: data.replace(b'"from":"2026-01', b'"from":"2026-02').replace(
        began.encode(), b"2099-01-01T00:00:00.000Z"), 20)
    shown = browse(package, past, seen, new_key, new_root)
    say("across the recovery: show, lineage, openings, two proofs of a patient and two packages, each part "
        "under its own head; 5 changed packages named")
    for words in ([os.path.join(earlier, "log"), "--key", old_key, "--checkpoint", newest],):
        verify(*words, expect=22)
        run(*python, "log", *words, expect=22)
    # Both verifiers find a note that was changed, is another log's, or is gone.
    path = os.path.join(log, "recovery")
    genuine = open(path).read()
    cases = [(genuine.replace("kept %d " % kept, "kept %d " % (kept + 1)), 24),
             (genuine.replace(lines[0], forged(lines[0])), 24),
             (genuine.replace(lines[0] + "\n", ""), 24),
             (genuine.replace("recovery/v1", "recovery/v2"), 20), (None, 20)]
    for content, expect in cases:
        os.remove(path)
        if content is not None:
            with open(path, "w") as file:
                file.write(content)
        words = [log, "--key", new_key, "--checkpoint", checkpoint]
        verify(*words, expect=expect)
        run(*python, "log", *words, expect=expect)
        if content is None:
            open(path, "w").close()
    with open(path, "w") as file:
        file.write(genuine)
    if shown:
        say("verify.html checks the earlier log in the package, too: %d verdicts in a browser" % shown)
    say("verify.go: both logs; verify.py and audit verify agree on %d verdicts" % (4 + len(cases)))
finally:
    service.__exit__()
    elm.stop()
