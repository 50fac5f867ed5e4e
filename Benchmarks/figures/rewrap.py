"""Keys wrapped again by a rotation, beside the same in plain C."""
import itertools
import json
import os
import subprocess

import measure
from peers.sealers import HERE
from service import PROGRAM

TITLE = "Wrapping keys again"


def run(bench, section):
    keys, stored = 400_000 // bench.divisor, 20_000 // bench.divisor
    yardstick = bench.memory / "rewrap"
    measure.run("cc", "-O2", "-o", yardstick, HERE / "rewrap.c", "-lcrypto")
    turn = itertools.count()

    def ours(stored):
        folder = bench.memory / f"keys-{next(turn)}"
        command = [str(word) for word in (PROGRAM, "rewrap", folder, keys, stored)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            said = json.load(process.stdout)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"the bench ended with {process.returncode}")
        bench.discard(folder)
        return {**said, "peak": usage.ru_maxrss * 1024}

    taken = measure.in_turns(
        bench.rounds, ours=lambda: ours(stored),
        c=lambda: float(measure.run(yardstick, keys).stdout))
    section.compare(
        "keys wrapped again, in memory", taken["ours"].map(lambda said: said["in_memory"]),
        taken["c"], "rewrap.c", "a second", at_least=0.5,
        note="One thread, batches of 2 048, the digest of each batch held against its entry's; "
             "rewrap.c decrypts and encrypts the same records with OpenSSL and nothing else.")
    section.compare(
        "keys wrapped again, with log and catalog in memory",
        taken["ours"].map(lambda said: said["stored"]), taken["c"], "rewrap.c", "a second",
        note="What a rotation takes: read by the epoch's index, one durable entry and one transaction a "
             "batch. Most of it is SQLite's: two tables, and the index by epoch, in which each row moves.")
    few = measure.Sample([ours(stored // 4)["peak"] / 1e6 for _ in range(bench.rounds)])
    many = taken["ours"].map(lambda said: said["peak"] / 1e6)
    section.compare(
        f"peak memory, {stored} keys stored", many, few, f"{stored // 4} keys stored", "MB",
        note="Both hold the same 95 bytes of each key of the first figure.")
