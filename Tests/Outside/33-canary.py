#!/usr/bin/env python3
"""P1: what was stored is nowhere in clear in any file the program wrote.

A canary goes in as audio (PCM), transcript, caller number, agent and note; each is then looked for
in every byte of the data directory, the temporary directory and the logs: as it is, in UTF-16 of
both byte orders, in base64 at its three alignments, in hexadecimal, and the audio as mu-law.
"""
import base64
import json
import os
import random
import sys

from vault_service import Service, say, wav


def mulaw(sample):
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> exponent + 3 & 15) & 0xFF


def forms(value):
    """Spellings of some bytes, each long enough not to occur by chance."""
    yield "raw", value
    yield "hex", value.hex().encode()
    yield "HEX", value.hex().upper().encode()
    for shift in range(3):
        # Only the characters that depend on these bytes alone.
        encoded = base64.b64encode(b"\0" * shift + value)
        start = -(-shift * 8 // 6)
        stop = (shift + len(value)) * 8 // 6
        yield "base64+%d" % shift, encoded[start:stop]
        yield "base64url+%d" % shift, encoded[start:stop].replace(b"+", b"-").replace(b"/", b"_")
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return
    yield "UTF-16LE", text.encode("utf-16-le")
    yield "UTF-16BE", text.encode("utf-16-be")
    yield "digits only", "".join(c for c in text if c.isdigit()).encode() or value


def search(folders, needles):
    found = []
    count = size = 0
    for folder in folders:
        for root, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(root, name)
                if not os.path.isfile(path):
                    continue
                with open(path, "rb") as file:
                    content = file.read()
                count += 1
                size += len(content)
                content_and_name = content + b"\n" + path.encode()
                for what, form, bytes_ in needles:
                    if bytes_ in content_and_name:
                        found.append("%s as %s in %s" % (what, form, path))
    return found, count, size


generator = random.Random(os.urandom(16))
samples = [generator.randrange(-20000, 20000) for _ in range(60000)]
number = "+1313555" + "%04d" % generator.randrange(10000)
word = "canary" + "%032x" % generator.randrange(1 << 128)
values = {
    "transcript": ("said " + word).encode(), "note": ("note " + word[::-1]).encode(),
    "agent": ("Agent " + word[8:28]).encode(), "caller number": number.encode(),
    "source id": ("file-" + word[3:30]).encode(),
}
audio = wav(samples)
for index, offset in enumerate((44, 30000, 65500, 100000, len(audio) - 64)):
    values["audio %d" % index] = audio[offset:offset + 32]
companded = bytes(map(mulaw, samples))
for index, offset in enumerate((0, 20000, 59000)):
    values["audio as mu-law %d" % index] = companded[offset:offset + 24]
needles = [(what, form, spelt) for what, value in values.items() for form, spelt in forms(value)
           if len(spelt) >= 9]

with Service() as service:
    operator = service.token("operator")
    clinician = service.token("clinician")
    officer = service.token("privacy-officer")
    created, stored = service.put(
        audio, operator, source_id=values["source id"].decode(), agent=values["agent"].decode(),
        **{"from": number, "to": number[:-1] + "7"})
    call, recording = created["call"], stored["recording"]

    def expect(status, answer):
        assert answer[0] == status, answer
        return answer[2]

    expect(201, service.request("POST", "/v1/calls/%s/transcripts" % call, {
        "provider": "test", "language": "en", "segments": [
            {"speaker": "caller", "text": values["transcript"].decode(), "start_ms": 0,
             "end_ms": 900, "confidence": None}]}, operator))
    why = {"Purpose-Of-Use": "TREAT"}
    expect(201, service.request("POST", "/v1/calls/%s/notes" % call,
                                {"text": values["note"].decode()}, clinician, why))
    assert expect(200, service.request("GET", "/v1/recordings/%s/audio" % recording, None,
                                       clinician, why)) == audio
    assert word in expect(200, service.request("GET", "/v1/calls/%s/transcripts" % call, None,
                                               clinician, why)).decode()
    assert word[::-1] in expect(200, service.request("GET", "/v1/calls/%s/notes" % call, None,
                                                     clinician, why)).decode()
    page = json.loads(expect(200, service.request(
        "GET", "/v1/calls?party=" + number.replace("+", "%2B"), None, clinician, why)))
    assert page["calls"][0]["details"]["from"] == number, page
    expect(200, service.request("POST", "/v1/recordings/%s/export" % recording, None, officer,
                                {"Purpose-Of-Use": "HLEGAL"}))
    # Requests that fail must not tell the log what they held either.
    service.request("POST", "/v1/calls", b'{"source":"' + values["note"], operator,
                    {"Content-Type": "application/json"})
    service.request("GET", "/v1/calls?party=" + number.replace("+", "%2B"), None, clinician)
    service.request("POST", "/v1/calls/%s/notes" % call, {"txet": word[::-1]}, clinician, why)
    service.request("GET", "/v1/" + word, None, clinician)
    service.request("GET", "/v1/health/live", None, None, {"User-Agent": word})

    def look(moment):
        found, count, size = search([service.folder], needles)
        if found:
            print("\n".join(found))
            sys.exit("content in clear " + moment)
        say("%s: nothing in %d files, %d bytes, %d spellings" % (moment, count, size, len(needles)))

    look("while it runs")
    service.stop()
    look("after it ended")
    # The search itself: what is planted is found.
    planted = os.path.join(service.temporary, "planted")
    for what, form, spelt in needles:
        with open(planted, "wb") as file:
            file.write(b"x" + spelt + b"y")
        found, _, _ = search([service.temporary], [(what, form, spelt)])
        assert found, "the search misses %s as %s" % (what, form)
    os.unlink(planted)
