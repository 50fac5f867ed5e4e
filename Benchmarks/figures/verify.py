"""Verifying a whole log, beside a verifier made of Debian's Go packages."""
import os
import select
import subprocess
import time

import measure
from service import CALLVAULT, PROGRAM, ROOT, status_bytes

TITLE = "Verifying the log"
NOT_ANCHORED = 10


def run(bench, section):
    folder = bench.memory / "verify"
    folder.mkdir()
    measure.run("go", "build", "-o", folder / "verify-go", ROOT / "Tests/Outside/gotlog/verify.go",
                env={**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode",
                     "GOPROXY": "off", "GOCACHE": str(folder / "cache")})
    curves = {"CallVault": [], "verify.go": []}
    largest = 2_000_000 // bench.divisor
    for entries in [1000, 10_000, 100_000, 500_000, 2_000_000]:
        entries //= bench.divisor
        log = folder / "log"
        key = measure.run(PROGRAM, "log", log, entries).stdout.decode().strip()
        peaks = []

        def ours():
            took, peak = verified(log / "log", key)
            peaks.append(peak)
            return took

        taken = measure.in_turns(bench.rounds, ours=ours, theirs=lambda: measure.seconds(
            folder / "verify-go", key, log / "log"))
        for label, sample in zip(curves, taken.values()):
            curves[label].append((entries, sample.median))
        if entries == largest:
            section.compare(
                f"full verify of {entries:,} entries", taken["ours"].map(lambda took: entries / took),
                taken["theirs"].map(lambda took: entries / took), "verify.go", "entries a second",
                at_least=1.5,
                note="Ours also checks idx, prev and the canonical form of each entry.")
            section.value(f"memory of verifying {entries:,} entries", max(peaks) / 1e6, "MB")
            hashed = measure.in_turns(bench.rounds, ours=ours, sums=lambda: _hashed(log / "log"))
            section.compare(
                f"full verify of {entries:,} entries",
                hashed["ours"].map(lambda took: entries / took),
                hashed["sums"].map(lambda took: entries / took), "sha256sum of the same files",
                "entries a second",
                note="sha256sum reads every byte once; a verification hashes each entry, each tile and "
                     "each node above, and parses what it hashes.")
        bench.discard(log)
    section.plot("verify", "A full verification", "entries", "seconds")
    for label, points in curves.items():
        section.line("verify", label, points,
                     beside=None if label == "CallVault" else "CallVault")


def _hashed(log):
    """Seconds that sha256sum takes for every file of the log, in one process."""
    files = b"\0".join(str(file).encode() for file in log.rglob("*") if file.is_file())
    return measure.seconds("xargs", "-0", "-n", "1000000", "sha256sum", input=files)


def verified(log, key):
    """Seconds, and the most memory resident, of one verification."""
    start = time.monotonic()
    process = subprocess.Popen([str(CALLVAULT), "audit", "verify", str(log), "--key", key],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    ended = os.pidfd_open(process.pid)
    peak, ends = 0, start + measure.remaining()
    try:
        while not select.select([ended], [], [], 0.02)[0]:
            if time.monotonic() > ends:
                raise TimeoutError("a verification did not end")
            peak = max(peak, status_bytes(process.pid, "VmHWM"))
        took = time.monotonic() - start
    finally:
        os.close(ended)
        if process.poll() is None:
            process.kill()
        process.wait()
    if process.returncode not in (0, NOT_ANCHORED):
        raise RuntimeError(f"verify ended with {process.returncode}: {process.stderr.read()[-300:]}")
    return took, peak
