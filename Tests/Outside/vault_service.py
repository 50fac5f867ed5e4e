"""A vault of its own and a running service, for the outside tests.

Used as `with Service() as service:`; everything lies below SCRATCH and is ended by process id.
Only Python's standard library is needed.
"""
import http.client
import json
import os
import signal
import ssl
import struct
import subprocess
import time

CALLVAULT = os.environ["CALLVAULT"]
SCRATCH = os.environ["SCRATCH"]


def say(text):
    """Prints a line that the runner shows after a pass."""
    print(": " + text, flush=True)


def wav(samples, rate=8000):
    """A WAV file of 16-bit mono PCM."""
    body = struct.pack("<%dh" % len(samples), *samples)
    return (b"RIFF" + struct.pack("<I", 36 + len(body)) + b"WAVEfmt "
            + struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * 2, 2, 16)
            + b"data" + struct.pack("<I", len(body)) + body)


class Service:
    def __init__(self, name="vault"):
        self.folder = os.path.join(SCRATCH, name)
        self.data = os.path.join(self.folder, "data")
        self.keys = os.path.join(self.folder, "keys")
        self.temporary = os.path.join(self.folder, "tmp")
        self.stderr = os.path.join(self.folder, "stderr.log")
        self.process = None
        for directory in (self.folder, self.temporary):
            os.makedirs(directory, exist_ok=True)

    def environment(self, token=None):
        environment = dict(os.environ, CALLVAULT_DATA=self.data, TMPDIR=self.temporary)
        environment.pop("CALLVAULT_TOKEN", None)
        if token:
            environment["CALLVAULT_TOKEN"] = token
        return environment

    def command(self, *words, token=None, expect=0, stdin=None):
        """Runs a command with --json and returns its document."""
        result = subprocess.run(
            [CALLVAULT, *words, "--json"], env=self.environment(token), capture_output=True,
            input=stdin, timeout=120)
        if result.returncode != expect:
            raise AssertionError("callvault %s: exit %d, not %d\n%s%s" % (
                " ".join(words), result.returncode, expect, result.stdout.decode(),
                result.stderr.decode()))
        return json.loads(result.stdout) if result.stdout.strip() else None

    def __enter__(self):
        self.init = self.command("init", "--data", self.data, "--keys", self.keys)
        self.start()
        return self

    def start(self):
        reading, writing = os.pipe()
        with open(self.stderr, "ab") as log:
            self.process = subprocess.Popen(
                [CALLVAULT, "serve", "--data", self.data, "--keys", self.keys, "--listen",
                 "127.0.0.1:0", "--ready-fd", str(writing)], env=self.environment(),
                stderr=log, stdout=log, pass_fds=[writing])
        os.close(writing)
        with os.fdopen(reading) as ready:
            line = ready.readline().strip()
        if not line.startswith("https://"):
            self.process.wait(10)
            raise AssertionError("the service did not start:\n" + open(self.stderr).read())
        self.url = line
        self.port = int(line.rsplit(":", 1)[1])
        self.certificate = os.path.join(self.data, "tls", "certificate.pem")

    def lives(self):
        """Whether the program runs; asked by threads too, while another one stops it."""
        process = self.process
        return process is not None and process.poll() is None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        assert status == 0, "the service ended with %d" % status
        self.process = None

    def __exit__(self, *_):
        if self.lives():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def token(self, role, *scopes, name=None):
        words = ["token", "create", "--name", name or "test " + role, "--role", role]
        for scope in scopes:
            words += ["--scope", scope]
        return self.command(*words)["token"]

    def connection(self):
        context = ssl.create_default_context(cafile=self.certificate)
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=60)

    def request(self, method, path, body=None, token=None, headers=None, connection=None):
        """One request; returns (status, headers, body)."""
        own = connection or self.connection()
        fields = dict(headers or {})
        if token:
            fields["Authorization"] = "Bearer " + token
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            fields.setdefault("Content-Type", "application/json")
        own.request(method, path, body=body, headers=fields)
        response = own.getresponse()
        content = response.read()
        if not connection:
            own.close()
        return response.status, response.headers, content

    def put(self, audio, token, **call):
        """Registers a call and stores a recording; returns both receipts."""
        call.setdefault("source", "test")
        call.setdefault("source_id", "id-%d" % time.monotonic_ns())
        status, _, body = self.request("POST", "/v1/calls", call, token)
        assert status == 201, (status, body)
        created = json.loads(body)
        status, _, body = self.request(
            "POST", "/v1/calls/%s/recordings" % created["call"], audio, token,
            {"Content-Type": "audio/wav"})
        assert status == 201, (status, body)
        return created, json.loads(body)
