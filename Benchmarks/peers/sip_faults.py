#!/usr/bin/env python3
"""How soon each watcher of a trunk knows that it is gone, and how often one is wrong under packet loss.

usage: unshare -rn sip_faults.py SIP_WORKER FOLDER ROUNDS LOSS_SECONDS

All watch one Kamailio at the same time, so that each fault is the same one for all. Ports and packet filters are
those of a network of its own. Prints a JSON document. From the bench of the project's design.
"""
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/Outside/sip"))
import peers
from peers import Kamailio, Program, Worker, until
from watching import Log, first

PORT = 5071
HERE = str(pathlib.Path(__file__).resolve().parent)
WAIT = 8


class Ours:
    def __init__(self, worker):
        self.worker = worker

    def poll(self):
        while not self.worker.lines.empty():
            at, _, event = self.worker.line().partition(" ")
            if at.isdigit():
                yield "up" if event == "up" else "down", int(at) / 1e9


def trunk(folder):
    one = Kamailio(folder, "trunk", str(ROOT / "Tests/Outside/sip/trunk.cfg"),
                   ["udp:127.0.0.1:%d" % PORT, "tcp:127.0.0.1:%d" % PORT])
    until(lambda: peers.options(PORT) is not None, 30, "Kamailio answers")
    return one


def dispatcher(folder, threshold):
    name = "dispatcher-%d" % threshold
    targets = os.path.join(folder, name + ".list")
    pathlib.Path(targets).write_text("1 sip:127.0.0.1:%d 0 10\n" % PORT)
    return Kamailio(folder, name, os.path.join(HERE, "sip_dispatcher.cfg"),
                    ["udp:127.0.0.1:%d" % (5060 + threshold)],
                    ["THRESHOLD=%d" % threshold, 'LIST="%s"' % targets])


def filter_packets(*words):
    subprocess.run(["iptables", *words], check=True, stderr=subprocess.DEVNULL)


def trials(folder, watchers, rounds):
    one = trunk(folder)
    results = {}
    try:
        time.sleep(3)
        for fault in ("kill -9", "SIGSTOP", "packets dropped", "503"):
            for _ in range(rounds):
                time.sleep(random.random())
                first(watchers, 0.01, "nothing")
                begun = time.monotonic()
                if fault == "kill -9":
                    one.end()
                elif fault == "SIGSTOP":
                    one.signal(signal.SIGSTOP)
                elif fault == "packets dropped":
                    for kind in ("udp", "tcp"):
                        filter_packets("-A", "INPUT", "-p", kind, "--dport", str(PORT), "-j", "DROP")
                else:
                    one.mode("503")
                    begun = time.monotonic()
                found = first(watchers, WAIT, "down")
                for name in watchers:
                    took = found[name] - begun if name in found else None
                    results.setdefault(name, {}).setdefault(fault, []).append(took)
                if fault == "kill -9":
                    one = trunk(folder)
                elif fault == "SIGSTOP":
                    one.signal(signal.SIGCONT)
                elif fault == "packets dropped":
                    filter_packets("-F")
                else:
                    one.mode("ok")
                first(watchers, WAIT, "up")
    finally:
        one.end()
        filter_packets("-F")
    return results


def losses(folder, watchers, seconds):
    one = trunk(folder)
    alarms = {}
    try:
        first(watchers, WAIT, "up")
        for percent in (2, 10, 30):
            first(watchers, 2, "nothing")
            for kind in ("udp", "tcp"):
                filter_packets("-A", "INPUT", "-p", kind, "--dport", str(PORT), "-m", "statistic", "--mode",
                               "random", "--probability", str(percent / 100), "-j", "DROP")
            counts = dict.fromkeys(watchers, 0)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                for name, watcher in watchers.items():
                    counts[name] += sum(event == "down" for event, _ in watcher.poll())
                time.sleep(0.05)
            filter_packets("-F")
            alarms[percent] = counts
    finally:
        one.end()
        filter_packets("-F")
    return alarms


def main():
    worker, folder, rounds, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    programs = [dispatcher(folder, threshold) for threshold in (1, 3)]
    ours = Worker(worker, "probe", "udp", "127.0.0.1:%d" % PORT)
    try:
        haproxy = Program(["haproxy", "-db", "-f", os.path.join(HERE, "sip_haproxy.cfg")],
                          os.path.join(folder, "haproxy.log"))
        programs.append(haproxy)
        watchers = {"CallVault": Ours(ours)}
        for program, name in zip(programs, ("Kamailio, threshold 1", "Kamailio, threshold 3")):
            watchers[name] = Log(program, b"DSEVENT down", b"DSEVENT up")
        watchers["HAProxy, TCP"] = Log(haproxy, b"is DOWN", b"is UP")
        print(json.dumps({"detection": trials(folder, watchers, rounds), "seconds": seconds,
                          "alarms": losses(folder, watchers, seconds)}))
    finally:
        for program in programs:
            program.end()
        ours.__exit__()


main()
