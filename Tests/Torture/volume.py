#!/usr/bin/env python3
"""P5 and P8 on a volume that is full, that the kernel makes read-only, or whose machine loses power.

The data directory lies on a small volume of its own under full traffic. Then, over and over, either
the volume is filled to its last block and emptied again: every refused request is a 507 or 503 with
its sentence, what was denied is on record all the same, and the program that was refused goes on by
itself. Or the kernel meets a fault and makes the volume read-only. Or the volume is cut off
with everything that was not synced, as by a power cut. Then the program ends by its own decision, and
another start has all that was ever acknowledged.

    Tests/Torture/volume.py [--fills N] [--faults N] [--cuts N] [--kinds tmpfs,ext4] [--seed S]

CALLVAULT is the program (.build/debug/callvault). Mounts, so it needs root or a user namespace; cuts
and faults need an ext4 file system on a loop device.
"""
import argparse
import collections
import fcntl
import json
import os
import random
import secrets
import shutil
import struct
import subprocess
import sys
import threading
import time

from account import Account, Check, Deviation, ensure, judge
from traffic import Client, keepers
from victim import CALLVAULT, SCRATCH, Victim, build_verifier, say

MEGABYTE = 1 << 20
# EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: nothing that is in memory reaches the disk.
SHUTDOWN, WITHOUT_FLUSH = 0x8004587D, 2


class Volume:
    """A file system of `size` MiB at `path`, in this process's own mount namespace."""

    def __init__(self, kind, path, size=192):
        self.kind, self.path = kind, path
        self.image = path + ".image"
        os.makedirs(path, exist_ok=True)
        if kind == "tmpfs":
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm,mode=700" % size, "none", path],
                           check=True)
        else:
            with open(self.image, "wb") as image:
                image.truncate(size * MEGABYTE)
            subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", self.image], check=True)
            self.mount()

    def mount(self):
        subprocess.run(["mount", "-o", "loop,errors=remount-ro", self.image, self.path], check=True)

    def unmount(self):
        subprocess.run(["umount", self.path], check=True)

    def device(self):
        found = subprocess.run(["findmnt", "-n", "-o", "SOURCE", self.path], check=True,
                               capture_output=True, text=True)
        return os.path.basename(found.stdout.strip())

    def fill(self):
        """Takes every block."""
        with open(os.path.join(self.path, "ballast"), "ab", buffering=0) as ballast:
            step = 64 * MEGABYTE
            while step >= 4096:
                end = ballast.seek(0, os.SEEK_END)
                try:
                    os.posix_fallocate(ballast.fileno(), end, step)
                except OSError:
                    step //= 2

    def empty(self):
        os.unlink(os.path.join(self.path, "ballast"))

    def make_read_only(self):
        """What the kernel does when it finds the file system inconsistent."""
        with open("/sys/fs/ext4/%s/trigger_fs_error" % self.device(), "w") as trigger:
            trigger.write("1")

    def cut(self):
        directory = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(directory, SHUTDOWN, struct.pack("I", WITHOUT_FLUSH))
        finally:
            os.close(directory)

    def repair(self):
        """As at the next boot."""
        self.unmount()
        status = subprocess.run(["e2fsck", "-p", self.image], capture_output=True).returncode
        ensure(status in (0, 1), "e2fsck", status)
        self.mount()


class Tenant(Victim):
    """A victim on a volume of its own; notes each answer that is the server's fault."""

    def __init__(self, name, kind):
        super().__init__(name)
        self.volume = Volume(kind, self.data)
        self.answers = collections.Counter()
        # While the disk goes, what is read from it may be anything, and is called damaged.
        self.dying = False

    def request(self, method, path, body=None, *rest, **named):
        answer = super().request(method, path, body, *rest, **named)
        if answer[0] >= 500:
            problem = json.loads(answer[2])
            ensure((answer[0] in (503, 507) or self.dying) and len(problem.get("detail", "")) > 20,
                   "a refusal without its sentence", method, path, answer)
            self.answers[answer[0]] += 1
        return answer

    def remove(self):
        self.volume.unmount()
        shutil.rmtree(self.folder)


class Traffic:
    """Clients that go on when they are refused, until they are told to stop or nobody answers."""

    KINDS = ["upload", "upload", "read", "read", "token", "texts"]

    def __init__(self, service, account, who, seed):
        self.failures = []
        self.done = collections.Counter()
        self.refused = collections.Counter()
        self.stopping = threading.Event()
        self.threads = []
        for number, kind in enumerate(self.KINDS):
            client = Client(service, account, who, random.Random("%s %d" % (seed, number)),
                            (500, 503, 507) if service.dying else (503, 507))
            self.threads.append(threading.Thread(target=self.run, args=(client, kind)))
        for thread in self.threads:
            thread.start()

    def run(self, client, kind):
        try:
            while not self.stopping.is_set():
                before = client.refused
                if kind == "texts":
                    went = client.text(client.dice.choice(["note", "transcript"]))
                else:
                    went = getattr(client, kind)()
                (self.done if went else self.refused)[kind] += 1
                # Where nobody answers, the program is ending.
                self.stopping.wait(0.005 if went or client.refused > before else 0.05)
        except Exception as error:  # Told by whoever waits for the threads.
            self.failures.append("%s: %r" % (kind, error))
        finally:
            client.close()

    def wait(self, what, holds):
        """Until `holds`, which must come."""
        deadline = time.monotonic() + 120
        while not holds():
            ensure(not self.failures, "\n".join(self.failures))
            ensure(time.monotonic() < deadline, "it never came to this: " + what)
            time.sleep(0.02)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        ensure(not self.failures, "\n".join(self.failures))


