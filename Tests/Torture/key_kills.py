#!/usr/bin/env python3
"""The ratchet under SIGKILL, and what copies of everything open afterwards.

`key-worker` stores, purges, rotates and ratchets; it is killed at random moments, also within its start,
and started again: no call it acknowledged is lost or unreadable, none it purged comes back. At each
kill all its files are copied. At the end, after one more ratchet, an implementation of its own (PyPI
`cryptography`, from Documentation/formats/keys.md alone) takes every ring and every catalog of every
copy, write-ahead logs and bytes that no row names included, with the root key and the anchors that are
left, and tries to open what was purged. With the anchors that the ratchets destroyed, which the test
kept, it must succeed: that shows that it looks in the right places.

    Tests/Torture/key_kills.py [--kills N] [--seed S]

CALLVAULT is the program; key-worker lies beside it.
"""
import argparse
import os
import pathlib
import random
import re
import secrets
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CALLVAULT = os.environ.get("CALLVAULT", str(REPOSITORY / ".build/debug/callvault"))
WORKER = str(pathlib.Path(CALLVAULT).with_name("key-worker"))
SCRATCH = os.environ.get("SCRATCH") or tempfile.mkdtemp(prefix="callvault-torture.")


def ensure(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what))


def uuid(raw):
    digits = raw.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def hkdf(key, info, salt=b"", count=32):
    return HKDF(hashes.SHA256(), count, salt, info.encode()).derive(key)


class Account:
    """What the worker said."""

    def __init__(self):
        self.stored = {}  # call: (recording, sha256)
        self.purging, self.purged = set(), set()

    def hear(self, line):
        words = line.split()
        if not words:
            return
        if words[0] == "stored":
            self.stored[words[1]] = (words[2], words[3])
        elif words[0] == "purging":
            self.purging.add(words[1])
        elif words[0] == "purged":
            self.purged.add(words[1])
        else:
            ensure(words[0] in ("live", "ready", "rotating", "rotated", "ratcheting", "ratcheted"), line)

    def check(self, live):
        """`live` is what a start found: call: (recording, sha256)."""
        for call, what in self.stored.items():
            if call in self.purged:
                ensure(call not in live, "resurrected", call)
            elif call not in self.purging:
                ensure(live.get(call) == what, "lost or changed", call, live.get(call))
            elif call in live:
                ensure(live[call] == what, "changed", call)
                # The purge had not begun: its entry is not there.
                self.purging.discard(call)
            else:
                self.purged.add(call)
        # Stored, and killed before it could say so.
        for call, what in live.items():
            self.stored.setdefault(call, what)


class Keys:
    """Rings and records as the format page has them."""

    def __init__(self, root, anchors):
        self.root, self.anchors = root, anchors
        self.keks = {}  # id: (key, epoch)

    def take_ring(self, data):
        if data[:6] != b"CVRING" or data[6:8] not in (b"1\n", b"2\n"):
            return False
        generation, tenant = struct.unpack(">Q16s", data[8:32])
        extra, = struct.unpack(">H", data[59:61])
        at = 61 + extra
        anchor = data[at:at + 16]
        at += 16 + (4 if data[6:7] == b"2" else 0)
        check = data[at:at + 16]
        at += 16
        salts = [b""] if anchor == bytes(16) else [self.anchors[a] for a in [anchor] if a in self.anchors]
        for salt in salts:
            key = hkdf(self.root, "callvault/ring/v1|gen=%d" % generation, salt)
            if hkdf(key, "callvault/ring/v1|check", count=16) != check:
                continue
            seal = AESGCM(hkdf(key, "callvault/ring/v1|seal"))
            count, = struct.unpack(">H", data[at:at + 2])
            for number in range(count):
                kek = data[at + 2 + number * 88:at + 2 + (number + 1) * 88]
                epoch, = struct.unpack(">I", kek[16:20])
                context = "callvault/kek/v1|tenant=%s|key=%s|epoch=%d" % (
                    uuid(tenant), uuid(kek[:16]), epoch)
                self.keks[kek[:16]] = (seal.decrypt(kek[28:40], kek[40:88], context.encode()), epoch)
            self.tenant = uuid(tenant)
            return True
        return False

    def opens(self, record, owner):
        if len(record) != 95 or record[2:18] not in self.keks:
            return False
        kek, epoch = self.keks[record[2:18]]
        context = "callvault/wrap/v1|tenant=%s|owner=%s|key=%s|use=%d|epoch=%d" % (
            self.tenant, owner, uuid(record[18:34]), record[34], epoch)
        try:
            AESGCM(kek).decrypt(record[35:47], record[47:], context.encode())
            return True
        except InvalidTag:
            return False


RECORD = re.compile(rb"\x01\x01.{32}[\x01\x04].{60}", re.S)


