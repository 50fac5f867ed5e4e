#!/usr/bin/env python3
"""Two witnesses, a time stamp authority and a second place anchor a vault's log; `openssl ts -verify`
accepts what is kept; a restored backup is found out; a dead anchor stops nothing."""
import glob
import hashlib
import json
import os
import shutil
import subprocess
import time

from outside_anchors import Authority, Witness, body, consistency, entries, leaf, metric, parse, root
from vault_service import CALLVAULT, SCRATCH, Service, say, wav


def wait(what, condition):
    deadline = time.monotonic() + 60
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, "never: " + what
        time.sleep(0.05)


def names(service, pattern):
    return sorted(glob.glob(os.path.join(service.data, "anchors", pattern)))


def verify(*words, expect):
    done = subprocess.run([CALLVAULT, "audit", "verify", *words, "--json"], capture_output=True,
                          timeout=120)
    report = json.loads(done.stdout)
    assert done.returncode == expect, (words, done.returncode, report)
    return report


service = Service()
service.init = service.command("init", "--data", service.data, "--keys", service.keys)
vkey = service.init["verifier_key"]
elm, oak = Witness("elm", vkey).start(), Witness("oak", vkey).start()
authority = Authority(days=20)
policy = os.path.join(SCRATCH, "policy")
with open(policy, "w") as file:
    file.write("log %s\nwitness elm %s %s\nwitness oak %s %s/\ngroup both all elm oak\nquorum both\n"
               % (vkey, elm.key, elm.url, oak.key, oak.url))
copies = os.path.join(SCRATCH, "copies")
os.makedirs(copies)
with open(os.path.join(service.data, "callvault.yaml"), "a") as file:
    file.write("""
anchors:
  policy: %s
  witness: { every: 1s, limit: 3s }
  timestamp: { url: "%s", ca: %s, every: 1s, limit: 1h, renew: 30d }
  copy: { path: %s, every: 1s, limit: 1h }
""" % (policy, authority.url, authority.certificate, copies))

