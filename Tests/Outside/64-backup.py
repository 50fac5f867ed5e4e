#!/usr/bin/env python3
"""Backups as an operator makes them: beside the service, checked by `sha256sum` and by Python alone.

Makes a vault with a service, backs up while calls arrive, checks the manifest with `sha256sum -c` and the
note's Ed25519 line with PyPI `cryptography`; kills backups and restores at random moments and looks
that the former backup stands; restores to a clean folder and plays every recording; drills; scrubs. No
key and no spoken byte is in any file of a backup.
"""
import base64
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import threading
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vault_service import CALLVAULT, SCRATCH, Service, say, wav

KILLS = int(os.environ.get("CALLVAULT_BACKUP_KILLS", "12"))
BACKUP = pathlib.Path(SCRATCH, "backup")
CANARY = b"canary-of-the-waiting-room-"


def sound(number, count=4000):
    dice = random.Random(number)
    return wav([dice.randrange(-9000, 9000) for _ in range(count)]) + CANARY + b"%d" % number


def run(service, *words, expect=0, token=None):
    return service.command(*words, expect=expect, token=token)


def sha256sum(expect=0):
    """What an outside program says of the set that counts."""
    note = read_note()
    manifest = BACKUP / ("sets/%s/MANIFEST.sha256" % note["set"])
    assert hashlib.sha256(manifest.read_bytes()).hexdigest() == note["manifest"]
    done = subprocess.run(["sha256sum", "--quiet", "--strict", "-c", str(manifest)], cwd=BACKUP,
                          capture_output=True, text=True)
    assert done.returncode == expect, done.stdout + done.stderr
    return len(manifest.read_text().splitlines())


def read_note(path=None, kind="callvault/backup/v1"):
    text, line = (path or BACKUP / "BACKUP").read_text().rsplit("\n\n", 1)
    lines = text.split("\n")
    assert lines[0] == kind, lines
    name, public = VKEY.split("+", 1)[0], base64.b64decode(VKEY.split("+", 2)[2])
    mark, shown, signature = line.strip("\n").split(" ")
    assert mark == "\u2014" and shown == name == lines[1]
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(
        base64.b64decode(signature)[4:], (text + "\n").encode())
    return dict(entry.split(" ", 1) for entry in lines[2:])


def scan(secrets):
    count = 0
    for path in BACKUP.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            count += 1
            for name, secret in secrets.items():
                for spelling in (secret, secret.hex().encode(), base64.b64encode(secret)):
                    assert spelling not in content, (name, path)
    return count


