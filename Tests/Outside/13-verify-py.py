#!/usr/bin/env python3
"""verify.py and `callvault audit verify` say the same of thousands of tampered logs.

Written from one page by two hands in two languages: each bit turned, file removed or cut, entry
dropped, doubled or exchanged in a copy of a log gets the same verdict, and the same kind and first
index, from both; Debian's Go packages refuse whatever of it a checkpoint covers.
"""
import importlib.util
import io
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
from contextlib import redirect_stdout

from vault_service import CALLVAULT, SCRATCH, Service, say

REPOSITORY = pathlib.Path(os.environ["REPOSITORY"])
spec = importlib.util.spec_from_file_location("verify", REPOSITORY / "Evidence/verify.py")
checker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(checker)
ROUNDS = int(os.environ.get("CALLVAULT_TAMPERINGS", "120"))


def theirs(*words):
    """verify.py's code and report, in this process: what OpenSSL said once is remembered."""
    out = io.StringIO()
    argv, sys.argv = sys.argv, ["verify.py", *map(str, words), "--json"]
    try:
        with redirect_stdout(out):
            code = checker.main()
    finally:
        sys.argv = argv
    return code, json.loads(out.getvalue())


def ours(*words):
    done = subprocess.run([CALLVAULT, "audit", "verify", *map(str, words), "--json"], capture_output=True)
    return done.returncode, json.loads(done.stdout)


def worst(report):
    finding = report["findings"][0] if report["findings"] else {}
    return report["verdict"], finding.get("kind"), finding.get("index"), finding.get("path")


def entries_of(data):
    return [data[start - 2:end] for start, end in checker.split_bundle(data)]


def tamperings(folder, dice):
    files = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    for name in files:
        yield "%s removed" % name, lambda t, n=name: (t / n).unlink()
        yield "%s emptied" % name, lambda t, n=name: (t / n).write_bytes(b"")
        yield "%s replaced by a folder" % name, lambda t, n=name: ((t / n).unlink(), (t / n).mkdir())
        for what in ("cut", "added to", "doubled"):
            def change(t, n=name, what=what):
                data = (t / n).read_bytes()
                (t / n).write_bytes({"cut": data[:-1], "added to": data + b"\n", "doubled": data * 2}[what])
            yield "%s %s" % (name, what), change
    for bundle in [n for n in files if "entries" in n.parts]:
        def rewrite(change, tile=None):
            def do(t, bundle=bundle):
                data = entries_of((t / bundle).read_bytes())
                (t / bundle).write_bytes(b"".join(change(data)))
                if tile:
                    path = t / "tile/0" / bundle.relative_to("tile/entries")
                    path.write_bytes(b"".join(checker.leaf_hash(e[2:]) for e in change(data)))
            return do
        for hidden in (None, True):
            for _ in range(3):
                place = dice.randrange(40) if dice.random() < 0.7 else 0
                yield "entry dropped", rewrite(lambda d, p=place: d[:p] + d[p + 1:], hidden)
                yield "entry doubled", rewrite(lambda d, p=place: d[:p] + [d[p]] + d[p:], hidden)
                yield "entries exchanged", rewrite(lambda d, p=place: d[:p] + [d[p + 1], d[p]] + d[p + 2:], hidden)
                yield "entry moved to the end", rewrite(lambda d, p=place: d[:p] + d[p + 1:] + [d[p]], hidden)
                yield "tail cut", rewrite(lambda d, p=place: d[:-1 - p], hidden)
                yield "entry edited", rewrite(
                    lambda d, p=place: d[:p] + [d[p].replace(b'"strength":1', b'"strength":2').replace(b"neutral", b"neutrax")] + d[p + 1:], hidden)
    weights = [n for n in files for _ in range(1 + 3 * ("tile" not in n.parts))]
    for _ in range(ROUNDS):
        name = dice.choice(weights)

        def turn(t, n=name, where=dice.random(), bit=1 << dice.randrange(8)):
            data = bytearray((t / n).read_bytes())
            data[int(where * len(data))] ^= bit
            (t / n).write_bytes(bytes(data))
        yield "a bit of %s turned" % name, turn


