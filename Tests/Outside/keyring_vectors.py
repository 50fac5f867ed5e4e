#!/usr/bin/env python3
"""Makes Tests/Vectors/keyring/keyring.json from Documentation/formats/keyring.md and audit-log.md alone.

A log of 24 entries and three epochs as files, and what a verifier must say of it and of changed
copies. An implementation of its own, on PyPI `cryptography`. Every key is derived from
SHA-256("callvault keyring vectors/<name>"); never use them.

  keyring_vectors.py > Tests/Vectors/keyring/keyring.json
"""
import base64
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORIGIN = "vault.example.org/callvault"
SIZE = 24
# The first size of each epoch; the second was named by the first, the third is of a recovery.
EPOCHS = (1, 9, 17)
HEADS = (9, 17, 24)


def sha(data):
    return hashlib.sha256(data).digest()


def b64(data):
    return base64.b64encode(data).decode()


class Key:
    def __init__(self, name, label=None):
        self.name = name
        self.private = Ed25519PrivateKey.from_private_bytes(
            sha(b"callvault keyring vectors/" + (label or name).encode()))
        public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = sha(name.encode() + b"\n\x01" + public)[:4]
        self.vkey = "%s+%s+%s" % (name, self.id.hex(), b64(b"\x01" + public))

    def line(self, text):
        return "\u2014 %s %s\n" % (self.name, b64(self.id + self.private.sign(text.encode())))


LOG, ROOT = Key(ORIGIN), Key(ORIGIN + "/root")
OTHER_ROOT = Key(ORIGIN + "/root", "another root")
EPOCH = [Key(f"{ORIGIN}/epoch/{n}") for n in range(3)]


def note(text, *keys):
    return text + "\n" + "".join(key.line(text) for key in keys)


def root_of(leaves):
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha(b"\x01" + root_of(leaves[:split]) + root_of(leaves[split:]))


def identifier(label):
    raw = bytearray(sha(label.encode())[:16])
    raw[6], raw[8] = raw[6] & 0x0F | 0x40, raw[8] & 0x3F | 0x80
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def epoch_text(number, leaves, root=ROOT, key=None, first=None):
    first = EPOCHS[number] if first is None else first
    return "".join(line + "\n" for line in (
        "callvault/epoch/v1", ORIGIN, f"epoch {number}", f"key {(key or EPOCH[number]).vkey}",
        f"from {first}", f"tree {b64(root_of(leaves[:first - 1]))}", f"root {root.vkey}"))


def make_entries():
    entries, leaves = [], []
    for index in range(SIZE):
        entry = {
            "action": "log.heartbeat", "class": "neutral", "clock": "synced",
            "actor": {"id": identifier("tenant"), "kind": "system", "method": "internal", "strength": 0},
            "id": identifier(f"entry {index}"), "idx": index, "node": "n1", "phase": "single",
            "prev": (leaves[-1] if leaves else bytes(32)).hex(), "software": "callvault 0.1.0",
            "time": 1795188000000 + 1000 * index, "v": 1}
        if index + 1 in EPOCHS:
            number = EPOCHS.index(index + 1)
            text = epoch_text(number, leaves).encode()
            entry["action"] = ("log.genesis", "key.rotate", "key.create")[number]
            entry["digest"], entry["length"] = sha(text).hex(), len(text)
        line = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
        entries.append(line)
        leaves.append(sha(b"\x00" + line))
    return entries, leaves


def head(size, leaves, *epochs):
    text = f"{ORIGIN}\n{size}\n{b64(root_of(leaves[:size]))}\n"
    return note(text, LOG, *(EPOCH[number] for number in epochs))


def open_epochs(size):
    if size == 9:
        return (0, 1)
    return (0,) if size < 9 else (1,) if size < 17 else (2,)


def keyring(leaves, notes):
    return ("callvault/keyring/v1\nlog " + LOG.vkey + "\n" + "".join("\n" + n for n in notes)).encode()


def history(notes):
    return b"".join(len(n.encode()).to_bytes(2, "big") + n.encode() for n in notes)


