#!/usr/bin/env python3
"""`init --ceremony` under SIGKILL: afterwards a usable vault, or a refusal that says what to do.

One ceremony after another is stopped whole (SIGSTOP) at random moments, and everything is copied: what the
copy holds is what SIGKILL would have left there. Each ends with a real SIGKILL or runs through. In each copy:
no page of a share lies where no vault is; whatever pages there are open the ring that is there, as PyPI
shamir-mnemonic and Documentation/formats/keys.md have it; and a vault counts as finished only when all pages
are there. A sample is given to the program: `serve` and `init` refuse with a sentence, or `init --prove` goes
on to a vault whose log verifies.

    Tests/Torture/ceremony_kills.py [--kills N] [--seed S]
"""
import argparse
import collections
import json
import os
import pathlib
import random
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "Tests/Outside"))
os.environ.setdefault("CALLVAULT", str(REPOSITORY / ".build/debug/callvault"))
os.environ.setdefault("SCRATCH", tempfile.mkdtemp(prefix="callvault-torture."))

from ring_keys import Ring  # noqa: E402
from shamir_mnemonic import combine_mnemonics  # noqa: E402

CALLVAULT, SCRATCH = os.environ["CALLVAULT"], os.environ["SCRATCH"]
KEEPERS, THRESHOLD = 3, 2


def ensure(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what))


def words_of(page):
    """The words of a page, by their numbers."""
    text = subprocess.run(["pdftotext", "-layout", page, "-"], capture_output=True, check=True)
    found = {int(n): w for n, w in re.findall(r"(\d+)\.\s+([a-z]{4,8})\b", text.stdout.decode())}
    return " ".join(found[number] for number in range(1, 34))


class Site:
    """Where a ceremony leaves what it makes."""

    def __init__(self, folder):
        self.folder = folder
        self.data, self.keys, self.pages = (os.path.join(folder, n) for n in ("data", "keys", "pages"))

    def run(self, *words, stdin=None):
        return subprocess.run([CALLVAULT, *words, "--json"], capture_output=True, text=True, timeout=60,
                              input=stdin, stdin=None if stdin else subprocess.DEVNULL)

    def state(self):
        if not os.path.exists(self.data + "/callvault.yaml"):
            return "none"
        try:
            lines = pathlib.Path(self.data, "ceremony").read_text().split("\n")
        except FileNotFoundError:
            return "finished"
        ensure(lines[0] == "callvault/ceremony/v1" and len(lines) == 4, lines)
        return lines[1]

    def shares(self):
        return [os.path.join(self.pages, "share-%d.pdf" % n) for n in range(1, KEEPERS + 1)]

    def look(self, reading):
        """What must hold whenever the program ended; `reading` the pages costs more."""
        state, written = self.state(), os.listdir(self.pages)
        if state == "none":
            ensure(not written, "a share was printed for a vault that does not exist", self.folder, written)
            return state
        ensure(os.path.exists(self.data + "/keys/ring"), "no ring", self.folder)
        whole = [page for page in self.shares() if os.path.exists(page)]
        if state != "printing":
            ensure(len(whole) == KEEPERS and len(written) == KEEPERS, "pages", self.folder, written)
        if reading and len(whole) >= THRESHOLD:
            root = combine_mnemonics([words_of(page) for page in whole[-THRESHOLD:]])
            Ring(pathlib.Path(self.data, "keys/ring").read_bytes(), root)
        return state

    def ask(self, state):
        """What the program says to whoever comes next."""
        served = self.run("serve", "--data", self.data, "--listen", "127.0.0.1:0") \
            if state != "finished" else None
        if state == "none":
            ensure(served.returncode == 2 and "init" in served.stderr, self.folder, served.stderr)
            if os.path.exists(self.data + "/keys"):
                again = self.run("init", "--data", self.data, "--keys", self.keys)
                ensure(again.returncode == 2 and "did not come to its end" in again.stdout + again.stderr,
                       self.folder, again)
        elif state == "printing":
            for refused in (served, self.run("init", "--prove", "--data", self.data)):
                ensure(refused.returncode == 4 and "destroy every page" in refused.stdout + refused.stderr,
                       self.folder, refused)
        elif state == "printed":
            ensure(served.returncode == 4 and "init --prove" in served.stdout + served.stderr, served)
            typed = "".join(words_of(page) + "\n" for page in self.shares())
            proved = self.run("init", "--prove", "--data", self.data, stdin=typed)
            ensure(proved.returncode == 0, self.folder, proved)
            ensure(self.look(True) == "finished", self.folder)
        if self.state() == "finished":
            log = pathlib.Path(self.data, "log")
            key = json.loads(self.run("keys", "status", "--data", self.data).stdout)["log"]
            verified = self.run("audit", "verify", str(log), "--key", key)
            ensure(verified.returncode == 10, self.folder, verified)
            # Sealed, and shares are what it waits for.
            doctor = self.run("doctor", "--data", self.data)
            ensure("with the keepers of its shares" in doctor.stdout and doctor.returncode in (0, 1),
                   self.folder, doctor.stdout)


