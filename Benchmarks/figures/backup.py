"""A backup of ten thousand recordings beside restic's of the same bytes, and a scrub."""
import concurrent.futures
import json
import os

import measure
from peers import sealers
from service import CALLVAULT, Service, wav

TITLE = "Backup and scrub"
RECORDING = 96_044


def run(bench, section):
    count = 10_000 // bench.divisor
    with Service(bench.disk / "backup") as service:
        _fill(bench, service, count, RECORDING)
        places = iter(range(1000))

        def ours():
            folder = bench.disk / f"backup-{next(places)}"
            folder.mkdir()
            took = measure.seconds(CALLVAULT, "backup", folder, "--data", service.data)
            bench.discard(folder)
            return took

        def restic():
            folder = bench.disk / f"restic-{next(places)}"
            environment = {**os.environ, "RESTIC_PASSWORD": "bench", "RESTIC_REPOSITORY": str(folder)}
            measure.run("restic", "init", env=environment)
            took = measure.seconds(
                "restic", "backup", "--no-cache", "--quiet", service.data / "objects", env=environment)
            bench.discard(folder)
            return took

        taken = measure.in_turns(bench.rounds, ours=ours, restic=restic)
        section.compare(
            f"first backup of {count:,} recordings ({count * RECORDING / 1e6:,.0f} MB)",
            taken["ours"].map(lambda s: count / s), taken["restic"].map(lambda s: count / s), "restic",
            "recordings/s", at_least=1,
            note="Beside the running service, disk to the same disk, with the catalog and the log; restic "
                 "backs up the objects alone. Both have everything on disk when they end.")
        folder = bench.disk / "again"
        folder.mkdir()
        measure.run(CALLVAULT, "backup", folder, "--data", service.data)
        again = measure.Sample([
            measure.seconds(CALLVAULT, "backup", folder, "--data", service.data)
            for _ in range(bench.rounds)])
        section.value(f"backup again of {count:,} recordings, none new", again, "s")
        bench.discard(folder)
    bench.discard(bench.disk / "backup")
    _scrub(bench, section)


def _scrub(bench, section):
    size, count = 16 << 20, max(4, 64 // bench.divisor)
    with Service(bench.disk / "scrub") as service:
        _fill(bench, service, count, size)

        def scrub():
            done = measure.run(CALLVAULT, "scrub", "--now", "--data", service.data, "--json")
            facts = json.loads(done.stdout)
            assert facts["examined"] == count and not facts["damaged"], facts
            return facts["examined_bytes"] / 1e6 / (facts["took_milliseconds"] / 1000)

        taken = measure.in_turns(
            bench.rounds, scrub=scrub, opening=lambda: _opening(bench, size * count))
        section.compare(
            f"scrub, every segment opened, {count} recordings of {size >> 20} MiB", taken["scrub"],
            taken["opening"], "open by the envelope alone", "MB/s", at_least=0.8,
            note="In the service, from the page cache, with its entries; beside it one thread that opens "
                 "one file from memory to memory.")
    bench.discard(bench.disk / "scrub")


def _fill(bench, service, count, length):
    file = wav(bench.memory / "recording", length)
    lanes = 4
    with concurrent.futures.ThreadPoolExecutor(lanes) as pool:
        service.writing  # Its token is made once.
        calls = service.new_calls(count)
        for done in [pool.submit(service.store, file, calls[lane::lanes]) for lane in range(lanes)]:
            done.result()


def _opening(bench, size):
    """MB/s of opening one file by the envelope's own functions."""
    plain, sealed, opened = (bench.memory / name for name in ("plain", "sealed", "opened"))
    wav(plain, size)
    program = sealers.ours()
    program.seal(plain, sealed)
    plain.unlink()
    took = program.open(sealed, opened)
    sealed.unlink()
    opened.unlink()
    return size / 1e6 / took
