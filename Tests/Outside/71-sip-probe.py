#!/usr/bin/env python3
"""Kamailio as a trunk that is probed: killed, stopped, silent, failing, slow, busy; and answers that are forged.

What is printed are times on this machine under its load, not promises: those are in Benchmarks.
"""
import os
import re
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "sip"))
import peers
from peers import Kamailio, Worker, free_port, until

SCRATCH = os.environ["SCRATCH"]
WORKER = os.path.join(os.environ["TOOLS"], "sip-worker")
missing = peers.lacks("kamailio", "kamcmd")
if missing:
    print("%s is not installed (Debian: kamailio)" % missing)
    sys.exit(77)


def say(text):
    print(": " + text, flush=True)


port = free_port()
place = "127.0.0.1:%d" % port


def trunk():
    one = Kamailio(SCRATCH, "trunk", "trunk.cfg", ["udp:" + place, "tcp:" + place])
    until(lambda: peers.options(port) is not None, 30, "Kamailio answers")
    return one


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def source_of(worker):
    """The port of the worker's UDP socket, from the kernel's table of the sockets of its process."""
    inodes = set()
    for name in os.listdir("/proc/%d/fd" % worker.process.pid):
        try:
            found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink("/proc/%d/fd/%s" % (worker.process.pid, name)))
        except OSError:
            continue
        if found:
            inodes.add(found[1])
    for line in open("/proc/net/udp").read().splitlines()[1:]:
        words = line.split()
        if words[9] in inodes:
            return int(words[1].split(":")[1], 16)
    return None


def forged_refusals(worker):
    """ICMP "port unreachable" to the probe, as anyone on the network could send it."""
    try:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    except PermissionError:
        return 0
    with raw:
        ours, here = source_of(worker), socket.inet_aton("127.0.0.1")
        udp = struct.pack("!HHHH", ours, port, 100, 0)
        quoted = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 108, 1, 0, 64, 17, 0, here, here) + udp
        body = struct.pack("!BBHI", 3, 3, 0, 0) + quoted
        packet = struct.pack("!BBHI", 3, 3, checksum(body), 0) + quoted
        for _ in range(300):
            raw.sendto(packet, ("127.0.0.1", 0))
            time.sleep(0.005)
        return 300


took = {}
one = trunk()
try:
    for transport in ("udp", "tcp"):
        with Worker(WORKER, "probe", transport, place) as probe:
            time.sleep(0.5)
            for fault, undo in (("drop", "ok"), ("slow", "ok")):
                begun = time.monotonic()
                one.mode(fault)
                took[transport, fault] = probe.wait_for("down") - begun
                one.mode(undo)
                probe.wait_for("up", 60)
            begun = time.monotonic()
            one.mode("503")
            took[transport, "503 with Retry-After"] = probe.wait_for("draining") - begun
            one.mode("ok")
            probe.wait_for("up")
            one.mode("busy")
            time.sleep(1.5)
            one.mode("ok")
            begun = time.monotonic()
            one.signal(signal.SIGSTOP)
            took[transport, "SIGSTOP"] = probe.wait_for("down") - begun
            one.signal(signal.SIGCONT)
            probe.wait_for("up")
            begun = time.monotonic()
            one.end()
            took[transport, "kill -9"] = probe.wait_for("down") - begun
            one = trunk()
            probe.wait_for("up")
            rest = probe.end()
            # Busy for a while, and nothing was reported of it.
            assert len(rest) == 1 and rest[0].startswith("counts "), rest
        say("%s: " % transport + ", ".join(
            "%s %.2f s" % (fault, took[one_way, fault]) for one_way, fault in took if one_way == transport))

    with Worker(WORKER, "probe", "udp", place, "--all") as probe:
        until(lambda: source_of(probe), 30, "the probe has a socket")
        sent = forged_refusals(probe)
        time.sleep(1)
        lines = probe.end()
        refused = sum("missed(SIPTransport.ProbeMiss.refused)" in line for line in lines)
        lives = sum("answered(" in line for line in lines)
        heard = [int(line.split()[0]) for line in lines if "answered(" in line]
        # Where the machine stood still there is silence besides.
        assert not any(line.endswith(" down") and any(0 <= int(line.split()[0]) - at < 1e9 for at in heard)
                       for line in lines), "a forger took the trunk down"
        assert lives > 0, lines
        if sent:
            say("%d forged ICMP errors: %d probes missed, %d answered, and the trunk is still up" % (sent, refused, lives))
        else:
            say("forging ICMP needs root: not tried")
finally:
    one.end()
