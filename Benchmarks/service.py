"""A vault of its own, served for a figure and ended by its process id."""
import http.client
import json
import os
import pathlib
import select
import signal
import ssl
import subprocess
import time

import measure

ROOT = pathlib.Path(__file__).resolve().parent.parent
CALLVAULT = ROOT / ".build" / "release" / "callvault"
PROGRAM = ROOT / ".build" / "release" / "callvault-bench"


class Service:
    """Used as `with Service(folder) as service:`; the folder is made by it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.log = self.folder / "serve.log"
        self.certificate = self.data / "tls" / "certificate.pem"
        self.key = self.data / "tls" / "key.pem"
        self.process = None
        self.tokens = {}
        self.folder.mkdir(parents=True)
        made = measure.run(CALLVAULT, "init", "--data", self.data, "--json")
        self.facts = json.loads(made.stdout)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def start(self):
        """Starts and waits until it is ready; returns the seconds from spawn to ready."""
        ready, child = os.pipe()
        with open(self.log, "ab") as log:
            began = time.monotonic()
            self.process = subprocess.Popen(
                [str(CALLVAULT), "serve", "--data", str(self.data), "--listen", "127.0.0.1:0",
                 "--ready-fd", str(child)], pass_fds=[child], stdout=log, stderr=log)
        os.close(child)
        readable, _, _ = select.select([ready], [], [], min(300, measure.remaining()))
        address = os.read(ready, 128).decode().strip() if readable else ""
        took = time.monotonic() - began
        os.close(ready)
        if not address:
            raise RuntimeError("the service did not start: " + self.log.read_text()[-500:])
        self.port = int(address.rsplit(":", 1)[1])
        self.url = f"https://localhost:{self.port}"
        return took

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(120) != 0:
            raise RuntimeError("the service did not stop well: " + self.log.read_text()[-500:])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def token(self, role, *scopes):
        if (role, scopes) not in self.tokens:
            words = [word for scope in scopes for word in ("--scope", scope)]
            made = measure.run(CALLVAULT, "token", "create", "--data", self.data, "--name",
                               f"bench-{role}-{len(self.tokens)}", "--role", role, *words, "--json")
            self.tokens[(role, scopes)] = json.loads(made.stdout)["token"]
        return self.tokens[(role, scopes)]

    @property
    def writing(self):
        return {"Authorization": "Bearer " + self.token("service", "recordings:write")}

    @property
    def reading(self):
        return {"Authorization": "Bearer " + self.token("clinician"), "Purpose-Of-Use": "TREAT"}

    def connection(self):
        context = ssl.create_default_context(cafile=str(self.certificate))
        return http.client.HTTPSConnection("localhost", self.port, context=context, timeout=120)

    def new_calls(self, count):
        """Makes calls to put recordings in; returns their ids."""
        connection, made = self.connection(), []
        headers = {**self.writing, "Content-Type": "application/json"}
        for number in range(count):
            body = json.dumps({"source": "bench", "source_id": f"{time.monotonic_ns()}-{number}"})
            connection.request("POST", "/v1/calls", body, headers)
            made.append(json.loads(_answer(connection, 201))["call"])
        connection.close()
        return made

    def store(self, file, calls):
        """Stores the bytes of one file in each of these calls; returns the recordings' ids."""
        connection, made = self.connection(), []
        for call in calls:
            with open(file, "rb") as body:
                connection.request(
                    "POST", f"/v1/calls/{call}/recordings", body,
                    {**self.writing, "Content-Type": "audio/wav",
                     "Content-Length": str(os.path.getsize(file))})
                made.append(json.loads(_answer(connection, 201))["recording"])
        connection.close()
        return made

    def peak_bytes(self):
        """The most memory this process had resident."""
        return status_bytes(self.process.pid, "VmHWM")


def _answer(connection, expected):
    response = connection.getresponse()
    body = response.read()
    if response.status != expected:
        raise RuntimeError(f"HTTP {response.status}: {body[:300].decode(errors='replace')}")
    return body


def status_bytes(pid, field):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0  # A process that has just ended has no memory.


def headers(fields):
    """Header fields as curl and wrk take them."""
    return [word for name, value in fields.items() for word in ("-H", f"{name}: {value}")]


def wav(path, length):
    """A WAV file of noise, `length` bytes long: 16 bits, 48 kHz, stereo."""
    size = max(length, 48)
    head = (b"RIFF" + (size - 8).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
            + (1).to_bytes(2, "little") + (2).to_bytes(2, "little") + (48000).to_bytes(4, "little")
            + (192000).to_bytes(4, "little") + (4).to_bytes(2, "little") + (16).to_bytes(2, "little")
            + b"data" + (size - 44).to_bytes(4, "little"))
    with open(path, "wb") as file:
        file.write(head)
        left = size - len(head)
        while left > 0:
            block = os.urandom(min(left, 1 << 20))
            file.write(block)
            left -= len(block)
    return path
