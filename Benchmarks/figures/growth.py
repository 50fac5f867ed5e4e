"""Starting, listing and looking up as calls and entries grow."""
import json
import math
import os
import random
import time
import urllib.parse

import measure
from peers import wrk
from service import PROGRAM, Service, wav

TITLE = "As a vault grows"
MILLISECONDS_BETWEEN_CALLS = 12_000
NEWEST_CALL = 1_767_225_600_000


def run(bench, section):
    levels = [(10_000, 100_000), (100_000, 1_000_000), (1_000_000, 2_000_000)]
    levels = [(calls // bench.divisor, entries // bench.divisor) for calls, entries in levels]
    starts, asked = [], {}
    with Service(bench.disk / "growth") as service:
        (recording,) = service.store(wav(bench.memory / "small", 960_044), service.new_calls(1))
        writing = service.token("service", "recordings:write")
        service.reading  # Its token is made while the service runs.
        for calls, entries in levels:
            service.stop()
            pace = _seed(service, writing, calls, entries)
            section.say(f"seeded to {calls:,} calls and {entries:,} entries ({pace:,.0f} calls/s)")
            clean, killed = _starts(bench, service, recording)
            starts.append((entries, clean, killed))
            if (calls, entries) == levels[1]:
                _start_rows(section, calls, entries, clean, killed)
            asked[calls] = _ask(bench, service, calls)
    bench.discard(bench.disk / "growth")
    section.plot("start", "From spawn to ready", "entries in the log", "seconds")
    section.line("start", "after a clean stop", [(e, clean.median) for e, clean, _ in starts])
    section.line("start", "after SIGKILL under load", [(e, killed.median) for e, _, killed in starts])
    section.line("start", "the limit", [(starts[0][0], 0.5), (starts[-1][0], 0.5)], "the limit")
    _asked_rows(section, asked)


def _seed(service, token, calls, entries):
    """Grows the stopped vault; returns how many calls a second were added.

    Without waiting for the disk (eatmydata), because only what is there afterwards matters.
    """
    done = measure.run(
        "eatmydata", PROGRAM, "seed", service.data, service.facts["origin"], service.facts["tenant"],
        calls, entries, env={**os.environ, "CALLVAULT_TOKEN": token})
    measure.run("sync", "-f", service.data)
    said = json.loads(done.stdout)
    return said["added"] / max(1, said["milliseconds"]) * 1000


# MARK: starting


def _starts(bench, service, recording):
    """Times of starts after clean stops, and after kills under load. Leaves it running."""
    service.start()
    clean, killed = [], []
    for _ in range(bench.rounds):
        service.stop()
        clean.append(service.start())
        # Reads since the start, so that there is something to recover.
        wrk.rate(service.url, [f"/v1/recordings/{recording}/audio"],
                 {**service.reading, "Range": "bytes=0-1023"}, 16, 2, bench.memory)
        service.kill()
        killed.append(service.start())
    return measure.Sample(clean), measure.Sample(killed)


def _start_rows(section, calls, entries, clean, killed):
    there = f"{entries:,} entries and {calls:,} calls"
    section.value(f"start with {there}, after a clean stop", clean, "s", at_most=0.5,
                  note="From spawn until the service says that it is ready; the files are in the page cache.")
    section.value(f"start with {there}, after SIGKILL", killed, "s", at_most=0.5,
                  note="Killed after two seconds of reads by 16 clients.")


# MARK: asking


def _ask(bench, service, calls):
    """(p50, p99) in ms of each kind of question, asked one after the other over one connection."""
    connection = service.connection()
    chance = random.Random(calls)

    def ask(path, fields=service.reading):
        start = time.monotonic()
        connection.request("GET", path, headers=fields)
        answer = connection.getresponse()
        body = answer.read()
        took = (time.monotonic() - start) * 1e3
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: HTTP {answer.status} {body[:200]!r}")
        return took, json.loads(body)

    def page(**query):
        return "/v1/calls?" + urllib.parse.urlencode({"limit": 50, **query})

    def moment(milliseconds):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(milliseconds // 1000))

    def anywhere():
        return NEWEST_CALL - chance.randrange(calls) * MILLISECONDS_BETWEEN_CALLS

    places = [ask(page(to=moment(anywhere())))[1] for _ in range(100)]
    known = [call["call"] for place in places for call in place["calls"]]
    cursors = [place["next"] for place in places if place.get("next")]
    authorization = {"Authorization": service.reading["Authorization"]}

    def within_ten_minutes():
        begins = anywhere()
        return {"from": moment(begins), "to": moment(begins + 600_000)}

    questions = {
        "newest 50": lambda: ask(page()),
        "newest 50, without details": lambda: ask(page(), authorization),
        "a page from the middle": lambda: ask(page(cursor=chance.choice(cursors))),
        "within ten minutes": lambda: ask(page(**within_ten_minutes())),
        "by a patient's number": lambda: ask(page(party=f"+1202{2_000_000 + chance.randrange(calls // 20)}")),
        "one call by id": lambda: ask(f"/v1/calls/{chance.choice(known)}"),
    }
    # In turns: what a second of pages leaves the log to publish must not fall on the question after it.
    taken = {name: [] for name in questions}
    for _ in range(1000 if bench.divisor == 1 else 100):
        for name, question in questions.items():
            taken[name].append(question()[0])
    connection.close()
    return {name: (measure.percentile(times, 0.5), measure.percentile(times, 0.99))
            for name, times in taken.items()}


def _asked_rows(section, asked):
    sizes = sorted(asked)
    limit = math.log(sizes[-1]) / math.log(sizes[0])
    for name in asked[sizes[0]]:
        p50, p99 = ([asked[size][name][which] for size in sizes] for which in (0, 1))
        section.compare(
            f"{name}: p99 at {sizes[-1]:,} calls", p99[-1], p99[0], f"at {sizes[0]:,} calls", "ms",
            at_most=round(limit, 2),
            note="p99 " + ", ".join(f"{value:.1f}" for value in p99) + " ms and p50 "
                 + ", ".join(f"{value:.1f}" for value in p50) + " ms at "
                 + ", ".join(f"{size:,}" for size in sizes)
                 + f" calls (p50 {p50[-1] / p50[0]:.2f}×); {limit:.2f}× is the growth of a logarithm.")
    for plot, which, title in (("listing", 0, "median"), ("listing-p99", 1, "p99")):
        section.plot(plot, f"Listing and looking up over TLS, {title}", "calls in the vault", "ms")
        for name in asked[sizes[0]]:
            section.line(plot, name, [(size, asked[size][name][which]) for size in sizes])
