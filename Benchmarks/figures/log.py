"""What the log adds to a request: from an entry to its receipt."""
import itertools
import json

import measure
from peers import disk
from service import PROGRAM

TITLE = "The log"
MICROSECONDS_BETWEEN_READS = 4000


def run(bench, section):
    seconds = 4 if bench.divisor == 1 else 1
    turn = itertools.count()

    def log(callers, *pace):
        # It stays until the end: for a minute after thousands of files went, some file systems make new ones slowly.
        folder = bench.disk / f"log-{next(turn)}"
        done = measure.run(PROGRAM, "log-latency", folder, callers, seconds * 1000, *pace)
        return json.loads(done.stdout)

    taken = measure.in_turns(bench.rounds + 2, log=lambda: log(16),
                             paced=lambda: log(16, MICROSECONDS_BETWEEN_READS),
                             crowd=lambda: disk.fdatasync(bench.disk, seconds, 16,
                                                          MICROSECONDS_BETWEEN_READS),
                             disk=lambda: disk.fdatasync(bench.disk, seconds))
    of_disk = taken["disk"].map(lambda said: said["p99_us"] / 1e3)
    paced = taken["paced"].map(lambda said: said["p99_us"] / 1e3)
    section.compare(
        "intent to receipt at 16 clients, p99", paced, of_disk, "fdatasync p99, one writer", "ms",
        at_most=3,
        note="16 callers who each read every 4 ms, about the pace at which the service serves 16 "
             "clients: 4,000 reads and 8,000 entries a second. An entry waits for the append under "
             "way and then for its own.")
    section.compare(
        "intent to receipt at 16 clients, p99", paced,
        taken["crowd"].map(lambda said: said["p99_us"] / 1e3), "fdatasync p99, 16 writers", "ms",
        note="16 threads that append 4 KiB to one file and call fdatasync, each every 4 ms.")
    section.compare(
        "intent to receipt, 16 callers without a pause, p99",
        taken["log"].map(lambda said: said["p99_us"] / 1e3), of_disk, "fdatasync p99, one writer", "ms",
        note="They ask for more than there is, so this is mostly waiting for each other.")
    section.compare(
        "entries, 16 callers", taken["log"].map(lambda said: said["per_second"]),
        taken["disk"].map(lambda said: said["per_second"]), "fdatasync of 4 KiB appends", "a second")

    counts = [1, 4, 16, 64, 256]
    said = [(callers, log(callers)) for callers in counts]
    probe = disk.fdatasync(bench.disk, seconds)
    section.plot("log-rate", "Entries made durable", "callers at once", "entries a second")
    section.line("log-rate", "log", [(c, s["per_second"]) for c, s in said])
    section.line("log-rate", "fdatasync, one writer", [(c, probe["per_second"]) for c in counts],
                 "log")
    section.plot("log-latency", "From an entry to its receipt", "callers at once", "ms")
    for field, label in (("p50_us", "p50"), ("p99_us", "p99")):
        section.line("log-latency", f"log, {label}", [(c, s[field] / 1e3) for c, s in said])
        section.line("log-latency", f"fdatasync, {label}", [(c, probe[field] / 1e3) for c in counts],
                     f"log, {label}")