def killed(service, words, seed, longest):
    """Runs a command and kills it after a random time; whether it was still running, and how long it ran."""
    began = time.monotonic()
    process = subprocess.Popen([CALLVAULT, *words], env=service.environment(),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    timer = threading.Timer(random.Random(seed).random() * longest, process.kill)
    timer.start()
    status = process.wait()
    timer.cancel()
    assert status in (0, -signal.SIGKILL), (words, status)
    return status == -signal.SIGKILL, time.monotonic() - began


def same_everywhere(service, token, recordings, url=None):
    for identifier, digest in recordings.items():
        status, _, body = service.request(
            "GET", "/v1/recordings/%s/audio" % identifier, token=token,
            headers={"Purpose-Of-Use": "TREAT"})
        assert status == 200 and hashlib.sha256(body).hexdigest() == digest, (identifier, status)


def main():
    global VKEY
    BACKUP.mkdir()
    recordings = {}
    with Service() as service:
        VKEY = service.init["verifier_key"]
        writer = service.token("service", "recordings:write")
        listener = service.token("clinician")

        def put(number):
            audio = sound(number)
            _, receipt = service.put(audio, writer)
            recordings[receipt["recording"]] = hashlib.sha256(audio).hexdigest()

        for number in range(20):
            put(number)
        # Beside the service, and while calls arrive.
        storing = threading.Thread(target=lambda: [put(100 + n) for n in range(10)])
        storing.start()
        made = run(service, "backup", str(BACKUP))
        storing.join()
        assert 20 <= made["recordings"] <= 30 and made["lost"] == 0, made
        sha256sum()
        made = run(service, "backup", str(BACKUP))
        assert made["recordings"] == 30 and made["copied"] <= 10, made
        files = sha256sum()
        assert run(service, "backup", "verify", str(BACKUP), "--key", VKEY)["verdict"] == "sound"
        metrics = service.request("GET", "/metrics", token=service.token("operator"))[2].decode()
        assert "callvault_backup_alarm 0" in metrics, metrics
        # Whoever asks by token names no folder; a role without the right does nothing.
        status, _, body = service.request(
            "POST", "/v1/maintenance/backups", {"folder": str(BACKUP)}, token=listener)
        assert status == 403, (status, body)
        # A drill with the service running; its certificate is checked without the program.
        drilled = run(service, "restore", str(BACKUP), "--drill", "--sample", "12")
        assert (drilled["opened"], drilled["damaged"]) == (12, 0), drilled
        certificate = pathlib.Path(SCRATCH, "certificate")
        certificate.write_text(drilled["certificate"])
        note = read_note(certificate, "callvault/drill/v1")
        assert note["opened"] == "12"
        assert note["backup"] == hashlib.sha256((BACKUP / "BACKUP").read_bytes()).hexdigest()
        assert not os.path.exists(service.data + ".drill")
        # Damage on the disk is mended from the backup.
        objects = sorted(pathlib.Path(service.data, "objects").rglob("*"))
        victim = [path for path in objects if path.is_file()][3]
        sealed = victim.read_bytes()
        victim.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
        found = run(service, "scrub", "--now", "--level", "2", expect=7)
        assert len(found["damaged"]) == 1, found
        service.stop()
        settings = pathlib.Path(service.data, "callvault.yaml")
        settings.write_text(settings.read_text() + "\nbackup: { folder: \"%s\" }\n" % BACKUP)
        service.start()
        found = run(service, "scrub", "--now")
        assert found["repaired"] == 1 and not found["damaged"], found
        same_everywhere(service, listener, recordings)
        service.stop()

        # Kills, with the data directory our own. `longest` follows the last run that came to its end: the first
        # may have been slowed by others on this machine.
        counts = {True: 0, False: 0}
        dice = random.Random(5)

        def kill(*words):
            nonlocal longest
            was_running, took = killed(service, words, dice.random(), longest)
            counts[was_running] += 1
            longest = longest if was_running else took * 1.1

        began = time.monotonic()
        run(service, "backup")
        longest = (time.monotonic() - began) * 1.1
        for number in range(KILLS * 2 // 3):
            if number % 5 == 0:
                shutil.rmtree(BACKUP / "objects" / sorted(os.listdir(BACKUP / "objects"))[0])
                run(service, "backup")
            before = (BACKUP / "BACKUP").read_bytes()
            kill("backup")
            sha256sum()
            if number % 4 == 0:
                report = subprocess.run(
                    [CALLVAULT, "backup", "verify", str(BACKUP), "--key", VKEY, "--json"],
                    capture_output=True, text=True)
                wrong = [w for w in json.loads(report.stdout)["findings"] if "not listed" not in w]
                assert not wrong, wrong
            del before
        run(service, "backup")
        new = pathlib.Path(SCRATCH, "new", "data")
        new.parent.mkdir()
        began = time.monotonic()
        run(service, "restore", str(BACKUP), "--data", str(new))
        longest = (time.monotonic() - began) * 1.1
        for number in range(KILLS - KILLS * 2 // 3):
            if new.exists():
                shutil.rmtree(new)
            kill("restore", str(BACKUP), "--data", str(new))
            if not new.exists():
                continue
            assert (new / "restored").read_bytes() == (BACKUP / "BACKUP").read_bytes()
        if new.exists():
            shutil.rmtree(new)
        restored = run(service, "restore", str(BACKUP), "--data", str(new), "--key", VKEY)
        assert restored["recordings"] == 30 and len(restored["next"]) >= 4, restored
        run(service, "restore", str(BACKUP), "--data", str(new), expect=5)
        assert counts[True] > KILLS // 3, counts
        say("%d kills of backups and restores, %d of them in the middle: the backup stood each time"
            % (sum(counts.values()), counts[True]))

        # The clean folder, with the keys brought to it, plays everything.
        original = service.data
        service.data = str(new)
        service.start()
        assert not (new / "restored").exists()
        same_everywhere(service, listener, recordings)
        service.stop()
        service.data = original

        root = pathlib.Path(service.keys, "root.key").read_bytes()
        scanned = scan({"root key": root, "canary": CANARY})
        for name in ("root.key", "log-root.key", "key.pem"):
            assert not list(BACKUP.rglob(name)), name
        assert not list(BACKUP.glob("sets/*/keys/epochs")) and not list(BACKUP.glob("sets/*/unsealing/key"))
        assert list(BACKUP.glob("sets/*/unsealing/certificate"))
        # Without it a restored vault would ask for nobody's consent.
        consent = pathlib.Path(service.data, "policies", "consent.yaml").read_bytes()
        kept = list(BACKUP.glob("sets/*/policies/consent.yaml"))
        assert [path.read_bytes() for path in kept] == [consent], kept
        assert (new / "policies" / "consent.yaml").read_bytes() == consent
        say("sha256sum -c accepts all %d files of a backup, PyPI cryptography its note and the drill's "
            "certificate; no key and no spoken byte in %d files" % (files, scanned))

        # One changed bit in a file is named.
        target = [path for path in (BACKUP / "objects").rglob("*") if path.is_file()][0]
        whole = target.read_bytes()
        target.write_bytes(whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
        report = run(service, "backup", "verify", str(BACKUP), expect=7)
        name = str(target.relative_to(BACKUP))
        assert any(name in finding for finding in report["findings"]), report
        sha256sum(expect=1)


main()
