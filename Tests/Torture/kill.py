#!/usr/bin/env python3
"""P5 and P2 under SIGKILL: the program is killed at random moments of full traffic, over and over.

After each kill: the log as the dead program left it is judged by both verifiers; the program is
started again (sometimes killed within its start, too) and everything it ever acknowledged is held
against what it has. SIGKILL spares the kernel's pages, so what is shown is the order of steps; that
each step is on the disk is what the fault tests show.

    Tests/Torture/kill.py [--kills N] [--seed S] [--vault N]

CALLVAULT is the program (.build/debug/callvault). A failure prints the seed, and keeps the files.
"""
import argparse
import collections
import os
import random
import secrets
import shutil
import sys
import time

from account import Account, Check, Deviation, judge
from traffic import Client, Traffic, keepers
from victim import CALLVAULT, SCRATCH, Victim, build_verifier, say


def new_vault(number):
    service = Victim("vault-%d" % number)
    service.make(drop=True)
    service.start()
    who = keepers(service)
    account = Account()
    return service, account, who


def one_kill(service, account, who, dice, counts, seed, everything):
    """The program runs before and after."""
    traffic = Traffic(service, account, who, seed)
    traffic.start()
    time.sleep(dice.choice([0.02, 0.2, 0.5, 1.0, 1.5]) * (0.5 + dice.random()))
    service.kill()
    traffic.join()
    counts["kills"] += 1
    if os.path.exists(os.path.join(service.data, "log", "checkpoint")):
        judge(os.path.join(service.data, "log"), service.init["verifier_key"], account.kept)
        counts["logs judged as left"] += 1
    while dice.random() < 0.25:
        service.spawn()
        time.sleep(dice.random() * 0.5)
        service.kill()
        os.close(service.ready)
        counts["kills within a start"] += 1
    service.start()
    Check(service, account, who, counts, dice).run(everything)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--kills", type=int, default=1000)
    options.add_argument("--vault", type=int, default=12, help="kills before a new vault")
    options.add_argument("--seed", default=secrets.token_hex(4))
    options = options.parse_args()
    print("kill.py --kills %d --seed %s (%s)" % (options.kills, options.seed, CALLVAULT), flush=True)
    build_verifier()
    dice = random.Random(options.seed)
    counts = collections.Counter()
    began = time.monotonic()
    service = None
    try:
        while counts["kills"] < options.kills:
            turn = counts["kills"] % options.vault
            if turn == 0:
                if service:
                    service.stop()
                    shutil.rmtree(service.folder)
                service, account, who = new_vault(counts["kills"] // options.vault)
                # Something long, which slow readers are in the middle of.
                Client(service, account, who, dice).upload(body=dice.randbytes(16 << 20))
            before = account.acknowledged(), len(account.received)
            last = turn == options.vault - 1 or counts["kills"] == options.kills - 1
            one_kill(service, account, who, dice, counts, "%s %d" % (options.seed, counts["kills"]),
                     everything=last)
            counts["acknowledged"] += account.acknowledged() - before[0]
            counts["releases"] += len(account.received) - before[1]
            if counts["kills"] % 50 == 0:
                print("%s kills, %.0f s" % (counts["kills"], time.monotonic() - began), flush=True)
        service.stop()
    except BaseException as error:
        print("FAILED at kill %d of seed %s: %s" % (counts["kills"], options.seed, error))
        print("files: %s\nthe end of its log:\n%s" % (SCRATCH, service.tail() if service else ""))
        if service and service.lives():
            service.process.kill()
            service.process.wait()
        if isinstance(error, Deviation):
            sys.exit(1)
        raise
    say("seed %s, %.0f s: %s" % (options.seed, time.monotonic() - began, ", ".join(
        "%d %s" % (count, what) for what, count in counts.items())))


if __name__ == "__main__":
    main()
    if "callvault-torture." in SCRATCH:
        shutil.rmtree(SCRATCH, ignore_errors=True)
