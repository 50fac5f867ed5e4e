"""A supervisor of failover for outside tests: its folder, its process, and requests over its socket and over TLS."""
import base64
import hashlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import time

from vault_service import CALLVAULT, SCRATCH, Service

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ALWAYS = "hours: {time_zone: Etc/UTC, week: {%s}}" % ", ".join('%s: ["00:00-24:00"]' % day for day in DAYS)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def token(secret):
    """An access token as formats/policies.md, 3, spells it, and its SHA-256."""
    checksum = hashlib.sha256(b"cv1_" + secret).digest()[:4]
    text = "cv1_" + base64.urlsafe_b64encode(secret + checksum).decode().rstrip("=")
    return text, hashlib.sha256(text.encode()).hexdigest()


class Supervisor:
    """`callvault failover run` with a policy, over TLS on a port of its own too."""

    def __init__(self, policy, name="failover"):
        self.folder = os.path.join(SCRATCH, name)
        self.port = free_port()
        self.log = os.path.join(SCRATCH, name + ".log")
        with Service() as service:
            data = service.data
        subprocess.run([CALLVAULT, "failover", "init", "--dir", self.folder, "--data", data, "--json"],
                       capture_output=True, check=True)
        with open(os.path.join(self.folder, "routing.yaml"), "w") as file:
            file.write(policy)
        self.process = None

    def __enter__(self):
        reading, writing = os.pipe()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [CALLVAULT, "failover", "run", "--dir", self.folder, "--ready-fd", str(writing),
                 "--listen", "127.0.0.1:%d" % self.port], stderr=log, stdout=log, pass_fds=[writing])
        os.close(writing)
        with os.fdopen(reading) as ready:
            assert ready.readline(), open(self.log).read()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(30) == 0

    def connection(self):
        """TLS; whose certificate it is, is not what these tests are about."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=30)

    def ask(self, method, path, body=None, token=None):
        """Over the socket, or with a token over TLS."""
        if token:
            connection = self.connection()
        else:
            connection = http.client.HTTPConnection("localhost", timeout=30)
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(30)
            connection.sock.connect(os.path.join(self.folder, "run", "failover.sock"))
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = "Bearer " + token
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, json.loads(content) if "json" in response.headers.get("Content-Type", "") else content.decode()

    def status(self):
        status, answer = self.ask("GET", "/v1/route")
        assert status == 200, answer
        return answer

    def until(self, route, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            now = self.status()
            if now.get("plan", {}).get("route") == route and not now["pending"]:
                return
            time.sleep(0.02)
        raise AssertionError("not %s but %s" % (route, json.dumps(self.status())))

    def metric(self, name):
        """All samples of a metric: labels to number."""
        found = {}
        for line in self.ask("GET", "/metrics")[1].splitlines():
            if line.startswith(name + "{") or line.startswith(name + " "):
                labels, _, number = line[len(name):].rpartition(" ")
                found[labels] = float(number)
        return found
