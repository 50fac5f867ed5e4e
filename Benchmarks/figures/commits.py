"""Entries made durable, beside single-row commits of PostgreSQL and SQLite on the same disk."""
import itertools
import json

import measure
from peers.commits import PostgreSQL, SQLite
from service import PROGRAM

TITLE = "The log beside databases"


def run(bench, section):
    seconds = 4 if bench.divisor == 1 else 1
    turn = itertools.count()

    def log(callers):
        folder = bench.disk / f"log-{next(turn)}"
        done = measure.run(PROGRAM, "log-appends", folder, callers, seconds * 1000)
        bench.discard(folder)
        return json.loads(done.stdout)

    sqlite = SQLite(bench.disk)
    curves = {"log": [], "PostgreSQL": [], "SQLite": []}
    with PostgreSQL(bench.disk) as postgresql:
        for callers in (1, 16, 256):
            taken = measure.in_turns(
                bench.rounds, log=lambda: log(callers),
                PostgreSQL=lambda: postgresql.commits(callers, seconds),
                SQLite=lambda: sqlite.commits(callers, seconds))
            note = (
                "An entry is durable and covered by a signed head when its caller goes on, who then "
                "records the next. Peers: one row of 600 bytes a commit; pgbench with prepared "
                "statements, synchronous_commit and fsync on; SQLite in WAL mode with synchronous=FULL behind one lock."
                if callers == 1 else "")
            rates = {name: sample.map(lambda said: said["per_second"])
                     for name, sample in taken.items()}
            ends = {name: sample.map(lambda said: said["p99_us"] / 1e3)
                    for name, sample in taken.items()}
            for peer in ("PostgreSQL", "SQLite"):
                section.compare(
                    f"appends, {callers} callers", rates["log"], rates[peer], f"{peer} commits",
                    "a second", at_least=5 if (peer, callers) == ("PostgreSQL", 256) else None,
                    note=note)
                note = ""
            for peer in ("PostgreSQL", "SQLite"):
                section.compare(
                    f"added latency, {callers} callers, p99", ends["log"], ends[peer],
                    f"{peer} commit p99", "ms")
            for name, rate in rates.items():
                curves[name].append((callers, rate.median))
    section.plot("commits", "Made durable, a caller waiting for each", "callers at once", "a second")
    for name, points in curves.items():
        section.line("commits", name, points, beside=None if name == "log" else "log")