try:
    service.start()
    worker = service.token("service", "calls:write", "recordings:write")
    operator = service.token("operator")
    recording = wav([((i * 97) % 2001) - 1000 for i in range(8000)])
    service.put(recording, worker)

    # All three anchors confirm a head.
    def confirmed():
        for path in names(service, "cosigned/*/*"):
            note = open(path).read()
            if elm.key.split("+")[0] in note and oak.key.split("+")[0] in note:
                return path
    cosigned = wait("a head with both witnesses' lines", confirmed)
    origin, size, head_root, lines = parse(open(cosigned).read())
    leaves = [leaf(entry) for entry in entries(os.path.join(service.data, "log"))]
    assert root(leaves[:size]) == head_root, "the cosigned root is not that of the entries"
    stamp = wait("a stamp", lambda: names(service, "stamps/*/*.tsr"))[0]
    authority.verify(stamp[:-4] + ".note", stamp)
    copied = wait("a copy", lambda: glob.glob(copies + "/*/[0-9]*"))
    assert parse(open(copied[0]).read())[0] == origin

    # The certificate of the authority ends in 20 days, so its stamps are to be renewed at once; from
    # the same certificate that is refused, from a longer one it is done.
    def told(name, **labels):
        return metric(service.request("GET", "/metrics", token=operator)[2].decode(), name, **labels)
    wait("a renewal that fails",
         lambda: told("callvault_anchor_failing", anchor="timestamp") == 1.0)
    assert told("callvault_anchor_entries", anchor="timestamp") > 0
    assert told("callvault_anchor_write_once", anchor="copy") == 0.0
    authority.issue(3650)
    renewal = wait("a renewal", lambda: names(service, "renewals/*.tsr"))[0]
    authority.verify(renewal[:-4] + ".sha256", renewal)
    subprocess.run(["sha256sum", "--check", "--quiet", renewal[:-4] + ".sha256"],
                   cwd=os.path.join(service.data, "anchors"), check=True)
    stamps = names(service, "stamps/*/*.tsr")
    for path in stamps:
        authority.verify(path[:-4] + ".note", path)
    say("%d stamps and 1 renewal, openssl ts -verify: all accepted" % len(stamps))

    # Answers that are no stamps of ours are not kept, each given once.
    good = authority.last
    faults = [
        lambda query: good,  # another question's answer: replayed
        lambda query: b"",
        lambda query: b"\x30\x03\x02\x01\x00",
        lambda query: authority.reply(query)[:-1],
        lambda query: authority.reply(query) + b"\0",
        lambda query: authority.reply(query).replace(b"Test TSA", b"Best TSA"),
        lambda query: authority.issue(3650, root="stranger") or authority.reply(query),
    ]
    given, kept = [], {open(path, "rb").read() for path in names(service, "stamps/*/*.tsr")}
    def false(query):
        if len(given) < len(faults):
            given.append(faults[len(given)](query))
            return given[-1]
        return b""
    authority.root("stranger")
    authority.fault = false
    wait("every false answer", lambda: len(given) == len(faults))
    before = authority.answered
    wait("one more answer", lambda: authority.answered > before)
    for path in names(service, "stamps/*/*.tsr"):
        content = open(path, "rb").read()
        assert content in kept or content not in given, "a false stamp was kept: " + path
    authority.issue(3650)
    authority.fault = None
    count = len(names(service, "stamps/*/*.tsr"))
    wait("a stamp again", lambda: len(names(service, "stamps/*/*.tsr")) > count)
    say("%d false answers of the authority, none kept" % len(faults))

    status, _, content = service.request("GET", "/v1/health/ready")
    assert status == 200 and "alarms" not in json.loads(content), content

    # A dead witness stops nothing, and is told of.
    oak.stop()
    def alarmed():
        status, _, content = service.request("GET", "/v1/health/ready")
        assert status == 200
        return "anchor witness-2" in str(json.loads(content).get("alarms"))
    service.put(recording, worker)
    wait("an alarm for the dead witness", alarmed)
    # The other may be late too, and is not for long.
    wait("an alarm for it alone", lambda: [
        told("callvault_anchor_alarm", anchor="witness-%d" % number) for number in (1, 2)] == [0.0, 1.0])
    assert told("callvault_anchor_lag_entries", anchor="witness-2") > 0
    oak.start()
    wait("no alarm", lambda: not alarmed())

    # What a witness must refuse, with the status that the specification gives.
    log = os.path.join(service.data, "log")
    service.stop()
    note = open(os.path.join(log, "checkpoint")).read()
    origin, size, head_root, lines = parse(note)
    leaves = [leaf(entry) for entry in entries(log)]
    assert len(leaves) == size
    for witness in (elm, oak):
        status, kind, told = witness.request(body(0, [], note))
        assert (status, kind) == (409, "text/x.tlog.size"), (status, kind)
        old = int(told)
        assert witness.request(body(old, consistency(old, leaves) if old else [], note))[0] == 200
        status, _, held = witness.request(
            None, "GET", "/checkpoint/" + hashlib.sha256(origin.encode()).hexdigest())
        assert status == 200 and parse(held)[1] == size
    heads = {}
    history = b"".join(open(path, "rb").read() for path in sorted(glob.glob(log + "/checkpoints/*")))
    while history:
        length = int.from_bytes(history[:2], "big")
        older = history[2:2 + length].decode()
        heads[parse(older)[1]] = older
        history = history[2 + length:]
    smaller = [heads[number] for number in sorted(heads) if number < size]
    older = smaller[len(smaller) // 2]
    unsigned = note.rpartition("\n\n")[0] + "\n\n"
    stranger = note.replace(origin, "stranger.example/callvault")
    attempts = [
        ("rollback", body(parse(older)[1], [], older), 409),
        ("rollback below the old size", body(size, [], older), 400),
        ("a proof where there is none", body(size, [b"\0" * 32], note), 422),
        ("a head that nobody signed", body(size, [], note.replace("— ", "— x")), 403),
        ("another root under the old line", body(size, [], note.replace(
            note.split("\n")[2], "A" * 43 + "=")), 403),
        ("an unknown log", body(size, [], stranger), 404),
        ("no note", "old %d\n\n%s" % (size, unsigned), 400),
        ("no request", "", 400),
        ("a leading zero", body(size, [], note).replace("old ", "old 0"), 400),
        ("64 hashes", body(size, [b"\0" * 32] * 64, note), 400),
        ("again, the same head", body(size, [], note), 200),
    ]
    for witness in (elm, oak):
        for what, request, expected in attempts:
            status = witness.request(request)[0]
            assert status == expected, (witness.name, what, status)
    say("2 witnesses, %d requests each, the specified status each time" % len(attempts))

    # The policy confirms the log, and says how far.
    report = verify(log, "--policy", policy, "--tsa-ca", authority.certificate, expect=0)
    assert report["anchored_size"] > 0 and report["verdict"] == "intact", report
    assert "anchored_at" in report, report
    single = os.path.join(SCRATCH, "other-policy")
    with open(single, "w") as file:
        file.write(open(policy).read().replace("group both all elm oak\nquorum both", "quorum none"))
    verify(log, "--policy", single, expect=10)
    verify(log, "--key", vkey, "--tsa-ca", authority.certificate, expect=0)
    verify(log, "--key", vkey, expect=10)

    # Yesterday's data directory, today's anchors elsewhere: found out by each anchor alone.
    backup = os.path.join(SCRATCH, "backup")
    shutil.copytree(service.data, backup, ignore=shutil.ignore_patterns("*.sock"))
    service.start()
    service.put(recording, worker)
    text = lambda: service.request("GET", "/metrics", token=operator)[2].decode()
    size = parse(open(os.path.join(log, "checkpoint")).read())[1]
    wait("anchors that know more", lambda: all(
        (metric(text(), "callvault_anchor_entries", anchor=name) or 0) >= size
        for name in ("witness-1", "witness-2", "copy", "timestamp")))
    service.stop()
    today = service.data
    def refuses(what):
        done = subprocess.run(
            [CALLVAULT, "serve", "--data", backup, "--keys", service.keys, "--listen",
             "127.0.0.1:0"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 7 and "behind-anchor" in done.stderr, (
            what, done.returncode, done.stderr)
        return 1
    settings = open(os.path.join(backup, "callvault.yaml")).read()
    found = 0
    before = open(os.path.join(backup, "log", "checkpoint")).read()
    found += refuses("all anchors")
    with open(os.path.join(backup, "callvault.yaml"), "w") as file:
        file.write(settings.replace(copies, copies + "-gone"))
    found += refuses("the witnesses alone")
    elm.stop()
    oak.stop()
    with open(os.path.join(backup, "callvault.yaml"), "w") as file:
        file.write(settings)
    found += refuses("the copies alone")
    with open(os.path.join(backup, "callvault.yaml"), "w") as file:
        file.write(settings.replace(copies, copies + "-gone"))
    shutil.rmtree(os.path.join(backup, "anchors"))
    shutil.copytree(os.path.join(today, "anchors"), os.path.join(backup, "anchors"))
    found += refuses("what is kept of anchors alone")
    assert open(os.path.join(backup, "log", "checkpoint")).read() == before, "it signed something"
    verify(os.path.join(backup, "log"), "--policy", policy, expect=22)
    say("a restored backup, %d kinds of anchors: behind-anchor each time" % found)

    # All of them out of reach: it serves, says so, and thereby forks; each witness refuses the fork.
    shutil.rmtree(os.path.join(backup, "anchors"))
    service.data = backup
    service.start()
    assert '"event":"anchor-not-compared"' in open(service.stderr).read()
    for _ in range(4):
        service.put(recording, worker)
    service.stop()
    log = os.path.join(backup, "log")
    fork = open(os.path.join(log, "checkpoint")).read()
    leaves = [leaf(entry) for entry in entries(log)]
    _, forked, _, _ = parse(fork)
    for witness in (elm.start(), oak.start()):
        known = int(witness.request(body(0, [], fork))[2])
        assert forked > known, (forked, known)
        for proof in (consistency(known, leaves), [], [leaves[0]]):
            assert witness.request(body(known, proof, fork))[0] == 422
        assert witness.request(body(forked, [], fork))[0] == 409
        assert int(witness.request(body(0, [], fork))[2]) == known, "the fork changed its state"
    service.start()  # It meets its own fork now, in what the witnesses tell.
    raise AssertionError("it serves a fork")
except AssertionError as failure:
    if '"event"' not in str(failure) and "did not start" not in str(failure):
        raise
    assert "forked:" in open(service.stderr).read(), failure
    say("a fork: refused by 2 witnesses, and by the next start")
finally:
    service.__exit__()
    elm.stop()
    oak.stop()
    authority.close()
