#!/usr/bin/env python3
"""Where a running vault's keys are: in locked pages while it is open, and nowhere once it is sealed.

Every key that the vault has is worked out from the files and the root key by PyPI `cryptography`, and
looked for in every readable page of the process (/proc/PID/mem).
"""
import os
import re
import sqlite3
import subprocess
import sys
import time

from ring_keys import Ring, hkdf
from vault_service import Service, say, wav


def mappings(pid):
    """Each mapping of a process: where it begins and ends, and its flags."""
    current = None
    with open("/proc/%d/smaps" % pid) as lines:
        for line in lines:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) (....) .*?(\S*)$", line)
            if found:
                current = [int(found[1], 16), int(found[2], 16), found[3], found[4]]
            elif line.startswith("VmFlags:"):
                yield (*current, set(line.split()[1:]))


def find(pid, secrets):
    """Which of the named secrets are in which mapping."""
    places = []
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as memory:
        for begin, end, access, name, flags in mappings(pid):
            if access[0] != "r" or name in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                continue
            at, tail = begin, b""
            while at < end:
                try:
                    memory.seek(at)
                    piece = memory.read(min(end - at, 16 << 20))
                except OSError:
                    break
                if not piece:
                    break
                for label, secret in secrets.items():
                    if secret in tail + piece:
                        places.append((label, hex(begin), name, flags))
                tail, at = piece[-64:], at + len(piece)
    return places


with Service() as service:
    pid = service.process.pid
    try:
        open("/proc/%d/mem" % pid, "rb").close()
    except PermissionError:
        print("only root reads the memory of a process that may not be dumped")
        sys.exit(77)
    pbx = service.token("service", "recordings:write")
    clinician = service.token("clinician")
    audio = wav([7] * 8_000_000)
    created, stored = service.put(audio, pbx)
    path = "/v1/recordings/%s/audio" % stored["recording"]
    status, _, body = service.request(
        "GET", path, token=clinician, headers={"Purpose-Of-Use": "TREAT"})
    assert status == 200 and body == audio, status

    root = open(os.path.join(service.keys, "root.key"), "rb").read()
    ring = Ring(open(os.path.join(service.data, "keys", "ring"), "rb").read(), root)
    secrets = {"root": root, "sealing key": ring.seal}
    for number, (kek, _) in enumerate(ring.keks.values()):
        secrets["KEK %d" % number] = kek
    uses = {2: "index key", 3: "opening key", 5: "signing seed"}
    for number, (use, key) in enumerate(ring.keys):
        secrets["%s %d" % (uses[use], number)] = key
    with sqlite3.connect("file:%s?mode=ro" % os.path.join(service.data, "catalog.sqlite"),
                         uri=True) as catalog:
        columns = [row[1] for row in catalog.execute("PRAGMA table_info(call)")]
        wrapped = [name for name in columns if "wrapped" in name or name == "key"]
        record = catalog.execute("SELECT %s FROM call" % wrapped[0]).fetchone()[0]
    dek = ring.unwrap(bytes(record), created["call"])
    secrets["DEK"] = dek
    secrets["PK"] = hkdf(dek, "callvault/part/v1|callvault/v1|tenant=%s|call=%s|part=recording-1/1" % (
        ring.tenant, created["call"]))

    # While a recording is being read slowly, all of them are wanted.
    connection = service.connection()
    connection.request("GET", path, headers={
        "Authorization": "Bearer " + clinician, "Purpose-Of-Use": "TREAT"})
    response = connection.getresponse()
    response.read(1000)
    found = find(pid, secrets)
    labels = {place[0] for place in found}
    assert {"root", "KEK 0"} <= labels, labels
    for label, begin, name, flags in found:
        assert {"lo", "dd", "wf"} <= flags, "%s lies in %s %s, which is not locked: %s" % (
            label, begin, name, flags)
    say("open: %d of %d keys found, each only in pages that are locked, not dumped, and wiped on fork"
        % (len(labels), len(secrets)))
    response.read()
    connection.close()

    with open("/proc/%d/limits" % pid) as limits:
        core = [line.split() for line in limits if line.startswith("Max core file size")][0]
    assert core[4:6] == ["0", "0"], core

    service.command("seal")
    for _ in range(200):
        if service.request("GET", path, token=clinician)[0] == 423:
            status, _, body = service.request("GET", "/v1/seal")
            if b'"sealed":true' in body:
                break
        time.sleep(0.05)
    deadline = time.monotonic() + 20
    while True:
        found = find(pid, secrets)
        if not found or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    assert not found, "after sealing: %s" % found
    say("sealed: none of the %d keys is in any readable page" % len(secrets))

    status, headers, _ = service.request("GET", path, token=clinician)
    assert status == 423, status
    status, headers, _ = service.request("POST", "/v1/calls", {"source": "x"}, pbx)
    assert status == 503 and headers["Retry-After"] == "60", (status, headers)
    assert service.command("unseal")["sealed"] is False
    status, _, body = service.request(
        "GET", path, token=clinician, headers={"Purpose-Of-Use": "TREAT"})
    assert status == 200 and body == audio, status
    say("unsealed again by its key file: content opens")

    # Whoever may lock no page makes no key. Leave that the superuser has by itself is taken first.
    refused = subprocess.run(
        ["prlimit", "--memlock=0:0", "setpriv", "--bounding-set=-ipc_lock,-sys_resource",
         os.environ["CALLVAULT"], "init", "--data", os.path.join(service.folder, "unlocked"),
         "--keys", os.path.join(service.folder, "unlocked-keys")],
        capture_output=True, text=True, check=False)
    assert refused.returncode != 0 and "no memory may be locked for a key" in refused.stderr, refused
    assert not os.path.exists(os.path.join(service.folder, "unlocked-keys", "root.key")), refused
    say("without leave to lock pages no key is made, and the reason is told")