def ceremony(site, dice, moments, longest):
    """Begins one; yields at each moment, stopped. Returns when it was killed or has ended."""
    for folder in (site.folder, site.pages):
        os.makedirs(folder)
    process = subprocess.Popen(
        [CALLVAULT, "init", "--data", site.data, "--keys", site.keys, "--host", "localhost",
         "--ceremony", "%d-of-%d" % (THRESHOLD, KEEPERS), "--out", site.pages],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def keepers():
        for line in process.stderr:
            if line.startswith(b"Keeper "):
                number = int(line.split()[1].rstrip(b","))
                try:
                    process.stdin.write(words_of(site.shares()[number - 1]).encode() + b"\n")
                    process.stdin.flush()
                except (BrokenPipeError, subprocess.CalledProcessError):
                    return

    typing = threading.Thread(target=keepers)
    typing.start()
    began, stood = time.monotonic(), 0
    try:
        for moment in sorted(dice.random() * longest for _ in range(moments)):
            time.sleep(max(0, began + stood + moment - time.monotonic()))
            os.kill(process.pid, signal.SIGSTOP)
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                process.returncode = os.waitstatus_to_exitcode(status)
                break
            before = time.monotonic()
            yield
            stood += time.monotonic() - before
            os.kill(process.pid, signal.SIGCONT)
        if moments and process.returncode is None and dice.random() < 0.5:
            process.kill()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
        process.wait()
        typing.join()
    ensure(process.returncode in (0, -signal.SIGKILL), "init ended with", process.returncode)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--kills", type=int, default=300)
    options.add_argument("--seed", default=secrets.token_hex(4))
    options = options.parse_args()
    dice = random.Random(options.seed)
    began, counts, asked = time.monotonic(), collections.Counter(), collections.Counter()
    kills = number = 0
    longest = None
    try:
        while kills < options.kills:
            site = Site(os.path.join(SCRATCH, "ceremony-%d" % number))
            number += 1
            if longest is None:
                # The first runs through, and says how long one takes.
                start = time.monotonic()
                list(ceremony(site, dice, 0, 0))
                longest = time.monotonic() - start
                ensure(site.look(True) == "finished", "a ceremony that nobody disturbs")
                shutil.rmtree(site.folder)
                continue
            for _ in ceremony(site, dice, 8, longest):
                kills += 1
                copy = Site(os.path.join(SCRATCH, "copy-%d" % kills))
                subprocess.run(["cp", "-a", site.folder, copy.folder], check=True)
                state = copy.look(dice.random() < 0.2)
                counts[state] += 1
                # Asking costs a second, so not every copy is asked about.
                if asked[state] < 1 + options.kills // 40:
                    asked[state] += 1
                    copy.ask(state)
                shutil.rmtree(copy.folder)
            site.look(True)
            shutil.rmtree(site.folder)
        ensure(counts["none"] and counts["printed"], counts)
    except BaseException:
        print("FAILED with --seed %s; files: %s" % (options.seed, SCRATCH))
        raise
    print(": seed %s, %d ceremonies stopped at %d moments (%s) in %.0f s; of %d the program was asked what to do"
          % (options.seed, number - 1, kills,
             ", ".join("%d %s" % (count, what) for what, count in sorted(counts.items())),
             time.monotonic() - began, sum(asked.values())))


if __name__ == "__main__":
    main()
    if "callvault-torture." in SCRATCH:
        shutil.rmtree(SCRATCH, ignore_errors=True)
