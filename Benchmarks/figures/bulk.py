"""A log as large as a large practice's in many years: memory of a full verification, and proofs."""
import json
import os

import measure
from figures.verify import verified
from service import PROGRAM

TITLE = "A large log"


def run(bench, section):
    entries = 1_000_000 // bench.divisor
    folder = bench.disk / "proofs"
    said = json.loads(measure.run(PROGRAM, "proofs", folder, entries).stdout)
    bench.discard(folder)
    section.value(f"proof of one of {entries:,} entries", said["bytes"], "bytes", at_most=2048,
                  note="The largest of 1,000 proof files, checkpoint and signature included.")
    section.compare(
        f"check of a proof in {entries:,} entries, p50", said["check"]["p50_us"], _signature(),
        "openssl speed, one Ed25519 verification", "µs", at_most=3,
        note="From the bytes of the proof file: parsed, its checkpoint's signature checked, its path "
             "followed.")

    entries = 10_000_000 // bench.divisor
    folder = bench.disk / "bulk"
    key = measure.run(PROGRAM, "log", folder, entries).stdout.decode().strip()
    took, peak = verified(folder / "log", key)
    section.value(f"memory of verifying {entries:,} entries", peak / 1e6, "MB", at_most=100,
                  note=f"VmHWM of the verifier, which took {took:.0f} s.")
    bench.discard(folder)


def _signature():
    """µs of one verification, by OpenSSL's own measurement."""
    done = measure.run("openssl", "speed", "-seconds", "1", "ed25519",
                       env={**os.environ, "LC_ALL": "C"})
    line = next(line for line in done.stdout.decode().splitlines() if "Ed25519" in line)
    return 1e6 / float(line.split()[-1])
