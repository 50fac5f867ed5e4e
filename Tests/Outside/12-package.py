#!/usr/bin/env python3
"""An evidence package, checked by an auditor who has Debian and nothing of ours.

`sha256sum`, `openssl`, Python and Debian's Go packages say what `callvault audit verify` says. Each
member of the package is changed, removed and added to, and verify.py finds it. A browser without
network shows the same verdicts, the reports name the head, and proofs about a patient and samples
are checked and drawn again.
"""
import base64
import hashlib
import importlib.util
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from contextlib import redirect_stdout

from devtools import PROGRAM, Browser
from vault_service import CALLVAULT, SCRATCH, Service, say, wav

REPOSITORY = pathlib.Path(os.environ["REPOSITORY"])
VERIFY = REPOSITORY / "Evidence/verify.py"
# Debian's own Python, without the test run's packages.
PYTHON = ["/usr/bin/python3", "-I", "-S"]
RANGE = ("--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z")


def run(*words, **more):
    return subprocess.run([str(word) for word in words], capture_output=True, **more)


def verify(*words):
    """verify.py's exit code and report."""
    done = run(*PYTHON, VERIFY, *words, "--json")
    assert done.stdout, (words, done.stderr)
    return done.returncode, json.loads(done.stdout)


spec = importlib.util.spec_from_file_location("verify", VERIFY)
checker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(checker)


def verify_here(*words):
    """The same in this process, where what OpenSSL said once is remembered."""
    out = io.StringIO()
    argv, sys.argv = sys.argv, ["verify.py", *map(str, words), "--json"]
    try:
        with redirect_stdout(out):
            code = checker.main()
    finally:
        sys.argv = argv
    return code, json.loads(out.getvalue())


def repack(source, target, change):
    """A package with `change(name, bytes)` applied to each member: bytes, None to drop it."""
    with tarfile.open(source) as old, tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as new:
        for member in old:
            data = change(member.name, old.extractfile(member).read())
            if data is not None:
                member.size = len(data)
                new.addfile(member, io.BytesIO(data))
    # Our tar ends after two blocks, Python's is filled up to a record.
    data = pathlib.Path(target).read_bytes()
    pathlib.Path(target).write_bytes(data.rstrip(b"\0") + bytes(-len(data.rstrip(b"\0")) % 512 + 1024))


def with_manifest(source, target, change):
    """The same by somebody who also makes the manifest anew."""
    lines = []

    def note(name, data):
        if name == "MANIFEST.sha256":
            return "".join(sorted(lines, key=lambda line: line[66:])).encode()
        data = change(name, data)
        if data is not None:
            lines.append("%s  %s\n" % (hashlib.sha256(data).hexdigest(), name))
        return data
    repack(source, target, note)


def make_log(service):
    """Something of everything: calls, a patient's call linked late, reads, refusals."""
    tokens = {role: service.token(role) for role in ("operator", "auditor", "clinician", "privacy-officer")}
    created, stored = service.put(wav([5] * 4000), tokens["operator"], source_id="first")
    connection = service.connection()
    for number in range(300):
        status, _, body = service.request(
            "POST", "/v1/calls", {"source": "package", "source_id": str(number)}, tokens["operator"],
            connection=connection)
        assert status == 201, body
    for purpose in ("TREAT", None):
        service.request("GET", "/v1/recordings/%s/audio" % stored["recording"], token=tokens["clinician"],
                        headers={"Purpose-Of-Use": purpose} if purpose else {})
    patient = service.command("subject", "create", "MRN-20417", token=tokens["privacy-officer"])["subject"]
    service.command("subject", "link", created["call"], "MRN-20417", token=tokens["privacy-officer"])
    service.request("GET", "/v1/recordings/%s/audio" % stored["recording"], token=tokens["clinician"],
                    headers={"Purpose-Of-Use": "TREAT"})
    service.request("GET", "/v1/recordings/%s/audio" % stored["recording"], token=tokens["auditor"])
    return tokens, created["call"], stored["recording"], patient


