"""Witnesses and a time stamp authority of our own, for the outside tests of anchors.

The authority is made by `openssl` alone: RSA, without `certs=`, which is what every client verifies.
"""
import base64
import hashlib
import http.client
import http.server
import os
import re
import signal
import subprocess
import tempfile
import threading

from ports import free_port
from vault_service import CALLVAULT, SCRATCH

CONFIGURATION = """
[ req ]
distinguished_name = dn
prompt = no
[ dn ]
CN = Test TSA
[ v3_ca ]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[ v3_tsa ]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[ tsa1 ]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.crt
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.32473.1.1
digests = sha256
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def openssl(*words, **options):
    done = subprocess.run(["openssl", *words], capture_output=True, timeout=60, **options)
    if done.returncode:
        raise AssertionError("openssl %s: %s" % (" ".join(words), done.stderr.decode()))
    return done.stdout


class Authority:
    """A time stamp authority over HTTP; `fault` changes what it answers."""

    def __init__(self, days=3650):
        self.folder = os.path.join(SCRATCH, "tsa")
        os.makedirs(self.folder)
        self.configuration = os.path.join(self.folder, "tsa.cnf")
        with open(self.configuration, "w") as file:
            file.write(CONFIGURATION.format(folder=self.folder))
        self.certificate = os.path.join(self.folder, "ca.crt")
        self.root("ca")
        with open(self.folder + "/serial", "w") as file:
            file.write("01\n")
        self.issue(days)
        self.fault = None
        self.answered = 0
        self.last = None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.port = self.server.server_address[1]
        self.url = "http://127.0.0.1:%d/tsr" % self.port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def root(self, name):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                "%s/%s.key" % (self.folder, name), "-out", "%s/%s.crt" % (self.folder, name), "-days",
                "36500", "-subj", "/CN=Test TSA Root", "-config", self.configuration, "-extensions",
                "v3_ca")

    def issue(self, days, root="ca"):
        """A new certificate for the authority's signer."""
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", self.folder + "/tsa.key", "-out",
                self.folder + "/tsa.csr", "-subj", "/CN=Test TSA", "-config", self.configuration)
        openssl("x509", "-req", "-in", self.folder + "/tsa.csr", "-CA",
                "%s/%s.crt" % (self.folder, root), "-CAkey", "%s/%s.key" % (self.folder, root),
                "-CAcreateserial", "-days", str(days), "-extfile", self.configuration, "-extensions",
                "v3_tsa", "-out", self.folder + "/tsa.crt")

    def reply(self, query):
        with tempfile.NamedTemporaryFile(dir=self.folder) as file:
            file.write(query)
            file.flush()
            return openssl("ts", "-reply", "-config", self.configuration, "-section", "tsa1",
                           "-queryfile", file.name)

    def handler(authority):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                query = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    answer = authority.fault(query) if authority.fault else authority.reply(query)
                except AssertionError:
                    self.send_error(500)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                try:
                    self.wfile.write(answer)
                except BrokenPipeError:
                    return  # The vault has stopped meanwhile.
                authority.answered += 1
                authority.last = answer

            def log_message(self, *_):
                pass
        return Handler

    def verify(self, note, response):
        """What `openssl ts -verify` says of a stamp."""
        openssl("ts", "-verify", "-data", note, "-in", response, "-CAfile", self.certificate)

    def close(self):
        self.server.shutdown()


class Witness:
    """A `callvault witness serve` of its own."""

    def __init__(self, name, *keys):
        self.name = name
        self.folder = os.path.join(SCRATCH, name)
        self.key = self.command("init", "--dir", self.folder, "--name", name + ".example.org/w")
        for key in keys:
            self.command("add-log", "--dir", self.folder, key)
        self.process = None
        # The address stays when it is started again.
        self.listen = "127.0.0.1:%d" % free_port()

    @staticmethod
    def command(*words, expect=0):
        done = subprocess.run([CALLVAULT, "witness", *words], capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == expect, (words, done.returncode, done.stderr)
        return done.stdout.strip()

    def start(self, wrapper=()):
        reading, writing = os.pipe()
        self.process = subprocess.Popen(
            [*wrapper, CALLVAULT, "witness", "serve", "--dir", self.folder, "--listen", self.listen,
             "--ready-fd", str(writing)], pass_fds=[writing], stdout=subprocess.DEVNULL,
            stderr=open(self.folder + ".log", "ab"))
        os.close(writing)
        with os.fdopen(reading) as ready:
            self.url = ready.readline().strip()
        assert self.url.startswith("http://"), open(self.folder + ".log").read()
        self.port = int(self.url.rsplit(":", 1)[1])
        return self

    def stop(self, number=signal.SIGTERM):
        if self.process:
            self.process.send_signal(number)
            self.process.wait(60)
            self.process = None

    def request(self, body, method="POST", path="/add-checkpoint"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body.encode() if body is not None else None)
        answer = connection.getresponse()
        content = answer.read().decode()
        connection.close()
        return answer.status, answer.headers.get("Content-Type"), content


def parse(note):
    """Origin, size, root and lines of a head."""
    text, _, lines = note.rpartition("\n\n")
    origin, size, root = text.split("\n")[:3]
    return origin, int(size), base64.b64decode(root), lines.splitlines()


# From the project's independent checker of transparency-log vectors, written from RFC 9162.
def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def root(hashes):
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node(root(hashes[:split]), root(hashes[split:]))


def consistency(old, hashes, whole=True):
    """RFC 6962, 2.1.2."""
    if old == len(hashes):
        return [] if whole else [root(hashes)]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    if old <= split:
        return consistency(old, hashes[:split], whole) + [root(hashes[split:])]
    return consistency(old - split, hashes[split:], False) + [root(hashes[:split])]


def entries(folder):
    """The entries that a log's folder holds, from its bundles."""
    found = []
    tiles = os.path.join(folder, "tile", "entries")
    number = 0
    while True:
        name = "%03d" % (number % 1000)
        rest = number // 1000
        while rest:
            name = "x%03d/%s" % (rest % 1000, name)
            rest //= 1000
        path = os.path.join(tiles, name)
        if not os.path.exists(path):
            partial = path + ".p"
            widths = sorted(map(int, os.listdir(partial))) if os.path.isdir(partial) else []
            if not widths:
                return found
            path = os.path.join(partial, str(widths[-1]))
        content = open(path, "rb").read()
        while content:
            length = int.from_bytes(content[:2], "big")
            found.append(content[2:2 + length])
            content = content[2 + length:]
        if ".p" in path:
            return found
        number += 1


def body(old, proof, note):
    return ("old %d\n" % old + "".join(base64.b64encode(h).decode() + "\n" for h in proof)
            + "\n" + note)


def metric(text, name, **labels):
    wanted = ",".join('%s="%s"' % item for item in labels.items())
    found = re.search(r"^%s\{%s\} (\S+)$" % (re.escape(name), re.escape(wanted)), text, re.M)
    return float(found.group(1)) if found else None
