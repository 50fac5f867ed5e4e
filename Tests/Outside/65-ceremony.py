#!/usr/bin/env python3
"""A root key shared out 3 of 5: pages, proof, unsealing one by one, and recovery by other programs.

PyPI shamir-mnemonic recovers the root from our pages and makes shares that ours refuses or takes; zbarimg
reads the QR codes; pdftotext the words; our own verifier the log of attempts.
"""
import json
import os
import subprocess
import sys
import time

from key_ceremony import ceremony, strangers, words_of
from ring_keys import Ring
from vault_service import CALLVAULT, SCRATCH, Service, say, wav

try:
    from shamir_mnemonic import combine_mnemonics
except ImportError:
    print("shamir-mnemonic is not installed (PyPI)")
    sys.exit(77)


def code_of(page):
    """What the QR code of a page says."""
    image = page[:-4]
    subprocess.run(["pdftoppm", "-r", "150", "-singlefile", "-png", page, image], check=True)
    read = subprocess.run(["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", image + ".png"],
                          capture_output=True, check=True)
    os.unlink(image + ".png")
    return read.stdout.decode().strip()


service = Service("shared")
pages = os.path.join(SCRATCH, "pages")

# Pages never lie with the data, and shares are of two persons at least.
for wrong in (["--ceremony", "3-of-5"], ["--ceremony", "1-of-5", "--out", SCRATCH],
              ["--ceremony", "6-of-5", "--out", SCRATCH], ["--ceremony", "3of5", "--out", SCRATCH]):
    refused = subprocess.run([CALLVAULT, "init", "--data", service.data, *wrong],
                             env=service.environment(), capture_output=True, stdin=subprocess.DEVNULL)
    assert refused.returncode == 2, (wrong, refused)
os.makedirs(service.data)
inside = subprocess.run(
    [CALLVAULT, "init", "--data", service.data, "--ceremony", "2-of-3", "--out", service.data],
    env=service.environment(), capture_output=True, stdin=subprocess.DEVNULL)
assert inside.returncode == 2 and b"own folders" in inside.stderr, inside

# A share that is not typed back leaves a vault that nothing opens, until every share is.
unproven = Service("unproven")
status, _, said = ceremony(unproven, os.path.join(SCRATCH, "unproven-pages"),
                           lambda number, words: [words if number != 2 else "nonsense"] * 3
                           if number == 2 else [words])
assert status == 4 and "not typed back" in said, (status, said)
for words in (["serve", "--listen", "127.0.0.1:0"], ["doctor"], ["keys", "root", "--root-key", "x"]):
    refused = subprocess.run([CALLVAULT, *words, "--data", unproven.data], capture_output=True,
                             env=unproven.environment(), stdin=subprocess.DEVNULL)
    assert refused.returncode == 4 and b"init --prove" in refused.stderr, (words, refused)
again = subprocess.run([CALLVAULT, "init", "--data", unproven.data], capture_output=True,
                       env=unproven.environment(), stdin=subprocess.DEVNULL)
assert again.returncode == 4 and b"init --prove" in again.stderr, again
typed = [words_of(os.path.join(SCRATCH, "unproven-pages", "share-%d.pdf" % n)) for n in range(1, 6)]
swapped = subprocess.run(
    [CALLVAULT, "init", "--prove", "--data", unproven.data], capture_output=True,
    env=unproven.environment(), input="".join(t + "\n" for t in [typed[1]] * 3).encode())
assert swapped.returncode == 4 and b"not share 1 of this vault" in swapped.stderr, swapped
unproven.command("init", "--prove", "--data", unproven.data,
                 stdin="".join(t + "\n" for t in typed).encode())
done = subprocess.run([CALLVAULT, "init", "--prove", "--data", unproven.data], capture_output=True,
                      env=unproven.environment(), stdin=subprocess.DEVNULL)
assert done.returncode == 5, done


def misread(words):
    words = words.split()
    words[7] = "academic" if words[7] != "academic" else "acid"
    return " ".join(words)


# Misread once, then right.
status, out, said = ceremony(
    service, pages, lambda number, words: [misread(words), words] if number == 4 else [words])
assert status == 0, said
assert "Not taken" in said and "All 5 shares open" in said, said
names = sorted(os.listdir(pages))
assert names == ["share-%d.pdf" % n for n in range(1, 6)], names
shares = []
for name in names:
    page = os.path.join(pages, name)
    assert os.stat(page).st_mode & 0o777 == 0o600
    shares.append(words_of(page))
    assert code_of(page) == shares[-1], "the code and the words of %s differ" % name
assert not os.path.exists(os.path.join(service.keys, "root.key"))
ring_file = open(os.path.join(service.data, "keys", "ring"), "rb").read()
for chosen in ((0, 1, 2), (4, 2, 0), (1, 3, 4)):
    root = combine_mnemonics([shares[n] for n in chosen])
    ring = Ring(ring_file, root)
