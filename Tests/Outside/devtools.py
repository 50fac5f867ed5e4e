"""Debian's chromium, headless, told what to do over the DevTools protocol.

A small WebSocket client, so that nothing needs to be installed for it.
"""
import base64
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request

PROGRAM = shutil.which("chromium")


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

    def open(self, url, wanted="true"):
        """Goes to a page, and returns when all of it is there and `wanted` is so."""
        self.call("Page.navigate", url=url)
        deadline = time.monotonic() + 60
        while not self.evaluate("document.readyState === 'complete' && " + wanted):
            assert time.monotonic() < deadline, "the page is not there: " + url
            time.sleep(0.02)

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True,
                           returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")


class Browser:
    """A browser with a profile of its own; `with Browser(folder) as page` gives its page."""

    def __init__(self, folder, *options):
        self.profile = os.path.join(folder, "profile")
        self.process = subprocess.Popen(
            [PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-dev-shm-usage", *options, "--remote-debugging-port=0",
             "--user-data-dir=" + self.profile, "about:blank"],
            stdout=subprocess.DEVNULL, stderr=open(os.path.join(folder, "chromium.log"), "wb"))

    def __enter__(self):
        marker = os.path.join(self.profile, "DevToolsActivePort")
        deadline = time.monotonic() + 60
        while not os.path.exists(marker) or not open(marker).read().strip():
            assert self.process.poll() is None and time.monotonic() < deadline, "no browser"
            time.sleep(0.2)
        port = open(marker).read().split()[0]
        pages = json.load(urllib.request.urlopen("http://127.0.0.1:%s/json/list" % port))
        page = DevTools(next(p for p in pages if p["type"] == "page")["webSocketDebuggerUrl"])
        page.call("Page.enable")
        return page

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
