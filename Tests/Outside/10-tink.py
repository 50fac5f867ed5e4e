#!/usr/bin/env python3
"""An exported recording opens with PyPI tink; what tink writes, our envelope opens.

The second half makes fresh objects in the layout of Tests/Vectors and has the vector tests of the
envelope read them (CALLVAULT_VECTORS).
"""
import hashlib
import json
import os
import pathlib
import secrets
import subprocess
import sys

import tink_streaming
from vault_service import SCRATCH, Service, say

FIRST, OTHER = 65536 - 56, 65536 - 16
# Around every edge of the segments, and one that is real speech.
LENGTHS = [1, 16, FIRST - 1, FIRST, FIRST + 1, FIRST + OTHER, FIRST + OTHER + 1, 400_000]
SPEECH = "/usr/share/asterisk/sounds/en_US_f_Allison/basic-pbx-ivr-main.wav"


def ours_to_tink():
    with Service() as service:
        intake = service.token("service", "calls:write", "recordings:write")
        officer = service.token("privacy-officer")
        audios = [secrets.token_bytes(length) for length in LENGTHS]
        audios.append(pathlib.Path(SPEECH).read_bytes())
        for number, audio in enumerate(audios):
            path = os.path.join(SCRATCH, "audio")
            pathlib.Path(path).write_bytes(audio)
            stored = service.command(
                "put", path, "--source", "tink", "--source-id", str(number), token=intake)
            out = os.path.join(SCRATCH, "export%d" % number)
            export = service.command(
                "export", stored["recording"], "--out", out, "--with-key", token=officer)
            sealed = pathlib.Path(out, export["ciphertext"]).read_bytes()
            assert hashlib.sha256(sealed).hexdigest() == export["ciphertext_sha256"]
            assert export["ciphertext_sha256"] == stored["sha256"]
            key, aad = bytes.fromhex(export["key_hex"]), export["aad"].encode()
            segment = export["segment_size"]
            assert tink_streaming.decrypt(key, segment, aad, sealed) == audio, len(audio)
            for wrong in (aad + b"x", aad.replace(b"recording-1", b"recording-2")):
                try:
                    tink_streaming.decrypt(key, segment, wrong, sealed)
                except tink_streaming.tink.TinkError:
                    continue
                raise AssertionError("the key opened a part that it does not belong to")
    say("tink opened %d exported recordings, and none under another name" % len(audios))


def tink_to_ours():
    folder = pathlib.Path(SCRATCH, "vectors")
    folder.mkdir()
    count = 0
    for name, segment, lengths in [
            ("4k", 4096, [0, 1, 4040, 4041, 8120, 8121, 50_000]),
            ("64k", 65536, [0, FIRST, FIRST + 1, FIRST + OTHER, 200_000]),
            ("1m", 1 << 20, [0, 1, (1 << 20) - 56, (1 << 20) - 55])]:
        vectors = []
        for length in lengths:
            key, plaintext = secrets.token_bytes(32), secrets.token_bytes(length)
            aad = b"callvault/v1|made by tink|length=%d" % length
            sealed = tink_streaming.encrypt(key, segment, aad, plaintext)
            vectors.append({
                "id": "fresh-%s-%d" % (name, length), "result": "valid", "key_hex": key.hex(),
                "aad_hex": aad.hex(), "segment_size": segment, "derived_key_size": 32,
                "hkdf_hash": "SHA256", "plaintext": {"kind": "hex", "hex": plaintext.hex()},
                "plaintext_sha256": hashlib.sha256(plaintext).hexdigest(),
                "header": {"salt_hex": sealed[1:33].hex(), "nonce_prefix_hex": sealed[33:40].hex()},
                "ciphertext_length": len(sealed),
                "ciphertext_sha256": hashlib.sha256(sealed).hexdigest(),
                "ciphertext_hex": sealed.hex()})
            count += 1
        (folder / ("tink-%s.json" % name)).write_text(json.dumps({"vectors": vectors}))
    # Nothing malformed is made here; the file is part of the layout.
    bad = pathlib.Path(os.environ["REPOSITORY"], "Tests/Vectors/tink-bad.json")
    (folder / "tink-bad.json").write_bytes(bad.read_bytes())
    result = subprocess.run(
        ["swift", "test", "--skip-build", "--disable-xctest", "--filter", "EnvelopeVectorTests"],
        cwd=os.environ["REPOSITORY"], env=dict(os.environ, CALLVAULT_VECTORS=str(folder)),
        capture_output=True, text=True, timeout=600)
    if result.returncode or "passed" not in result.stdout or " 0 tests" in result.stdout:
        sys.exit("our envelope did not open what tink wrote:\n" + result.stdout + result.stderr)
    say("our envelope opened %d objects that tink wrote just now" % count)


if __name__ == "__main__":
    tink_to_ours()
    ours_to_tink()
