"""Opens a key ring file from Documentation/formats/keys.md alone, on PyPI `cryptography`.

For the outside tests of ceremonies and of memory, which know every key that a vault has, and of what copies
of everything open.
"""
import hmac
import struct

from cryptography.exceptions import InvalidTag
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


def records(data):
    """Whatever looks like the wrap record of a call or a subject, wherever it lies, with its place."""
    at = data.find(b"\x01\x01")
    while at >= 0:
        if data[at + 34:at + 35] in (b"\x01", b"\x04") and at + 95 <= len(data):
            yield at, data[at:at + 95]
        at = data.find(b"\x01\x01", at + 1)


class Keys:
    """What a root key, anchors and however many rings open: a ring may stand at the beginning of more bytes."""

    def __init__(self, root, anchors):
        self.root, self.anchors = root, anchors
        self.keks = {}  # id: (key, epoch)

    def take_ring(self, data):
        if len(data) < 128 or data[:6] != b"CVRING" or data[6:8] not in (b"1\n", b"2\n"):
            return False
        generation, tenant = struct.unpack(">Q16s", data[8:32])
        extra, = struct.unpack(">H", data[59:61])
        at = 61 + extra
        anchor = data[at:at + 16]
        at += 16 + (4 if data[6:7] == b"2" else 0)
        check = data[at:at + 16]
        at += 16
        salts = [b""] if anchor == bytes(16) else [self.anchors[a] for a in [anchor] if a in self.anchors]
        for salt in salts:
            key = hkdf(self.root, "callvault/ring/v1|gen=%d" % generation, salt)
            if hkdf(key, "callvault/ring/v1|check", count=16) != check:
                continue
            seal = AESGCM(hkdf(key, "callvault/ring/v1|seal"))
            count, = struct.unpack(">H", data[at:at + 2])
            for number in range(count):
                kek = data[at + 2 + number * 88:at + 2 + (number + 1) * 88]
                if len(kek) < 88:
                    break
                epoch, = struct.unpack(">I", kek[16:20])
                context = "callvault/kek/v1|tenant=%s|key=%s|epoch=%d" % (
                    text(tenant), text(kek[:16]), epoch)
                try:
                    secret = seal.decrypt(kek[28:40], kek[40:88], context.encode())
                except InvalidTag:
                    continue  # On a raw volume something else may lie over the rest of a ring.
                self.keks[kek[:16]] = (secret, epoch)
            self.tenant = text(tenant)
            return True
        return False

    def opens(self, record, owner):
        if len(record) != 95 or record[2:18] not in self.keks:
            return False
        kek, epoch = self.keks[record[2:18]]
        context = "callvault/wrap/v1|tenant=%s|owner=%s|key=%s|use=%d|epoch=%d" % (
            self.tenant, owner, text(record[18:34]), record[34], epoch)
        try:
            AESGCM(kek).decrypt(record[35:47], record[47:], context.encode())
            return True
        except InvalidTag:
            return False
