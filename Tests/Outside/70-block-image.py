#!/usr/bin/env python3
"""What a block image of the volume opens after a ratchet: nothing that was purged.

A vault lies on an ext4 volume in a file, with the copies of its ring, its backups and its root key; only the
anchors lie elsewhere. It stores, purges, rotates, ratchets, backs up and restores. After a last ratchet the volume is
unmounted and its image is read from end to end, free blocks and journal included, by an implementation from
Documentation/formats/keys.md alone. Every ring that lies anywhere in it, with the root key and the anchors that
are left, opens no record of what was purged. With the anchors that were destroyed, which the test kept, hundreds
open: so it looks in the right places. No anchor is in the image, old or new.

Needs root for a loop device; without it, it is skipped.
"""
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import time

REPOSITORY = pathlib.Path(os.environ["REPOSITORY"])
WORKER = os.path.join(os.environ["TOOLS"], "key-worker")
SCRATCH = os.environ["SCRATCH"]

if "CALLVAULT_MOUNTS" not in os.environ:
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        print("a loop device needs root")
        sys.exit(77)
    os.environ["CALLVAULT_MOUNTS"] = "1"
    os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])

from ring_keys import Keys, records, text  # noqa: E402

folder, image = SCRATCH + "/volume", SCRATCH + "/image"
os.makedirs(folder)
with open(image, "wb") as file:
    file.truncate(160 << 20)
subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True)
if subprocess.run(["mount", "-o", "loop", image, folder], capture_output=True).returncode:
    print("this machine gives no loop device")
    sys.exit(77)
superseded, purged, stored = {}, set(), set()
process = None
try:
    for name in ("/anchor-a", "/anchor-b"):
        os.makedirs(folder + name)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "none", folder + name], check=True)

    def keep_anchors(into):
        for path in pathlib.Path(folder).glob("anchor-?/*anchor-*"):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue  # Replaced between the listing and the look.
            if len(data) == 72 and data[:8] == b"CVANCH1\n":
                into[data[8:24]] = data[40:]

    def hear(lines):
        for words in map(str.split, lines):
            if words[0] in ("stored", "purged"):
                (stored if words[0] == "stored" else purged).add(words[1])
            assert words[0] not in ("failed", "refused", "wrong"), words

    ratchets, began = 0, time.monotonic()
    while ratchets < 6 or len(purged) < 20 or len(stored) < 40:
        process = subprocess.Popen([WORKER, folder, str(REPOSITORY / "Policies")], stdout=subprocess.PIPE,
                                   text=True)
        deadline = time.monotonic() + 2.5
        for line in process.stdout:
            hear([line])
            keep_anchors(superseded)
            ratchets += line.startswith("ratcheted")
            if time.monotonic() > deadline and line.startswith(("stored", "purged")):
                break
        process.send_signal(signal.SIGKILL)
        hear(process.stdout.read().splitlines())
        process.wait()
        assert time.monotonic() - began < 120, (ratchets, len(purged))
    keep_anchors(superseded)
    last = subprocess.run([WORKER, folder, str(REPOSITORY / "Policies"), "ratchet"], capture_output=True,
                          text=True, timeout=120)
    assert last.returncode == 0 and "cryptographically erased" in last.stdout, last
    live = {line.split()[1] for line in last.stdout.splitlines() if line.startswith("live")}
    current = {}
    keep_anchors(current)
    assert len(current) == 1, current
    root = pathlib.Path(folder, "root.key").read_bytes()
    database = sqlite3.connect("file:%s/data/catalog.sqlite?mode=ro" % folder, uri=True)
    survivors = {text(raw): record for raw, record in database.execute("SELECT id, wrapped_key FROM call")}
    database.close()
finally:
    if process and process.poll() is None:
        process.kill()
        process.wait()
    for name in ("/anchor-a", "/anchor-b", ""):
        subprocess.run(["umount", folder + name], check=False)

raw = pathlib.Path(image).read_bytes()
# What was being purged when it was killed is gone or is live; a call stored and not told is neither here nor there.
purged |= stored - live
assert live == set(survivors) and not live & purged
thief, oracle = Keys(root, current), Keys(root, superseded | current)
rings = opened = once = 0
at = raw.find(b"CVRING")
while at >= 0:
    rings += 1
    opened += thief.take_ring(raw[at:at + 65536])
    once += oracle.take_ring(raw[at:at + 65536])
    at = raw.find(b"CVRING", at + 1)
assert opened >= 2, "today's ring and its copy"
assert once > opened, "no old ring is in the image, so it proves nothing"
found, old = 0, 0
for place, record in records(raw):
    if record[2:18] not in oracle.keks:
        continue
    found += 1
    for call in purged:
        assert not thief.opens(record, call), ("opened from the raw volume", place, call)
        old += oracle.opens(record, call)
for call, record in survivors.items():
    assert thief.opens(record, call), ("a survivor does not open", call)
assert old > len(purged), "the search finds nothing it should find"
for name, anchors in (("superseded", superseded), ("today's", current)):
    for identifier, anchor in anchors.items():
        assert anchor not in raw, "%s anchor %s lies on the data's volume" % (name, text(identifier))
assert b"CVANCH1\n" not in raw
print(": an image of %d MiB holds %d copies of rings, of which %d open today and %d once opened; of %d wrapped keys in "
      "it %d of purged calls open with destroyed anchors and none without; all %d survivors open"
      % (len(raw) >> 20, rings, opened, once, found, old, len(survivors)))
