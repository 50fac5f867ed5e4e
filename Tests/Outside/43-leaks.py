#!/usr/bin/env python3
"""Nothing is left behind: after hundreds of uploads, readings, tokens, refusals and clients that
vanish, the service holds the descriptors, threads and memory that it held before them, and has no more
pools of memory than it allows itself.
"""
import hashlib
import base64
import http.client
import json
import os
import random
import socket
import sys
import time

from hostile.wire import RawClient
from vault_service import Service, say, wav

# A round is seven requests, and three clients that vanish.
WARM_UP = 30
ROUNDS = int(os.environ.get("CALLVAULT_LEAK_ROUNDS", "90"))
# Growth of anonymous memory that a round may cause: indexes and caches grow with what is stored. A
# recording that is lost in every round would be 64 KiB of it.
KIB_A_ROUND = 8
# What an allocator may take for a thread that happens to run for the first time.
KIB_ONCE = 3072
# Pools of the C library's allocator that `serve` allows, but for the first, which is the heap itself.
POOLS = 4 - 1
# How much glibc reserves for one, and where one can begin (HEAP_MAX_SIZE).
POOL_BYTES = 64 << 20


class LocalConnection(http.client.HTTPConnection):
    """HTTP over the service's own socket, where the kernel says who is there."""

    def __init__(self, service):
        super().__init__("localhost", timeout=60)
        self.path = service.data + "/run/callvault.sock"

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def figures(service):
    root = "/proc/%d" % service.process.pid
    with open(root + "/status") as lines:
        status = dict(line.split(":", 1) for line in lines)
    return (len(os.listdir(root + "/fd")), int(status["Threads"]),
            int(status["RssAnon"].split()[0]))


def pools(service):
    """How many pools of memory there are beside the heap: a part in use, then one that no access is allowed to."""
    with open("/proc/%d/maps" % service.process.pid) as lines:
        areas = [line.split() for line in lines]
    spans = [[int(end, 16) for end in area[0].split("-")] + area[1:] for area in areas]
    return sum(used[0] % POOL_BYTES == 0 and used[2] == "rw-p" and free[2] == "---p"
               and free[0] == used[1] and free[1] - used[0] == POOL_BYTES
               for used, free in zip(spans, spans[1:]))


def settled(service, wanted=None):
    """The figures once connections that ended are gone and idle threads have left."""
    for _ in range(150):
        found = figures(service)
        if wanted is None or (found[0] <= wanted[0] and found[1] <= wanted[1]):
            break
        time.sleep(0.1)
    return found


def one_round(service, tokens, number, dice):
    """What clients do, well and badly."""
    operator, clinician = tokens
    audio = wav([dice.randrange(-9000, 9000) for _ in range(32_000)])
    call, recording = service.put(audio, operator)
    address = "/v1/recordings/%s/audio" % recording["recording"]
    status, _, body = service.request(
        "GET", address, None, clinician,
        {"Range": "bytes=1000-40999", "Purpose-Of-Use": "TREAT"})
    assert status == 206 and body == audio[1000:41000], status
    status, _, _ = service.request(
        "POST", "/v1/calls/%s/notes" % call["call"], {"text": "round %d" % number}, clinician,
        {"Purpose-Of-Use": "TREAT"})
    assert status == 201, status
    # Refused: no such token, no such route, a digest of other bytes.
    assert service.request("GET", "/v1/calls", None, "cv1_none")[0] == 401
    assert service.request("GET", "/v1/none/%d" % number, None, operator)[0] == 404
    other = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    status, _, _ = service.request(
        "POST", "/v1/calls/%s/recordings" % call["call"], audio[:9000], operator,
        {"Content-Digest": "sha-256=:%s:" % other})
    assert status in (400, 422), status
    # A token comes and goes.
    local = LocalConnection(service)
    status, _, body = service.request(
        "POST", "/v1/tokens", {"name": "for a round", "role": "auditor", "ttl_seconds": 60},
        connection=local)
    assert status == 201, body
    status, _, _ = service.request(
        "DELETE", "/v1/tokens/%s" % json.loads(body)["id"], connection=local)
    assert status == 204, status
    local.close()
    vanish(service, operator, clinician, call["call"], address)


def vanish(service, operator, clinician, call, address):
    """Clients that are gone within a head, within an upload, and within a download."""
    common = b"Host: localhost\r\nAuthorization: Bearer "
    client = RawClient(service)
    client.send(b"GET /v1/calls HTTP/1.1\r\nHost: loc")
    client.reset()
    client = RawClient(service)
    client.send(b"POST /v1/calls/%s/recordings HTTP/1.1\r\n%s%s\r\nContent-Length: 900000\r\n\r\n"
                % (call.encode(), common, operator.encode()) + bytes(20_000))
    client.reset()
    client = RawClient(service)
    client.send(b"GET %s HTTP/1.1\r\n%s%s\r\nPurpose-Of-Use: TREAT\r\n\r\n"
                % (address.encode(), common, clinician.encode()))
    client.receive(1)
    client.reset()


def main():
    dice = random.Random(43)
    with Service() as service:
        tokens = service.token("operator"), service.token("clinician")
        for number in range(WARM_UP):
            one_round(service, tokens, number, dice)
        # Connections that were cut may still be noticed as such.
        time.sleep(3)
        before = settled(service)
        began = time.monotonic()
        for number in range(ROUNDS):
            one_round(service, tokens, WARM_UP + number, dice)
        took = time.monotonic() - began
        time.sleep(3)
        after = settled(service, before)
        growth = after[2] - before[2]
        allowed = KIB_ONCE + ROUNDS * KIB_A_ROUND
        text = ("%d rounds in %.0f s: %d descriptors and %d threads, %d and %d before; "
                "%+d KiB of memory on %d KiB, at most %d allowed" % (
                    ROUNDS, took, after[0], after[1], before[0], before[1], growth, before[2],
                    allowed))
        if after[0] > before[0] or after[1] > before[1] or growth > allowed:
            print("left behind: " + text)
            for name in sorted(os.listdir("/proc/%d/fd" % service.process.pid), key=int):
                print(name, os.readlink("/proc/%d/fd/%s" % (service.process.pid, name)))
            sys.exit(1)
        found = pools(service)
        if not 1 <= found <= POOLS:
            sys.exit("%d pools of memory beside the heap, at most %d allowed" % (found, POOLS))
        say(text)


main()