def ready(service):
    """What the health page says; that one may be 503 for other reasons than a refusal."""
    status, _, body = Victim.request(service, "GET", "/v1/health/ready")
    return status, json.loads(body)


def denied(service, who, account):
    """A request that its role forbids; returns its id."""
    recording = sorted(account.recordings)[0]
    status, fields, _ = service.request(
        "GET", "/v1/recordings/%s/audio" % recording, None, who["operator"],
        {"Purpose-Of-Use": "TREAT"})
    ensure(status in (403, 507), "a denied read", status)
    return fields["Request-Id"] if status == 403 else None


def begin(kind, number, counts):
    service = Tenant("%s-%d" % (kind, number), kind)
    service.make()
    service.start()
    return service, Account(), keepers(service)


def one_fill(service, account, who, dice, counts, seed, until_reads):
    """The program runs before and after, and is the same."""
    traffic = Traffic(service, account, who, seed)
    traffic.wait("the first recording", lambda: account.recordings)
    time.sleep(dice.random())
    service.volume.fill()
    traffic.wait("refused uploads", lambda: traffic.refused["upload"] >= 3)
    if until_reads:
        # The journal has room of its own for a while; then reading stops too.
        traffic.wait("refused reads", lambda: traffic.refused["read"] >= 3)
        counts["fills until reads were refused"] += 1
    status, health = ready(service)
    ensure(status == 503 and health["reasons"], "a full volume is called ready", health)
    refused = [denied(service, who, account) for _ in range(3)]
    service.volume.empty()
    before = dict(traffic.done)
    for kind in set(Traffic.KINDS):
        traffic.wait(kind + " again", lambda: traffic.done[kind] > before.get(kind, 0) + 1)
    deadline = time.monotonic() + 60
    while ready(service)[0] != 200:
        ensure(time.monotonic() < deadline, "never ready again", ready(service))
        time.sleep(0.1)
    traffic.stop()
    ensure(service.lives(), "the program ended")
    for request in filter(None, refused):
        _, _, body = service.request("GET", "/v1/audit/entries?request=" + request,
                                     token=who["auditor"])
        ensure(len(json.loads(body)["entries"]) == 1, "a denied read is not on record", request)
        counts["denials recorded on a full volume"] += 1
    counts["fills"] += 1
    counts["refused"] += sum(traffic.refused.values())
    counts["done"] += sum(traffic.done.values())


def ended(service):
    """How the program ended by itself."""
    status = service.process.wait(60)
    ensure(status == 1, "it ended with %d" % status)


class Snapshot:
    """What an account held at one moment."""

    def __init__(self, account):
        with account.lock:
            self.held = {name: dict(getattr(account, name))
                         for name in ("calls", "recordings", "texts", "tokens", "received")}
            self.revoked = set(account.revoked)

    def bring_back(self, account):
        """Forgets what was answered since; a token revoked since may be so or not."""
        account.revoking |= account.revoked - self.revoked
        account.revoked = self.revoked
        account.revoking &= set(self.held["tokens"])
        for name, held in self.held.items():
            setattr(account, name, held)


def one_fault(service, account, who, dice, counts, seed):
    traffic = Traffic(service, account, who, seed)
    traffic.wait("the first recording", lambda: account.recordings)
    time.sleep(dice.random())
    before = Snapshot(account)
    service.volume.make_read_only()
    ended(service)
    traffic.stop()
    # Between giving up its journal and becoming read-only, ext4 (Linux 6.18) answers some fdatasync
    # with success that writes nothing. What it answered in that moment no program can keep.
    counts["answers in the kernel's last moment"] += len(account.received) - len(
        before.held["received"])
    before.bring_back(account)
    refused = subprocess.run(
        [CALLVAULT, "serve", "--data", service.data, "--keys", service.keys, "--listen",
         "127.0.0.1:0"], capture_output=True, text=True, timeout=60)
    ensure(refused.returncode == 1 and "read-only" in refused.stderr,
           "a start on a read-only volume", refused.returncode, refused.stderr)
    service.volume.repair()
    service.start()
    counts["volumes made read-only"] += 1


