#!/usr/bin/env python3
"""Keys, backups and restores under SIGKILL, and what copies of everything open afterwards.

`key-worker` stores, purges, rotates, ratchets, backs up and restores. At random moments, also within its
start, it is stopped whole (SIGSTOP, all its threads) and its folder is copied: what the copy holds is what
SIGKILL would have left at that moment. Now and then it is killed there and started again. A second process
starts each copy as after a kill: no call that was acknowledged is lost or unreadable, none that was purged
comes back, the backup that counted stands whole, and a restore that was cut off is gone on with, opens
with today's keys, and revives nothing. One long-lived pair of programs makes a kill cheap enough for hundreds.

At the end, after one more ratchet, an implementation of its own (PyPI `cryptography`, from
Documentation/formats/keys.md alone) takes every ring and every catalog of every copy, write-ahead logs, backups and
bytes that no row names included, with the root key and the anchors that are left, and tries to open what was
purged. With the anchors that the ratchets destroyed, which the test kept, it must succeed: that shows that it
looks in the right places.

    Tests/Torture/key_kills.py [--kills N] [--seed S]       N within a rotation, ratchet, backup or restore

CALLVAULT is the program; key-worker lies in TOOLS, or beside it.
"""
import argparse
import collections
import copy
import os
import pathlib
import random
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "Tests/Outside"))

from ring_keys import Keys, records, text as uuid  # noqa: E402

CALLVAULT = os.environ.get("CALLVAULT", str(REPOSITORY / ".build/debug/callvault"))
WORKER = os.path.join(os.environ.get("TOOLS") or os.path.dirname(CALLVAULT), "key-worker")
POLICIES = str(REPOSITORY / "Policies")
# In memory where there is such a volume: SIGKILL leaves what the kernel has, whatever the disk has of it.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
SCRATCH = tempfile.mkdtemp(prefix="callvault-torture.", dir=MEMORY)


# What `--kills` counts; starts, stores and purges come besides.
COUNTED = ("rotating", "ratcheting", "backing", "restoring")
KINDS = ("starting", *COUNTED)


def ensure(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what))


class Account:
    """What the worker said."""

    def __init__(self):
        self.stored = {}  # call: (recording, sha256)
        self.purging, self.purged = set(), set()
        self.doing, self.sets = "starting", 0

    def hear(self, line):
        words = line.split()
        if words[0] == "stored":
            self.stored[words[1]] = (words[2], words[3])
        elif words[0] == "purging":
            self.purging.add(words[1])
        elif words[0] == "purged":
            self.purged.add(words[1])
        elif words[0] == "backed":
            self.sets = int(words[1])
        else:
            ensure(words[0] in ("live", "ready", "rotating", "rotated", "ratcheting", "ratcheted",
                                "backing", "restoring", "restored"), line)
        self.doing = words[0] if words[0].endswith("ing") else "between"

    def check(self, live):
        """`live` is what a start found: call: (recording, sha256)."""
        for call, what in self.stored.items():
            if call in self.purged:
                ensure(call not in live, "resurrected", call)
            elif call not in self.purging:
                ensure(live.get(call) == what, "lost or changed", call, live.get(call))
            elif call in live:
                ensure(live[call] == what, "changed", call)

    def settle(self, live):
        """After a kill: what was being purged is, or is not."""
        self.check(live)
        for call in list(self.purging - self.purged):
            if call in live:
                self.purging.discard(call)
            else:
                self.purged.add(call)
        # Stored, and killed before it could say so.
        for call, what in live.items():
            self.stored.setdefault(call, what)


