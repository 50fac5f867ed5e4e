#!/usr/bin/env python3
"""What `callvault export --with-key` wrote, PyPI tink opens; and under no other name.

The other way, our envelope on what tink sealed, is TinkInteropTests of the unit tests.
"""
import hashlib
import os
import pathlib
import secrets

import tink
import tink_check
from vault_service import SCRATCH, Service, say

FIRST, OTHER = 65536 - 56, 65536 - 16
# Around every edge of the segments, and one that is real speech.
LENGTHS = [1, 16, FIRST - 1, FIRST, FIRST + 1, FIRST + OTHER, FIRST + OTHER + 1, 400_000]
SPEECH = "/usr/share/asterisk/sounds/en_US_f_Allison/basic-pbx-ivr-main.wav"


def main():
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
            assert tink_check.decrypt_bytes(key, segment, aad, sealed) == audio, len(audio)
            for wrong in (aad + b"x", aad.replace(b"recording-1", b"recording-2")):
                try:
                    tink_check.decrypt_bytes(key, segment, wrong, sealed)
                except tink.TinkError:
                    continue
                raise AssertionError("the key opened a part that it does not belong to")
    say("tink opened %d exported recordings, and none under another name" % len(audios))


main()
