#!/usr/bin/env python3
"""A root key under a key of a PKCS#11 token (SoftHSM): init, serve, the token taken out and put back, and a
ratchet that destroys the token's key, as pkcs11-tool (OpenSC) sees it."""
import json
import os
import re
import shutil
import subprocess
import sys
import time

from vault_service import CALLVAULT, SCRATCH, Service, say, wav

module = "/usr/lib/softhsm/libsofthsm2.so"
if not shutil.which("softhsm2-util") or not os.path.exists(module) or not shutil.which("pkcs11-tool"):
    print("softhsm2 or opensc is not installed")
    sys.exit(77)

tokens = os.path.join(SCRATCH, "tokens")
os.makedirs(tokens)
settings = os.path.join(SCRATCH, "softhsm2.conf")
with open(settings, "w") as file:
    file.write("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n" % tokens)
os.environ["SOFTHSM2_CONF"] = settings
subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "vault", "--pin", "471147",
                "--so-pin", "471148"], check=True, capture_output=True)
pin = os.path.join(SCRATCH, "pin")


def write_pin(text, mode=0o600):
    with open(pin, "w") as file:
        file.write(text + "\n")
    os.chmod(pin, mode)


service = Service("token")
token = ["--pkcs11-module", module, "--pkcs11-token", "vault", "--pin-file", pin]
write_pin("471147", 0o644)
answer = service.command("init", "--data", service.data, "--keys", service.keys, *token, expect=6)
assert "read by others" in answer["error"]["message"], answer
shutil.rmtree(service.data)
shutil.rmtree(service.keys)
write_pin("471147")
service.command("init", "--data", service.data, "--keys", service.keys, *token)
assert not os.path.exists(os.path.join(service.keys, "root.key"))
ring = open(os.path.join(service.data, "keys", "ring"), "rb").read()
assert b"pkcs11:token=vault;serial=" in ring


def serve(expect):
    result = subprocess.run(
        [CALLVAULT, "serve", "--data", service.data, "--listen", "127.0.0.1:0"],
        env=service.environment(), capture_output=True, timeout=60)
    assert result.returncode == expect, result
    return result.stderr.decode()


def keys_on_token():
    """The ids of the secret keys that another program finds there."""
    listed = subprocess.run(
        ["pkcs11-tool", "--module", module, "--token-label", "vault", "--login", "--pin", "471147",
         "--list-objects", "--type", "secrkey"], capture_output=True, text=True, check=True)
    return re.findall(r"ID:\s+([0-9a-f]{32})", listed.stdout)


def state():
    return json.loads(service.request("GET", "/v1/seal")[2])


try:
    service.start()
    assert state()["sealed"] is False
    pbx, clinician = service.token("service", "recordings:write"), service.token("clinician")
    audio = wav([9] * 4000)
    _, stored = service.put(audio, pbx)
    read = {"headers": {"Purpose-Of-Use": "TREAT"}, "token": clinician}
    path = "/v1/recordings/%s/audio" % stored["recording"]
    assert service.request("GET", path, **read)[2] == audio

    # Taken out while it serves: what is open stays open; sealed, it waits for the token.
    away = os.path.join(SCRATCH, "away")
    os.rename(tokens, away)
    os.makedirs(tokens)
    assert service.request("GET", path, **read)[2] == audio
    service.command("seal")
    for _ in range(200):
        if state()["sealed"]:
            break
        time.sleep(0.05)
    answer = service.command("unseal", expect=2)
    assert "plugged in" in answer["error"]["message"], answer
    os.rmdir(tokens)
    os.rename(away, tokens)
    assert service.command("unseal")["sealed"] is False
    for _ in range(200):
        if not state()["sealed"]:
            break
        time.sleep(0.05)
    assert service.request("GET", path, **read)[2] == audio

    # The ratchet destroys the token's key: T1 is proven without anchors, and an old ring opens nothing.
    old_keys = keys_on_token()
    assert len(old_keys) == 1 and old_keys[0].encode() not in ring, old_keys
    objects = {name for _, _, names in os.walk(tokens) for name in names}
    ratcheted = service.command("keys", "ratchet")
    assert "is cryptographically erased" in ratcheted["outcome"], ratcheted
    status = service.command("keys", "status")["ring"]
    assert status["destruction"] == "resident" and "unproven" not in status, status
    assert status["proven_from_epoch"] == 1 and not status["anchored"], status
    new_keys = keys_on_token()
    assert len(new_keys) == 1 and new_keys != old_keys, (old_keys, new_keys)
    for folder, _, names in os.walk(tokens):
        for name in names:
            content = open(os.path.join(folder, name), "rb").read()
            assert bytes.fromhex(old_keys[0]) not in content, "the token's store still has the old key's object"
    assert objects - {name for _, _, names in os.walk(tokens) for name in names}, "no object file went"
    assert service.request("GET", path, **read)[2] == audio
    service.stop()
    today = open(os.path.join(service.data, "keys", "ring"), "rb").read()
    with open(os.path.join(service.data, "keys", "ring"), "wb") as file:
        file.write(ring)
    assert "no such key" in serve(6)
    with open(os.path.join(service.data, "keys", "ring"), "wb") as file:
        file.write(today)
    service.start()
    assert service.request("GET", path, **read)[2] == audio
    service.stop()
finally:
    service.__exit__()

# A wrong PIN is an error and not a reason to wait: waiting would not mend it.
write_pin("000000")
assert "PIN" in serve(6)
os.unlink(pin)
try:
    service.start()
    assert state()["sealed"] is True and state()["custodian"] == "token"
    write_pin("471147")
    assert service.command("unseal")["sealed"] is False
finally:
    service.__exit__()
say("init, serve, seal and unseal with SoftHSM; out and in again, wrong PIN, PIN file away: each named, "
    "nothing lost; a ratchet destroyed the token's key: pkcs11-tool finds one other, and the old ring opens nothing")
