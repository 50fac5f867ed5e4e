"""How soon calls go another way when something half works, beside Kamailio, HAProxy and keepalived in the same outages."""
import json
import os
import pathlib
import sys

import measure
from service import PROGRAM, ROOT

# Behind the bench's own folders: one of them is called peers, too.
sys.path.append(str(ROOT / "Tests/Outside"))
from sip import peers

TITLE = "Failover: faults that leave something alive"
# What they have no words for.
CANNOT = {"Kamailio": "what an engine answers, a registration kept by somebody else"}


def run(bench, section):
    missing = peers.lacks("kamailio", "haproxy", "keepalived", "iptables", "unshare")
    if missing:
        raise RuntimeError(f"{missing} is not installed")
    if os.geteuid() != 0:
        raise RuntimeError("keepalived runs its scripts for root alone")
    rounds = 20 if bench.divisor == 1 else 2
    said = json.loads(measure.run(
        "unshare", "--net", "--mount", sys.executable, ROOT / "Benchmarks/peers/failover_faults.py",
        pathlib.Path(PROGRAM).with_name("callvault"), bench.disk, rounds, stderr=None).stdout)
    for fault, taken in said["faults"].items():
        detected, switched = measure.Sample(taken["detected"]), measure.Sample(taken["switched"])
        section.value(f"calls go another way after {fault}", switched, "s", at_most=1,
                      note=f"Worst of {rounds}: {max(taken['switched']):.2f} s; the ceiling is 10 s.")
        for name, times in taken["peers"].items():
            seen = [time for time in times if time is not None]
            if not seen:
                section.value(f"{fault}: {name} noticed in none of {rounds}", detected, "s")
                continue
            missed = "" if len(seen) == rounds else f" (seen {len(seen)} of {rounds} times in 8 s)"
            section.compare(
                f"known after {fault}", detected, measure.Sample(seen), name + missed, "s",
                at_most=1 / 3 if name == "Kamailio, threshold 3" and fault.startswith("SIP") else None)
    section.value(
        "kinds of outage that were seen, of ten", len(said["faults"]), "kinds",
        note="; ".join(f"{name} cannot express {what}" for name, what in CANNOT.items()) + ". keepalived has no check of any of "
        "these itself: it runs a script once a second, its minimum. Its own checkers need the kernel's IPVS.")
