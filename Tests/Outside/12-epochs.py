#!/usr/bin/env python3
"""The log's daily keys: `init` makes a root, a lost key is found out, the root makes it good.

The keyring that the program wrote is checked by PyPI `cryptography` from the format's page. Then the
epoch's key is removed, as after a restore: `audit verify --root` says unanchored until `keys certify`.
"""
import base64
import hashlib
import json
import os
import pathlib
import shutil
import stat
import subprocess

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

CALLVAULT, SCRATCH = os.environ["CALLVAULT"], os.environ["SCRATCH"]
DATA = pathlib.Path(SCRATCH, "data")
ROOT_KEY = pathlib.Path(SCRATCH, "stick", "root.key")


def run(*words):
    done = subprocess.run([CALLVAULT, *words, "--data", str(DATA)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def key_of(vkey):
    name, key_id, public = vkey.split("+", 2)
    raw = base64.b64decode(public)
    assert hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4].hex() == key_id, vkey
    return name, bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(raw[1:])


def check_lines(text, lines, vkeys):
    """Each line is by the key at its place, and holds."""
    assert len(lines) == len(vkeys), (lines, vkeys)
    for line, vkey in zip(lines, vkeys):
        name, key_id, public = key_of(vkey)
        _, shown, signature = line.split(" ")
        raw = base64.b64decode(signature)
        assert shown == name and raw[:4] == key_id, line
        public.verify(raw[4:], text.encode())


def check_keyring(log, root):
    """Returns (number of epochs, those whose note the root signed)."""
    blocks = (DATA / "log/keyring").read_text().split("\n\n")
    header = blocks[0].split("\n")
    assert header == ["callvault/keyring/v1", "log " + log], header
    keys, firsts, signed = [], [], []
    for number, (body, tail) in enumerate(zip(blocks[1::2], blocks[2::2])):
        lines = body.split("\n")
        assert lines[0] == "callvault/epoch/v1" and lines[2] == "epoch %d" % number
        keys.append(lines[3].removeprefix("key "))
        firsts.append(int(lines[4].removeprefix("from ")))
        assert lines[6] == "root " + root and firsts == sorted(set(firsts))
        tail = tail.strip("\n").split("\n")
        vkeys = [log]
        if number and tail[1:] and "/epoch/" in tail[1]:
            vkeys.append(keys[number - 1])
        if tail[-1].startswith("\u2014 " + key_of(root)[0] + " "):
            vkeys.append(root)
            signed.append(number)
        check_lines(body + "\n", tail, vkeys)
    text, lines = (DATA / "log/checkpoint").read_text().split("\n\n")
    assert int(text.split("\n")[1]) >= firsts[-1]
    check_lines(text + "\n", lines.strip("\n").split("\n"), [log, keys[-1]])
    return len(keys), signed


def main():
    ROOT_KEY.parent.mkdir()
    code, output = run("init", "--keys", SCRATCH + "/keys", "--root-key", str(ROOT_KEY), "--json")
    assert code == 0, output
    facts = json.loads(output[output.index("{"):output.rindex("}") + 1])
    log, root = facts["verifier_key"], facts["root_key"]
    assert stat.S_IMODE(ROOT_KEY.stat().st_mode) == 0o600
    assert check_keyring(log, root) == (1, [0])
    seed = ROOT_KEY.read_bytes()[-32:]
    for folder in (DATA, pathlib.Path(SCRATCH, "keys")):
        for path in folder.rglob("*"):
            assert not path.is_file() or seed not in path.read_bytes(), path
    kept = SCRATCH + "/kept"
    shutil.copy(DATA / "log/checkpoint", kept)

    def verify(*more):
        return run("audit", "verify", "--key", log, "--checkpoint", kept, *more)

    code, output = verify("--root", root)
    assert code == 0, output
    assert verify("--root", log)[0] == 2 and run("audit", "verify", "--root", root)[0] == 2
    # Any command that opens the vault does for a restart; there is nothing to prune.
    opening = ("audit", "prune", "--before", "0", "--keys", SCRATCH + "/keys")
    assert run(*opening)[0] == 5
    assert check_keyring(log, root) == (1, [0]), "a restart goes on with its epoch"
    shutil.rmtree(DATA / "keys/epochs")
    assert run(*opening)[0] == 5
    assert check_keyring(log, root) == (2, [0])
    code, output = verify("--root", root)
    assert code == 10 and "epoch 1" in output, output
    assert verify()[0] == 0
    code, output = run("doctor", "--keys", SCRATCH + "/keys")
    assert "keys certify" in output, output
    code, output = run("keys", "status")
    assert code == 0 and "not certified" in output, output
    code, output = run("keys", "certify", "--root-key", str(ROOT_KEY))
    assert code == 0 and "signed epoch 1" in output, output
    assert check_keyring(log, root) == (2, [0]), "the next start takes it up, after an entry"
    assert run(*opening)[0] == 5
    assert check_keyring(log, root) == (2, [0, 1])
    said = sum(b'"action":"key.certified"' in path.read_bytes()
               for path in (DATA / "log/tile/entries").rglob("*") if path.is_file())
    assert said, "the root's signature is no entry"
    code, output = verify("--root", root)
    assert code == 0, output
    assert run(*opening)[0] == 5
    assert check_keyring(log, root) == (2, [0, 1])

    # From a head, and from where the last run ended.
    state = SCRATCH + "/state"
    for _ in range(2):
        code, output = verify("--root", root, "--from", kept, "--resume", state)
        assert code == 0, output
    assert pathlib.Path(state).read_text().startswith("callvault/verified/v1\n")
    # Another root, no root, a keyring that is gone.
    other = pathlib.Path(SCRATCH, "other.key")
    code, output = run("keys", "root", "--root-key", str(other), "--json")
    assert code == 0, output
    strange = json.loads(output)["root_key"]
    assert verify("--root", strange)[0] == 24
    assert run("keys", "certify", "--root-key", str(other))[0] == 5
    assert run("keys", "root", "--root-key", str(other))[0] == 5, "a root key is never replaced"
    (DATA / "log/keyring").unlink()
    assert verify()[0] == 20 and verify("--root", root)[0] == 24
    print(": PyPI cryptography accepts the keyring of three lives of a log, and its heads")


main()