def main():
    environment = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOPROXY="off", GOCACHE=SCRATCH + "/go")
    subprocess.run(["go", "build", "-o", SCRATCH + "/go-verify", REPOSITORY / "Tests/Outside/gotlog/verify.go"],
                   check=True, env=environment)
    with Service() as service:
        key = service.init["verifier_key"]
        auditor, operator = service.token("auditor"), service.token("operator")
        connection = service.connection()
        heads = []
        for number in range(280):
            status, _, body = service.request(
                "POST", "/v1/calls", {"source": "py", "source_id": str(number)}, operator, connection=connection)
            assert status == 201, body
            if number % 70 == 0:
                heads.append(service.request("GET", "/v1/audit/checkpoint", token=auditor)[2])
        log = pathlib.Path(SCRATCH, "log")
        service.command("audit", "export", str(log), token=auditor)
        later = service.request("POST", "/v1/calls", {"source": "py", "source_id": "last"}, operator)
        assert later[0] == 201
        heads.append(service.request("GET", "/v1/audit/checkpoint", token=auditor)[2])
    kept = []
    for number, head in enumerate(heads):
        path = pathlib.Path(SCRATCH, "head-%d" % number)
        path.write_bytes(head)
        kept.append(path)
    other = key[:-8] + "AAAAAAA="
    count = go_refused = 0
    for words, expected in (
            (["--key", key, "--checkpoint", kept[0]], 0), (["--key", key], 10), ([], 10),
            (["--key", key, "--checkpoint", kept[-1]], 22), (["--key", other], 2),
            (["--key", key, "--checkpoint", kept[1], "--max-age", "1000d"], 0)):
        mine, report = ours(log, *words) if expected != 2 else (subprocess.run(
            [CALLVAULT, "audit", "verify", log, *words], capture_output=True).returncode, None)
        if expected == 2:
            assert mine == 2 and checker_usage(log, words) == 2
            continue
        code, said = theirs("log", log, *words)
        assert mine == code == expected, (words, mine, code, report, said)
        count += 1
    count += check_beginnings(log, key)
    signatures = check_signatures()
    anchored, asked = check_anchors(log, key, heads)
    dice = random.Random(20261128)
    target = pathlib.Path(SCRATCH, "target")
    codes, differences = {}, []
    for what, change in tamperings(log, dice):
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(log, target)
        change(target)
        words = [["--key", key, "--checkpoint", kept[1]], ["--key", key], []][dice.choice((0, 0, 0, 0, 1, 2))]
        mine, report = ours(target, *words)
        code, said = theirs("log", target, *words)
        if mine != code or worst(report) != worst(said):
            differences.append((what, words[2:], mine, worst(report), code, worst(said)))
        codes[mine] = codes.get(mine, 0) + 1
        count += 1
        go = subprocess.run([SCRATCH + "/go-verify", key, target], capture_output=True).returncode
        if words and mine in (0, 10):
            assert go == 0, what
        go_refused += go != 0
    assert not differences, "%d of %d differ:\n" % (len(differences), count) + "\n".join(map(str, differences[:20]))
    assert len(codes) >= 4, codes
    say("%d logs, the same verdict, kind, index and file from both: %s" % (
        count, ", ".join("%d × %d" % (number, code) for code, number in sorted(codes.items()))))
    say("%d signatures after RFC 8032, held or refused alike by the linked OpenSSL and the program" % signatures)
    say("%d verdicts about witnesses and timestamps%s" % (anchored, ", by both" if asked else ", by verify.py"))
    say("%d of them refused by Go's packages too, and none that both accept" % go_refused)


def check_beginnings(log, key):
    """A check from an earlier head on passes over what lies below it, and says so."""
    target, head, count = pathlib.Path(SCRATCH, "target"), SCRATCH + "/from", 0
    shutil.copy(log / "checkpoint", head)
    hidden, seen = pathlib.Path("tile/entries/000"), sorted(p.relative_to(log) for p in log.glob("tile/entries/001*/*"))[-1]
    for name, expected in ((None, 0), (hidden, 0), (seen, 20)):
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(log, target)
        if name:
            data = bytearray((target / name).read_bytes())
            data[300] ^= 1
            (target / name).write_bytes(bytes(data))
        words = ["--key", key, "--from", head]
        mine, report = ours(target, *words)
        code, said = theirs("log", target, *words)
        assert mine == code == expected and worst(report) == worst(said), (name, mine, report, code, said)
        assert any(note.startswith("entries below 256 were not looked at") for note in said["notes"]), said
        count += 1
    return count


def check_signatures():
    """RFC 8032's own vectors, by the OpenSSL that Python is linked with and by the program."""
    vectors = (
        ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe"
         "24655141438e7a100b"),
        ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302a"
         "eeb00d291612bb0c00"),
        ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed2"
         "8dc027beceea1ec40a"))
    linked, count = checker.LinkedOpenSSL().holds, 0
    assert checker.ed25519_checker().__func__ is checker.LinkedOpenSSL.holds
    for public, message, signature in vectors:
        public, message, signature = map(bytes.fromhex, (public, message, signature))
        changed = [(public, signature, message + b"x"), (bytes(32), signature, message)]
        changed += [(public, signature[:n] + bytes([signature[n] ^ 1]) + signature[n + 1:], message) for n in (0, 31, 32, 63)]
        for case, expected in [((public, signature, message), True)] + [(case, False) for case in changed]:
            # `openssl pkeyutl` takes no empty message; nothing that is signed here is one.
            assert linked(*case) == expected and (not case[2] or checker.openssl_holds(*case) == expected), case
            count += 1
    return count


