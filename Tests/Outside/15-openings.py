#!/usr/bin/env python3
"""Openings: counted without keys, erased by an entry, and never passed off for others.

The key of a month is destroyed eleven years on (faketime, and a clock that calls itself synchronised): Go's
packages, verify.py and we accept the log as before, and both verifiers count what which entry erased. A
file of openings that is gone is a finding of both. A value or a row that was changed is refused by name.
"""
import glob
import hashlib
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys

from vault_service import CALLVAULT, SCRATCH, Service, say

REPOSITORY = pathlib.Path(os.environ["REPOSITORY"])
LIBRARY = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
COMPILER = shutil.which("cc") or shutil.which("clang") or "/opt/swift/usr/bin/clang"
if not LIBRARY:
    print("faketime is not installed")
    sys.exit(77)


def shim():
    """A kernel that vouches for the clock: this machine's may have no time service."""
    source, library = SCRATCH + "/synced.c", SCRATCH + "/synced.so"
    pathlib.Path(source).write_text(
        "#include <string.h>\n#include <sys/timex.h>\n"
        "int adjtimex(struct timex *t) { memset(t, 0, sizeof *t); return TIME_OK; }\n")
    subprocess.run([COMPILER, "-shared", "-fPIC", "-o", library, source], check=True)
    return library


def later(service, *words, synced=None):
    """A command in eleven years."""
    preload = ":".join(([synced] if synced else []) + LIBRARY[:1])
    done = subprocess.run(
        ["env", "LD_PRELOAD=" + preload, "FAKETIME=+4020d", "FAKETIME_DONT_FAKE_MONOTONIC=1", "env",
         CALLVAULT, *words, "--json"], env=service.environment(), capture_output=True)
    return done.returncode, done.stdout.decode() + done.stderr.decode()


def frames(data):
    place = 0
    while place < len(data):
        end = place + 21 + int.from_bytes(data[place:place + 4], "big")
        yield place, end
        place = end


def forge(path):
    """Turns a bit of the last sealed value, with a right sum; returns the bytes as they were."""
    data = bytearray(path.read_bytes())
    kept = bytes(data)
    place, end = list(frames(data))[-1]
    data[end - 17] ^= 1
    data[end - 16:end] = hashlib.sha256(data[place + 4:end - 16]).digest()[:16]
    path.write_bytes(bytes(data))
    return kept


