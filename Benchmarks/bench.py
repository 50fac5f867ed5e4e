#!/usr/bin/env python3
"""Figures of the release build, each beside its peer in the same run.

usage: bench.py [--quick] [--long] [--check] [--results DIR] [--limit MINUTES] [FIGURE…]

`make bench` calls it with everything it needs installed. Without a FIGURE it takes all of them, at
full size, and writes Benchmarks/results/: latest.json, latest.md and one SVG for each picture, saved
after every figure. A run of some figures, or a quick one, writes .build/bench/results/ unless
--results says otherwise; what it does not take stays in the files as it was.

Exit code: 0 measured, 1 a figure could not be measured, or with --check a target was missed.
"""
import argparse
import importlib
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

import machine
import measure
import results
from service import ROOT

# Each name is a script in figures/; the words are other names for it.
FIGURES = {
    "sealing": ["seal", "open", "put"],
    "transfer": ["download", "upload"],
    "requests": ["range"],
    "log": ["latency"],
    "commits": ["postgresql", "sqlite"],
    "verify": [],
    "bulk": ["proof"],
    "rewrap": ["keys"],
    "purge": ["plan", "retention"],
    "memory": [],
    "backup": ["restic", "scrub"],
    "growth": ["start", "list", "lookup"],
    "sip": ["redirect"],
    "failover": ["faults"],
}


class Bench:
    """Where a figure works, and how large."""

    def __init__(self, quick, disk, memory, is_long):
        self.is_long = is_long
        self.divisor = 10 if quick else 1
        self.rounds = 1 if quick else 3
        # Everything is compared bit for bit once, and that takes as long as the figure.
        self.is_careful = quick
        self.disk = pathlib.Path(disk)
        self.memory = pathlib.Path(memory)

    @staticmethod
    def discard(folder):
        shutil.rmtree(folder)


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def chosen(words):
    for word in words:
        name = next((name for name, others in FIGURES.items() if word in (name, *others)), None)
        if name is None:
            names = ", ".join(" = ".join((name, *others)) for name, others in FIGURES.items())
            sys.exit(f"bench: there is no figure {word}; there are {names}")
        yield name


def main():
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("figures", nargs="*", metavar="FIGURE")
    options.add_argument("--quick", action="store_true", help="a tenth of the sizes, one round")
    options.add_argument("--long", action="store_true", help="what must be watched for minutes: sip")
    options.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    options.add_argument("--results", type=pathlib.Path, help="where to write")
    options.add_argument("--limit", type=float, default=60, help="minutes for everything (60)")
    wanted = options.parse_args()
    names = list(dict.fromkeys(chosen(wanted.figures))) or list(FIGURES)
    whole = not wanted.quick and len(names) == len(FIGURES)
    folder = wanted.results or (
        ROOT / "Benchmarks/results" if whole else ROOT / ".build/bench/results")
    # So that servers end and folders go also when the run is told to stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    measure.begin(wanted.limit * 60)
    (ROOT / ".build/bench").mkdir(parents=True, exist_ok=True)
    check_space(10 if wanted.quick else 1)
    # The disk is the one that holds the build: a temporary folder may lie in memory.
    with workplace(ROOT / ".build/bench") as disk, workplace(pathlib.Path("/dev/shm")) as memory:
        facts = machine.facts(ROOT, disk, memory)
        if facts["busy_at_start"] > 5:
            say(f"others use {facts['busy_at_start']} % of this machine: figures suffer")
        failed = take(names, wanted.quick, disk, memory, facts, results.Results(folder),
                      wanted.long)
    say(f"written to {folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder}")
    missed = results.Results(folder).missed(names)
    for figure in missed:
        say(f"target missed: {figure}")
    sys.exit(1 if failed or (wanted.check and missed) else 0)


def check_space(divisor):
    """Ends the run before it begins where it would end in the middle."""
    for folder, gigabytes in ((ROOT / ".build/bench", 14), (pathlib.Path("/dev/shm"), 6)):
        free = shutil.disk_usage(folder).free / 1e9
        if free < gigabytes / divisor:
            sys.exit(f"bench: {folder} has {free:.1f} GB free and {gigabytes / divisor:.1f} are needed")


def workplace(parent):
    """A folder that goes when the run ends; those of runs that were killed go first."""
    for left in parent.glob("callvault-bench-*"):
        if not pathlib.Path("/proc", left.name.split("-")[2]).exists():
            shutil.rmtree(left)
    return tempfile.TemporaryDirectory(dir=parent, prefix=f"callvault-bench-{os.getpid()}-")


def take(names, quick, disk, memory, facts, saved, is_long):
    """Takes the figures one after the other; returns the names of those that failed."""
    failed = []
    for name in names:
        figure = importlib.import_module(f"figures.{name}")
        start = time.monotonic()
        say(f"{figure.TITLE} …")
        # Each has folders of its own, so what one leaves behind when it fails is in nobody's way.
        places = [pathlib.Path(place) / name for place in (disk, memory)]
        for place in places:
            place.mkdir()
        section = results.section(name, figure.TITLE, say, facts, quick, machine.busy())
        try:
            figure.run(Bench(quick, *places, is_long), section)
        except Exception as error:
            # What it found before stays.
            section.failed(_reason(error))
            failed.append(name)
        saved.put(section, facts)
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
        say(f"{figure.TITLE}: {time.monotonic() - start:.0f} s")
    # Late, so that a missing plotting library does not cost the figures.
    import plot
    plot.draw(saved.file)
    return failed


def _reason(error):
    """What went wrong, without the places of this machine."""
    return f"{type(error).__name__}: {error}".replace(str(ROOT), ".").replace("\n", " ")[:300]


if __name__ == "__main__":
    main()
