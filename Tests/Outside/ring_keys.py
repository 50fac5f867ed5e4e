"""Opens a key ring file from Documentation/formats/keys.md alone, on PyPI `cryptography`.

For the outside tests of ceremonies and of memory: they know every key that a vault has.
"""
import hmac
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def hkdf(key, info, salt=b"", count=32):
    return HKDF(hashes.SHA256(), count, salt, info.encode()).derive(key)


def text(identifier):
    digits = identifier.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


class Ring:
    """The keys of a ring file; raises AssertionError unless the root is the ring's."""

    def __init__(self, file, root):
        magic, self.generation = file[:8], struct.unpack(">Q", file[8:16])[0]
        assert magic in (b"CVRING1\n", b"CVRING2\n"), magic
        self.tenant = text(file[16:32])
        length = struct.unpack(">H", file[59:61])[0]
        self.reference = file[61:61 + length]
        # Version 2 says before the check value from which epoch on keys are confined.
        at = 61 + length + 16 + (4 if magic == b"CVRING2\n" else 0)
        self.root = root
        self.ring = hkdf(root, "callvault/ring/v1|gen=%d" % self.generation)
        check = hkdf(self.ring, "callvault/ring/v1|check", count=16)
        assert file[at:at + 16] == check, "the root is not this ring's"
        code = hkdf(self.ring, "callvault/ring/v1|mac")
        assert hmac.digest(code, file[:-32], "sha256") == file[-32:], "the ring was changed"
        self.seal = hkdf(self.ring, "callvault/ring/v1|seal")
        at += 16
        self.keks, self.keys = {}, []
        count = struct.unpack(">H", file[at:at + 2])[0]
        at += 2
        for _ in range(count):
            identifier = file[at:at + 16]
            epoch = struct.unpack(">I", file[at + 16:at + 20])[0]
            iv = file[at + 28:at + 40]
            sealed = file[at + 40:at + 88]
            context = "callvault/kek/v1|tenant=%s|key=%s|epoch=%d" % (
                self.tenant, text(identifier), epoch)
            self.keks[identifier] = (AESGCM(self.seal).decrypt(iv, sealed, context.encode()), epoch)
            at += 88
        count = struct.unpack(">H", file[at:at + 2])[0]
        at += 2
        for _ in range(count):
            at += 9 + file[at + 8]
            self.keys.append((file[at + 34], self.unwrap(file[at:at + 95], self.tenant)))
            at += 95

    def unwrap(self, record, owner):
        """The key in a wrap record of this owner."""
        kek, epoch = self.keks[record[2:18]]
        context = "callvault/wrap/v1|tenant=%s|owner=%s|key=%s|use=%d|epoch=%d" % (
            self.tenant, owner, text(record[18:34]), record[34], epoch)
        return AESGCM(kek).decrypt(record[35:47], record[47:95], context.encode())
