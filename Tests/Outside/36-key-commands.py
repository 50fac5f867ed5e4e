#!/usr/bin/env python3
"""`keys rotate`, `keys ratchet` and `keys status` beside a busy service, with anchors on two volumes; lost
volumes, old rings and old databases.

Needs mounts of its own (root or a user namespace); without them it is skipped.
"""
import glob
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import uuid

if "CALLVAULT_MOUNTS" not in os.environ:
    own = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    if subprocess.run([*own, "true"], capture_output=True).returncode:
        print("mounting needs root or a user namespace")
        sys.exit(77)
    os.environ["CALLVAULT_MOUNTS"] = "1"
    os.execvp(own[0], [*own, sys.executable, *sys.argv])

from vault_service import CALLVAULT, SCRATCH, Service, say, wav  # noqa: E402

PURPOSE = {"Purpose-Of-Use": "TREAT"}


def mount(path):
    os.makedirs(path, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "none", path], check=True)


def unmount(path):
    subprocess.run(["umount", path], check=True)


class Practice(Service):
    def __init__(self):
        super().__init__()
        self.anchors = [self.folder + "/anchor-a", self.folder + "/anchor-b"]
        self.copy = self.folder + "/copy"
        os.makedirs(self.copy)
        for path in self.anchors:
            mount(path)

    def make(self):
        words = []
        for path in self.anchors:
            words += ["--anchor", path]
        self.init = self.command("init", "--data", self.data, "--keys", self.keys, *words,
                                 "--ring-copy", self.copy)

    def status(self):
        return self.command("keys", "status")["ring"]

    def check(self, stored, reader):
        for recording, audio in stored.items():
            status, _, body = self.request("GET", "/v1/recordings/%s/audio" % recording, None, reader, PURPOSE)
            assert status == 200 and body == audio, (recording, status)

    def moved_keys(self, reader):
        """Wrapped keys in other rows: each other's, and a patient's tag key in the place of a call's."""
        def write(keys):
            catalog = sqlite3.connect(self.data + "/catalog.sqlite")
            with catalog:
                for call, key in keys.items():
                    assert catalog.execute(
                        "UPDATE call SET wrapped_key = ? WHERE id = ?", (key, call)).rowcount == 1
            catalog.close()

        catalog = sqlite3.connect(self.data + "/catalog.sqlite")
        own = dict(catalog.execute("SELECT id, wrapped_key FROM call ORDER BY id LIMIT 3"))
        (tag,) = catalog.execute("SELECT wrapped_key FROM subject LIMIT 1").fetchone()
        names = {call: [str(uuid.UUID(bytes=name)) for (name,) in catalog.execute(
            "SELECT id FROM recording WHERE call = ?", (call,))] for call in own}
        catalog.close()
        first, second, third = own
        write({first: own[second], second: own[first], third: tag})
        self.start()
        for recording in sum(names.values(), []):
            status, _, body = self.request("GET", "/v1/recordings/%s/audio" % recording, None, reader, PURPOSE)
            assert status == 500 and json.loads(body)["type"].endswith(":damaged"), (status, body)
        self.stop()
        write(own)
        self.start()
        return sum(map(len, names.values()))

    def refused(self, code, *words):
        """A start that does not come about."""
        result = subprocess.run(
            [CALLVAULT, "serve", "--data", self.data, "--keys", self.keys, "--listen", "127.0.0.1:0"],
            capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert result.returncode == code and all(w in result.stderr for w in words), (
            result.returncode, result.stderr)


def main():
    service = Practice()
    service.make()
    service.start()
    writer, reader = service.token("service", "recordings:write"), service.token("clinician")
    stored = {}

    def upload(number):
        audio = wav([number % 1000] * 4000)
        stored[service.put(audio, writer)[1]["recording"]] = audio

    for number in range(20):
        upload(number)
    status = service.status()
    assert [e["keys"] for e in status["epochs"]] == [40] and "unproven" not in status, status

    # Beside uploads and downloads.
    ending, lost = threading.Event(), []

    def busy():
        number = 100
        while not ending.is_set():
            try:
                number += 1
                upload(number)
                service.check(dict(list(stored.items())[-3:]), reader)
            except AssertionError as error:
                lost.append(error)

    worker = threading.Thread(target=busy)
    worker.start()
    rotated = service.command("keys", "rotate")
    assert rotated["state"] == "done" and rotated["epoch"] == 2, rotated
    ratcheted = service.command("keys", "ratchet")
    assert "cryptographically erased" in ratcheted["outcome"], ratcheted
    ending.set()
    worker.join()
    # A key that was made in the moment its epoch was retired is refused and sent again, never lost.
    assert all("503" in str(error) for error in lost), lost
    status = service.status()
    assert [e["epoch"] for e in status["epochs"]] == [3], status
    service.check(stored, reader)
    for path in service.anchors:
        assert len(os.listdir(path)) == 1, os.listdir(path)
    assert os.path.exists(service.copy + "/keys-3.tab") and os.path.exists(service.copy + "/ring")

    # Killed in the middle, it goes on by itself.
    service.command("keys", "rotate", "--no-wait")
    service.process.kill()
    service.process.wait()
    service.start()
    deadline = time.monotonic() + 20
    while service.status()["epochs"][0]["keys"]:
        assert time.monotonic() < deadline, service.status()
        time.sleep(0.1)
    service.check(stored, reader)

    # Yesterday's database, and the ring of before the ratchet.
    service.stop()
    yesterday = SCRATCH + "/yesterday"
    os.makedirs(yesterday)
    for path in glob.glob(service.data + "/catalog.sqlite*"):
        shutil.copy(path, yesterday)
    old_ring = open(service.data + "/keys/ring", "rb").read()
    service.start()
    service.command("keys", "ratchet")
    service.stop()
    today = SCRATCH + "/today"
    shutil.copytree(service.data, today, ignore=shutil.ignore_patterns("*.sock"))
    for path in glob.glob(service.data + "/catalog.sqlite*"):
        os.unlink(path)
    for path in os.listdir(yesterday):
        shutil.copy(yesterday + "/" + path, service.data)
    service.start()
    service.check(stored, reader)
    service.stop()
    # One old ring is mended from the copy; two are sealed for ever, and the sentence says what they lack.
    with open(service.data + "/keys/ring", "wb") as ring:
        ring.write(old_ring)
    service.start()
    service.check(dict(list(stored.items())[:3]), reader)
    service.stop()
    new_ring = open(service.copy + "/ring", "rb").read()
    assert open(service.data + "/keys/ring", "rb").read() == new_ring
    for path in (service.data + "/keys/ring", service.copy + "/ring"):
        with open(path, "wb") as ring:
            ring.write(old_ring)
    service.refused(6, "anchor")
    for path in (service.data + "/keys/ring", service.copy + "/ring"):
        with open(path, "wb") as ring:
            ring.write(new_ring)

    # A lost volume: the service goes on and says so; nothing is destroyed. Both lost: sealed.
    mount(service.anchors[0])
    service.start()
    _, _, body = service.request("GET", "/v1/health/ready")
    status = service.status()
    # An empty volume in its place is filled; that is how one is replaced.
    assert len(os.listdir(service.anchors[0])) == 1 and not status["troubles"], (body, status)
    service.command("keys", "ratchet")
    service.stop()
    os.rename(service.copy, service.copy + ".gone")
    service.start()
    _, _, body = service.request("GET", "/v1/health/ready")
    assert "ring copy 1" in body.decode(), body
    failed = service.command("keys", "ratchet", expect=5)
    assert "nothing was destroyed" in json.dumps(failed) and "ring copy 1" in json.dumps(failed), failed
    service.check(dict(list(stored.items())[:3]), reader)
    service.stop()
    os.rename(service.copy + ".gone", service.copy)
    for path in service.anchors:
        mount(path)
    service.refused(6, "anchor")
    for path in service.anchors:
        unmount(path)
    moved = service.moved_keys(reader)
    service.check(stored, reader)
    served = service.status()
    service.stop()
    alone = service.status()
    assert all(alone[name] == served[name] for name in ("generation", "epochs", "purged", "custodian")), (alone, served)
    verdict = subprocess.run([CALLVAULT, "audit", "verify", service.data + "/log", "--key",
                              service.init["verifier_key"]], capture_output=True, text=True)
    assert verdict.returncode == 10, verdict.stdout
    say("%d recordings, 5 epochs, 4 ratchets, old database, old ring, lost places; %d recordings whose keys were "
        "moved to other rows are damaged there" % (len(stored), moved))


if __name__ == "__main__":
    main()
