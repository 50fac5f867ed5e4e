#!/usr/bin/env python3
"""A clock that is set forward and back by hours and years, while the program runs and in between.

faketime moves what the program takes for the time of day and leaves the time since boot alone. The log
must verify and say that the clock stepped; what has expired stays expired; nothing stored goes away;
and nothing that runs is hurried or held up.

    Tests/Torture/clock_steps.py [--hops N] [--seed S]

CALLVAULT is the program (.build/debug/callvault). Needs Debian's faketime.
"""
import argparse
import collections
import email.utils
import glob
import os
import random
import secrets
import shutil
import sys
import threading
import time

from account import Account, Check, ensure, entries_of
from traffic import Client, keepers
from victim import CALLVAULT, SCRATCH, Victim, build_verifier, say

HOUR, DAY, YEAR = 3600, 86400, 365 * 86400


class Dated(Victim):
    """A victim whose time of day is `offset` seconds from the machine's."""

    def __init__(self, name, library):
        super().__init__(name)
        self.library = library
        self.file = os.path.join(self.folder, "offset")
        self.set(0)

    def set(self, offset):
        self.offset = offset
        with open(self.file + ".new", "w") as file:
            file.write("%+d\n" % offset)
        os.rename(self.file + ".new", self.file)

    def spawn(self, prefix=()):
        # The second `env` runs under faketime already, whose own variables Swift would not find the
        # program's arguments behind if they came up in the program itself.
        super().spawn(["env", "LD_PRELOAD=" + self.library, "FAKETIME_DONT_FAKE_MONOTONIC=1",
                       "FAKETIME_TIMESTAMP_FILE=" + self.file, "FAKETIME_CACHE_DURATION=1", "env",
                       *prefix])

    def start(self):
        self.spawn()
        ensure(self.wait_ready(), "a start", self.tail())

    def hop(self, offset):
        """Returns when the running program has seen the new time."""
        self.set(offset)
        deadline = time.monotonic() + 60
        while True:
            _, fields, _ = self.request("GET", "/v1/health/live")
            told = email.utils.parsedate_to_datetime(fields["Date"]).timestamp()
            if abs(told - time.time() - offset) < 10:
                return
            ensure(time.monotonic() < deadline, "the program does not see the new time", told)
            time.sleep(0.05)

    def admits(self, token):
        status, _, _ = self.request("GET", "/v1/calls?limit=1", token=token)
        ensure(status in (200, 401), "a token", status)
        return status == 200


def work(service, account, who, dice):
    client = Client(service, account, who, dice)
    for _ in range(3):
        ensure(client.upload() and client.text("note") and client.read(), "work at %+d s"
               % service.offset)
    client.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hops", type=int, default=60, help="hops under traffic")
    parser.add_argument("--seed", default=secrets.token_hex(4))
    options = parser.parse_args()
    library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not library:
        print("faketime is not installed")
        sys.exit(77)
    print("clock_steps.py --hops %d --seed %s (%s)" % (options.hops, options.seed, CALLVAULT),
          flush=True)
    build_verifier()
    counts = collections.Counter()
    dice = random.Random(options.seed)
    service = Dated("dated", library[0])
    service.make()
    service.start()
    who, account = keepers(service), Account()
    work(service, account, who, dice)
    short = service.command("token", "create", "--name", "short", "--role", "clinician", "--ttl",
                            "1h")["token"]
    ensure(service.admits(short), "a fresh token is refused")

    def expired(when):
        ensure(not service.admits(short), "an expired token is admitted " + when)
        counts["expired tokens refused"] += 1

    service.hop(2 * HOUR)
    expired("at its end")
    for offset in (0, -HOUR, -400 * DAY, -20 * YEAR):
        service.hop(offset)
        expired("after the clock was set to %+d s" % offset)
        # Those that have not expired go on working: time goes on from the latest that was told.
        work(service, account, who, dice)
        counts["hops"] += 1
    for end in (service.stop, service.kill):
        end()
        service.start()
        expired("after another start, with the clock still back")
    Check(service, account, who, counts, dice).run()

    service.hop(3 * YEAR)
    ensure(not service.admits(who["clinician"]), "a token lives for years")
    who = keepers(service)
    work(service, account, who, dice)
    service.stop()
    service.start()
    work(service, account, who, dice)
    Check(service, account, who, counts, dice).run()
    service.stop()
    service.set(0)
    service.start()
    expired("after years forward and back")
    work(service, account, who, dice)
    counts["hops"] += 2

    # Hops while everything runs.
    for number in range(options.hops):
        # Eight hours is all that a token has, and hops add up to more.
        who = keepers(service)
        stopping = threading.Event()
        failures = []

        def run(kind, dice):
            client = Client(service, account, who, dice)
            try:
                while not stopping.is_set():
                    ensure(getattr(client, kind)(), kind)
            except Exception as error:  # Told below.
                failures.append("%s: %r" % (kind, error))
            client.close()
        threads = [threading.Thread(target=run, args=(kind, random.Random(
            "%s %d %d" % (options.seed, number, place))))
            for place, kind in enumerate(["upload", "upload", "read", "read"])]
        for thread in threads:
            thread.start()
        service.hop(dice.choice([-1, 1]) * dice.choice([2, 30, HOUR]) + service.offset % DAY)
        stopping.set()
        for thread in threads:
            thread.join()
        ensure(not failures, failures)
        counts["hops under traffic"] += 1
        if number % 10 == 9:
            service.kill()
            service.start()
        expired("under traffic")
    service.hop(0)
    # So far forward as the latest hop went, older tokens may have ended.
    who = keepers(service)
    Check(service, account, who, counts, dice).run()

    copy = os.path.join(SCRATCH, "copy")
    service.command("audit", "export", copy, token=who["auditor"])
    states, before = collections.Counter(), 0
    for _, entry in entries_of(copy):
        states[entry["clock"]] += 1
        ensure(entry["time"] >= before or entry["clock"] == "synced", "a time before the last",
               entry, before)
        before = max(before, entry["time"])
    ensure(states["stepped"] > counts["hops"], "no entry says that the clock stepped", states)
    service.stop()
    say("seed %s: %s; entries %s" % (options.seed, ", ".join(
        "%d %s" % (count, what) for what, count in sorted(counts.items()) if count),
        ", ".join("%d %s" % (count, state) for state, count in sorted(states.items()))))


if __name__ == "__main__":
    main()
    if "callvault-torture." in SCRATCH:
        shutil.rmtree(SCRATCH, ignore_errors=True)