def check_anchors(log, key, heads):
    """Witnesses and an authority of the test's own, made with PyPI's cryptography and `openssl ts`."""
    import base64
    import hashlib
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    folder = pathlib.Path(SCRATCH, "anchors")
    lines, keys = ["log " + key], {}
    for name in ("elm", "oak"):
        private = Ed25519PrivateKey.generate()
        public = b"\x04" + private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        identity = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
        lines.append("witness %s %s+%s+%s" % (name, name, identity.hex(), base64.b64encode(public).decode()))
        keys[name] = (private, identity)
    policies = {}
    for name, quorum in (("one", "group g any elm oak"), ("two", "group g all elm oak")):
        policies[name] = pathlib.Path(SCRATCH, "policy-" + name)
        policies[name].write_text("\n".join([*lines, quorum, "quorum g"]) + "\n")
    policies["none"] = pathlib.Path(SCRATCH, "policy-none")
    policies["none"].write_text("\n".join([*lines, "quorum none"]) + "\n")

    def cosign(note, *names, spoil=False):
        text = note[:note.rindex(b"\n\n") + 1]
        for name in names:
            private, identity = keys[name]
            when = 1795188000
            signature = bytearray(private.sign(b"cosignature/v1\ntime %d\n" % when + text))
            signature[0] ^= spoil
            note += ("\u2014 %s %s\n" % (name, base64.b64encode(
                identity + when.to_bytes(8, "big") + bytes(signature)).decode())).encode()
        return note
    place = folder / "cosigned/2026-11"
    place.mkdir(parents=True)
    size = int(heads[1].split(b"\n")[1])
    file = place / ("%020d" % size)
    config = pathlib.Path(SCRATCH, "tsa.cnf")
    config.write_text("[req]\ndistinguished_name=d\nx509_extensions=e\nprompt=no\n[d]\nCN=test authority\n[e]\n"
                      "basicConstraints=critical,CA:TRUE\n[t]\nextendedKeyUsage=critical,timeStamping\n"
                      "[tsa]\ndefault_tsa=s\n[s]\nserial=%s/serial\ncrypto_device=builtin\nsigner_digest=sha256\n"
                      "default_policy=1.2.3.4.1\ndigests=sha256\nordering=yes\ness_cert_id_alg=sha256\n" % SCRATCH)

    def openssl(*words):
        done = subprocess.run(["openssl", *map(str, words)], capture_output=True, cwd=SCRATCH)
        assert done.returncode == 0, done.stderr
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-config", config)
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=stamps")
    openssl("x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
            "-out", "tsa.pem", "-extfile", config, "-extensions", "t")
    pathlib.Path(SCRATCH, "serial").write_text("01\n")

    def stamp(note, size):
        stamps = folder / "stamps/2026-11"
        stamps.mkdir(parents=True, exist_ok=True)
        base = stamps / ("%020d-%012d" % (size, 1795188000))
        base.with_suffix(".note").write_bytes(note)
        openssl("ts", "-query", "-data", base.with_suffix(".note"), "-sha256", "-cert", "-out", "query")
        openssl("ts", "-reply", "-config", config, "-section", "s", "-queryfile", "query", "-signer", "tsa.pem", "-inkey",
                "tsa.key", "-out", base.with_suffix(".tsr"))
        return base
    asks_ours = b"--policy" in subprocess.run([CALLVAULT, "audit", "verify", "--help"], capture_output=True).stdout
    count = 0

    def expect(code, *words):
        nonlocal count
        said = theirs("log", log, "--key", key, "--anchors", folder, *words)
        assert said[0] == code, (words, code, said)
        if asks_ours:
            mine, report = ours(log, "--key", key, "--anchors", folder, *words)
            assert (mine, worst(report)) == (code, worst(said[1])), (words, mine, report, said)
        count += 1
    expect(10, "--policy", policies["one"])
    file.write_bytes(cosign(heads[1], "elm"))
    expect(0, "--policy", policies["one"])
    expect(10, "--policy", policies["two"])
    expect(10, "--policy", policies["none"])
    file.write_bytes(cosign(heads[1], "elm", "elm"))
    expect(10, "--policy", policies["two"])
    file.write_bytes(cosign(heads[1], "elm", "oak"))
    expect(0, "--policy", policies["two"])
    file.write_bytes(cosign(heads[1], "elm", "oak", spoil=True))
    expect(24, "--policy", policies["one"])
    file.write_bytes(cosign(heads[-1], "elm", "oak"))
    expect(22, "--policy", policies["one"])
    file.unlink()
    base = stamp(heads[1], size)
    expect(0, "--tsa-ca", SCRATCH + "/ca.pem")
    expect(10, "--tsa-ca", SCRATCH + "/ca.pem", "--policy", policies["one"])
    data = bytearray(base.with_suffix(".tsr").read_bytes())
    data[-20] ^= 1
    base.with_suffix(".tsr").write_bytes(bytes(data))
    expect(24, "--tsa-ca", SCRATCH + "/ca.pem")
    return count, asks_ours


def checker_usage(log, words):
    done = subprocess.run([sys.executable, REPOSITORY / "Evidence/verify.py", "log", log, *words], capture_output=True)
    return done.returncode


main()
