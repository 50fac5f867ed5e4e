#!/usr/bin/env python3
"""Calls of the system that fail while a catalog is copied, a set is made durable, and a backup is restored.

strace makes the N-th call of a kind fail in `callvault backup` and `callvault restore`: SQLite's own writing of the
copy, syncs, renames, links and unlinks. After each, the backup that counted stands whole, as its manifest and SHA-256
have it; a restored folder is there and whole, or not there; and the next run, with nothing failing, ends well. A few of
each in CI, every one in `make torture` (CALLVAULT_TORTURE).
"""
import hashlib
import os
import pathlib
import random
import shutil
import subprocess
import sys

from vault_service import CALLVAULT, SCRATCH, Service, say, wav

if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True).returncode:
    print("strace may not trace here")
    sys.exit(77)
ALL = "CALLVAULT_TORTURE" in os.environ
BACKUP, NEW = pathlib.Path(SCRATCH, "backup"), pathlib.Path(SCRATCH, "new")
# What a backup and a restore write with; SQLite copies pages with pwrite64.
CALLS = {"backup": ["pwrite64", "write", "fsync", "fdatasync", "rename", "unlink", "syncfs", "mkdir"],
         "restore": ["write", "fsync", "rename", "mkdir", "syncfs"]}
dice = random.Random(11)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def manifest():
    """The set that counts, each file of it read; paths below the set, and objects."""
    note = dict(line.split(" ", 1) for line in (BACKUP / "BACKUP").read_text().split("\n\n")[0].splitlines()[2:])
    path = BACKUP / ("sets/%s/MANIFEST.sha256" % note["set"])
    assert digest(path) == note["manifest"]
    files = {}
    for line in path.read_text().splitlines():
        wanted, name = line.split("  ", 1)
        assert digest(BACKUP / name) == wanted, name
        files[name.removeprefix("sets/%s/" % note["set"])] = wanted
    return files


def run(service, words, fault=None):
    trace = SCRATCH + "/trace"
    before = ["strace", "-D", "-f", "-y", "--seccomp-bpf", "-qq", "-o", trace, "-e", "trace=" + fault[0],
              "-e", "inject=%s:error=%s:when=%d" % fault] if fault else []
    result = subprocess.run([*before, CALLVAULT, *words], env=service.environment(), capture_output=True,
                            text=True, timeout=60, stdin=subprocess.DEVNULL)
    injected = [line for line in open(trace, errors="replace") if "(INJECTED)" in line] if fault else []
    return result, injected


def whole(files):
    for name, wanted in files.items():
        place = name
        if name.startswith("unsealing/"):
            place = str(next(NEW.glob("earlier/unsealing-*")).relative_to(NEW)) + name.removeprefix("unsealing")
        assert digest(NEW / place) == wanted, name


failed, met = 0, 0
with Service() as service:
    writer = service.token("service", "recordings:write")
    for number in range(3):
        service.put(wav([number] * 3000), writer)
    service.stop()
    BACKUP.mkdir()
    assert run(service, ["backup", str(BACKUP)])[0].returncode == 0
    manifest()
    for command, calls in CALLS.items():
        words = [command, str(BACKUP)] + (["--data", str(NEW)] if command == "restore" else [])
        for call in calls:
            number, idle, tries = 1, 0, 0
            while idle < 2 and (ALL or tries < 2):
                error = dice.choice(["EIO", "ENOSPC"])
                if not ALL:
                    number = dice.randrange(1, 12) if tries else dice.randrange(1, 4)
                shutil.rmtree(NEW, ignore_errors=True)
                result, injected = run(service, words, (call, error, number))
                tries += 1
                number += 1
                idle = 0 if injected else idle + 1
                met += bool(injected)
                failed += result.returncode != 0
                assert 0 <= result.returncode < 9, (call, error, number, result)
                if result.returncode:
                    assert len(result.stderr) < 900 and "Fatal" not in result.stderr, result
                files = manifest()
                if command == "restore" and NEW.exists():
                    whole(files)
    assert run(service, ["backup", str(BACKUP)])[0].returncode == 0
    shutil.rmtree(NEW, ignore_errors=True)
    result, _ = run(service, ["restore", str(BACKUP), "--data", str(NEW)])
    assert result.returncode == 0, result
    whole(manifest())
    service.start()
say("%d backups and restores met a fault, %d of them failed with a sentence; each left a whole backup, and a whole "
    "folder or none" % (met, failed))
