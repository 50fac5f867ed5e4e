#!/usr/bin/env python3
"""The machine is lost, and with it some of the keepers' shares: from a backup and what is left, a vault again.

The root key was shared out 3 of 5. One share is lost: the others unseal. The disk dies: `restore`, and because
an anchor knows of more entries than the backup has, `audit recover`, to which the three keepers that are left
come. The same with a root key under a PKCS#11 token. What is told of it: the log of attempts, by our verifier
and read by Python; the drill's certificate.
"""
import glob
import json
import os
import shutil
import subprocess
import sys
import time

from key_ceremony import ceremony, strangers, words_of
from vault_service import CALLVAULT, SCRATCH, Service, say, wav

try:
    import shamir_mnemonic  # noqa: F401
except ImportError:
    print("shamir-mnemonic is not installed (PyPI)")
    sys.exit(77)

PURPOSE = {"Purpose-Of-Use": "TREAT"}
MODULE = "/usr/lib/softhsm/libsofthsm2.so"


class Lost(Service):
    """A vault that gives its heads to a folder elsewhere, and is lost after its last backup."""

    def __init__(self, name):
        super().__init__(name)
        self.copies, self.backup = self.folder + "/copies", self.folder + "/backup"
        self.stick = self.folder + "/stick/log-root.key"
        for path in (self.copies, self.backup, self.folder + "/stick"):
            os.makedirs(path)

    def anchor(self):
        with open(self.data + "/callvault.yaml", "a") as file:
            file.write("\nanchors:\n  copy: { path: %s, every: 1s, limit: 1h }\n" % self.copies)

    def heads(self):
        return max([int(os.path.basename(path)) for path in glob.glob(self.copies + "/*/[0-9]*")], default=0)

    def check(self, recording, audio, reader):
        status, _, body = self.request("GET", "/v1/recordings/%s/audio" % recording, None, reader, PURPOSE)
        assert (status, body) == (200, audio), (recording, status)

    def lose(self, worker):
        """Takes a backup, stores one more recording that an anchor hears of, loses all, and restores."""
        made = self.command("backup", self.backup)
        assert made["state"] == "done" and made["recordings"] == 1, made
        self.put(wav([8] * 4000), worker)
        deadline = time.monotonic() + 30
        while self.heads() <= made["log_size"]:
            assert time.monotonic() < deadline, "no anchor took a head"
            time.sleep(0.1)
        self.stop()
        shutil.rmtree(self.data)
        shutil.rmtree(self.keys, ignore_errors=True)
        return self.command("restore", self.backup, "--data", self.data)

    def recover(self, expect, stdin=None):
        done = subprocess.run(
            [CALLVAULT, "audit", "recover", "--data", self.data, "--root-key", self.stick, "--reason",
             "the disk died", "--json"], env=self.environment(), capture_output=True, timeout=120,
            input=stdin.encode() if stdin is not None else None,
            stdin=subprocess.DEVNULL if stdin is None else None)
        assert done.returncode == expect, done
        return (json.loads(done.stdout) if expect == 0 else None), done.stderr.decode()

    def state(self):
        return json.loads(self.request("GET", "/v1/seal")[2])


def digest(folder):
    """Everything that a refused ceremony must leave as it is."""
    found = {}
    for path in glob.glob(folder + "/**", recursive=True):
        if os.path.isfile(path) and "/unsealing/" not in path and not path.endswith(("-shm", "-wal")):
            with open(path, "rb") as file:
                found[path] = file.read()
    return found


def entries(log):
    """The entries of a published log, by their indices."""
    found = {}
    for folder, _, files in os.walk(os.path.join(log, "tile", "entries")):
        for name in files:
            bundle, at = open(os.path.join(folder, name), "rb").read(), 0
            while at < len(bundle):
                length = int.from_bytes(bundle[at:at + 2], "big")
                entry = json.loads(bundle[at + 2:at + 2 + length])
                found[entry["idx"]] = entry
                at += 2 + length
    return [found[index] for index in sorted(found)]


