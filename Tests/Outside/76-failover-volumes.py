#!/usr/bin/env python3
"""Failover while the vault is sealed, while its disk is full, and while the supervisor's own disk is full.

Calls go where they should each time. What the supervisor's log could not take meanwhile comes into it later, or is
counted by the next entry; then the vault's log joins it, and verify.py finds both whole. The two folders lie on
small volumes in memory, mounted in a namespace of this script alone.
"""
import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

if "CALLVAULT_MOUNTS" not in os.environ:
    own = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    if subprocess.run([*own, "true"], capture_output=True).returncode:
        print("mounting needs root or a user namespace")
        sys.exit(77)
    os.environ["CALLVAULT_MOUNTS"] = "1"
    os.execvp(own[0], [*own, sys.executable, *sys.argv])

from supervisor import DAYS, Supervisor, Target, verdict
from vault_service import Service, say, wav


class Volume:
    """A file system of `size` MiB at `path`."""

    def __init__(self, path, size):
        self.ballast = os.path.join(path, "ballast")
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm,mode=700" % size, "none", path], check=True)

    def fill(self):
        """Takes every block."""
        with open(self.ballast, "ab", buffering=0) as file:
            step = 64 << 20
            while step >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), step)
                except OSError:
                    step //= 2

    def empty(self):
        os.unlink(self.ballast)


POLICY = """
v: 1
version: "test"
owner: test
private_addresses: true
hours: {time_zone: Etc/UTC, week: {%s}}
targets:
  pbx: {role: pbx, probes: [{kind: http, url: "http://127.0.0.1:%d", path: "/", interval_ms: 100, silence_ms: 600, dwell_ms: 300}]}
  internet: {role: uplink, quorum: 1, probes: [{kind: uplink, places: [{tcp: "127.0.0.1:%d"}], interval_ms: 100}]}
routes:
  - {name: desk, state: NORMAL, provider: 3cx, needs: [pbx], contacts: ["sip:desk@127.0.0.1"], records: true}
  - {name: pstn, state: EMERGENCY_PSTN, provider: pstn_backup, contacts: ["+13135550142"], records: false}
emergency: {routes: [desk, pstn]}
switching: {hold_down_ms: 0, flap_limit: 100}
failback: {when: recovered, dwell_ms: 300}
"""
service = Service()
supervisor = Supervisor()
vault_volume = Volume(service.data, 96)
own_volume = Volume(supervisor.folder, 32)
pbx, internet = Target(), Target()


def outage():
    """The phone system dies and comes back; how long calls went there."""
    pbx.kill()
    took = supervisor.until("pstn")
    pbx.start()
    supervisor.until("desk")
    return took


def backlog():
    return supervisor.route()[2]["log"]


