#!/usr/bin/env python3
"""A dictionary of telephone numbers matches nothing in the log of calls with numbers of it.

Whoever holds the log, and knows every number there could be, tries each: in clear, hashed, and as
a commitment under keys that a careless program could have used. CALLVAULT_DICTIONARY says how many
numbers (100000; `make torture` takes a million).
"""
import base64
import hashlib
import hmac
import os
import pathlib
import re
import struct

from vault_service import SCRATCH, Service, say

COUNT = int(os.environ.get("CALLVAULT_DICTIONARY", "100000"))
FIELDS = (b"source", b"details", b"filter", b"name")


def number(index):
    return "+1313%07d" % index


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def guesses(text):
    """What a leaf could hold that gives the number away."""
    for spelling in (text, text[1:], text[2:]):
        digest = hashlib.sha256(spelling.encode()).digest()
        yield digest.hex()
        yield base64url(digest)
    value = text.encode()
    for field in FIELDS:
        message = b"callvault/commit/v1" + bytes([len(field)]) + field + struct.pack(">I", len(value)) + value
        yield base64url(hmac.digest(bytes(32), message, "sha256"))


def main():
    with Service() as service:
        operator = service.token("operator")
        officer = service.token("privacy-officer")
        connection = service.connection()
        known = [number(index * (COUNT // 100)) for index in range(100)]
        for index, text in enumerate(known):
            status, _, body = service.request(
                "POST", "/v1/calls", {"source": "trunk", "source_id": text + "/%d" % index, "from": text,
                                      "to": number(index)}, operator, connection=connection)
            assert status == 201, body
        for text in known[:20]:
            status, _, _ = service.request(
                "GET", "/v1/calls?party=%2B" + text[1:], token=officer, headers={"Purpose-Of-Use": "TREAT"})
            assert status == 200
        folder = SCRATCH + "/log"
        service.command("audit", "export", folder, token=officer)
    leaves = b"".join(p.read_bytes() for p in pathlib.Path(folder, "tile/entries").rglob("*") if p.is_file())
    text = leaves.decode("latin-1")
    # Every word of every leaf that is long enough to be a hash, and every run of digits that is not of one or of an id.
    words = set(re.findall(r"[A-Za-z0-9_-]{22,}", text))
    digits = set(re.findall(r"(?<![0-9a-f-])\d{7,}(?![0-9a-f-])", text))
    assert len(words) > 400, len(words)
    tried = matches = 0
    for index in range(COUNT):
        guess = number(index)
        if guess[1:] in digits or guess[2:] in digits:
            matches += 1
        for word in guesses(guess):
            tried += 1
            if word in words:
                matches += 1
    assert matches == 0, matches
    # The search itself finds what is there: a plain hash among the leaves would have been seen.
    planted = hashlib.sha256(known[3].encode()).hexdigest()
    assert planted in {w for n in known for w in guesses(n)}
    say("%d numbers, %d guesses, %d words of %d calls' leaves: no match" % (COUNT, tried, len(words), len(known)))


main()