def main():
    environment = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOPROXY="off", GOCACHE=SCRATCH + "/go")
    go = subprocess.Popen(["go", "build", "-o", SCRATCH + "/go-verify", REPOSITORY / "Tests/Outside/gotlog/verify.go"],
                          env=environment)
    with Service() as service:
        key = service.init["verifier_key"]
        officer, operator = service.token("privacy-officer"), service.token("operator")
        connection = service.connection()
        for number in range(20):
            status, _, body = service.request(
                "POST", "/v1/calls", {"source": "trunk", "source_id": str(number), "from": "+13135550100"},
                operator, connection=connection)
            assert status == 201, body
        counted = service.command("audit", "openings", token=officer)
        assert counted["present"] > 40 and counted["erased"] == counted["missing"] == 0, counted
        period = ("--from", "2020-01-01T00:00:00Z", "--to", "2090-01-01T00:00:00Z")
        service.command("audit", "package", *period, "--out", SCRATCH + "/fair.tar", token=officer)
        service.stop()
        data = pathlib.Path(service.data)
        openings, head = data / "openings/000", SCRATCH + "/head"
        shutil.copy(data / "log/checkpoint", head)

        # A value that is another than the one committed to, and a name that is.
        kept = forge(openings)
        service.start()
        done = subprocess.run([CALLVAULT, "audit", "openings"], env=service.environment(officer), capture_output=True)
        assert done.returncode == 7 and b"entry" in done.stderr, done
        service.stop()
        # Without keys nobody sees it: the frame is whole.
        assert verify(service, key, head)[0] == 0
        openings.write_bytes(kept + openings.read_bytes()[len(kept):])
        catalog = sqlite3.connect(data / "catalog.sqlite") if (data / "catalog.sqlite").exists() else sqlite3.connect(
            next(iter(glob.glob(str(data / "*.sqlite*")))))
        (name,), = catalog.execute("SELECT name FROM identity WHERE name LIKE '%operator%'").fetchmany(1)
        catalog.execute("UPDATE identity SET name = 'Dr. Mallory' WHERE name = ?", (name,))
        catalog.commit()
        service.start()
        done = subprocess.run([CALLVAULT, "audit", "package", *period, "--out", SCRATCH + "/swapped.tar"],
                              env=service.environment(officer), capture_output=True)
        assert done.returncode == 7 and b"otherwise than entry" in done.stderr, done
        service.stop()
        catalog.execute("UPDATE identity SET name = ? WHERE name = 'Dr. Mallory'", (name,))
        catalog.commit()
        catalog.close()

        code, report = verify(service, key, head)
        before = report["openings"]
        assert code == 0 and before["missing"] == 0 and before["erased"] == [], report
        # The month is not over; in eleven years it is, if the clock can be believed.
        expire = ("keys", "expire", "--keys", service.keys)
        assert service.command(*expire)["destroyed"] == 0
        code, text = later(service, *expire)
        assert code in (0, 5), text
        if code == 5:
            assert "clock" in text, text
            code, text = later(service, *expire, synced=shim())
            assert code == 0, text
        answer = json.loads(text[:text.rindex("}") + 1])
        assert answer["destroyed"] >= 1, answer
        code, report = verify(service, key, head)
        after = report["openings"]
        assert code == 0 and after["missing"] == 0 and after["erased"], report
        erased = sum(row["count"] for row in after["erased"])
        assert erased >= before["present"], (before, after)
        leaves = (data / "log").rglob("tile/entries/*/*")
        text = b"".join(path.read_bytes() for path in leaves).decode("latin-1")
        for row in after["erased"]:
            assert '"idx":%d,' % row["entry"] in text and '"action":"key.destroy"' in text
        assert go.wait() == 0
        done = subprocess.run([SCRATCH + "/go-verify", key, data / "log"], capture_output=True)
        assert done.returncode == 0, done

        # Once more changes nothing, and what is gone by another way than an entry is a loss.
        assert later(service, *expire, synced=SCRATCH + "/synced.so" if os.path.exists(SCRATCH + "/synced.so") else None)[0] == 0
        openings.unlink()
        code, report = verify(service, key, head)
        worst = report["findings"][0]
        assert code == 20 and worst["kind"] == "removed" and worst["path"] == "openings/000", report
    say("%d openings erased by %d entries: verify.go, verify.py and ours accept the log and count the same" % (
        erased, len(after["erased"])))
    say("a changed value and a swapped name refused by name; %d missing openings found by both" % (
        report["openings"]["missing"]))


def verify(service, key, head):
    """Our verdict, which must be verify.py's, openings included."""
    log, openings = service.data + "/log", service.data + "/openings"
    ours = subprocess.run([CALLVAULT, "audit", "verify", log, "--key", key, "--checkpoint", head, "--json"],
                          capture_output=True)
    theirs = subprocess.run([sys.executable, REPOSITORY / "Evidence/verify.py", "log", log, "--key", key, "--checkpoint",
                             head, "--openings", openings, "--json"], capture_output=True)
    mine, said = json.loads(ours.stdout), json.loads(theirs.stdout)
    places = [[(f["verdict"], f.get("kind"), f.get("index"), f.get("path")) for f in r["findings"]] for r in (mine, said)]
    assert ours.returncode == theirs.returncode and places[0] == places[1], (mine, said)
    assert mine["openings"] == said["openings"], (mine["openings"], said["openings"])
    return ours.returncode, mine


main()
