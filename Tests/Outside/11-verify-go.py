#!/usr/bin/env python3
"""The log that the service wrote, judged by Debian's Go packages and by `audit verify`.

Both accept an exported copy. Then single bits of every file of the copy are turned, files are cut,
removed and exchanged: `audit verify` refuses each with a code that names what is wrong, and so does
the Go program for all that the log's own key covers, which is everything but the history of heads, the
keyring and the line of the day's key.
"""
import os
import pathlib
import random
import shutil
import subprocess

from vault_service import CALLVAULT, SCRATCH, Service, say

GO = pathlib.Path(os.environ["REPOSITORY"], "Tests/Outside/gotlog/verify.go")
FINDINGS = (20, 21, 22, 23, 24, 30)
HISTORY = "checkpoints"
KEYRING = "keyring"


def verdicts(folder, key, kept):
    go = subprocess.run([SCRATCH + "/verify", key, folder], capture_output=True, text=True)
    ours = subprocess.run(
        [CALLVAULT, "audit", "verify", str(folder), "--key", key, "--checkpoint", kept],
        capture_output=True, text=True)
    return go.returncode == 0, ours.returncode, go.stdout + ours.stdout


def tamperings(copy, dice):
    """Yields (what was done) after doing it to `copy`, which the caller renews each time."""
    files = sorted(path.relative_to(copy) for path in copy.rglob("*") if path.is_file())
    for name in files:
        length = (copy / name).stat().st_size
        for place in sorted({0, length - 1, *(dice.randrange(length) for _ in range(12))}):
            name_it = "bit turned at %d of %s"
            if str(name) == "checkpoint":
                lines = (copy / name).read_bytes().splitlines(keepends=True)
                epoch_line = length - len(lines[-1])
                if place == epoch_line - 3:
                    # Go's base64 does not look at the bits that a signature's last digit has to spare.
                    continue
                if place >= epoch_line:
                    name_it = "bit turned at %d of the epoch's line of %s"

            def turn(target, name=name, place=place, bit=1 << dice.randrange(8)):
                data = bytearray((target / name).read_bytes())
                data[place] ^= bit
                (target / name).write_bytes(data)
            yield name_it % (place, name), turn

        def cut(target, name=name):
            data = (target / name).read_bytes()
            (target / name).write_bytes(data[:-1])
        yield "last byte of %s cut" % name, cut
        # A log without its history of heads still has its newest: a note, not a finding.
        if name.parts[0] != HISTORY:
            yield "%s removed" % name, lambda target, name=name: (target / name).unlink()

    bundle = next(name for name in files if "entries" in str(name))

    def exchange(target):
        data = (target / bundle).read_bytes()
        first = 2 + int.from_bytes(data[:2], "big")
        second = first + 2 + int.from_bytes(data[first:first + 2], "big")
        (target / bundle).write_bytes(data[first:second] + data[:first] + data[second:])
    yield "two entries exchanged", exchange


def main():
    environment = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOPROXY="off",
                       GOCACHE=SCRATCH + "/go")
    subprocess.run(["go", "build", "-o", SCRATCH + "/verify", str(GO)], check=True, env=environment)
    with Service() as service:
        key = service.init["verifier_key"]
        auditor = service.token("auditor")
        operator = service.token("operator")
        kept = SCRATCH + "/kept"
        pathlib.Path(kept).write_bytes(
            service.request("GET", "/v1/audit/checkpoint", token=auditor)[2])
        # More than one full tile: each new call is an entry.
        connection = service.connection()
        for number in range(280):
            status, _, body = service.request(
                "POST", "/v1/calls", {"source": "go", "source_id": str(number)}, operator,
                connection=connection)
            assert status == 201, body
        copy = pathlib.Path(SCRATCH, "copy")
        service.command("audit", "export", str(copy), token=auditor)
    accepted, code, output = verdicts(copy, key, kept)
    assert accepted and code == 0, (code, output)
    other = key[:-4] + "AAA="
    assert not verdicts(copy, other, kept)[0]

    count = 0
    target = pathlib.Path(SCRATCH, "target")
    for what, change in tamperings(copy, random.Random(7)):
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(copy, target)
        change(target)
        accepted, code, output = verdicts(target, key, kept)
        # The Go program reads what the log's key signed in the current checkpoint, and no history.
        # A broken line of another key it may refuse or pass over.
        if "epoch's line" not in what and what != "last byte of checkpoint cut":
            assert accepted == (" of " + HISTORY in what or KEYRING in what), (
                "Go accepts or refuses: " + what)
        assert code in FINDINGS, "%s: audit verify ended with %d\n%s" % (what, code, output)
        count += 1
    say("both accepted the log; of %d tamperings each was refused, by Go all but those of history and keyring" % count)


main()