def one_cut(service, account, who, dice, counts, seed):
    service.dying = True
    traffic = Traffic(service, account, who, seed)
    traffic.wait("the first recording", lambda: account.recordings)
    time.sleep(dice.choice([0.05, 0.3, 1.5]) * (0.5 + dice.random()))
    service.volume.cut()
    service.kill()
    traffic.stop()
    service.dying = False
    service.volume.repair()
    judge(os.path.join(service.data, "log"), service.init["verifier_key"], account.kept)
    service.start()
    counts["power cuts"] += 1


def full_from_the_start(counts):
    """Neither `init` nor a start gets anywhere, both say why, and neither leaves harm."""
    service = Victim("full")
    volume = Volume("tmpfs", service.data)
    os.mkdir(service.data + "/vault")
    service.data += "/vault"
    volume.fill()
    words = [CALLVAULT, "init", "--data", service.data, "--keys", service.keys]
    result = subprocess.run(words, capture_output=True, text=True, timeout=60)
    ensure(result.returncode == 1 and "the volume is full; make room" in result.stderr,
           "init on a full volume", result)
    volume.empty()
    for path in (service.data, service.keys):
        shutil.rmtree(path, ignore_errors=True)
    service.make()
    volume.fill()
    result = subprocess.run(
        [CALLVAULT, "serve", "--data", service.data, "--keys", service.keys, "--listen",
         "127.0.0.1:0"], capture_output=True, text=True, timeout=60)
    ensure(result.returncode == 1 and "the volume is full; make room" in result.stderr,
           "a start on a full volume", result)
    volume.empty()
    service.start()
    service.stop()
    judge(os.path.join(service.data, "log"), service.init["verifier_key"], [])
    volume.unmount()
    counts["commands refused on a full volume"] += 2


def rounds(kind, number, step, options, counts, dice):
    """`number` rounds of one step, on a new vault every eight."""
    service = None
    for turn in range(number):
        seed = "%s %s %s %d" % (options.seed, kind, step.__name__, turn)
        if turn % 8 == 0:
            if service:
                service.stop()
                service.remove()
            service, account, who = begin(kind, counts["vaults"], counts)
            counts["vaults"] += 1
        try:
            if step is one_fill:
                step(service, account, who, dice, counts, seed, turn == 0)
            else:
                step(service, account, who, dice, counts, seed)
            if turn % 8 == 7 or turn == number - 1:
                service.stop()
                service.start()
                presumed = counts["presumed disclosed"] + counts["closed as interrupted"]
                Check(service, account, who, counts, dice).run(True)
                ensure(step is not one_fill or presumed == counts["presumed disclosed"]
                       + counts["closed as interrupted"], "a full volume left outcomes out")
            elif step is not one_fill:
                Check(service, account, who, counts, dice).run(False)
        except BaseException as error:
            print("FAILED %s: %s\nthe end of its log:\n%s" % (seed, error, service.tail()))
            if service.lives():
                service.process.kill()
                service.process.wait()
            raise
        for status, count in service.answers.items():
            counts["answers %d" % status] += count
        service.answers.clear()
    if service:
        service.stop()
        service.remove()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fills", type=int, default=40)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--kinds", default="tmpfs,ext4")
    parser.add_argument("--seed", default=secrets.token_hex(4))
    options = parser.parse_args()
    if "CALLVAULT_MOUNTS" not in os.environ:
        # Mounts of a namespace of our own go away with us, however we end.
        own = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
        if subprocess.run([*own, "true"], capture_output=True).returncode:
            print("mounting needs root or a user namespace")
            sys.exit(77)
        os.environ["CALLVAULT_MOUNTS"] = "1"
        os.execvp(own[0], [*own, sys.executable, *sys.argv])
    print("volume.py --seed %s (%s)" % (options.seed, CALLVAULT), flush=True)
    kinds = options.kinds.split(",")
    if "ext4" in kinds:
        try:
            probe = Volume("ext4", os.path.join(SCRATCH, "probe"), 16)
            probe.unmount()
        except (OSError, subprocess.CalledProcessError):
            print("no loop devices here: tmpfs only")
            kinds.remove("ext4")
    build_verifier()
    counts = collections.Counter()
    dice = random.Random(options.seed)
    began = time.monotonic()
    full_from_the_start(counts)
    for kind in kinds:
        rounds(kind, options.fills, one_fill, options, counts, dice)
    if "ext4" in kinds:
        rounds("ext4", options.faults, one_fault, options, counts, dice)
        rounds("ext4", options.cuts, one_cut, options, counts, dice)
    say("seed %s, %.0f s: %s" % (options.seed, time.monotonic() - began, ", ".join(
        "%d %s" % (count, what) for what, count in sorted(counts.items()) if count)))


if __name__ == "__main__":
    try:
        main()
    except Deviation as deviation:
        print("files: %s\n%s" % (SCRATCH, deviation))
        sys.exit(1)
    if "callvault-torture." in SCRATCH:
        shutil.rmtree(SCRATCH, ignore_errors=True)