def spawn(folder):
    return subprocess.Popen([WORKER, folder, str(REPOSITORY / "Policies")], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def finish(process, account, before=""):
    """Everything a dead worker said, after what was read before; what its start found is checked."""
    live, ready = {}, False
    said = (before + process.stdout.read()).splitlines()
    complaint = process.stderr.read()
    for line in said:
        words = line.split()
        if words and words[0] == "live":
            live[words[1]] = (words[2], words[3])
        elif words and words[0] == "ready":
            ready = True
            account.check(live)
        account.hear(line)
    process.wait()
    ensure(process.returncode in (0, -signal.SIGKILL), "it ended by itself:", process.returncode,
           said[-3:], complaint[-600:])
    return ready


def copy(folder, target):
    """As a backup does: everything but the anchors."""
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("anchor-*", "journal", "log",
                                                                  "objects", "openings"))


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--kills", type=int, default=1000)
    options.add_argument("--seed", default=secrets.token_hex(4))
    options = options.parse_args()
    dice = random.Random(options.seed)
    folder, copies = SCRATCH + "/vault", SCRATCH + "/copies"
    os.makedirs(folder)
    os.makedirs(copies)
    account, anchors = Account(), {}
    began, inside, kept = time.monotonic(), 0, []

    def keep_anchors():
        for path in pathlib.Path(folder).glob("anchor-?/*anchor-*"):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue  # Replaced between the listing and the look.
            if len(data) == 72 and data[:8] == b"CVANCH1\n":
                anchors[data[8:24]] = data[40:]

    try:
        for kill in range(options.kills):
            process, said = spawn(folder), ""
            if dice.random() < 0.3:
                time.sleep(dice.random() * 0.15)
            else:
                # Its start takes as long as it takes; then some of its work.
                for line in process.stdout:
                    said += line
                    if line.startswith("ready"):
                        break
                deadline = time.monotonic() + dice.random() * 0.25
                while time.monotonic() < deadline:
                    keep_anchors()
                    time.sleep(0.002)
            process.kill()
            inside += not finish(process, account, said)
            keep_anchors()
            if len(kept) < 60 or dice.random() < 0.05:
                kept.append("%s/%d" % (copies, kill))
                copy(folder, kept[-1])
        last = subprocess.run([WORKER, folder, str(REPOSITORY / "Policies"), "ratchet"],
                              capture_output=True, text=True, timeout=120)
        ensure(last.returncode == 0 and "cryptographically erased" in last.stdout, last.stdout[-500:],
               last.stderr)
        live = {}
        for line in last.stdout.splitlines():
            if line.startswith("live"):
                live[line.split()[1]] = tuple(line.split()[2:4])
        account.check(live)
        kept.append(copies + "/last")
        copy(folder, kept[-1])

        root = pathlib.Path(folder, "root.key").read_bytes()
        current = {}
        for path in pathlib.Path(folder).glob("anchor-?/*"):
            data = path.read_bytes()
            current[data[8:24]] = data[40:]
        ensure(len(current) == 1, "one anchor is left", current)
        thief, oracle = Keys(root, current), Keys(root, anchors | current)
        rings = opened = 0
        for path in pathlib.Path(copies).rglob("*ring*"):
            if path.is_file():
                rings += 1
                opened += thief.take_ring(path.read_bytes())
                oracle.take_ring(path.read_bytes())
        ensure(opened >= 2, "today's ring opens")
        counts = {"records": 0, "raw records": 0, "old ones with old anchors": 0}
        owners = {bytes.fromhex(call.replace("-", "")): call for call in account.purged}
        for target in kept:
            for path in pathlib.Path(target, "data").glob("catalog.sqlite"):
                database = sqlite3.connect(str(path))
                if not database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'subject'").fetchone():
                    database.close()  # Killed before it had tables.
                    continue
                for raw, record in database.execute(
                        "SELECT id, wrapped_key FROM call UNION ALL SELECT id, wrapped_key FROM subject"):
                    call = uuid(raw)
                    counts["records"] += 1
                    if raw in owners:
                        ensure(not thief.opens(record, call), "opened what was purged", target, call)
                        counts["old ones with old anchors"] += oracle.opens(record, call)
                database.close()
            for path in pathlib.Path(target).rglob("*"):
                if not path.is_file():
                    continue
                for match in RECORD.finditer(path.read_bytes()):
                    counts["raw records"] += 1
                    if match.group()[2:18] in thief.keks:
                        for call in owners.values():
                            ensure(not thief.opens(match.group(), call), "opened from raw bytes",
                                   path, call)
        database = sqlite3.connect(str(pathlib.Path(folder, "data/catalog.sqlite")))
        survivors = database.execute("SELECT id, wrapped_key FROM call").fetchall()
        for raw, record in survivors:
            ensure(thief.opens(record, uuid(raw)), "a survivor does not open", uuid(raw))
        ensure(len(account.purged) > options.kills // 5, "little was purged", len(account.purged))
        ensure(counts["old ones with old anchors"] > 0, "the search finds nothing it should find", counts)
    except BaseException:
        print("FAILED with --seed %s; files: %s" % (options.seed, SCRATCH))
        raise
    print(": seed %s, %d kills, %d of them within a start, %d calls stored, %d purged, %d survive, %.0f s"
          % (options.seed, options.kills, inside, len(account.stored), len(account.purged),
             len(survivors), time.monotonic() - began))
    print(": %d copies of rings of which %d open today; %s" % (
        rings, opened, ", ".join("%d %s" % (count, what) for what, count in counts.items())))


if __name__ == "__main__":
    main()
    if "callvault-torture." in SCRATCH:
        shutil.rmtree(SCRATCH, ignore_errors=True)