def check_auditors_tools(package, key, kept):
    folder = pathlib.Path(SCRATCH, "unpacked")
    folder.mkdir()
    assert run("tar", "-xf", package, "-C", folder).returncode == 0
    assert run("sha256sum", "--strict", "--quiet", "-c", "MANIFEST.sha256", cwd=folder).returncode == 0
    assert (folder / "verify.py").read_bytes() == VERIFY.read_bytes()
    environment = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOPROXY="off",
                       GOCACHE=SCRATCH + "/go")
    subprocess.run(["go", "build", "-o", SCRATCH + "/verify", REPOSITORY / "Tests/Outside/gotlog/verify.go"],
                   check=True, env=environment)
    assert run(SCRATCH + "/verify", key, folder / "log").returncode == 0
    for words, expected in (([], 10), (["--checkpoint", kept], 0)):
        ours = run(CALLVAULT, "audit", "verify", folder / "log", "--key", key, *words)
        assert ours.returncode == expected, ours.stdout
        for target in (folder, package):
            code, report = verify("package", target, "--key", key, *words)
            assert code == expected and not report["findings"], report
    # Without a key, and by hand: openssl checks the head's signature, sha256sum the chain.
    assert verify("package", package)[0] == 10
    text, _, lines = (folder / "log/checkpoint").read_bytes().rpartition(b"\n\n")
    signature = base64.b64decode(next(
        line.split(" ")[2] for line in lines.decode().splitlines()
        if line.split(" ")[1] == key.split("+")[0]))[4:]
    public = base64.b64decode(key.split("+", 2)[2])[1:]
    pathlib.Path(SCRATCH, "key.der").write_bytes(bytes.fromhex("302a300506032b6570032100") + public)
    pathlib.Path(SCRATCH, "text").write_bytes(text + b"\n")
    pathlib.Path(SCRATCH, "signature").write_bytes(signature)
    assert run("openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", SCRATCH + "/key.der",
               "-rawin", "-in", SCRATCH + "/text", "-sigfile", SCRATCH + "/signature").returncode == 0
    entries = (folder / "entries/000000000000.jsonl").read_bytes().split(b"\n")
    assert json.loads(entries[1])["prev"] == hashlib.sha256(b"\0" + entries[0]).hexdigest()
    return folder


def check_tampering(package, key, kept):
    """Every member changed, cut, removed and added to, with the old manifest and with a new one."""
    with tarfile.open(package) as tar:
        names = tar.getnames()
    target = SCRATCH + "/tampered.tar"
    count = 0
    # A new manifest hides a change of what nobody signed: reports, programs, the page.
    unsigned = ("VERIFY.md", "verify.py", "verify.html", "report.pdf", "report.xlsx")
    for name in names:
        changes = {
            "turned": lambda data: data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1:],
            "cut": lambda data: data[:-1], "added to": lambda data: data + b"x", "removed": lambda data: None}
        for what, change in changes.items():
            def one(member, data, name=name, change=change):
                return change(data) if member == name else data
            repack(package, target, one)
            code, report = verify_here("package", target, "--key", key, "--checkpoint", kept)
            assert code in (20, 21, 23, 24, 30), (name, what, code, report)
            count += 1
            if name in unsigned or name == "MANIFEST.sha256":
                continue
            with_manifest(package, target, one)
            code, report = verify_here("package", target, "--key", key, "--checkpoint", kept)
            # A log without history is noted, and a policy that is gone; neither is damage.
            fine = what == "removed" and name.startswith(("log/checkpoints/", "policies/"))
            assert (code == 0 and report["notes"]) if fine else code in (20, 21, 23, 24, 30), (name, what, code, report)
            count += 1
    for cut in (1, 512, 1024, 5000):
        data = pathlib.Path(package).read_bytes()
        pathlib.Path(target).write_bytes(data[:-cut])
        assert verify_here("package", target, "--key", key)[0] == 30, cut
        count += 1
    return count


