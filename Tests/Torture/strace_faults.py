#!/usr/bin/env python3
"""P5 on a failing disk: the real program, whose N-th call of each kind fails, for every N.

strace makes the call fail instead of letting it through (its N counts within each thread). Under
it the program starts, takes a call, a recording, texts and a token, and gives out a range. Each
answer may be an error; none may be a success that is gone afterwards. Then it starts again with
nothing failing, and everything it acknowledged is held against what it has. N grows until two runs
in a row had nothing left to fail.

    Tests/Torture/strace_faults.py [--calls LIST] [--errors LIST] [--step K] [--seed S]

CALLVAULT is the program (.build/debug/callvault). Needs leave to trace one's own processes.
"""
import argparse
import collections
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import time

from account import Account, Check, Deviation
from traffic import REFUSALS, Client, keepers
from victim import CALLVAULT, SCRATCH, Victim, build_verifier, say

CALLS = ("fsync,fdatasync,write,pwrite64,fallocate,rename,link,openat,ftruncate,unlink,mkdir,rmdir,"
         "flock,getdents64,newfstatat,pread64")
# What only strace can make fail: a wake-up between threads, and the kernel's own answers about
# threads, without which libdispatch ends the process. What is stored is checked all the same.
NO_DISK = ("<anon_inode:[eventfd]>", '"/proc/')
# How the program may end when it cannot work: by its own decision, never by a trap.
DECIDED = range(0, 9)


class Session:
    """One life of the program under one fault."""

    def __init__(self, service, account, who, dice, counts):
        self.service = service
        self.account = account
        self.who = who
        self.dice = dice
        self.counts = counts
        self.trace = os.path.join(service.folder, "trace")

    def run(self, call, error, when):
        """How many calls were made to fail."""
        service = self.service
        service.spawn(["strace", "-D", "-f", "-y", "--seccomp-bpf", "-qq", "-o", self.trace, "-e",
                       "trace=" + call, "-e", "inject=%s:error=%s:when=%s" % (call, error, when)])
        broken = None
        try:
            service.timeout = 20
            if service.wait_ready():
                self.ask()
            else:
                self.counts["starts refused"] += 1
            self.end()
        except Deviation as deviation:
            broken = deviation
        with open(self.trace, errors="replace") as trace:
            injected = [line for line in trace if "(INJECTED)" in line]
        if broken:
            if not any(place in line for line in injected for place in NO_DISK):
                raise broken
            self.counts["faults of no disk"] += 1
            self.stop()
        return len(injected)

    def stop(self):
        process = self.service.process
        if process.poll() is None:
            process.kill()
            process.wait()

    def ask(self):
        client = Client(self.service, self.account, self.who, self.dice, REFUSALS)
        before = self.account.acknowledged(), len(self.account.received)
        steps = [client.upload, client.read, lambda: client.text("transcript"),
                 lambda: client.text("note"), client.token, client.read, client.upload]
        for step in steps:
            began = time.monotonic()
            step()
            took = time.monotonic() - began
            if took > 15:
                raise Deviation("an answer took %.0f s" % took)
        client.close()
        self.counts["acknowledged"] += self.account.acknowledged() - before[0]
        self.counts["releases"] += len(self.account.received) - before[1]
        self.counts["answered with an error"] += client.refused

    def end(self):
        process = self.service.process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(30)
        except subprocess.TimeoutExpired:
            self.stop()
            raise Deviation("it does not end on SIGTERM") from None
        # 127 and 1: the loader could not load, which is before the program.
        if status not in DECIDED and status != 127:
            raise Deviation("it ended with %d" % status)
        self.counts["ended with %d" % status] += 1
        # The tracer is nobody's child that could be waited for; the lock says when all are gone.
        time.sleep(0.05)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--calls", default=CALLS)
    options.add_argument("--errors", default="EIO,ENOSPC")
    options.add_argument("--onward", action="store_true",
                         help="the N-th and all that follow fail: the disk is gone, or full")
    options.add_argument("--step", type=int, default=1, help="take each K-th N only")
    options.add_argument("--limit", type=int, default=400, help="the greatest N")
    options.add_argument("--seed", default=secrets.token_hex(4))
    options.add_argument("--go-on", action="store_true", help="collect deviations, in new vaults")
    options = options.parse_args()
    print("strace_faults.py --calls %s --errors %s --step %d --seed %s%s (%s)" % (
        options.calls, options.errors, options.step, options.seed,
        " --onward" if options.onward else "", CALLVAULT), flush=True)
    probe = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True)
    if probe.returncode:
        print("strace may not trace here")
        sys.exit(77)
    build_verifier()
    counts = collections.Counter()
    began = time.monotonic()
    service = session = None
    vaults = 0
    deviations = []
    for call in options.calls.split(","):
        for error in options.errors.split(","):
            dice = random.Random("%s %s %s" % (options.seed, call, error))
            number, idle = 1 + dice.randrange(options.step), 0
            failed = sessions = 0
            while idle < 2 and number <= options.limit:
                if service is None or sessions % 30 == 0:
                    if service:
                        shutil.rmtree(service.folder)
                    service = Victim("vault-%d" % vaults)
                    vaults += 1
                    service.make()
                    service.start()
                    who, account = keepers(service), Account()
                    Client(service, account, who, dice).upload(body=dice.randbytes(1 << 20))
                    service.stop()
                    session = Session(service, account, who, dice, counts)
                when = "%d%s" % (number, "+" if options.onward else "")
                try:
                    injected = session.run(call, error, when)
                    counts["sessions"] += 1
                    counts["calls made to fail"] += injected
                    failed += injected
                    idle = 0 if injected else idle + 1
                    service.timeout = 60
                    service.start()
                    Check(service, account, who, counts, dice).run(everything=False)
                    service.stop()
                except (Deviation, AssertionError, OSError) as deviation:
                    what = "%s %s when=%s: %s" % (call, error, when, deviation)
                    print("FAILED (seed %s) %s\nthe end of its log:\n%s" % (
                        options.seed, what, service.tail(8)), flush=True)
                    deviations.append(what)
                    if service.lives():
                        service.process.kill()
                        service.process.wait()
                    if not options.go_on:
                        print("files: " + service.folder)
                        sys.exit(1)
                    os.rename(service.folder, service.folder + "-failed")
                    service = None
                sessions += 1
                number += options.step
            print("%s %s: N up to %d, %d sessions, %d calls failed, %.0f s" % (
                call, error, number - options.step, sessions, failed, time.monotonic() - began),
                flush=True)
    say("seed %s, %.0f s: %d deviations, %s" % (
        options.seed, time.monotonic() - began, len(deviations),
        ", ".join("%d %s" % (count, what) for what, count in sorted(counts.items()))))
    if deviations:
        sys.exit(1)
    if "callvault-torture." in SCRATCH:
        shutil.rmtree(SCRATCH, ignore_errors=True)


if __name__ == "__main__":
    main()