def main():
    entries, leaves = make_entries()
    texts = [epoch_text(number, leaves) for number in range(3)]
    certified = [note(texts[0], LOG, ROOT), note(texts[1], LOG, EPOCH[0]), note(texts[2], LOG, ROOT)]
    uncertified = certified[:2] + [note(texts[2], LOG)]
    heads = [head(size, leaves, *open_epochs(size)) for size in HEADS]
    files = {
        "checkpoint": heads[-1].encode(),
        "checkpoints/2026-11": history(heads),
        "keyring": keyring(leaves, certified),
        f"tile/0/000.p/{SIZE}": b"".join(leaves),
        f"tile/entries/000.p/{SIZE}": b"".join(len(e).to_bytes(2, "big") + e for e in entries),
    }
    late = [*heads[:-1], head(SIZE, leaves, 1)]
    both = [*heads[:-1], head(SIZE, leaves, 1, 2)]
    bare = [*heads[:-1], head(SIZE, leaves)]

    def with_heads(notes):
        return {"checkpoint": notes[-1].encode(), "checkpoints/2026-11": history(notes)}

    def with_keyring(notes):
        return {"keyring": keyring(leaves, notes)}

    forged = certified[1][:-10] + ("AAAA" if certified[1][-10:-6] != "AAAA" else "BBBB") + certified[1][-6:]
    stranger = note(texts[2], LOG, EPOCH[0])
    other_tree = epoch_text(1, [sha(b"x")] * SIZE)
    strange_key = epoch_text(2, leaves, key=Key(f"{ORIGIN}/epoch/2", "another epoch"))
    gap = [certified[0], note(texts[2], LOG, ROOT)]
    # What changed, the files, whether the root is given, the verdict.
    cases = [
        ("as it was published", {}, True, "intact"),
        ("as it was published, no root key", {}, False, "intact"),
        ("another root key is given", {}, "other", "unauthentic"),
        ("a recovery that the root has not signed", with_keyring(uncertified), True, "unanchored"),
        ("the same, no root key", with_keyring(uncertified), False, "intact"),
        ("epoch 0 that the root has not signed",
         with_keyring([note(texts[0], LOG)] + certified[1:]), True, "unanchored"),
        ("a closed epoch signs alone", with_heads(late), False, "unauthentic"),
        ("a closed epoch signs beside the open one", with_heads(both), False, "unauthentic"),
        ("no epoch signs", with_heads(bare), False, "unauthentic"),
        ("the closing head lacks the line of the old epoch",
         with_heads([head(9, leaves, 1), *heads[1:]]), False, "unauthentic"),
        ("the closing head lacks the line of the new epoch",
         with_heads([head(9, leaves, 0), *heads[1:]]), False, "unauthentic"),
        ("the keyring is gone", {"keyring": None}, False, "altered"),
        ("the keyring is gone, root key given", {"keyring": None}, True, "unauthentic"),
        ("the keyring is older", with_keyring(certified[:2]), False, "altered"),
        ("a line of an epoch note does not hold", with_keyring([certified[0], forged, certified[2]]),
         False, "unauthentic"),
        ("an epoch note has a stranger's line", with_keyring([*certified[:2], stranger]), False,
         "altered"),
        ("an epoch note lacks the log's line", with_keyring([*certified[:2], note(texts[2], ROOT)]),
         False, "altered"),
        ("an epoch is left out", with_keyring(gap), False, "altered"),
        ("an epoch speaks of another tree",
         with_keyring([certified[0], note(other_tree, LOG, EPOCH[0]), certified[2]]), False,
         "unauthentic"),
        ("an epoch that no entry introduces",
         with_keyring([*certified[:2], note(strange_key, LOG, ROOT)]), False, "unauthentic"),
        ("the predecessor's line is taken away",
         with_keyring([certified[0], note(texts[1], LOG), certified[2]]), False, "unauthentic"),
        ("the root vouches for every epoch",
         with_keyring([certified[0], note(texts[1], LOG, EPOCH[0], ROOT), certified[2]]), True,
         "intact"),
        ("lines in another order", with_keyring([note(texts[0], ROOT, LOG), *certified[1:]]), False,
         "altered"),
        ("no line end at the end", {"keyring": keyring(leaves, certified)[:-1]}, False, "altered"),
    ]
    shown = []
    for name, changes, root, verdict in cases:
        vkey = {True: ROOT.vkey, False: None, "other": OTHER_ROOT.vkey}[root]
        shown.append({
            "name": name, "verdict": verdict, "root_vkey": vkey or "",
            "files": {path: b64(data) for path, data in changes.items() if data is not None},
            "removed": [path for path, data in changes.items() if data is None]})
    print(json.dumps({
        "origin": ORIGIN, "log_vkey": LOG.vkey, "root_vkey": ROOT.vkey, "anchor": heads[0], "bare": bare[-1],
        "files": {path: b64(data) for path, data in files.items()}, "cases": shown},
        indent=1, sort_keys=True))


main()