def keepers(service):
    pages = os.path.join(SCRATCH, "pages")
    status, _, said = ceremony(service, pages, more=["--root-key", service.stick])
    assert status == 0, said
    shares = [words_of("%s/share-%d.pdf" % (pages, n)) for n in range(1, 6)]
    shutil.rmtree(pages)
    service.anchor()
    words = os.path.join(SCRATCH, "words")

    def unseal(numbers, expect=0):
        for number in numbers:
            with open(os.open(words, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
                file.write(shares[number - 1] + "\n")
            last = number == numbers[-1]
            answer = service.command("unseal", words, expect=expect if last else 0)
        return answer

    service.start()
    # The first share is lost: the others open.
    assert unseal([2, 4, 5])["sealed"] is False
    while service.state()["sealed"]:
        time.sleep(0.05)
    worker, reader = service.token("service", "recordings:write"), service.token("clinician")
    audio = wav([7] * 4000)
    stored = service.put(audio, worker)[1]["recording"]
    told = service.lose(worker)
    assert "callvault unseal" in told["next"][0], told
    # The second share was on the machine's desk: all but three are lost. They open the ring, and the start is
    # refused: the anchor knows of more.
    service.start()
    refused = unseal([3, 4, 5], expect=1)
    assert "behind-anchor" in refused["error"]["message"], refused
    assert "audit recover" in refused["error"]["message"] and service.state()["sealed"], refused
    service.stop()

    before = digest(service.data)
    root = bytes(range(32))
    stranger = strangers(root, (3, 5), shares[0])[0]
    misread = " ".join(reversed(shares[2].split()))
    for typed, expect, why in (
            ([], 2, "input ended"), ([shares[2], shares[3]], 2, "input ended"),
            ([shares[2], shares[2], stranger, misread], 6, "3 shares in a row were not taken")):
        _, said = service.recover(expect, "".join(t + "\n" for t in typed))
        assert why in said, said
        assert digest(service.data) == before, "a ceremony that was not held changed something"
    assert "given already" in said and "another ceremony" in said and "belong together" in said, said
    facts, said = service.recover(0, "".join(t + "\n" for t in (shares[2], misread, shares[4], shares[3])))
    assert "0 of 3 shares were given" in said and "2 of 3 shares were given" in said, said
    assert facts["anchored_size"] > facts["kept_size"], facts
    for path, content in digest(service.data).items():
        assert shares[2].encode() not in content, path

    service.start()
    assert unseal([3, 4, 5])["sealed"] is False
    while service.state()["sealed"]:
        time.sleep(0.05)
    reader, auditor = service.token("clinician"), service.token("auditor")
    service.check(stored, audio, reader)
    joined = service.command("audit", "show", "--action", "journal.joined", token=auditor)["entries"]
    # Of the log before the recovery, and of the one after it.
    assert [entry["log"] for entry in joined] == [1, 2], joined
    shutil.rmtree(service.backup)
    os.makedirs(service.backup)
    service.command("backup", service.backup)
    drilled = service.command("restore", service.backup, "--drill")
    assert (drilled["sample"], drilled["opened"], drilled["damaged"]) == (1, 1, 0), drilled
    service.stop()
    # No service runs, so the keepers are asked for a backup, and for none of what can be read without them.
    copied = service.command("backup", service.backup, stdin="".join(
        share + "\n" for share in (shares[4], shares[2], shares[3])).encode())
    assert copied["state"] == "done" and copied["recordings"] == 1, copied
    status = service.command("keys", "status", stdin=b"")
    assert status["root"] and "ring" not in status, status
    verdict = subprocess.run(
        [CALLVAULT, "audit", "verify", service.data + "/log", "--key", facts["verifier_key"]],
        capture_output=True, text=True)
    assert verdict.returncode == 10 and "restarted" in verdict.stdout, verdict
    attempts = service.data + "/unsealing"
    key = open(attempts + "/certificate").read().split("\n")[2]
    subprocess.run([CALLVAULT, "audit", "verify", attempts + "/log", "--key", key], capture_output=True)
    told = [e for e in entries(attempts + "/log") if e["action"] == "key.unseal" and e["phase"] != "intent"]
    count = {o: sum(e["outcome"] == o for e in told) for o in ("refused", "partial", "success")}
    # 3 at the start that was refused, 2 and 1 + 3 wrong, 1 + 1 wrong + 2, 3 at the last start and for the backup.
    assert count == {"refused": 4, "partial": 2 + 2 + 1 + 2 + 2 + 2, "success": 4}, (count, told)
    say("a share lost, then all but 3: restored, a new log, everything kept is heard; %d attempts on record, "
        "of which %d wrong shares; the drill opens it" % (len(told), count["refused"]))


def token(service):
    if not shutil.which("softhsm2-util") or not os.path.exists(MODULE):
        say("no softhsm2: recovery under a token is not looked at")
        return
    tokens, settings, pin = (os.path.join(SCRATCH, name) for name in ("tokens", "softhsm2.conf", "pin"))
    os.makedirs(tokens)
    with open(settings, "w") as file:
        file.write("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n" % tokens)
    os.environ["SOFTHSM2_CONF"] = settings
    subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "vault", "--pin", "471147",
                    "--so-pin", "471148"], check=True, capture_output=True)

    def write_pin(text):
        with open(os.open(pin, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.write(text + "\n")

    write_pin("471147")
    service.command("init", "--data", service.data, "--keys", service.keys, "--root-key", service.stick,
                    "--pkcs11-module", MODULE, "--pkcs11-token", "vault", "--pin-file", pin)
    service.anchor()
    service.start()
    worker = service.token("service", "recordings:write")
    audio = wav([5] * 4000)
    stored = service.put(audio, worker)[1]["recording"]
    told = service.lose(worker)
    assert "token" in told["next"][0], told
    before = digest(service.data)
    write_pin("000000")
    assert "PIN is not the token's" in service.recover(6)[1]
    write_pin("471147")
    os.rename(tokens, tokens + ".away")
    os.makedirs(tokens)
    assert "not plugged in" in service.recover(6)[1]
    os.rmdir(tokens)
    os.rename(tokens + ".away", tokens)
    assert digest(service.data) == before
    facts, _ = service.recover(0)
    assert facts["anchored_size"] > facts["kept_size"], facts
    service.start()
    service.check(stored, audio, service.token("clinician"))
    service.stop()
    # A drill takes place beside the data, also where that is named from here.
    shutil.rmtree(service.backup)
    os.makedirs(service.backup)
    service.command("backup", service.backup)
    drilled = subprocess.run(
        [CALLVAULT, "restore", service.backup, "--drill", "--data", "data", "--json"], capture_output=True,
        cwd=service.folder, timeout=60)
    assert drilled.returncode == 0 and json.loads(drilled.stdout)["opened"] == 1, drilled
    assert os.path.exists(json.loads(drilled.stdout)["certificate_file"]), drilled
    elsewhere = subprocess.run(
        [CALLVAULT, "restore", service.backup, "--drill", "--aside", "aside", "--data", "data", "--json"],
        capture_output=True, cwd=service.folder, timeout=60)
    assert elsewhere.returncode == 0, elsewhere
    say("under a token: wrong PIN and no token are named and change nothing; then the same")


shared, under_token = Lost("shared"), Lost("token")
try:
    keepers(shared)
    token(under_token)
finally:
    shared.__exit__()
    under_token.__exit__()
