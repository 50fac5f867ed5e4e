"""Programs that seal and open whole files: each as its two command lines, ready to be timed."""
import os
import pathlib
import subprocess
import sys

import measure
from service import PROGRAM

HERE = pathlib.Path(__file__).resolve().parent


class Sealer:
    """A program by its name, with the commands `seal(source, target)` and `open(source, target)`."""

    def __init__(self, name, seal, open, **options):
        self.name, self._seal, self._open, self._options = name, seal, open, options

    def seal(self, source, target):
        return measure.seconds(*self._seal(source, target), **self._options)

    def open(self, source, target):
        return measure.seconds(*self._open(source, target), **self._options)


def ours():
    return Sealer("CallVault", lambda i, o: [PROGRAM, "seal", i, o],
                  lambda i, o: [PROGRAM, "open", i, o])


def yardstick(folder):
    """The same format in plain C over OpenSSL: what is attainable."""
    program = folder / "sealer"
    measure.run("cc", "-O2", "-w", "-o", program, HERE / "sealer.c", "-lcrypto", "-lpthread")
    return Sealer("sealer.c", lambda i, o: [program, "e", "65536", i, o],
                  lambda i, o: [program, "d", "65536", i, o])


def age(folder):
    key = folder / "age.key"
    made = measure.run("age-keygen", "-o", key)
    recipient = made.stderr.decode().split()[-1]
    return Sealer("age", lambda i, o: ["age", "-r", recipient, "-o", o, i],
                  lambda i, o: ["age", "-d", "-i", key, "-o", o, i])


def openssl_cms(folder):
    """AES-256-GCM (AuthEnvelopedData) where this OpenSSL can, else AES-256-CBC, and named so."""
    key, certificate, probe = folder / "cms.key", folder / "cms.pem", folder / "cms.probe"
    measure.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out",
                certificate, "-subj", "/CN=bench", "-days", "2")
    probe.write_bytes(b"probe")

    def seal(cipher):
        return lambda i, o: ["openssl", "cms", "-encrypt", "-binary", "-stream", "-outform", "DER",
                             cipher, "-in", i, "-out", o, certificate]

    cipher = "-aes-256-gcm"
    try:
        measure.run(*seal(cipher)(probe, folder / "cms.sealed"))
    except RuntimeError:
        cipher = "-aes-256-cbc"
    return Sealer("openssl cms " + cipher[1:], seal(cipher),
                  lambda i, o: ["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", i,
                                "-out", o, "-inkey", key, "-recip", certificate])


def gpg(folder):
    """AES-256 from a passphrase, without compression. Its agent is ended by `end_agent`."""
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    base = ["gpg", "--batch", "--yes", "--quiet", "--passphrase", "bench", "--pinentry-mode",
            "loopback"]
    return Sealer(
        "gpg", lambda i, o: base + ["--symmetric", "--cipher-algo", "AES256", "--compress-algo",
                                    "none", "-o", o, i],
        lambda i, o: base + ["-o", o, "-d", i], env={**os.environ, "GNUPGHOME": str(home)})


def end_agent(folder):
    subprocess.run(["gpgconf", "--homedir", str(folder / "gnupg"), "--kill", "gpg-agent"], timeout=30)


def tink(folder):
    script, keyset = HERE / "tink_file.py", folder / "tink.json"
    measure.run(sys.executable, script, "key", keyset)
    return Sealer("Python tink", lambda i, o: [sys.executable, script, "seal", keyset, i, o],
                  lambda i, o: [sys.executable, script, "open", keyset, i, o])
