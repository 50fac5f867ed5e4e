#!/usr/bin/env python3
"""P4 and P5 when parts of the data directory are copied back from yesterday.

A vault has a yesterday, which is kept, and a today with more calls, a token made and one revoked. Then
each part of today's directory is replaced by yesterday's, and the program is started. Where the parts
contradict each other the start is refused with its exit code and its sentence, and changes nothing;
where they do not, whatever is missing is named when it is asked for; and a checkpoint that somebody
kept outside finds a whole directory that went back.

    Tests/Torture/old_copies.py

CALLVAULT is the program (.build/debug/callvault).
"""
import collections
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess

from account import PURPOSE, Account, Check, ensure, judge
from traffic import Client, keepers
from victim import CALLVAULT, SCRATCH, VERIFY, Victim, build_verifier, say


def life(service, account, who, dice, uploads):
    client = Client(service, account, who, dice)
    for _ in range(uploads):
        ensure(client.upload(), "an upload")
        ensure(client.text("note"), "a note")
        ensure(client.read(), "a read")
    for _ in range(3):
        ensure(client.token(), "a token")
    client.close()


def copy(source, target):
    """As a backup does, which leaves the socket out."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.sock"))


def content(folder):
    """Every file that evidence or data is in, by the hash of its bytes."""
    found = {}
    for path in pathlib.Path(folder).rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_file() and not name.startswith("run/") \
                and not name.endswith(("-shm", "-wal")):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


class Days:
    def __init__(self):
        self.counts = collections.Counter()
        self.dice = random.Random(3)
        self.service = Victim("days")
        self.service.make()
        self.account = Account()
        self.service.start()
        self.who = keepers(self.service)
        life(self.service, self.account, self.who, self.dice, 6)
        self.old_recordings = set(self.account.recordings)
        self.revoked_before = set(self.account.revoked)
        self.service.stop()
        self.yesterday = os.path.join(SCRATCH, "yesterday")
        copy(self.service.data, self.yesterday)
        self.service.start()
        life(self.service, self.account, self.who, self.dice, 6)
        self.service.stop()
        self.today = os.path.join(SCRATCH, "today")
        copy(self.service.data, self.today)
        self.kept = os.path.join(SCRATCH, "kept")
        shutil.copy(self.service.data + "/log/checkpoint", self.kept)

    def mix(self, *parts):
        """Today's directory with these parts of yesterday's."""
        shutil.rmtree(self.service.data)
        copy(self.today, self.service.data)
        for part in parts:
            source, target = (os.path.join(day, part) for day in (self.yesterday, self.service.data))
            if os.path.isdir(target):
                shutil.rmtree(target)
                copy(source, target)
            else:
                for ending in ("", "-wal", "-shm"):
                    if os.path.exists(target + ending):
                        os.unlink(target + ending)
                    if os.path.exists(source + ending):
                        shutil.copy(source + ending, target + ending)
        self.counts["mixtures"] += 1

    def refused(self, parts, *words):
        self.mix(*parts)
        before = content(self.service.data)
        for _ in range(2):
            result = subprocess.run(
                [CALLVAULT, "serve", "--data", self.service.data, "--keys", self.service.keys,
                 "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=60,
                stdin=subprocess.DEVNULL)
            ensure(result.returncode == 7 and all(word in result.stderr for word in words),
                   "a start with yesterday's %s" % " and ".join(parts), result.returncode,
                   result.stderr)
            ensure(len(result.stderr) < 600, "a sentence", result.stderr)
        after = content(self.service.data)
        # A log that is whole itself notes each start.
        noted = "journal/" if parts == ["catalog.sqlite"] else "\0"
        changed = {name for name in before
                   if after.get(name) != before[name] and not name.startswith(noted)}
        ensure(not changed, "a refused start changed something", parts, changed)
        self.counts["starts refused"] += 2

    def verdict(self, expect, *anchors):
        words = [CALLVAULT, "audit", "verify", self.service.data + "/log", "--key",
                 self.service.init["verifier_key"]]
        for anchor in anchors:
            words += ["--checkpoint", anchor]
        result = subprocess.run(words, capture_output=True, text=True, timeout=60)
        ensure(result.returncode == expect, "audit verify", expect, result.returncode, result.stdout)
        go = subprocess.run([VERIFY, self.service.init["verifier_key"], self.service.data + "/log"],
                            capture_output=True, text=True)
        ensure(go.returncode == 0, "verify.go", go.stdout, go.stderr)
        self.counts["verdicts"] += 1


def main():
    build_verifier()
    days = Days()
    service, account = days.service, days.account

    # All of today: nothing is wrong.
    days.mix()
    days.verdict(0, days.kept)

    # Parts that contradict each other.
    days.refused(["catalog.sqlite"], "catalog-behind-log", "restore both from one instant")
    days.refused(["log"], "the log is not what was written", "audit verify")
    days.refused(["journal"], "the log is not what was written", "audit verify")
    days.refused(["log", "journal", "openings"], "do not belong together", "from one instant")
    days.refused(["log", "journal", "openings", "keys"], "do not belong together",
                 "from one instant")

    # The key ring of yesterday is today's, for as long as no key was made in between.
    ensure(pathlib.Path(days.today, "keys/ring").read_bytes()
           == pathlib.Path(days.yesterday, "keys/ring").read_bytes(), "the ring changed")

    # Objects of yesterday: what was stored today is named as damaged, the rest is given out.
    days.mix("objects")
    service.start()
    lost = sorted(set(account.recordings) - days.old_recordings)
    auditor = days.who["auditor"]
    for recording in sorted(account.recordings):
        status, fields, body = service.request(
            "GET", "/v1/recordings/%s/audio" % recording, None, days.who["clinician"], PURPOSE)
        if recording in lost:
            ensure(status == 500 and json.loads(body)["type"].endswith(":damaged"),
                   "a recording whose object is gone", status, body)
            _, _, page = service.request(
                "GET", "/v1/audit/entries?request=" + fields["Request-Id"], token=auditor)
            entries = [json.loads(e["leaf"]) for e in json.loads(page)["entries"]]
            opened = [e for e in entries if e["action"] == "recording.opened"]
            ensure([e.get("reason") for e in opened] == [None, "tampered"], "its outcome", entries)
            days.counts["missing objects named"] += 1
        else:
            ensure(status == 200 and body == account.recordings[recording][1], "an old recording",
                   recording, status)
            days.counts["old recordings opened"] += 1
    service.stop()
    days.verdict(0, days.kept)

    # Openings of yesterday: the log is whole, what today's commitments stand for is gone.
    days.mix("openings")
    service.start()
    service.stop()
    days.verdict(20, days.kept)
    shutil.rmtree(service.data + "/openings")
    days.verdict(0, days.kept)

    # The whole directory: it is one vault, genuine and old. Only a checkpoint kept outside knows.
    days.mix()
    shutil.rmtree(service.data)
    copy(days.yesterday, service.data)
    days.verdict(22, days.kept)
    days.verdict(10)
    service.start()
    old = Account()
    for name in ("calls", "recordings", "texts", "tokens"):
        setattr(old, name, {})
    client = Client(service, old, days.who, days.dice)
    while len(old.recordings) < 30:
        ensure(client.upload(), "an upload after the way back")
    client.close()
    service.stop()
    # It grew beyond what the checkpoint covers, as another log.
    days.verdict(23, days.kept)

    # And today's once more: nothing of all this has harmed it.
    days.mix()
    service.start()
    Check(service, account, days.who, days.counts, days.dice).run()
    service.stop()
    judge(service.data + "/log", service.init["verifier_key"], [days.kept])
    say(", ".join("%d %s" % (count, what) for what, count in sorted(days.counts.items()) if count))


if __name__ == "__main__":
    main()
    if "callvault-torture." in SCRATCH:
        shutil.rmtree(SCRATCH, ignore_errors=True)