class Worker:
    """The program under test, read without waiting."""

    def __init__(self, folder, account):
        self.account = account
        self.process = subprocess.Popen([WORKER, folder, POLICIES], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.live, self.rest, self.ready = {}, b"", False
        account.doing = "starting"

    def hear(self):
        """Takes up all it has said."""
        while True:
            piece = self.process.stdout.read(1 << 16)
            if not piece:
                break
            lines = (self.rest + piece).split(b"\n")
            self.rest = lines.pop()
            for line in map(bytes.decode, lines):
                if line.startswith("live"):
                    self.live[line.split()[1]] = tuple(line.split()[2:4])
                elif line.startswith("ready"):
                    self.ready = True
                    self.account.settle(self.live)
                    self.account.hear(line)
                else:
                    self.account.hear(line)

    def stop(self):
        """Every thread stands still when this returns."""
        os.kill(self.process.pid, signal.SIGSTOP)
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        self.hear()
        if not os.WIFSTOPPED(status):
            raise AssertionError("it ended by itself: %s %s" % (status, self.process.stderr.read()[-600:]))

    def go_on(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.hear()


class Checker:
    """Starts copies, and holds each against the account of its moment."""

    def __init__(self, counts):
        self.process = subprocess.Popen([WORKER, "--check", POLICIES], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.waiting, self.counts = collections.deque(), counts

    def give(self, folder, account):
        self.waiting.append((folder, copy.deepcopy(account)))
        self.process.stdin.write(folder + "\n")
        self.process.stdin.flush()
        # One is looked at while the next is made.
        if len(self.waiting) > 2:
            self.take()

    def take(self):
        folder, account = self.waiting.popleft()
        live, again, counts = {}, {}, self.counts
        for line in self.process.stdout:
            words = line.split()
            if words[0] in ("live", "again"):
                (live if words[0] == "live" else again)[words[1]] = tuple(words[2:4])
            elif words[0] == "backup":
                ensure(len(words) == 2, "the backup", folder, line)
                ensure(int(words[1]) >= account.sets, "a backup is gone", folder, line, account.sets)
                counts["backups whole"] += words[1] != "0"
            elif words[0] == "restore":
                ensure(words[2] == "unanchored", "the restored log", folder, line)
                counts["restores %s" % ("cut off" if words[1] == "part" else "whole")] += 1
            elif words[0] == "checked":
                break
            else:
                ensure(words[0] == "checking", "a copy does not start", folder, line)
        else:
            raise AssertionError("the check of %s ended by itself" % folder)
        account.check(live)
        for call, what in again.items():
            ensure(call not in account.purged, "revived by a restore", folder, call)
            ensure(account.stored.get(call, what) == what, "changed by a restore", folder, call)
        counts["calls reopened"] += len(live)
        # Its connections close when they close.
        shutil.rmtree(folder, ignore_errors=True)

    def finish(self):
        while self.waiting:
            self.take()
        self.process.stdin.close()
        ensure(self.process.wait() == 0, "the check ended with", self.process.returncode)


def keep(folder, target):
    """What a thief gets: everything that holds a wrapped key, as a backup does; not the anchors."""
    os.makedirs(target)
    for path in ("data/keys", "copy", "backup/sets", "data"):
        source = pathlib.Path(folder, path)
        for file in source.rglob("*") if path != "data" else source.glob("catalog.sqlite*"):
            if file.is_file() and (file.name.startswith(("catalog.sqlite", "ring", ".ring", "keys-"))):
                name = str(file.relative_to(folder)).replace("/", "+")
                shutil.copyfile(file, os.path.join(target, name))


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--kills", type=int, default=1000)
    options.add_argument("--seed", default=secrets.token_hex(4))
    options = options.parse_args()
    dice = random.Random(options.seed)
    folder, copies, evidence = SCRATCH + "/vault", SCRATCH + "/copies", SCRATCH + "/evidence"
    for path in (folder, copies, evidence):
        os.makedirs(path)
    account, anchors = Account(), {}
    began, kept = time.monotonic(), []
    counts, moments = collections.Counter(), collections.Counter()

    def keep_anchors():
        for path in pathlib.Path(folder).glob("anchor-?/*anchor-*"):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue  # Replaced between the listing and the look.
            if len(data) == 72 and data[:8] == b"CVANCH1\n":
                anchors[data[8:24]] = data[40:]

    worker, checker = Worker(folder, account), Checker(counts)
    try:
        counted = 0
        # Of a hundred one at least is of each kind, if not at once then with more of them.
        while counted < options.kills or len(account.purged) <= options.kills // 16 or (
                options.kills >= 100 and counted < 4 * options.kills and not all(moments[k] for k in KINDS)):
            # A start takes as long as it takes, and is a moment like others; then some of its work.
            deadline = time.monotonic() + dice.random() * (0.08 if worker.ready else 0.15)
            while time.monotonic() < deadline:
                keep_anchors()
                time.sleep(0.004)
            worker.stop()
            keep_anchors()
            # Most of what lies between is passed over: it is what other tests kill.
            between = sum(moments.values()) - counted
            if account.doing not in COUNTED and (between > counted // 4 or dice.random() < 0.7):
                worker.go_on()
                continue
            moments[account.doing] += 1
            counted += account.doing in COUNTED
            kill = sum(moments.values())
            # Before a vault is made there is nothing to start.
            if os.path.exists(folder + "/tenant"):
                target = "%s/%d" % (copies, kill)
                subprocess.run(["cp", "-a", folder, target], check=True)
                if len(kept) < 40 or dice.random() < 0.05:
                    kept.append("%s/%d" % (evidence, kill))
                    keep(folder, kept[-1])
                checker.give(target, account)
            if dice.random() < 0.12:
                counts["killed and started again"] += 1
                worker.kill()
                worker = Worker(folder, account)
            else:
                worker.go_on()
        worker.kill()
        checker.finish()
        last = subprocess.run([WORKER, folder, POLICIES, "ratchet"], capture_output=True, text=True,
                              timeout=120)
        ensure(last.returncode == 0 and "cryptographically erased" in last.stdout, last.stdout[-500:],
               last.stderr)
        live = {}
        for line in last.stdout.splitlines():
            if line.startswith("live"):
                live[line.split()[1]] = tuple(line.split()[2:4])
        account.settle(live)
        kept.append(evidence + "/last")
        keep(folder, kept[-1])

        root = pathlib.Path(folder, "root.key").read_bytes()
        current = {}
        for path in pathlib.Path(folder).glob("anchor-?/*"):
            data = path.read_bytes()
            current[data[8:24]] = data[40:]
        ensure(len(current) == 1, "one anchor is left", current)
        thief, oracle = Keys(root, current), Keys(root, anchors | current)
        rings = opened = 0
        for path in pathlib.Path(evidence).rglob("*ring*"):
            rings += 1
            opened += thief.take_ring(path.read_bytes())
            oracle.take_ring(path.read_bytes())
        ensure(opened >= 2, "today's ring opens")
        found = {"records": 0, "raw records": 0, "old ones with old anchors": 0}
        owners = {bytes.fromhex(call.replace("-", "")): call for call in account.purged}
        for target in kept:
            for path in pathlib.Path(target).glob("*catalog.sqlite"):
                database = sqlite3.connect(str(path))
                if not database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'subject'").fetchone():
                    database.close()  # Killed before it had tables.
                    continue
                for raw, record in database.execute(
                        "SELECT id, wrapped_key FROM call UNION ALL SELECT id, wrapped_key FROM subject"):
                    call = uuid(raw)
                    found["records"] += 1
                    if raw in owners:
                        ensure(not thief.opens(record, call), "opened what was purged", target, call)
                        found["old ones with old anchors"] += oracle.opens(record, call)
                database.close()
            for path in pathlib.Path(target).iterdir():
                for _, record in records(path.read_bytes()):
                    found["raw records"] += 1
                    if record[2:18] in thief.keks:
                        for call in owners.values():
                            ensure(not thief.opens(record, call), "opened from raw bytes", path, call)
        database = sqlite3.connect(str(pathlib.Path(folder, "data/catalog.sqlite")))
        survivors = database.execute("SELECT id, wrapped_key FROM call").fetchall()
        for raw, record in survivors:
            ensure(thief.opens(record, uuid(raw)), "a survivor does not open", uuid(raw))
        ensure(found["old ones with old anchors"] > 0, "the search finds nothing it should find", found)
        for doing in KINDS:
            ensure(moments[doing] > 0 or options.kills < 100, "no kill met", doing, moments)
    except BaseException:
        print("FAILED with --seed %s; files: %s" % (options.seed, SCRATCH))
        for process in (worker.process, checker.process):
            process.kill()
        raise
    print(": seed %s, %d moments of a kill (%s), %d calls stored, %d purged, %d survive, %.0f s"
          % (options.seed, sum(moments.values()),
             ", ".join("%d %s" % (count, what) for what, count in sorted(moments.items())),
             len(account.stored), len(account.purged), len(survivors), time.monotonic() - began))
    print(": " + ", ".join("%d %s" % (count, what) for what, count in sorted(counts.items())))
    print(": %d copies of rings of which %d open today; %s" % (
        rings, opened, ", ".join("%d %s" % (count, what) for what, count in found.items())))


if __name__ == "__main__":
    main()
    if "callvault-torture." in SCRATCH:
        shutil.rmtree(SCRATCH, ignore_errors=True)
