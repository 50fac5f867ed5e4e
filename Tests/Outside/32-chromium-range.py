#!/usr/bin/env python3
"""A browser engine plays a recording by its playback URL, seeks, and each range it heard is logged.
"""
import json
import math
import sys
import time

from devtools import PROGRAM, Browser
from vault_service import SCRATCH, Service, say, wav

if not PROGRAM:
    print("chromium is not installed (Debian: chromium)")
    sys.exit(77)


PLAY = """new Promise((done, fail) => {
  const find = () => document.querySelector('video, audio');
  const look = () => {
    const media = find();
    if (!media) { setTimeout(look, 50); return; }
    const tell = () => done({duration: media.duration, ready: media.readyState});
    media.onerror = () => fail(new Error('media error'));
    if (media.readyState >= 3) tell(); else media.addEventListener('canplay', tell, {once: true});
  };
  setTimeout(() => fail(new Error(find() ? 'no canplay, state ' + find().readyState
                                         : 'no player: ' + document.documentElement.outerHTML)), 20000);
  look();
})"""
SEEK = """new Promise((done, fail) => {
  const media = document.querySelector('video, audio');
  media.addEventListener('seeked', () => done({at: media.currentTime, ready: media.readyState}),
                         {once: true});
  media.currentTime = %d;
  setTimeout(() => fail(new Error('no seeked')), 20000);
})"""

SECONDS = 600
RATE = 16000
tone = [int(9000 * math.sin(n / 7)) for n in range(RATE)]
audio = wav(tone * SECONDS, RATE)

with Service() as service:
    operator = service.token("operator")
    clinician = service.token("clinician")
    auditor = service.token("auditor")
    _, stored = service.put(audio, operator)
    status, _, body = service.request(
        "POST", "/v1/recordings/%s/playback" % stored["recording"], {"purpose": "TREAT"},
        clinician)
    assert status == 201, body
    address = service.url + json.loads(body)["url"]
    with Browser(SCRATCH, "--ignore-certificate-errors", "--mute-audio",
                 "--autoplay-policy=no-user-gesture-required") as page:
        page.call("Page.navigate", url=address)
        can_play = page.evaluate(PLAY)
        assert abs(can_play["duration"] - SECONDS) < 1 and can_play["ready"] >= 3, can_play
        seeked = page.evaluate(SEEK % (SECONDS - 60))
        assert seeked["at"] >= SECONDS - 60, seeked
        page.call("Page.navigate", url="about:blank")
    deadline = time.monotonic() + 30
    while True:
        status, _, body = service.request(
            "GET", "/v1/audit/entries?action=recording.opened&object=%s" % stored["recording"],
            None, auditor)
        entries = [json.loads(entry["leaf"]) for entry in json.loads(body)["entries"]]
        intents = {e["id"] for e in entries if e["phase"] == "intent"}
        outcomes = {e["ref"]: e for e in entries if e["phase"] == "outcome"}
        if intents == set(outcomes) or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    assert len(intents) >= 2, entries
    assert intents == set(outcomes), "an access without its outcome"
    assert all(e["actor"]["role"] == "clinician" and e["purpose"] == "TREAT" for e in entries
               if e["phase"] == "intent"), entries
    released = [e.get("released", 0) for e in outcomes.values()]
    assert any(0 < count < len(audio) for count in released), released
    say("chromium: %.0f s of audio can play, seeked to %.0f s; %d ranges logged, %d bytes released"
        % (can_play["duration"], seeked["at"], len(intents), sum(released)))