def check_reports(folder, key):
    facts = json.loads((folder / "package.json").read_text())
    text = run("pdftotext", "-layout", folder / "report.pdf", "-").stdout.decode()
    for wanted in (facts["root"], str(facts["size"]), facts["time"], facts["origin"], "recording.opened", "test clinician"):
        assert wanted in text, (wanted, text)
    assert run("pdftoppm", "-r", "50", "-png", folder / "report.pdf", SCRATCH + "/page").returncode == 0
    with zipfile.ZipFile(folder / "report.xlsx") as book:
        sheets = {name: book.read(name).decode() for name in book.namelist() if name.endswith(".xml")}
    head = sheets["xl/worksheets/sheet1.xml"]
    assert facts["root"] in head and facts["time"] in head
    rows = sheets["xl/worksheets/sheet2.xml"].count("<row ")
    assert rows == facts["entries"] + 1, (rows, facts)
    return facts


def witnessed(package, key, kept):
    """The package with a head that a witness cosigned, one where its line is spoiled, and the policies."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    rows, lines, note = ["log " + key], [], pathlib.Path(kept).read_bytes()
    text, when = note[:note.rindex(b"\n\n") + 1], 1795188000
    for name in ("elm", "oak"):
        private = Ed25519PrivateKey.generate()
        public = b"\x04" + private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        identity = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
        rows.append("witness %s %s+%s+%s" % (name, name, identity.hex(), base64.b64encode(public).decode()))
        signature = private.sign(b"cosignature/v1\ntime %d\n" % when + text)
        lines.append("\u2014 %s %s\n" % (name, base64.b64encode(
            identity + when.to_bytes(8, "big") + signature).decode()))
    policies = {}
    for name, group in (("any", "any elm oak"), ("all", "all elm oak")):
        policies[name] = SCRATCH + "/policy-" + name
        pathlib.Path(policies[name]).write_text("\n".join([*rows, "group g " + group, "quorum g"]) + "\n")
    tars, place = [], "anchors/cosigned/2026-11/%020d" % int(note.split(b"\n")[1])
    for line in (lines[0], lines[0][:-8] + ("A" if lines[0][-8] != "A" else "B") + lines[0][-7:]):
        tar, head = SCRATCH + "/witnessed-%d.tar" % len(tars), note + line.encode()
        with tarfile.open(package) as old:
            members = {member.name: old.extractfile(member).read() for member in old}
        members[place] = head
        listed = sorted(set(members) - {"MANIFEST.sha256"})
        members["MANIFEST.sha256"] = "".join(
            "%s  %s\n" % (hashlib.sha256(members[name]).hexdigest(), name) for name in listed).encode()
        with tarfile.open(tar, "w", format=tarfile.USTAR_FORMAT) as new:
            for name in [*listed, "MANIFEST.sha256"]:
                member = tarfile.TarInfo(name)
                member.size = len(members[name])
                new.addfile(member, io.BytesIO(members[name]))
        data = pathlib.Path(tar).read_bytes().rstrip(b"\0")
        pathlib.Path(tar).write_bytes(data + bytes(-len(data) % 512 + 1024))
        tars.append(tar)
    return tars, policies


def check_browser(package, key, kept, root):
    if not PROGRAM:
        return 0
    made = []

    def altered(change):
        made.append(SCRATCH + "/altered-%d.tar" % len(made))
        with_manifest(package, made[-1], change)
        return made[-1]

    def turned(member, where):
        def change(name, data):
            place = data.index(where) + len(where)
            return data[:place] + (b"A" if data[place:place + 1] != b"A" else b"B") + data[place + 1:]
        return altered(lambda name, data: change(name, data) if name == member else data)
    edited = altered(lambda name, data: data.replace(b"TREAT", b"ETREA") if name.startswith("log/tile/entries") else data)
    (cosigned, spoiled), policies = witnessed(package, key, kept)
    shown = []
    with Browser(SCRATCH) as page:
        for tar, with_key, anchors, expected, *given in (
                (package, key, [kept], "intact"), (package, key, [], "unanchored"), (package, "", [], "unanchored"),
                (package, key[:-8] + "AAAAAAA=", [], "not checked"), (edited, key, [kept], "altered"),
                (package, key, [kept], "intact", root), (package, key, [kept], "not checked", key),
                (package, key, [kept], "unauthentic", other_root(root)),
                (turned("log/keyring", b"\ntree "), key, [kept], "unauthentic"),
                (altered(lambda name, data: None if name == "log/keyring" else data), key, [kept], "altered"),
                (turned("identities.jsonl", b'"name":"'), key, [kept], "altered"),
                (cosigned, key, [], "intact", "", policies["any"]), (cosigned, key, [], "unanchored", "", policies["all"]),
                (package, key, [kept], "unanchored", "", policies["any"]),
                (spoiled, key, [], "unauthentic", "", policies["any"])):
            with_root, policy = [*given, "", None][:2] if len(given) != 1 else (given[0], None)
            page.open("file://" + str(REPOSITORY / "Evidence/verify.html"), "!!document.getElementById('file')")
            root = page.call("DOM.getDocument")["root"]["nodeId"]
            for selector, files in (("#kept", anchors), ("#policy", [policy] if policy else []), ("#file", [tar])):
                if selector == "#file":
                    page.evaluate("document.getElementById('key').value = %s" % json.dumps(with_key))
                    page.evaluate("document.getElementById('root').value = %s" % json.dumps(with_root))
                node = page.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
                if files:
                    page.call("DOM.setFileInputFiles", nodeId=node, files=[str(f) for f in files])
            verdict = page.evaluate(
                "new Promise((done) => { const look = () => { const text = document.getElementById('verdict').textContent;"
                " text && text !== 'checking …' ? done(text) : setTimeout(look, 50); }; look(); })")
            assert verdict == expected, (len(shown), verdict, expected, page.evaluate("document.body.innerText"))
            words = [word for option, value in (("--key", with_key), ("--root", with_root), ("--policy", policy))
                     if value for word in (option, value)] + [w for a in anchors for w in ("--checkpoint", a)]
            code = run(*PYTHON, VERIFY, "package", tar, *words).returncode
            assert code == (2 if expected == "not checked" else checker.CODES[expected]), (len(shown), code, expected)
            shown.append(page.evaluate("document.body.innerText"))
            if len(shown) == 1:
                pathlib.Path(SCRATCH, "screenshot.png").write_bytes(
                    base64.b64decode(page.call("Page.captureScreenshot")["data"]))
                if os.environ.get("KEEP_SCREENSHOT"):
                    shutil.copy(SCRATCH + "/screenshot.png", os.environ["KEEP_SCREENSHOT"])
    return len(shown)


def other_root(root):
    """A root key of the same name."""
    name, public = root.split("+", 1)[0], b"\x01" + bytes(range(32))
    identity = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    return "%s+%s+%s" % (name, identity.hex(), base64.b64encode(public).decode())


def check_subject(service, tokens, key, package):
    proof = SCRATCH + "/patient.json"
    service.command("audit", "subject", "MRN-20417", "--prove", "-o", proof, "--purpose", "PATRQT",
                    token=tokens["privacy-officer"])
    late = SCRATCH + "/later.tar"
    service.command("audit", "package", *RANGE, "--out", late, token=tokens["auditor"])
    code, report = verify("subject", proof, "--key", key)
    assert code == 10, report
    code, report = verify("subject", proof, "--key", key, "--log", late)
    assert code == 0 and any("on record as the patient's" in note for note in report["notes"]), report
    # An older log cannot show the newest tags' absence: the proof's head is beyond it.
    assert verify("subject", proof, "--key", key, "--log", package)[0] == 22
    whole = json.loads(pathlib.Path(proof).read_text())
    patient, call = whole["subjects"]
    count = 0

    def changed(change, expected, *words):
        nonlocal count
        document = json.loads(pathlib.Path(proof).read_text())
        change(document)
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        pathlib.Path(SCRATCH, "changed.json").write_text(text + "\n")
        code, report = verify("subject", SCRATCH + "/changed.json", "--key", key, *words)
        assert code == expected, (code, expected, report)
        count += 1
    log = ("--log", late)
    changed(lambda d: d["subjects"][0]["entries"].pop(), 20, *log)
    changed(lambda d: d["subjects"][1]["entries"].pop(), 20, *log)
    changed(lambda d: d["subjects"][1]["entries"].pop(1), 20)
    changed(lambda d: d["subjects"].pop(0), 20)
    changed(lambda d: d["subjects"][0]["entries"][0].update(leaf=call["entries"][0]["leaf"]), 20)
    changed(lambda d: d["subjects"][0].update(key=call["key"]), 20)
    changed(lambda d: d["subjects"][0].update(opening=call["opening"]), 20)
    changed(lambda d: d["subjects"][1].update(linked=patient["introduced"]), 20)
    changed(lambda d: d.update(checkpoint=d["checkpoint"].replace("\n", "\n1", 1)), 24)
    changed(lambda d: d.update(extra=1), 20)
    status, _, body = service.request("GET", "/v1/audit/entries?action=subject.created", token=tokens["auditor"])
    assert status == 200 and b"MRN-20417" not in body
    for path in pathlib.Path(service.data).rglob("*"):
        assert not path.is_file() or b"MRN-20417" not in path.read_bytes(), path
    return count, len(patient["entries"]), len(call["entries"])


def check_unlink(service, tokens, key, call):
    """A wrong identification is taken back: verify.py sees it in the proofs before and after."""
    def prove(name):
        path, log = SCRATCH + "/%s.json" % name, SCRATCH + "/%s.tar" % name
        service.command("audit", "subject", "MRN-20417", "--prove", "-o", path, "--purpose", "PATRQT",
                        token=tokens["privacy-officer"])
        service.command("audit", "package", *RANGE, "--out", log, token=tokens["auditor"])
        code, report = verify("subject", path, "--key", key, "--log", log)
        assert code == 0, report
        return path, json.loads(pathlib.Path(path).read_text())["subjects"], log

    old, before, _ = prove("linked")
    assert len(before) == 2
    service.command("subject", "unlink", call, "MRN-20417", token=tokens["privacy-officer"])
    _, after, log = prove("unlinked")
    # The call's own entries are not the patient's any more; what was said of both stays the patient's, the
    # unlinking the last of it but for the proof itself.
    assert len(after) == 1 and after[0]["key"] == before[0]["key"], len(after)
    leaves = [json.loads(entry["leaf"]) for entry in after[0]["entries"]]
    was = [entry["leaf"] for entry in before[0]["entries"]]
    assert [entry["leaf"] for entry in after[0]["entries"]][:len(was)] == was
    assert "subject.unlinked" in [leaf["action"] for leaf in leaves[len(was):]], leaves[len(was):]
    # The proof from before holds of its own head, also with the log of today; not with the unlinking left out.
    code, report = verify("subject", old, "--key", key, "--log", log)
    assert code == 0, (code, report)
    document = json.loads(pathlib.Path(SCRATCH, "unlinked.json").read_text())
    document["subjects"][0]["entries"] = [
        entry for entry in document["subjects"][0]["entries"] if "subject.unlinked" not in entry["leaf"]]
    pathlib.Path(SCRATCH, "hidden.json").write_text(
        json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n")
    code, report = verify("subject", SCRATCH + "/hidden.json", "--key", key, "--log", log)
    assert code == 20, (code, report)
    linked = service.command("audit", "show", "--object", call, "--action", "subject.unlinked", token=tokens["auditor"])
    assert len(linked["entries"]) == 1, linked
    # Linked again it counts on.
    service.command("subject", "link", call, "MRN-20417", token=tokens["privacy-officer"])
    assert len(prove("again")[1]) == 2
    return len(after[0]["entries"])


def check_sample(service, tokens, key, recording):
    lists = []
    for name in ("one", "two"):
        path = SCRATCH + "/%s.json" % name
        service.command("audit", "sample", *RANGE, "--action", "call.created", "--seed", "seed 7", "-o", path,
                        token=tokens["auditor"])
        lists.append(json.loads(pathlib.Path(path).read_text()))
    assert lists[0]["sample"] == lists[1]["sample"] and lists[0]["population"] == 301
    late = SCRATCH + "/sampled.tar"
    service.command("audit", "package", *RANGE, "--out", late, token=tokens["auditor"])
    code, report = verify("sample", path, "--log", late, "--key", key)
    assert code == 10 and report["sample"] == len(lists[0]["sample"]), report
    lists[0]["sample"][0] = {"id": lists[0]["sample"][0]["id"], "index": lists[0]["sample"][0]["index"] + 1}
    pathlib.Path(path).write_text(json.dumps(lists[0], sort_keys=True, separators=(",", ":")) + "\n")
    assert verify("sample", path, "--log", late, "--key", key)[0] == 20
    lineage = service.command("audit", "lineage", recording, token=tokens["auditor"])
    actions = [entry["action"] for entry in lineage["entries"]]
    assert actions[0] == "call.created" and "subject.linked" in actions and actions.count("recording.opened") >= 4, actions
    return len(lists[1]["sample"]), lists[1]["population"]


def check_openings(service, tokens, key):
    counts = service.command("audit", "openings", token=tokens["auditor"])
    assert counts["missing"] == counts["erased"] == 0 and counts["present"] > 600, counts
    service.command("audit", "show", "--openings", "--purpose", "HOPERAT", token=tokens["auditor"], expect=4)
    shown = service.command("audit", "show", "--openings", "--purpose", "HOPERAT", "--action", "call.created",
                            "--limit", "1", token=tokens["privacy-officer"])["entries"][0]
    assert shown["openings"]["source"]["text"] == "test" and "text" not in shown["openings"]["subject"], shown
    # Gone from the disk, the values are; the proofs stay.
    service.command("audit", "export", SCRATCH + "/before", token=tokens["auditor"])
    lost = pathlib.Path(service.data, "openings/000")
    lost.rename(SCRATCH + "/lost")
    after = service.command("audit", "openings", token=tokens["auditor"])
    assert after["missing"] > 200 and after["first_missing"] == 0, after
    service.command("audit", "export", SCRATCH + "/after", token=tokens["auditor"])
    kept = SCRATCH + "/before/checkpoint"
    assert run(CALLVAULT, "audit", "verify", SCRATCH + "/after", "--key", key, "--checkpoint", kept).returncode == 0
    # Another entry's opening in its place is refused, with the entry's number.
    data = bytearray(pathlib.Path(SCRATCH, "lost").read_bytes())
    data[len(data) // 2] ^= 1
    lost.write_bytes(bytes(data))
    pathlib.Path(SCRATCH, "lost").rename(lost)
    return counts["present"]


def main():
    with Service() as service:
        key = service.init["verifier_key"]
        tokens, call, recording, patient = make_log(service)
        kept = SCRATCH + "/kept"
        pathlib.Path(kept).write_bytes(service.request("GET", "/v1/audit/checkpoint", token=tokens["auditor"])[2])
        package = SCRATCH + "/evidence.tar"
        service.command("audit", "package", *RANGE, "--out", package, token=tokens["auditor"])
        service.command("audit", "package", *RANGE, "--out", package, token=tokens["clinician"], expect=4)
        subject = check_subject(service, tokens, key, package)
        unlinked = check_unlink(service, tokens, key, call)
        sample = check_sample(service, tokens, key, recording)
        openings = check_openings(service, tokens, key)
    folder = check_auditors_tools(package, key, kept)
    facts = check_reports(folder, key)
    shown = check_browser(package, key, kept, service.init["root_key"])
    tampered = check_tampering(package, key, kept)
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert not re.search(r"MRN-20417", "".join((folder / "entries/000000000000.jsonl").read_text()))
    say("%d members, %d entries: sha256sum, openssl, verify.py, Go's packages and callvault agree" % (len(names), facts["entries"]))
    say("%d changed packages, each found by verify.py; %d verdicts shown by a browser" % (tampered, shown))
    say("a patient's %d entries and the call's %d proved, %d changed proofs refused" % (subject[1], subject[2], subject[0]))
    say("a link was taken back: verify.py proves %d entries of the patient alone, and refuses them without the unlinking" % unlinked)
    say("a sample of %d in %d drawn twice and again; %d openings, values gone and proofs there" % (*sample, openings))


main()
