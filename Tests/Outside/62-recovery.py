#!/usr/bin/env python3
"""A restored backup is refused, people begin a new log, and outside programs check both: verify.go each log,
`openssl` the note's two signatures, `sha256sum` that the genesis commits to it, verify.py the verdicts."""
import base64
import glob
import json
import os
import shutil
import subprocess
import time

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


def digest(data):
    done = subprocess.run(["sha256sum"], input=data, capture_output=True, check=True)
    return done.stdout.decode().split()[0]


def verify(*words, expect):
    output = run(CALLVAULT, "audit", "verify", *words, "--json", expect=expect)
    return json.loads(output[output.index("{"):])


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
    assert facts["carried"]["tokens_ended"] == 1, facts
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
    package = os.path.join(SCRATCH, "evidence.tar")
    os.environ["CALLVAULT_TOKEN"] = auditor
    run(CALLVAULT, "audit", "package", "--data", backup, "--from", "2026-01-01T00:00:00Z", "--to",
        "2099-01-01T00:00:00Z", "--out", package, expect=0)
    del os.environ["CALLVAULT_TOKEN"]
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
    output = run(*python, "package", package, "--key", new_key, "--root", new_root, expect=10)
    assert restarted in output, output
    for words in ([os.path.join(earlier, "log"), "--key", old_key, "--checkpoint", newest],):
        verify(*words, expect=22)
        run(*python, "log", *words, expect=22)
    # Both verifiers find a note that was changed, is another log's, or is gone.
    path = os.path.join(log, "recovery")
    genuine = open(path).read()
    cases = [(genuine.replace("kept %d " % kept, "kept %d " % (kept + 1)), 24),
             (genuine.replace(lines[0], lines[0].replace("A", "B", 1)), 24),
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
    say("verify.go: both logs; verify.py and audit verify agree on %d verdicts" % (5 + len(cases)))
finally:
    service.__exit__()
    elm.stop()
