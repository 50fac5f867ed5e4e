"""How soon a lost trunk is known, beside Kamailio and HAProxy; and redirects a second, beside Kamailio."""
import json
import os
import pathlib
import re
import subprocess
import sys

import measure
from service import PROGRAM, ROOT

# Behind the bench's own folders: one of them is called peers, too.
sys.path.append(str(ROOT / "Tests/Outside"))
from sip import peers

TITLE = "SIP: detection and redirects"
WORKER = pathlib.Path(PROGRAM).with_name("sip-worker")
PEERS = ROOT / "Benchmarks/peers"


def run(bench, section):
    missing = peers.lacks("kamailio", "haproxy", "iptables", "unshare")
    if missing:
        raise RuntimeError(f"{missing} is not installed")
    _redirects(bench, section)
    _detection(bench, section)


def _redirects(bench, section):
    flood = bench.disk / "sip_flood"
    measure.run("gcc", "-O2", "-o", flood, PEERS / "sip_flood.c")
    seconds = 5 if bench.divisor == 1 else 1
    cores = sorted(os.sched_getaffinity(0))

    def rate(port):
        answers, took, _ = measure.run(
            "taskset", "-c", cores[0], flood, port, seconds, 256).stdout.split()
        return int(answers) / float(took)

    with peers.Worker(
            "/usr/bin/taskset", "-c", cores[-1], WORKER, "redirect", "--udp", "127.0.0.1:0", "--source",
            "127.0.0.1", "--contact", "sip:desk@127.0.0.1:7071", "--contact", "sip:desk@127.0.0.1:7072",
            "--safe", "sip:safe@127.0.0.1") as ours:
        port = int(ours.line().rsplit(":", 1)[1])
        theirs = peers.free_port()
        with peers.Kamailio(str(bench.disk), "redirect", str(PEERS / "sip_redirect.cfg"),
                            [f"udp:127.0.0.1:{theirs}"]) as kamailio:
            peers.until(lambda: peers.options(theirs), 30, "Kamailio answers")
            for process in _group(kamailio.process.pid):
                os.sched_setaffinity(process, {cores[-1]})
            taken = measure.in_turns(
                bench.rounds, ours=lambda: rate(port), theirs=lambda: rate(theirs))
            memory = _memory([ours.process.pid])
            section.compare(
                "INVITE → 302, one core", taken["ours"], taken["theirs"], "Kamailio, stateless", "a second",
                at_least=0.5, otherwise=(taken["ours"].median >= 10_000, "≥ 10 000"),
                note="256 INVITEs of 800 bytes out at a time from one address; Kamailio with one worker.")
            section.value("VmHWM of the redirect server", memory, "MB", at_most=30)


def _group(leader):
    """The processes of a group, by id."""
    listing = subprocess.run(["ps", "-o", "pid=", "-g", str(leader)], capture_output=True, check=True)
    return [int(word) for word in listing.stdout.split()]


def _memory(processes):
    return sum(int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])
               for pid in processes) / 1024


def _detection(bench, section):
    rounds = 20 if bench.divisor == 1 else 2
    loss = 240 if bench.is_long else 40 if bench.divisor == 1 else 5
    said = json.loads(measure.run(
        "unshare", "-rn", sys.executable, PEERS / "sip_faults.py", WORKER, bench.disk, rounds, loss,
        stderr=None).stdout)
    ours = said["detection"].pop("CallVault")
    for name, faults in said["detection"].items():
        for fault, times in faults.items():
            seen = [time for time in times if time is not None]
            mine = [time for time in ours[fault] if time is not None]
            if len(mine) < rounds:
                raise RuntimeError(f"{fault}: seen {len(mine)} times of {rounds}")
            missed = "" if len(seen) == rounds else f" (seen {len(seen)} of {rounds} times in 8 s)"
            if seen:
                section.compare(
                    f"known after {fault}", measure.Sample(mine), measure.Sample(seen), name + missed, "s",
                    at_most=1 / 3 if name.endswith("threshold 3") else None)
    for percent, counts in said["alarms"].items():
        mine = counts.pop("CallVault")
        section.value(
            f"false alarms in {loss} s at {percent} % loss", mine, "times", at_most=0,
            note="; ".join(f"{name}: {count}" for name, count in counts.items()))