say("5 pages, words and QR code alike; shamir-mnemonic recovers the ring's root from any 3, with "
    "one share lost and with all but 3 lost")

# No share and no key in anything that was written beside the pages.
for folder, _, files in os.walk(service.folder):
    for name in files:
        content = open(os.path.join(folder, name), "rb").read()
        assert root not in content and shares[0].encode() not in content, name


def share_file(text, name):
    path = os.path.join(SCRATCH, name)
    with open(path, "w") as file:
        file.write(text + "\n")
    os.chmod(path, 0o600)
    return path


def attempt(text, expect):
    answer = service.command("unseal", share_file(text, "share.txt"), expect=expect)
    return answer


def is_open():
    for _ in range(200):
        if json.loads(service.request("GET", "/v1/seal")[2])["sealed"] is False:
            return True
        time.sleep(0.05)
    return False


try:
    service.start()
    state = json.loads(service.request("GET", "/v1/seal")[2])
    assert state == {"sealed": True, "custodian": "shares", "threshold": 3, "given": 0}, state
    assert service.request("GET", "/v1/health/live")[0] == 200
    status, _, body = service.request("GET", "/v1/health/ready")
    assert status == 503 and b"sealed" in body
    status, _, body = service.request("GET", "/v1/audit/checkpoint")
    assert status == 200 and b"/callvault\n" in body
    nothing = "/v1/recordings/3b7e1f0a-0000-4000-8000-000000000000/audio"
    assert service.request("GET", nothing)[0] == 423
    status, headers, _ = service.request("POST", "/v1/calls", {"source": "x"})
    assert status == 503 and headers["Retry-After"] == "60"

    stranger = strangers(root, (3, 5), shares[0])
    forged = strangers(root, (2, 3), shares[0])
    attempts = 0
    for wrong, why in ((stranger[0], "another ceremony"), (forged[0], "another ceremony"),
                       ("words that are none", "not in the list"),
                       (" ".join(reversed(shares[0].split())), "belong together")):
        answer = attempt(wrong, 2)
        assert why in answer["error"]["message"], answer
        attempts += 1
    assert attempt(shares[0], 0)["given"] == 1
    assert "given already" in attempt(shares[0], 2)["error"]["message"]
    assert attempt(shares[4], 0)["given"] == 2
    attempts += 3
    assert attempt(shares[2], 0)["sealed"] is False
    assert is_open()
    pbx = service.token("service", "recordings:write")
    clinician = service.token("clinician")
    audio = wav([3] * 4000)
    _, stored = service.put(audio, pbx)
    path = "/v1/recordings/%s/audio" % stored["recording"]
    read = {"headers": {"Purpose-Of-Use": "TREAT"}, "token": clinician}
    assert service.request("GET", path, **read)[2] == audio
    assert service.command("unseal", share_file(shares[0], "share.txt"), expect=5)["error"]

    # Not everybody may seal; afterwards other keepers than before open it again.
    assert service.request("POST", "/v1/seal", token=clinician)[0] == 403
    service.command("seal")
    for _ in range(200):
        if service.request("GET", path, **read)[0] == 423:
            break
        time.sleep(0.05)
    assert service.request("GET", path, **read)[0] == 423
    for words in (shares[1], shares[3], shares[4]):
        attempt(words, 0)
    assert is_open()
    assert service.request("GET", path, **read)[2] == audio

    # The log of attempts is one of its own, and the vault's log has joined it.
    auditor = service.token("auditor")
    joined = service.command(
        "audit", "show", "--action", "journal.joined", token=auditor)["entries"]
    assert len(joined) == 2, joined
    created = service.command("audit", "show", "--action", "key.create", token=auditor)["entries"]
    assert len(created) == 1, created
finally:
    service.__exit__()

log = os.path.join(service.data, "unsealing", "log")
key = open(os.path.join(service.data, "unsealing", "certificate")).read().split("\n")[2]
verified = subprocess.run([CALLVAULT, "audit", "verify", log, "--key", key, "--json"],
                          capture_output=True)
assert verified.returncode == 10, verified
entries = []
for folder, _, files in os.walk(os.path.join(log, "tile", "entries")):
    for name in files:
        bundle, at = open(os.path.join(folder, name), "rb").read(), 0
        while at < len(bundle):
            length = int.from_bytes(bundle[at:at + 2], "big")
            entries.append(json.loads(bundle[at + 2:at + 2 + length]))
            at += 2 + length
entries = {entry["idx"]: entry for entry in entries}
told = [e for e in entries.values() if e["action"] == "key.unseal" and e["phase"] != "intent"]
refused = [e for e in told if e["outcome"] == "refused"]
opened = [e for e in told if e["outcome"] == "success"]
assert len(refused) == 5 and len(opened) == 2, told
assert len(told) == 11, len(told)
say("sealed start, %d wrong shares named and logged, unsealed twice by different keepers; the log of "
    "%d attempts verifies and is joined to the vault's" % (len(refused), len(told)))
