#!/usr/bin/env python3
"""Two programs on one data directory: the second is refused, and the first does not notice.

Also while the first starts, also when somebody has deleted whatever looks like a lock, and also for
`init`; and the moment the first is killed the next one may start.

    Tests/Torture/two_processes.py [--rounds N]

CALLVAULT is the program (.build/debug/callvault).
"""
import argparse
import collections
import os
import random
import shutil
import subprocess

from account import Account, Check, ensure
from traffic import Traffic, keepers
from victim import CALLVAULT, SCRATCH, Victim, build_verifier, say


def refused(service, words, code, *sentence):
    result = subprocess.run([CALLVAULT, *words, "--data", service.data], capture_output=True,
                            text=True, timeout=60, env=service.environment(),
                            stdin=subprocess.DEVNULL)
    ensure(result.returncode == code and all(part in result.stderr for part in sentence),
           " ".join(words), result.returncode, result.stdout, result.stderr)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    build_verifier()
    counts = collections.Counter()
    dice = random.Random(8)
    service = Victim("one")
    service.make()
    service.start()
    who, account = keepers(service), Account()
    serve = ["serve", "--keys", service.keys, "--listen", "127.0.0.1:0"]
    for number in range(options.rounds):
        traffic = Traffic(service, account, who, "two %d" % number)
        traffic.start()
        for _ in range(3):
            refused(service, serve, 8, "another process holds", "stop it first")
        refused(service, ["init", "--keys", service.keys], 5, "exists")
        refused(service, ["init", "--keys", service.keys + "-other"], 5, "exists")
        # What has no content and is not in use looks superfluous to somebody who tidies up.
        for name in os.listdir(service.data):
            path = os.path.join(service.data, name)
            if os.path.isfile(path) and os.path.getsize(path) == 0 and "sqlite" not in name:
                os.unlink(path)
        refused(service, serve, 8, "another process holds")
        counts["seconds refused"] += 6
        ensure(service.lives(), "the first one ended")
        if number % 2:
            service.stop()
        else:
            service.kill()
        traffic.join()
        service.start()
        # Two at once on a free directory: one serves, one is refused.
        service.stop()
        rivals = [Victim("one") for _ in range(4)]
        for rival in rivals:
            rival.init = service.init
            rival.spawn()
        serving = [rival for rival in rivals if rival.wait_ready()]
        ensure(len(serving) == 1, "rivals that serve", len(serving))
        for rival in rivals:
            if rival is not serving[0]:
                ensure(rival.process.wait(60) == 8, "a rival's end", rival.process.returncode)
        counts["rivals refused"] += 3
        service = serving[0]
        Check(service, account, who, counts, dice).run(number == options.rounds - 1)
    service.stop()
    say(", ".join("%d %s" % (count, what) for what, count in sorted(counts.items()) if count))


if __name__ == "__main__":
    main()
    if "callvault-torture." in SCRATCH:
        shutil.rmtree(SCRATCH, ignore_errors=True)