def flood(threads=4, lost=40):
    """Emergencies until the log, and the memory before it, has no room for some."""
    asked = [0] * threads

    def ask(number):
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(os.path.join(supervisor.folder, "run", "failover.sock"))
        while backlog()["lost"] < lost and sum(asked) < 20_000:
            for _ in range(50):
                connection.request("POST", "/v1/emergency", b'{"event": "EMERGENCY_ALERT"}',
                                   {"Content-Type": "application/json"})
                answer = connection.getresponse()
                body = json.loads(answer.read())
                assert answer.status == 200 and body["routes"][0]["route"] == "desk", body
                asked[number] += 1
        connection.close()

    workers = [threading.Thread(target=ask, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(asked)


def entries(log):
    """All entries that a log has published."""
    found = {}
    for folder, _, files in os.walk(os.path.join(log, "tile", "entries")):
        for name in files:
            bundle, at = pathlib.Path(folder, name).read_bytes(), 0
            while at < len(bundle):
                length = int.from_bytes(bundle[at:at + 2], "big")
                entry = json.loads(bundle[at + 2:at + 2 + length])
                found[entry["idx"]] = entry
                at += 2 + length
    return [found[index] for index in sorted(found)]


def joined():
    """Heads of the supervisor's log that the vault's log has taken."""
    shown = service.command("audit", "show", "--action", "journal.joined", token=auditor)["entries"]
    return [json.loads(entry["leaf"])["digest"] for entry in shown]


def joins(before):
    """Waits until the vault's log has taken a head of the supervisor's that it had not."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        # The log of attempts to unseal is joined too.
        if (set(joined()) - set(before)) & supervisor.heads():
            return
        time.sleep(0.1)
    raise AssertionError("the vault's log took no head")


def is_sealed():
    return json.loads(service.request("GET", "/v1/seal")[2])["sealed"]


def wait_for(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


try:
    with service:
        pass
    supervisor.make(service.data, POLICY % (DAYS, pbx.port, internet.port))
    with open(os.path.join(service.data, "callvault.yaml"), "a") as file:
        file.write('\nfailover: ["%s"]\n' % supervisor.folder)
    supervisor.start()
    supervisor.until("desk")
    service.start()
    auditor, operator = service.token("auditor"), service.token("operator")
    joins([])

    # Sealed: the key is not to be had, so the vault opens nothing and its log takes nothing.
    known = joined()
    key = os.path.join(service.keys, "root.key")
    os.rename(key, key + ".away")
    service.command("seal")
    wait_for(is_sealed, "the vault is sealed")
    sealed = outage()
    assert is_sealed()
    os.rename(key + ".away", key)
    service.command("unseal")
    wait_for(lambda: not is_sealed(), "the vault is open")
    joins(known)

    # The vault's disk full: it refuses what should be kept, and calls go on.
    known = joined()
    vault_volume.fill()
    refused = None
    for _ in range(2_000):
        status = service.request("POST", "/v1/calls", {"source": "t", "source_id": "s%d" % time.monotonic_ns()},
                                 operator)[0]
        if status in (503, 507):
            refused = status
            break
    assert refused, "the volume of the vault is full"
    full = outage()
    vault_volume.empty()
    wait_for(lambda: service.request("GET", "/v1/health/ready")[0] == 200, "the vault is ready again")
    service.put(wav([0, 1000] * 100), operator)

    # The supervisor's own disk full: first its log has room left, then memory has, then entries are lost.
    own_volume.fill()
    asked = flood()
    assert backlog()["failing"] and backlog()["waiting"] == 1024, backlog()
    own = outage()
    assert "state-not-kept" in supervisor.told() and "not-recorded" in supervisor.told()
    lost = backlog()["lost"]
    assert lost >= 40, lost
    own_volume.empty()
    wait_for(lambda: backlog()["waiting"] == 0 and not backlog()["failing"], "the log has taken what waited")
    assert backlog()["lost"] == 0
    again = outage()
    # What a start goes on from was written when there was room: one that is killed now knows the way.
    pbx.kill()
    supervisor.until("pstn")
    state = os.path.join(supervisor.folder, "state")
    wait_for(lambda: json.load(open(state))["route"] == "pstn", "the way is kept")
    supervisor.process.kill()
    supervisor.process.wait()
    supervisor.start()
    assert supervisor.route()[0] == "pstn"
    pbx.start()
    supervisor.until("desk")
    service.stop()
    service.start()
    joins(known)
finally:
    supervisor.end()
    service.__exit__()

log = os.path.join(supervisor.folder, "log")
kept = entries(log)
code, told = verdict(log, supervisor.key)
assert code == 10, told
code, told = verdict(os.path.join(service.data, "log"), service.init["verifier_key"])
assert code == 10, told
gaps = [entry for entry in kept if entry["action"].startswith("failover.") and entry.get("count")]
assert sum(entry["count"] for entry in gaps) == lost, (lost, gaps)
assert all(entry["first"] <= entry["last"] and entry["action"] != "failover.ended" for entry in gaps)
late = [entry for entry in kept if "otime" in entry]
assert len(late) > 1024 and asked > lost + 1024, (asked, lost, len(late))
say("calls went another way after %.2f s with the vault sealed, %.2f s with its disk full, %.2f s with the supervisor's "
    "own disk full" % (sealed, full, own))
say("%d emergencies on a full disk, none refused: 1,024 entries waited for room, %d were lost and are counted by %d of the "
    "next; both logs whole, and joined" % (asked, lost, len(gaps)))
