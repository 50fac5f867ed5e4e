"""A supervisor for the outside tests: its folder, its process, its socket; and HTTP targets that die.

Everything lies below SCRATCH and is ended by process id.
"""
import base64
import hashlib
import http.client
import http.server
import importlib.util
import io
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import redirect_stdout

from ports import free_port
from vault_service import CALLVAULT, SCRATCH, Service

REPOSITORY = pathlib.Path(os.environ["REPOSITORY"])
DAYS = ", ".join('%s: ["00:00-24:00"]' % day for day in
                 ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"))
ALWAYS = "hours: {time_zone: Etc/UTC, week: {%s}}" % DAYS


def token(secret):
    """An access token as formats/policies.md, 3, spells it, and its SHA-256."""
    checksum = hashlib.sha256(b"cv1_" + secret).digest()[:4]
    text = "cv1_" + base64.urlsafe_b64encode(secret + checksum).decode().rstrip("=")
    return text, hashlib.sha256(text.encode()).hexdigest()


class Target:
    """An HTTP server that can be killed and brought back on its port."""

    def __init__(self):
        self.status, self.server = 200, None
        self.port = free_port()
        self.start()

    def start(self):
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.send_response(target.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

            def get_request(self):
                connection, address = super().get_request()
                target.connections.append(connection)
                return connection, address

        self.connections = []
        self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def kill(self):
        """No listener and no connection: what a killed process leaves."""
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
                connection.close()
            except OSError:
                pass


class Supervisor:
    """A supervisor's folder, and the process that works in it."""

    def __init__(self, folder=None):
        self.folder = folder or os.path.join(SCRATCH, "failover")
        self.log = os.path.join(SCRATCH, "supervisor.log")
        self.process = None

    def make(self, data, policy):
        """`failover init`; returns the key its log is verified with."""
        made = subprocess.run(
            [CALLVAULT, "failover", "init", "--dir", self.folder, "--data", data, "--json"],
            capture_output=True, check=True)
        self.key = json.loads(made.stdout)["verifier_key"]
        with open(os.path.join(self.folder, "routing.yaml"), "w") as file:
            file.write(policy)
        return self.key

    def begin(self, *more):
        """Starts one more process; returns it and what it says when it serves."""
        reading, writing = os.pipe()
        with open(self.log, "ab") as log:
            process = subprocess.Popen(
                [CALLVAULT, "failover", "run", "--dir", self.folder, "--ready-fd", str(writing), *more],
                stderr=log, stdout=log, pass_fds=[writing])
        os.close(writing)
        return process, os.fdopen(reading)

    def start(self, *more):
        self.process, ready = self.begin(*more)
        assert ready.readline(), self.told()

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def told(self):
        with open(self.log) as log:
            return log.read()

    def connect(self, token=None):
        """The socket, whoever asks."""
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(30)
        connection.sock.connect(os.path.join(self.folder, "run", "failover.sock"))
        return connection

    def ask(self, method, path, body=None, token=None):
        connection = self.connect(token)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = "Bearer " + token
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        kind = response.headers.get("Content-Type", "")
        return response.status, json.loads(content) if "json" in kind else content.decode()

    def route(self):
        status, answer = self.ask("GET", "/v1/route")
        assert status == 200, answer
        return answer.get("plan", {}).get("route"), answer["state"], answer

    def until(self, wanted, seconds=15):
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            name, _, answer = self.route()
            if name == wanted and not answer["pending"]:
                return time.monotonic() - begin
            time.sleep(0.01)
        raise AssertionError("not %s but %s" % (wanted, json.dumps(self.route()[2])))

    def command(self, *words, expect=0):
        result = subprocess.run([CALLVAULT, "failover", *words, "--dir", self.folder, "--json"],
                                capture_output=True, timeout=120)
        assert result.returncode == expect, (words, result)
        return json.loads(result.stdout)

    def metric(self, name):
        """All samples of a metric: labels to number."""
        found = {}
        for line in self.ask("GET", "/metrics")[1].splitlines():
            if line.startswith(name + "{") or line.startswith(name + " "):
                labels, _, number = line[len(name):].rpartition(" ")
                found[labels] = float(number)
        return found

    def heads(self):
        """SHA-256 of each head that its log ever published."""
        heads = set()
        for month in pathlib.Path(self.folder, "log", "checkpoints").iterdir():
            history, at = month.read_bytes(), 0
            while at < len(history):
                length = int.from_bytes(history[at:at + 2], "big")
                heads.add(hashlib.sha256(history[at + 2:at + 2 + length]).hexdigest())
                at += 2 + length
        return heads


class Listening(Supervisor):
    """One with a policy and a port of its own for TLS, which runs within a block."""

    def __init__(self, policy):
        super().__init__()
        self.port = free_port()
        with Service() as service:
            data = service.data
        self.make(data, policy)

    def __enter__(self):
        self.start("--listen", "127.0.0.1:%d" % self.port)
        return self

    def __exit__(self, *_):
        self.end()
        assert self.process.returncode == 0

    def secure(self):
        """TLS; whose certificate it is, is not what these tests are about."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=30)

    def connect(self, token=None):
        """TLS with a token, the socket without."""
        return self.secure() if token else super().connect()

    def status(self):
        return self.route()[2]


def verdict(folder, key):
    """What verify.py, which is no part of the program, says of a log."""
    spec = importlib.util.spec_from_file_location("verify", REPOSITORY / "Evidence/verify.py")
    checker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(checker)
    out = io.StringIO()
    argv, sys.argv = sys.argv, ["verify.py", "log", folder, "--key", key, "--json"]
    try:
        with redirect_stdout(out):
            code = checker.main()
    finally:
        sys.argv = argv
    return code, json.loads(out.getvalue())
