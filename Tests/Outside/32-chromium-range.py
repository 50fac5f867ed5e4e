#!/usr/bin/env python3
"""A browser engine plays a recording by its playback URL, seeks, and each range it heard is logged.

Debian's chromium, headless, told what to do over the DevTools protocol (a small WebSocket client,
so that nothing needs to be installed for it).
"""
import base64
import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

from vault_service import SCRATCH, Service, say, wav

program = shutil.which("chromium")
if not program:
    print("chromium is not installed (Debian: chromium)")
    sys.exit(77)


class DevTools:
    """One page of a browser, by its WebSocket address (RFC 6455, text frames only)."""

    def __init__(self, url):
        host, port, path = re.match(r"ws://([^:/]+):(\d+)(/.*)", url).groups()
        self.socket = socket.create_connection((host, int(port)), timeout=60)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((
            "GET %s HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n"
            % (path, host, port, key)).encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.socket.recv(4096)
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101"), head
        self.last = 0

    def take(self, count):
        while len(self.buffer) < count:
            piece = self.socket.recv(65536)
            assert piece, "the browser hung up"
            self.buffer += piece
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def message(self):
        whole = b""
        while True:
            first, second = self.take(2)
            length = second & 127
            if length == 126:
                length = int.from_bytes(self.take(2), "big")
            elif length == 127:
                length = int.from_bytes(self.take(8), "big")
            payload = self.take(length)
            if first & 15 in (0, 1):
                whole += payload
                if first & 128:
                    return json.loads(whole)

    def call(self, method, **parameters):
        self.last += 1
        payload = json.dumps({"id": self.last, "method": method, "params": parameters}).encode()
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([0x81]) + (bytes([0x80 | size]) if size < 126 else
                                bytes([0x80 | 126]) + size.to_bytes(2, "big"))
        self.socket.sendall(
            head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))
        while True:
            answer = self.message()
            if answer.get("id") == self.last:
                assert "error" not in answer, answer
                return answer["result"]

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True,
                           returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")


PLAY = """new Promise((done, fail) => {
  const media = document.querySelector('video, audio');
  if (!media) { fail(new Error('no player: ' + document.documentElement.outerHTML)); return; }
  const tell = () => done({duration: media.duration, ready: media.readyState});
  media.onerror = () => fail(new Error('media error'));
  if (media.readyState >= 3) tell(); else media.addEventListener('canplay', tell, {once: true});
  setTimeout(() => fail(new Error('no canplay, state ' + media.readyState)), 20000);
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
    profile = os.path.join(SCRATCH, "profile")
    browser = subprocess.Popen(
        [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-dev-shm-usage", "--ignore-certificate-errors", "--mute-audio",
         "--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0",
         "--user-data-dir=" + profile, "about:blank"],
        stdout=subprocess.DEVNULL, stderr=open(os.path.join(SCRATCH, "chromium.log"), "wb"))
    try:
        marker = os.path.join(profile, "DevToolsActivePort")
        deadline = time.monotonic() + 60
        while not os.path.exists(marker) or not open(marker).read().strip():
            assert browser.poll() is None and time.monotonic() < deadline, "no browser"
            time.sleep(0.2)
        port = open(marker).read().split()[0]
        pages = json.load(urllib.request.urlopen("http://127.0.0.1:%s/json/list" % port))
        page = DevTools(next(p for p in pages if p["type"] == "page")["webSocketDebuggerUrl"])
        page.call("Page.enable")
        page.call("Page.navigate", url=address)
        time.sleep(1)
        can_play = page.evaluate(PLAY)
        assert abs(can_play["duration"] - SECONDS) < 1 and can_play["ready"] >= 3, can_play
        seeked = page.evaluate(SEEK % (SECONDS - 60))
        assert seeked["at"] >= SECONDS - 60, seeked
        page.call("Page.navigate", url="about:blank")
    finally:
        browser.terminate()
        browser.wait(30)
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
