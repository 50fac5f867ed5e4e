#!/usr/bin/env python3
"""Checks a CallVault audit log, an evidence package, a subject proof or a sample list.

    verify.py log DIR         [--key VKEY] [--root VKEY] [--checkpoint FILE]… [--from FILE]
                              [--policy FILE] [--tsa-ca PEM] [--anchors DIR] [--openings DIR]
                              [--max-age 24h] [--json]
    verify.py package FILE    the same for a package, a .tar or the folder it was unpacked to
    verify.py subject FILE    [--key VKEY] [--log DIR-OR-PACKAGE]
    verify.py sample FILE     --log DIR-OR-PACKAGE [--key VKEY]

Needs Python 3.11 and OpenSSL 3.0 or later, and nothing of CallVault's: signatures are checked by the
OpenSSL that Python itself is linked with, or where that cannot be reached by the `openssl` program, which
checks timestamps too. It was written from Documentation/formats/audit-log.md, journal.md, keyring.md,
recovery.md, anchors.md and package.md, and shares no code with the program. VKEY is the log's verifier key, which must
come by another way than the log; @FILE reads it. --from is a checkpoint up to which you verified the log
before; --openings counts what commitments stand for, for whoever may see that folder.

Exit codes: 0 intact, 10 unanchored, 11 stale, 20 altered, 21 truncated, 22 behind-anchor, 23 forked,
24 unauthentic, 30 unreadable, 31 this program failed, 2 wrong usage.
"""
import argparse
import base64
import bisect
import calendar
import ctypes
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import tempfile
import time

CODES = {"intact": 0, "unanchored": 10, "stale": 11, "altered": 20, "truncated": 21,
         "behind-anchor": 22, "forked": 23, "unauthentic": 24, "unreadable": 30, "verifier-fault": 31}
# The worst first.
WEIGHT = ["verifier-fault", "unauthentic", "forked", "altered", "truncated", "behind-anchor",
          "unreadable", "stale", "unanchored", "intact"]
NOTE_LIMIT = 1 << 20
BUNDLE_LIMIT = 256 * (2 + 65535)
ZEROS = bytes(32)


class Malformed(Exception):
    """Bytes that are not what the format says."""


class Unauthentic(Exception):
    """A signature that is missing or does not hold."""


class Usage(Exception):
    """The caller's mistake; says nothing about the log."""


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(entry):
    return sha256(b"\0" + entry)


def node_hash(left, right):
    return sha256(b"\1" + left + right)


def unbase64(text):
    """Base64 in the one spelling; bytes or str."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Malformed("base64") from error
    if base64.b64encode(data) != (text.encode("ascii") if isinstance(text, str) else text):
        raise Malformed("base64 in a second spelling")
    return data


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# Trees


def root_of(hashes):
    """The root over any number of leaf hashes."""
    frontier = Frontier()
    for item in hashes:
        frontier.append(item)
    return frontier.root()


class Frontier:
    """The subtrees of a growing tree: what its root and all further ones are made from."""

    def __init__(self, other=None):
        self.size = other.size if other else 0
        self.nodes = list(other.nodes) if other else []

    def append(self, item, height=0):
        self.size += 1 << height
        while self.nodes and self.nodes[-1][0] == height:
            item = node_hash(self.nodes.pop()[1], item)
            height += 1
        self.nodes.append((height, item))

    def root(self):
        if not self.nodes:
            return sha256(b"")
        value = self.nodes[-1][1]
        for _, left in reversed(self.nodes[:-1]):
            value = node_hash(left, value)
        return value


def inclusion_holds(index, size, leaf, proof, root):
    """RFC 9162, 2.1.3.2."""
    if not 0 <= index < size:
        return False
    place, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            value = node_hash(sibling, value)
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            value = node_hash(value, sibling)
        place >>= 1
        last >>= 1
    return last == 0 and value == root


def consistency_holds(old, new, proof, old_root, new_root):
    """RFC 9162, 2.1.4.2."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    proof = list(proof)
    if old & (old - 1) == 0:
        proof.insert(0, old_root)
    if not proof:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place >>= 1
        last >>= 1
    first = second = proof[0]
    for item in proof[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = node_hash(item, first), node_hash(item, second)
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            second = node_hash(second, item)
        place >>= 1
        last >>= 1
    return last == 0 and first == old_root and second == new_root


def tile_path(level, number, width=256):
    """The one spelling of a tile's or bundle's path; level is "entries" or 0 to 63."""
    name = f"{number % 1000:03d}"
    number //= 1000
    while number:
        name = f"x{number % 1000:03d}/{name}"
        number //= 1000
    return f"tile/{level}/{name}" + ("" if width == 256 else f".p/{width}")


def parse_tile_path(path):
    """Level, number and width, or None for what is no tile's path."""
    if len(path) > 64:
        return None
    match = re.fullmatch(r"tile/(entries|\d{1,2})/((?:x\d{3}/)*\d{3})(?:\.p/(\d{1,3}))?", path, re.A)
    if not match:
        return None
    level = match[1] if match[1] == "entries" else int(match[1])
    number = int(match[2].replace("x", "").replace("/", ""))
    width = int(match[3]) if match[3] else 256
    if level != "entries" and level > 63 or number >= 1 << 63 or not 1 <= width <= 256:
        return None
    return (level, number, width) if tile_path(level, number, width) == path else None


def width_of(level, number, size):
    """How many hashes or entries the tile has in a tree of `size`; 0 for none."""
    shift = 0 if level == "entries" else 8 * level
    if shift > 56:
        return 0
    return max(0, min(256, (size >> shift) - number * 256))


# Keys and signed notes


class Key:
    """A verifier key: `name+hash+base64(type ‖ public key)`."""

    LENGTHS = {1: 32, 4: 32, 6: 1312}

    def __init__(self, text):
        fields = text.split("+", 2)
        if len(fields) != 3 or not valid_name(fields[0]):
            raise Malformed("a verifier key")
        data = unbase64(fields[2])
        if not data or self.LENGTHS.get(data[0]) != len(data) - 1:
            raise Malformed("a verifier key of an unknown type or length")
        self.name, self.type, self.public = fields[0], data[0], data[1:]
        self.id = sha256(self.name.encode() + b"\n" + data)[:4]
        if fields[1] != self.id.hex():
            raise Malformed("a verifier key whose hash is another's")

    def same(self, other):
        return (self.name, self.type, self.public) == (other.name, other.type, other.public)

    def verifies(self, signature, text):
        if self.type == 1:
            return ed25519(self.public, signature, text)
        if self.type == 4 and len(signature) == 72 and signature[0] < 0x80:
            seconds = int.from_bytes(signature[:8], "big")
            return ed25519(self.public, signature[8:], b"cosignature/v1\ntime %d\n" % seconds + text)
        return False


def valid_name(name):
    return bool(name) and "+" not in name and not any(c.isspace() or ord(c) < 0x20 for c in name)


SCRATCH = None


def scratch(name, data):
    """Writes a file for `openssl` to read."""
    global SCRATCH
    if SCRATCH is None:
        SCRATCH = tempfile.TemporaryDirectory(prefix="verify-")
    path = os.path.join(SCRATCH.name, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def openssl(*words):
    try:
        return subprocess.run(["openssl", *words], capture_output=True, check=False)
    except OSError as error:
        raise RuntimeError("the openssl program cannot be run") from error


class LinkedOpenSSL:
    """The OpenSSL that this Python is linked with: no process is started for a signature."""

    ED25519 = 1087  # NID_ED25519 of openssl/obj_mac.h

    def __init__(self):
        # What Python's own hashes come from. Where it was linked otherwise this raises, and the
        # `openssl` program is asked.
        import _hashlib
        library = ctypes.CDLL(_hashlib.__file__)
        pointer, data, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t

        def function(name, result, *arguments):
            found = getattr(library, name)
            found.restype, found.argtypes = result, arguments
            return found
        self.new_key = function("EVP_PKEY_new_raw_public_key", pointer, ctypes.c_int, pointer, data, size)
        self.new_context = function("EVP_MD_CTX_new", pointer)
        self.free_context = function("EVP_MD_CTX_free", None, pointer)
        self.begin = function("EVP_DigestVerifyInit", ctypes.c_int, *[pointer] * 5)
        self.verify = function("EVP_DigestVerify", ctypes.c_int, pointer, data, size, data, size)
        # Keys are few: the log's, one a day, witnesses. They are never freed.
        self.keys = {}

    def holds(self, public, signature, message):
        if public not in self.keys:
            self.keys[public] = self.new_key(self.ED25519, None, public, len(public))
        context = self.new_context()
        if not context:
            raise MemoryError("OpenSSL has no memory for a signature")
        try:
            return bool(self.keys[public]) \
                and self.begin(context, None, None, None, self.keys[public]) == 1 \
                and self.verify(context, signature, len(signature), message, len(message)) == 1
        finally:
            self.free_context(context)


def openssl_holds(public, signature, message):
    """The same by the `openssl` program, started once for each signature."""
    # SubjectPublicKeyInfo of RFC 8410: a fixed beginning, then the 32 bytes.
    key = scratch("key", bytes.fromhex("302a300506032b6570032100") + public)
    done = openssl("pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", key, "-rawin",
                   "-in", scratch("message", message), "-sigfile", scratch("signature", signature))
    return done.returncode == 0 and b"Verified Successfully" in done.stdout


def ed25519_checker():
    """What checks signatures here; a way that does not know the first vector of RFC 8032 is not taken."""
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b")
    try:
        linked = LinkedOpenSSL()
        if linked.holds(public, signature, b"") and not linked.holds(public, signature, b"x"):
            return linked.holds
    except (ImportError, OSError, AttributeError):
        pass  # Another Python: the program is asked instead.
    return openssl_holds


ED25519 = None


def ed25519(public, signature, message):
    """Whether the signature holds."""
    global ED25519
    if len(signature) != 64 or len(public) != 32:
        return False
    if ED25519 is None:
        ED25519 = ed25519_checker()
    return ED25519(public, signature, message)


class Note:
    """A signed note: text, and lines `— name base64(key id ‖ signature)`."""

    def __init__(self, data):
        if len(data) > NOTE_LIMIT or any(byte < 0x20 and byte != 0x0a for byte in data):
            raise Malformed("a note that is not plain text")
        try:
            data.decode()
        except UnicodeDecodeError as error:
            raise Malformed("a note that is not UTF-8") from error
        gap = data.rfind(b"\n\n")
        if gap < 0 or not data.endswith(b"\n") or gap + 2 >= len(data):
            raise Malformed("a note without signature lines")
        self.data, self.text, self.lines = data, data[:gap + 1], []
        lines = data[gap + 2:-1].decode().split("\n")
        if len(lines) > 100:
            raise Malformed("a note with more than 100 signature lines")
        for line in lines:
            fields = line.split(" ")
            if len(fields) != 3 or fields[0] != "\u2014" or not valid_name(fields[1]):
                raise Malformed("a signature line")
            if not fields[2].isascii():
                raise Malformed("a signature line")
            signature = unbase64(fields[2])
            if len(signature) < 5:
                raise Malformed("a signature line")
            self.lines.append((fields[1], signature[:4], signature[4:]))

    def signers(self, keys):
        """The keys whose lines hold; a wrong line of a known key refuses the whole note."""
        found = []
        for name, key_id, signature in self.lines:
            key = next((k for k in keys if k.name == name and k.id == key_id), None)
            if key is None or key.type == 6:
                continue
            if not key.verifies(signature, self.text):
                raise Unauthentic("a line of a known key does not hold")
            if key not in found:
                found.append(key)
        return found


class Head:
    """A checkpoint: origin, size and root, and whether its signature was checked."""

    def __init__(self, data, key=None):
        self.note = data if isinstance(data, Note) else Note(data)
        if key is not None and key not in self.note.signers([key]):
            raise Unauthentic("no line of the log's key")
        lines = self.note.text.decode()[:-1].split("\n")
        if len(lines) < 3 or not all(lines) or not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1], re.A):
            raise Malformed("a checkpoint")
        self.origin, self.size = lines[0], int(lines[1])
        if not lines[2].isascii():
            raise Malformed("a checkpoint's root")
        self.root = unbase64(lines[2])
        if len(self.root) != 32:
            raise Malformed("a checkpoint's root")
        self.verified = key is not None
        # Whether it counts as an anchor, where it is compared with a log.
        self.anchoring = True
        if key is not None and self.origin != key.name:
            raise Unauthentic("another log's head")
        if self.size >= 1 << 61:
            raise Malformed("a head of an impossible size")

    def same(self, other):
        return (self.origin, self.size, self.root) == (other.origin, other.size, other.root)


# Entries


def refuse_number(text):
    raise ValueError(text)


def ordered(pairs):
    keys = [key for key, _ in pairs]
    for left, right in zip(keys, keys[1:]):
        if left >= right:
            raise ValueError("keys out of order")
    for key in keys:
        if not all(0x20 <= ord(c) <= 0x7e and c not in '"\\' for c in key):
            raise ValueError("a key that is not plain")
    return dict(pairs)


def bounded(value, depth):
    if isinstance(value, bool):
        return True
    if isinstance(value, int):
        return abs(value) < 1 << 53
    if isinstance(value, dict):
        return depth <= 8 and all(bounded(item, depth + 1) for item in value.values())
    if isinstance(value, list):
        return depth <= 8 and all(bounded(item, depth + 1) for item in value)
    return isinstance(value, str)


DECODER = json.JSONDecoder(parse_float=refuse_number, parse_constant=refuse_number,
                           object_pairs_hook=ordered)
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def canonical(data, limit=16384):
    """The object that canonical JSON spells, or None."""
    if len(data) > limit or not data.startswith(b"{"):
        return None
    try:
        text = data.decode()
        value = DECODER.decode(text)
        if ENCODER.encode(value).encode() != data or not bounded(value, 1):
            return None
    except (ValueError, RecursionError):
        return None
    return value


class Frame:
    """What chains an entry; other versions and unknown keys are tolerated."""

    def __init__(self, value):
        def number(name):
            found = value.get(name)
            return found if type(found) is int and found >= 0 else None
        self.version, self.index, self.time = number("v"), number("idx"), number("time")
        previous = value.get("prev")
        self.previous = None
        if isinstance(previous, str) and re.fullmatch("[0-9a-f]{64}", previous, re.A):
            self.previous = bytes.fromhex(previous)

    @staticmethod
    def of(entry):
        value = canonical(entry)
        return None if value is None else Frame(value)


def split_bundle(data):
    """The ranges of the entries that are whole, at most 256."""
    ranges, offset = [], 0
    while len(data) - offset >= 2 and len(ranges) < 256:
        start = offset + 2
        end = start + int.from_bytes(data[offset:start], "big")
        if end > len(data):
            break
        ranges.append((start, end))
        offset = end
    return ranges


# Folders


class Folder:
    """A folder on disk."""

    def __init__(self, path):
        self.path = path

    def read(self, name, limit):
        """A whole file, None if there is none; Malformed if it is longer than `limit`."""
        try:
            with open(os.path.join(self.path, name), "rb") as file:
                data = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if len(data) > limit:
            raise Malformed("a file that is too long")
        return data

    def pieces(self, name, size):
        with open(os.path.join(self.path, name), "rb") as file:
            while piece := file.read(size):
                yield piece

    def list(self, folder):
        """(name, is a folder) of what lies in a folder; None if there is none."""
        try:
            with os.scandir(os.path.join(self.path, folder)) as items:
                return sorted((i.name, i.is_dir()) for i in items
                              if not (i.name.startswith(".") and i.name.endswith(".tmp")))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def below(self, name):
        return Folder(os.path.join(self.path, name))

    def names(self, prefix=""):
        for name, is_folder in self.list(prefix) or []:
            path = f"{prefix}/{name}" if prefix else name
            if is_folder:
                yield from self.names(path)
            else:
                yield path


class Tar:
    """The members of a package, read in place; strict as package.md, 1 says."""

    def __init__(self, path, prefix="", members=None):
        self.path, self.prefix = path, prefix
        self.members = self.scan() if members is None else members
        self.folders = {}
        for name in self.members:
            parts = name.split("/")
            for depth, part in enumerate(parts):
                self.folders.setdefault("/".join(parts[:depth]), {})[part] = depth < len(parts) - 1

    def scan(self):
        members, offset, last = {}, 0, ""
        with open(self.path, "rb") as file:
            end = os.fstat(file.fileno()).st_size
            while True:
                header = file.read(512)
                if len(header) != 512:
                    raise Malformed("a tar that ends inside a header")
                if header == bytes(512):
                    rest = file.read(513)
                    if rest != bytes(512):
                        raise Malformed("a tar with bytes after its end")
                    return members
                total = sum(header) - sum(header[148:156]) + 8 * 0x20
                name = header[:100].rstrip(b"\0").decode("ascii", "replace")
                if header[257:265] != b"ustar\x0000" or header[156:157] != b"0" or header[345] \
                        or self.octal(header[148:156]) != total or any(header[157:257]):
                    raise Malformed(f"a tar member that is no plain file ({name!r})")
                if not re.fullmatch(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", name, re.A) \
                        or any(part in (".", "..") for part in name.split("/")):
                    raise Malformed(f"a tar member's name ({name!r})")
                if name in members or last >= name and name != "MANIFEST.sha256" \
                        or last == "MANIFEST.sha256":
                    raise Malformed(f"a tar member out of order ({name!r})")
                size = self.octal(header[124:136])
                offset += 512
                if offset + size > end:
                    raise Malformed("a tar that was cut")
                members[name] = (offset, size)
                offset += (size + 511) // 512 * 512
                file.seek(offset)
                last = name

    @staticmethod
    def octal(field):
        text = field.rstrip(b"\0 ")
        if not re.fullmatch(rb"[0-7]+", text):
            raise Malformed("a number in a tar header")
        return int(text, 8)

    def read(self, name, limit):
        place = self.members.get(name)
        if place is None:
            return None
        if place[1] > limit:
            raise Malformed("a file that is too long")
        with open(self.path, "rb") as file:
            file.seek(place[0])
            return file.read(place[1])

    def pieces(self, name, size):
        offset, left = self.members[name]
        with open(self.path, "rb") as file:
            file.seek(offset)
            while left and (piece := file.read(min(size, left))):
                left -= len(piece)
                yield piece

    def list(self, folder):
        found = self.folders.get(folder)
        return None if found is None else sorted(found.items())

    def below(self, name):
        prefix = name + "/"
        inner = {m[len(prefix):]: p for m, p in self.members.items() if m.startswith(prefix)}
        return Tar(self.path, prefix, inner)

    def names(self, prefix=""):
        return iter(sorted(self.members))


def digest_of(folder, name):
    hasher = hashlib.sha256()
    for piece in folder.pieces(name, 1 << 20):
        hasher.update(piece)
    return hasher.hexdigest()


# The log


class Finding:
    def __init__(self, verdict, detail, kind=None, index=None, through=None, path=None):
        self.verdict, self.detail, self.kind = verdict, detail, kind
        self.index, self.through, self.path = index, through, path

    def __str__(self):
        place = ""
        if self.index is not None:
            place = f"entry {self.index}"
            if self.through is not None and self.through != self.index:
                place = f"an entry from {self.index} to {self.through}"
        if self.path:
            place += f" ({self.path})" if place else self.path
        kind = f" {self.kind}" if self.kind else ""
        return f"{self.verdict}{kind}: {place}{': ' if place else ''}{self.detail}"


class Derivation:
    """A tree as one source of leaf hashes makes it: the entries, or the tiles of level 0."""

    def __init__(self, other=None):
        self.frontier = Frontier(other.frontier if other else None)
        self.upper = [list(level) for level in other.upper] if other else []
        for name, start in [("whole", True), ("last_match", 0), ("last_anchor", 0),
                            ("contradiction", None), ("before_contradiction", 0),
                            ("before_last", 0), ("tile_damage", None)]:
            setattr(self, name, getattr(other, name) if other else start)

    def extend(self, hashes, width, root, claims, compare):
        if not self.whole:
            return
        hashes = hashes or []
        if not claims and len(hashes) == 256 and root:
            self.frontier.append(root, 8)
        else:
            claims = list(claims)
            for item in hashes:
                self.frontier.append(item)
                while claims and claims[0][0].size == self.frontier.size:
                    self.judge(claims.pop(0))
        if len(hashes) != width:
            self.whole = False
        elif width == 256:
            self.push(root or root_of(hashes), 1, compare)

    def judge(self, claim):
        head, source = claim
        size = self.frontier.size
        if head.root == self.frontier.root():
            if size > self.last_match:
                self.before_last, self.last_match = self.last_match, size
            if source is None and head.anchoring:
                self.last_anchor = max(self.last_anchor, size)
        elif self.contradiction is None:
            self.contradiction = claim
            self.before_contradiction = self.last_match if self.last_match < size else self.before_last

    def push(self, item, level, compare):
        if len(self.upper) < level:
            self.upper.append([])
        self.upper[level - 1].append(item)
        if len(self.upper[level - 1]) == 256:
            hashes = self.upper[level - 1]
            self.upper[level - 1] = []
            self.compare(hashes, level, compare)
            self.push(root_of(hashes), level + 1, compare)

    def finish(self, compare):
        if self.whole:
            for place, hashes in enumerate(self.upper):
                if hashes:
                    self.compare(hashes, place + 1, compare)

    def compare(self, hashes, level, compare):
        number = (self.frontier.size - 1) >> (8 * (level + 1))
        if self.tile_damage is None:
            self.tile_damage = compare(level, number, hashes)


class Bundle:
    """What one bundle holds beside the tile that records its hashes."""

    def __init__(self, folder, number, width):
        self.number, self.width, self.start = number, width, number * 256
        self.entries, self.tile, self.found, self.recorded = "whole", "matching", [], None
        self.broken = self.first = self.strange = None
        self.other_versions, self.root = 0, None
        self.path = tile_path("entries", number, width)
        try:
            data = folder.read(self.path, BUNDLE_LIMIT)
            if data is None:
                self.entries = "missing"
            else:
                self.take(data)
        except Malformed:
            self.entries = "long"
        except OSError:
            self.entries = "unreadable"
        if len(self.found) == 256:
            self.root = root_of(self.found)
        try:
            data = folder.read(tile_path(0, number, width), width * 32)
            if data is None:
                self.tile = "missing"
            elif len(data) != width * 32:
                self.tile = "malformed"
            else:
                self.recorded = [data[i:i + 32] for i in range(0, len(data), 32)]
                self.tile = "matching" if self.recorded == self.found else "other"
        except Malformed:
            self.tile = "malformed"
        except OSError:
            self.tile = "unreadable"

    def take(self, data):
        ranges = split_bundle(data)
        for start, end in ranges[:self.width]:
            entry = data[start:end]
            self.follow(Frame.of(entry))
            self.found.append(leaf_hash(entry))
        end = ranges[len(self.found) - 1][1] if self.found else 0
        if len(self.found) < self.width:
            # A changed length leaves a whole entry behind it, a cut file does not.
            self.entries = "misframed" if begins_with_object(data[end + 2:]) else "short"
        elif end < len(data):
            self.entries = "long"

    def follow(self, frame):
        index = self.start + len(self.found)
        if frame is None or frame.version is None:
            self.strange = index if self.strange is None else self.strange
            return
        if frame.version != 1:
            self.other_versions += 1
            return
        if self.found:
            if self.broken is None and frame.index == index and frame.previous != self.found[-1]:
                self.broken = (index, "prev", None)
        else:
            self.first = frame
        if self.broken is None and frame.index != index:
            self.broken = (index, "idx", frame.index)


def begins_with_object(data):
    """Whether canonical JSON begins here, whatever follows it."""
    try:
        text = data[:1 << 17].decode("utf-8", "surrogateescape")
        value, end = DECODER.raw_decode(text)
        spelled = ENCODER.encode(value)
        return text.startswith("{") and spelled == text[:end] and bounded(value, 1)
    except (ValueError, RecursionError):
        return False


class Log:
    """One check of a log's folder, as audit-log.md, 9 says."""

    def __init__(self, folder, key=None):
        self.folder, self.key, self.root_key = folder, key, None
        self.anchors, self.stamps, self.max_age = [], [], None
        # The size of the checkpoint to begin at, and the folder whose openings are counted.
        self.first_size, self.openings = 0, None
        self.findings, self.notes, self.evidence = [], [], []
        self.size, self.confirmed, self.head, self.origin = 0, 0, None, None
        self.by_entries, self.by_tiles = Derivation(), None
        self.divergence = self.chain_break = self.strange = self.surplus = None
        self.last_hash, self.last_present, self.absent, self.other_versions = ZEROS, -1, 0, 0
        self.last_time = self.anchored_time = None
        self.months, self.history, self.next_claim, self.has_history = [], None, None, False
        self.history_damaged = self.holds_sought = False
        self.last_history = None
        # The keyring: None while there is none that can be used.
        self.keyring, self.keyring_absent, self.objected, self.epoch_claims = None, False, False, []
        self.minimum, self.first_bundle = None, 0
        self.restart = None

    def find(self, verdict, detail, **places):
        if verdict != "unreadable" or len(self.findings) < 1000:
            self.findings.append(Finding(verdict, detail, **places))

    def note(self, text):
        if len(self.notes) < 50:
            self.notes.append(text)

    # Heads

    def read_checkpoint(self):
        try:
            data = self.folder.read("checkpoint", NOTE_LIMIT)
        except (OSError, Malformed):
            self.find("unreadable", "it could not be read", path="checkpoint")
            return None
        if not data:
            self.find("unreadable", "the log's head is missing or empty", path="checkpoint")
            return None
        try:
            return Head(data, self.key)
        except Unauthentic as error:
            self.find("unauthentic", str(error), path="checkpoint")
        except Malformed:
            self.find("unauthentic", "it is no signed checkpoint", path="checkpoint")
        return None

    def open_history(self):
        try:
            items = self.folder.list("checkpoints")
        except OSError:
            self.find("unreadable", "it could not be listed", path="checkpoints")
            return
        if items is None:
            self.note("the folder has no history of heads (checkpoints/)")
            return
        self.has_history = True
        for name, is_folder in items:
            path = f"checkpoints/{name}"
            if re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", name, re.A) and not is_folder:
                self.months.append(path)
            else:
                self.note(f"a file that does not belong to the log: {path}")
        self.history = self.read_history()

    def frames(self, path):
        """The frames of one month; Malformed where it ends inside one."""
        rest = b""
        for piece in self.folder.pieces(path, 1 << 18):
            rest += piece
            place = 0
            while len(rest) - place >= 2:
                end = place + 2 + int.from_bytes(rest[place:place + 2], "big")
                if end > len(rest):
                    break
                yield rest[place + 2:end]
                place = end
            rest = rest[place:]
        if rest:
            raise Malformed("a history that ends inside a frame")

    def read_history(self):
        for path in self.months:
            try:
                for frame in self.frames(path):
                    yield Note(frame), path, None
            except Malformed:
                yield None, path, Finding("altered", "it does not hold whole signed heads",
                                          kind="edited", path=path)
            except OSError:
                yield None, path, Finding("unreadable", "it could not be read", path=path)

    def newest_head(self, checkpoint):
        last = None
        if self.months:
            try:
                for frame in self.frames(self.months[-1]):
                    last = frame
            except (Malformed, OSError):
                pass  # Found, and named, when the history is read from its beginning.
        if last is None:
            return checkpoint
        try:
            head = Head(last, self.key)
        except (Malformed, Unauthentic):
            return checkpoint
        if head.origin != checkpoint.origin or head.size <= checkpoint.size:
            return checkpoint
        self.note(f"the checkpoint covers {checkpoint.size} entries, the history's last head {head.size}")
        return head

    def peek(self):
        """The next head of the history that can be compared with the tree."""
        while self.next_claim is None and self.history is not None:
            note, path, finding = next(self.history, (None, None, None))
            if path is None:
                self.history = None
            elif finding is not None:
                self.history_damaged = True
                self.findings.append(finding)
            else:
                self.take_history(note, path)
        return self.next_claim

    def take_history(self, note, path):
        try:
            head = Head(note, self.key)
            if head.origin != self.sought.origin:
                raise Unauthentic("another log's head")
        except (Malformed, Unauthentic):
            if not self.history_damaged:
                self.find("unauthentic", "it holds a head that the log's key did not sign", path=path)
            self.history_damaged = True
            return
        if self.last_history is not None and head.size < self.last_history:
            if not self.history_damaged:
                self.find("altered", f"a head of {head.size} entries follows one of {self.last_history}",
                          kind="reordered", path=path)
            self.history_damaged = True
            return
        self.last_history = head.size
        if head.same(self.sought):
            self.holds_sought = True
        # Of heads that a writer publishes meanwhile the epochs are not known yet.
        if head.size <= self.size and not self.objected:
            self.objected = self.judge_epochs(head, path)
        self.next_claim = (head, path)

    def claims(self, upto):
        claims = []
        while (claim := self.peek()) and claim[0].size <= upto:
            if (not claims or not claims[-1][0].same(claim[0])) and len(claims) < 1024:
                claims.append(claim)
            self.next_claim = None
        while self.epoch_claims and self.epoch_claims[0][0].size <= upto:
            claims.append(self.epoch_claims.pop(0))
        start = 0 if upto == 0 else (upto - 1) // 256 * 256 + 1
        claims += [(a, None) for a in self.anchors
                   if start <= a.size <= upto and a.size <= self.head.size]
        return sorted(claims, key=lambda claim: claim[0].size)

    # The run

    def run(self):
        checkpoint = self.read_checkpoint()
        if checkpoint is None:
            return
        self.sought, self.origin = checkpoint, checkpoint.origin
        self.open_history()
        self.head = self.newest_head(checkpoint)
        self.size = self.head.size
        self.read_restart()
        self.read_keyring()
        self.judge_epochs(checkpoint, "checkpoint")
        self.read_minimum()
        if self.size >= self.first_size and self.first_size // 256 > self.first_bundle:
            self.first_bundle = self.first_size // 256
            self.note(f"entries below {self.first_bundle * 256} were not looked at: you verified them before")
        for claim in self.claims(0):
            self.by_entries.judge(claim)
        self.take_up_left_edge()
        for number in range(self.first_bundle, (self.size + 255) // 256):
            if self.absent >= 4096:
                # A head that nobody signed may claim any size.
                break
            self.merge(Bundle(self.folder, number, width_of("entries", number, self.size)))
        self.by_entries.finish(self.compare_tile)
        if self.by_tiles:
            self.by_tiles.finish(self.compare_tile)
        self.conclude()
        self.check_certification()
        self.check_rest()
        self.check_stamps()
        self.check_age()
        for name, _, signature in self.head.note.lines:
            if len(signature) == 8 + 2420:
                self.note(f"a signature of {name} is of a type this program cannot check (ML-DSA-44)")
        if self.other_versions:
            self.note(f"{self.other_versions} entries are of another version: hashed, not understood")

    # The log before, the keyring and the left edge

    def read_restart(self):
        """recovery.md, 5."""
        try:
            data = self.folder.read("recovery", NOTE_LIMIT)
            if data is None:
                if RESTARTED.fullmatch(self.head.origin):
                    self.find("altered", "the log's name says that a recovery began it, and the note of that is "
                              "missing", kind="removed", path="recovery")
                return
            self.restart = Restart(data)
        except Malformed:
            self.find("altered", "it is no recovery note", kind="edited", path="recovery")
            return
        except OSError:
            self.find("unreadable", "it could not be read", path="recovery")
            return
        self.note(f"restarted: {self.restart.loss}; what was opened in them is possibly disclosed")
        if self.restart.log.name != self.head.origin or self.key is not None and not self.restart.log.same(self.key):
            self.find("unauthentic", "it is of another log", path="recovery")
        elif not self.restart.holds():
            self.find("unauthentic", "a line of it does not hold", path="recovery")
        elif self.root_key is not None and not self.restart.root.same(self.root_key):
            self.find("unauthentic", "another root than the one you gave signed it", path="recovery")

    def check_restart(self):
        entry = None if self.first_bundle else canonical(self.entry(0) or b"")
        if entry is None:
            return
        says = "restarted" in entry.get("flags", [])
        if self.restart:
            if not says or entry.get("evidence") != sha256(self.restart.note.text).hex():
                self.find("unauthentic", "the log's genesis does not commit to it", index=0, path="recovery")
        elif says and not any(finding.path == "recovery" for finding in self.findings):
            self.find("altered", "the log's genesis commits to a recovery, and the note of it is missing",
                      kind="removed", path="recovery")

    def read_keyring(self):
        """keyring.md, 6."""
        try:
            data = self.folder.read("keyring", 64 << 20)
        except Malformed:
            self.find("altered", "it is no keyring", kind="edited", path="keyring")
            return
        except OSError:
            self.find("unreadable", "it could not be read", path="keyring")
            return
        if data is None:
            self.keyring_absent = True
            if self.key is not None and self.root_key is not None:
                self.find("unauthentic", "there is no keyring, so the root key you gave vouches for nothing",
                          path="keyring")
            elif not any(name.startswith(f"{self.head.origin}/epoch/") for name, _, _ in self.head.note.lines):
                self.note("the log has no keyring: only its own key signs its heads")
            return
        try:
            keyring = Keyring(data)
        except Malformed:
            self.find("altered", "it is no keyring", kind="edited", path="keyring")
            return
        count = len(keyring.epochs)
        if self.key is None:
            self.note(f"the keyring lists {count} epochs; without the log's key nobody vouches for it")
            return
        if not keyring.log.same(self.key) or self.head.origin != self.key.name:
            self.find("unauthentic", "it is not of the key you gave", path="keyring")
            return
        forged = keyring.first_forged()
        if forged is not None:
            self.find("unauthentic", f"a line of epoch {forged} does not hold", path="keyring")
            return
        self.keyring = keyring
        if self.root_key is None:
            self.note(f"the keyring lists {count} epochs; you gave no root key, so nobody vouches for them")
        for epoch in keyring.epochs:
            if epoch.first > self.size:
                self.note(f"epoch {epoch.number} begins beyond the newest head")
            else:
                self.epoch_claims.append((EpochTree(epoch), "keyring"))

    def judge_epochs(self, head, path):
        """keyring.md, 5; whether something was wrong."""
        if not head.verified or self.keyring is None and not self.keyring_absent:
            return False
        prefix = f"{head.origin}/epoch/"
        lines = [line for line in head.note.lines if line[0].startswith(prefix)]
        if self.keyring_absent:
            if lines:
                self.find("altered", "heads carry lines of epoch keys, and the keyring is missing",
                          kind="removed", path="keyring")
            return bool(lines)
        signed = set()
        for name, key_id, signature in lines:
            if not re.fullmatch(r"0|[1-9][0-9]{0,17}", name[len(prefix):], re.A):
                continue
            number = int(name[len(prefix):])
            if number >= len(self.keyring.epochs):
                self.find("altered", f"it ends before epoch {number}, which signed a head", kind="removed",
                          path="keyring")
                return True
            epoch = self.keyring.epochs[number]
            if key_id != epoch.key.id:
                continue
            if head.size < epoch.first or epoch.end is not None and head.size > epoch.end:
                self.find("unauthentic", f"a head of {head.size} entries carries a line of epoch {number}, "
                          "which was not open then", path=path)
                return True
            if not epoch.key.verifies(signature, head.note.text):
                self.find("unauthentic", f"the line of epoch {number} does not hold", path=path)
                return True
            signed.add(number)
        begun = [epoch for epoch in self.keyring.epochs if epoch.first <= head.size]
        # Where one epoch named the next, both signed: else a broken line of one would pass for none.
        closing = begun and begun[-1].first == head.size and begun[-1].by_before
        for epoch in begun[-2:] if closing else begun[-1:]:
            if epoch.number not in signed:
                self.find("unauthentic", f"epoch {epoch.number} did not sign the head of {head.size} entries",
                          path=path)
                return True
        return False

    def check_introductions(self):
        for epoch in self.keyring.epochs if self.keyring else []:
            index = epoch.first - 1
            if not self.first_bundle * 256 <= index < self.size:
                continue
            entry = canonical(self.entry(index) or b"") or {}
            action = "log.genesis" if epoch.first == 1 else "key.rotate" if epoch.by_before else "key.create"
            if (entry.get("action"), entry.get("digest"), entry.get("length")) != (
                    action, sha256(epoch.text).hex(), len(epoch.text)):
                self.find("unauthentic", f"the entry does not introduce epoch {epoch.number}", index=index,
                          path="keyring")
                return

    def check_certification(self):
        if self.root_key is None or self.keyring is None:
            return
        if not any(epoch.root_key.same(self.root_key) for epoch in self.keyring.epochs):
            self.find("unauthentic", "it is under another root key than you gave", path="keyring")
            return
        for epoch in self.keyring.uncertified(self.root_key):
            if epoch.first <= self.size:
                self.find("unanchored", f"the root key does not vouch for epoch {epoch.number}, so from here on "
                          "only the log's own key does", index=epoch.first - 1, path="keyring")
                return

    def read_minimum(self):
        """audit-log.md, 12."""
        try:
            data = self.folder.read("minimum", NOTE_LIMIT)
            if data is None:
                return
            note = Note(data)
            if self.key is not None and self.key not in note.signers([self.key]):
                raise Unauthentic
            lines = note.text.decode().split("\n")
            number = re.compile(r"0|[1-9][0-9]{0,18}", re.A)
            if len(lines) != 5 or lines[0] != "callvault/minimum/v1" or len(note.lines) != 1 \
                    or not number.fullmatch(lines[2]) or not number.fullmatch(lines[3]):
                raise Malformed
            index, announced = int(lines[2]), int(lines[3])
            if index <= 0 or index % 256 or announced < index or announced >= 1 << 61:
                raise Malformed
            if self.key is not None and self.key.name != lines[1]:
                raise Unauthentic
        except Unauthentic:
            self.find("unauthentic", "it is not signed by the log's key", path="minimum")
            return
        except Malformed:
            self.find("altered", "it is no signed minimum index", kind="edited", path="minimum")
            return
        except OSError:
            self.find("unreadable", "it could not be read", path="minimum")
            return
        if lines[1] != self.head.origin:
            self.find("unauthentic", "it is of another log", path="minimum")
        elif index > self.size or announced >= self.size:
            self.find("altered", "it speaks of entries that the log has not", kind="edited", path="minimum")
        else:
            self.minimum, self.first_bundle = (index, announced), index // 256
            self.note(f"pruned: entries 0 to {index - 1} were removed as entry {announced} says; what is left "
                      "holds by the tiles above them")

    def take_up_left_edge(self):
        """Goes on by the bundles that are gone, as far as the tiles of level 1 know them."""
        for number in range(self.first_bundle):
            width = width_of(1, number // 256, self.size)
            data = self.content(1, number // 256)
            column = number % 256
            known = data is not None and len(data) == 32 * width and column < width
            claims = self.claims((number + 1) * 256)
            if not known:
                self.by_entries.whole = False
                self.find("altered", "it is needed for what lies before the first entry that was looked at",
                          kind="removed", index=number * 256, path=tile_path(1, number // 256, width or 256))
                return
            root = data[column * 32:column * 32 + 32]
            self.by_entries.frontier.append(root, 8)
            for claim in claims:
                if claim[0].size == self.by_entries.frontier.size:
                    self.by_entries.judge(claim)
            self.by_entries.push(root, 1, self.compare_tile)
        if self.first_bundle:
            self.last_hash = None

    def check_minimum(self):
        if self.minimum and self.minimum[1] >= self.first_bundle * 256:
            index, announced = self.minimum
            entry = canonical(self.entry(announced) or b"") or {}
            if (entry.get("action"), entry.get("count")) != ("log.prune", index):
                self.find("unauthentic", "the entry it names did not announce it", index=announced, path="minimum")

    def merge(self, bundle):
        claims = self.claims(bundle.start + bundle.width)
        same = bundle.tile == "matching" and len(bundle.found) == bundle.width
        if not same:
            if self.by_tiles is None:
                self.by_tiles = Derivation(self.by_entries)
            if self.divergence is None:
                shared = 0
                for left, right in zip(bundle.found, bundle.recorded or []):
                    if left != right:
                        break
                    shared += 1
                self.divergence = (bundle.start + min(shared, bundle.width - 1), bundle)
        if self.by_tiles:
            recorded = bundle.recorded if bundle.tile in ("matching", "other") else None
            self.by_tiles.extend(recorded, bundle.width, bundle.root if same else None, claims,
                                 self.compare_tile)
        self.by_entries.extend(bundle.found, bundle.width, bundle.root, claims, self.compare_tile)
        if self.chain_break is None:
            self.chain_break = bundle.broken
            # An index that is not the place says more about the first entry than its `prev`.
            if bundle.first and self.last_hash and bundle.first.index == bundle.start \
                    and bundle.first.previous != self.last_hash:
                self.chain_break = (bundle.start, "prev", None)
        # What follows a gap has nothing to be compared with.
        self.last_hash = bundle.found[-1] if len(bundle.found) == bundle.width else None
        if bundle.found:
            self.last_present = bundle.number
        self.absent = self.absent + 1 if bundle.entries == "missing" else 0
        if bundle.entries == "long" and self.surplus is None:
            self.surplus = (bundle.start + bundle.width, bundle.path)
        if bundle.entries == "unreadable":
            self.find("unreadable", "it could not be read", index=bundle.start, path=bundle.path)
        if bundle.tile == "unreadable":
            self.find("unreadable", "it could not be read", index=bundle.start,
                      path=tile_path(0, bundle.number, bundle.width))
        if self.strange is None:
            self.strange = bundle.strange
        self.other_versions += bundle.other_versions

    def compare_tile(self, level, number, hashes):
        """A finding if the stored tile above level 0 is not as derived."""
        path = tile_path(level, number, len(hashes))

        def damage(column, kind, verdict="altered"):
            return Finding(verdict, "it could not be read" if verdict == "unreadable"
                           else "it is not the tile of the entries that were signed",
                           kind=None if verdict == "unreadable" else kind,
                           index=(number * 256 + column) << (8 * level), path=path)
        try:
            stored = self.folder.read(path, 256 * 32)
        except Malformed:
            return damage(0, "edited")
        except OSError:
            return damage(0, "edited", "unreadable")
        if stored is None:
            return damage(0, "removed")
        expected = b"".join(hashes)
        if stored == expected:
            return None
        return damage(min(same_bytes(stored, expected) // 32, len(hashes) - 1), "edited")

    # Conclusion

    def conclude(self):
        tiles = self.by_tiles or self.by_entries
        entries_hold = self.by_entries.whole and self.by_entries.frontier.root() == self.head.root
        tiles_hold = tiles.whole and tiles.frontier.root() == self.head.root
        if entries_hold:
            self.check_minimum()
            self.check_introductions()
            self.check_restart()
            self.conclude_from_entries()
            if self.openings:
                self.openings.count(self)
        elif tiles_hold:
            self.conclude_beside_tiles()
            if tiles.tile_damage:
                self.findings.append(tiles.tile_damage)
        else:
            self.conclude_by_chain()
        authority = self.by_entries if entries_hold else tiles if tiles_hold else None
        if authority and authority.contradiction:
            self.contradicted(authority.contradiction, authority.before_contradiction)
        elif authority is None:
            for anchor in self.anchors:
                if anchor.size == self.head.size and anchor.root != self.head.root:
                    self.contradicted((anchor, None), 0)
        for anchor in self.anchors:
            if anchor.size > self.head.size:
                self.find("behind-anchor",
                          f"your anchor has {anchor.size} entries, the log {self.head.size}",
                          index=self.head.size)
        self.confirmed = authority.last_anchor if authority else 0
        while self.peek():
            self.next_claim = None
        if self.has_history and not self.history_damaged and not self.holds_sought:
            self.find("altered", "the history does not hold the log's own head", kind="removed",
                      path="checkpoints")
        if entries_hold:
            self.last_time = self.time_of(self.size - 1)
            self.anchored_time = self.time_of(self.confirmed - 1)

    def conclude_from_entries(self):
        if self.divergence:
            index, bundle = self.divergence
            path = tile_path(0, bundle.number, bundle.width)
            if bundle.tile == "missing":
                self.find("altered", "it is missing", kind="removed", index=index, path=path)
            elif bundle.tile in ("malformed", "other"):
                self.find("altered", "it does not hold the hashes of the entries that were signed",
                          kind="edited", index=index, path=path)
        if self.by_entries.tile_damage:
            self.findings.append(self.by_entries.tile_damage)
        if self.surplus:
            self.find("altered", "bytes follow the entries that were signed", kind="inserted",
                      index=self.surplus[0], path=self.surplus[1])
        if self.strange is not None:
            self.find("altered", "it was signed, but is not an entry in the one spelling",
                      kind="non-canonical", index=self.strange)
        self.report_chain()

    def report_chain(self):
        if self.chain_break:
            kind, index = Window(self, self.chain_break[0]).by_chain(self.chain_break)
            self.find("altered", "the chain of idx and prev breaks", kind=kind, index=index)

    def conclude_beside_tiles(self):
        if not self.divergence:
            return
        index, bundle = self.divergence
        if bundle.entries == "unreadable":
            return
        if self.cut_tail(index, bundle):
            self.truncated(index, bundle)
        elif bundle.entries == "misframed" and index == bundle.start + len(bundle.found):
            self.find("altered", "its length was changed", kind="edited", index=index, path=bundle.path)
        else:
            self.find("altered", "it is not the entry that was signed",
                      kind=Window(self, index).beside_tiles(index), index=index, path=bundle.path)

    def conclude_by_chain(self):
        if self.chain_break:
            self.report_chain()
        elif self.strange is not None:
            self.find("altered", "it is not an entry", kind="edited", index=self.strange)
        elif self.divergence:
            index, bundle = self.divergence
            if self.cut_tail(index, bundle):
                self.truncated(index, bundle)
            elif bundle.entries != "unreadable":
                self.find("altered", "entry and tile differ, and neither leads to the signed root",
                          kind="edited", index=index, path=bundle.path)
        elif self.by_entries.whole or self.by_entries.frontier.size >= self.first_bundle * 256:
            found = self.by_entries.contradiction
            first = self.by_entries.before_contradiction if found else self.by_entries.last_match
            self.find("altered", "entries and tiles agree, but do not lead to the signed root",
                      kind="edited", index=first,
                      through=(found[0].size if found else self.head.size) - 1)

    def truncated(self, index, bundle):
        self.find("truncated", f"entries are missing from here up to {self.head.size}, which the log's "
                  "head covers", index=index, path=bundle.path)

    def cut_tail(self, index, bundle):
        return bundle.entries in ("missing", "short") \
            and index == bundle.start + len(bundle.found) and self.last_present <= bundle.number

    def contradicted(self, claim, shared):
        head, path = claim
        whose = {None: "your anchor", "keyring": "an epoch's key"}.get(path, "the history")
        places = {"index": shared, "through": max(shared, head.size - 1), "path": path}
        if head.verified and self.head.verified:
            self.evidence = [head.note, self.head.note]
            self.find("forked", f"{whose} has a signed head of {head.size} entries with the root "
                      f"{head.root.hex()}, which the log's signed head of {self.head.size} contradicts",
                      **places)
        else:
            self.find("altered", f"{whose} has a head of {head.size} entries that the log contradicts",
                      kind="edited", **places)

    def content(self, level, number):
        width = width_of(level, number, self.size)
        if not width:
            return None
        try:
            return self.folder.read(tile_path(level, number, width), BUNDLE_LIMIT)
        except (OSError, Malformed):
            return None

    def entry(self, index):
        data = self.content("entries", index // 256) if 0 <= index < self.size else None
        ranges = split_bundle(data) if data else []
        if index % 256 >= len(ranges):
            return None
        start, end = ranges[index % 256]
        return data[start:end]

    def time_of(self, index):
        entry = self.entry(index)
        frame = Frame.of(entry) if entry is not None else None
        return frame.time if frame else None

    def check_rest(self):
        try:
            for name, is_folder in self.folder.list("") or []:
                known = name in ("checkpoints", "tile") if is_folder \
                    else name in ("checkpoint", "keyring", "minimum", "recovery")
                if not known:
                    self.note(f"a file that does not belong to the log: {name}")
            sound, beyond = not self.findings, 0
            for path in self.walk("tile", 1):
                place = parse_tile_path(path)
                if place is None:
                    self.note(f"a file that does not belong to the log: {path}")
                    continue
                level, number, width = place
                current = width_of(level, number, self.size)
                if not current or width > current:
                    beyond += 1
                elif sound and width < current and (level not in ("entries", 0) or number >= self.first_bundle):
                    self.compare_old(path, level, number, width)
            if beyond:
                self.note(f"{beyond} files were published beyond the newest head")
        except OSError:
            self.find("unreadable", "it could not be listed", path="tile")

    def walk(self, folder, depth):
        if depth > 10:
            yield folder
            return
        for name, is_folder in self.folder.list(folder) or []:
            path = f"{folder}/{name}"
            if is_folder:
                yield from self.walk(path, depth + 1)
            else:
                yield path

    def compare_old(self, path, level, number, width):
        """An older partial file must be the beginning of the one that replaced it."""
        try:
            old = self.folder.read(path, BUNDLE_LIMIT)
        except (OSError, Malformed):
            return
        data = self.content(level, number)
        if old is None or data is None:
            return
        if level == "entries":
            ranges = split_bundle(data)
            length = ranges[width - 1][1] if width <= len(ranges) else 0
        else:
            length = width * 32
        if len(old) == length and data.startswith(old):
            return
        same = same_bytes(data, old)
        if level == "entries":
            column, scale = sum(1 for _, end in split_bundle(data) if end <= same), 1
        else:
            column, scale = same // 32, 1 << (8 * level)
        self.find("altered", "it is not the beginning of the file that replaced it", kind="edited",
                  index=(number * 256 + min(column, width - 1)) * scale, path=path)

    def check_stamps(self):
        """Times of entries lie between the stamps around them (anchors.md, 3.4)."""
        if not self.stamps:
            return
        sizes = [size for size, _ in self.stamps]
        latest, earliest, bound = [], [], 0
        for _, seconds in self.stamps:
            bound = max(bound, seconds * 1000)
            latest.append(bound)
        bound = 1 << 62
        for _, seconds in reversed(self.stamps):
            bound = min(bound, seconds * 1000)
            earliest.insert(0, bound)
        wrong = []
        for number in range((self.size + 255) // 256):
            data = self.content("entries", number)
            for offset, (start, end) in enumerate(split_bundle(data) if data is not None else []):
                frame, index = Frame.of(data[start:end]), number * 256 + offset
                if frame is None or frame.time is None:
                    continue
                place = bisect.bisect_right(sizes, index)
                if place < len(sizes) and frame.time > earliest[place] + 300_000 \
                        or place and frame.time < latest[place - 1] - 300_000:
                    wrong.append(index)
        if wrong:
            self.find("altered", "its time lies outside the stamps around it"
                      + (f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""), kind="misdated", index=wrong[0])

    def check_age(self):
        if self.max_age is None:
            return
        limit, now = self.max_age
        if self.last_time is None or now - self.last_time > limit:
            self.find("stale", "the newest entry is older than you allow", index=self.size - 1)

    def verdict(self):
        verdicts = {finding.verdict for finding in self.findings}
        if self.head is None or not self.head.verified or not self.confirmed:
            verdicts.add("unanchored")
        return next((v for v in WEIGHT if v in verdicts), "intact")


def same_bytes(left, right):
    for place, (a, b) in enumerate(zip(left, right)):
        if a != b:
            return place
    return min(len(left), len(right))


class Window:
    """Entries and recorded hashes around a place where they differ, to tell what happened (9.4)."""

    def __init__(self, log, index):
        self.log, self.found, self.recorded = log, {}, {}
        first = max(0, index // 256 - 1)
        for number in range(first, first + 3):
            if not width_of("entries", number, log.size):
                break
            data = log.content("entries", number)
            for offset, (start, end) in enumerate(split_bundle(data) if data is not None else []):
                entry = data[start:end]
                self.found[number * 256 + offset] = (leaf_hash(entry), Frame.of(entry))
            for offset, item in enumerate(self.tile(number) or []):
                self.recorded[number * 256 + offset] = item

    def tile(self, number):
        data = self.log.content(0, number)
        if data is None or len(data) != 32 * width_of(0, number, self.log.size):
            return None
        return [data[i:i + 32] for i in range(0, len(data), 32)]

    def recorded_at(self, index):
        if not 0 <= index < self.log.size:
            return None
        tile = self.tile(index // 256)
        return tile[index % 256] if tile else None

    def beside_tiles(self, index):
        if index not in self.found:
            return "removed"
        item, frame = self.found[index]
        expected = self.recorded.get(index)
        place = next((i for i, h in self.recorded.items() if i != index and h == item), None)
        if place is None and frame and frame.index is not None and frame.index != index \
                and self.recorded_at(frame.index) == item:
            place = frame.index
        later = any(i > index and h == expected for i, (h, _) in self.found.items())
        if place is None:
            return "inserted" if later else "edited"
        if later:
            return "inserted" if place < index else "reordered"
        return "edited" if place < index else "removed"

    def by_chain(self, broken):
        index, what, claimed = broken
        if what == "idx":
            if claimed is None:
                return "edited", index
            if claimed > index:
                later = any(i > index and f and f.index == index for i, (_, f) in self.found.items())
                return ("reordered" if later else "removed"), index
            return "inserted", index
        if index == 0 or index not in self.found:
            return "edited", max(0, index - 1)
        after = self.found.get(index + 1)
        # The entry after vouches for this one by its `prev`; then the one before was changed.
        if after and after[1] and after[1].previous is not None:
            return "edited", index - 1 if after[1].previous == self.found[index][0] else index
        before = self.found.get(index - 1)
        as_recorded = (before[0] if before else None) == self.recorded.get(index - 1)
        return "edited", index if as_recorded else index - 1


# The keyring (keyring.md) and the left edge (audit-log.md, 12)


# The name of a log that a recovery began.
RESTARTED = re.compile(r".*/callvault/\d{8}T\d{6}Z", re.A)


class Restart:
    """The recovery note of recovery.md, 2."""

    def __init__(self, data):
        self.note = Note(data)
        rows = self.note.text.decode().split("\n")
        labels = ("log ", "root ", "old ", "anchored ", "kept ")
        if len(rows) != 7 or rows[0] != "callvault/recovery/v1" or rows[6] \
                or not all(row.startswith(label) for row, label in zip(rows[1:6], labels)):
            raise Malformed("a recovery note")
        self.log, self.root, self.old = Key(rows[1][4:]), Key(rows[2][5:]), Key(rows[3][4:])
        self.anchored, self.kept = self.head(rows[4][9:]), self.head(rows[5][5:])
        if any(key.type != 1 for key in (self.log, self.root, self.old)) or self.anchored == self.kept \
                or not RESTARTED.fullmatch(self.log.name) or self.root.name != f"{self.log.name}/root" \
                or self.old.name == self.log.name:
            raise Malformed("a recovery note's keys or heads")
        if self.anchored[0] > self.kept[0]:
            self.loss = f"entries {self.kept[0]}\u2013{self.anchored[0] - 1} of {self.old.name} were lost"
        else:
            self.loss = f"an anchor holds {self.anchored[0]} entries of {self.old.name} that are not those it kept"

    @staticmethod
    def head(text):
        size, _, root = text.partition(" ")
        if not re.fullmatch(r"[1-9][0-9]{0,18}", size, re.A) or int(size) >= 1 << 61 or not root.isascii():
            raise Malformed("a head in a recovery note")
        root = unbase64(root)
        if len(root) != 32:
            raise Malformed("a head in a recovery note")
        return int(size), root

    def old_root(self):
        """The root under the name that whoever audited the old log knows it by."""
        data = b"\x01" + self.root.public
        name = f"{self.old.name}/root"
        digest = sha256(name.encode() + b"\n" + data)[:4].hex()
        return Key(f"{name}+{digest}+{base64.b64encode(data).decode()}")

    def holds(self):
        """Exactly two lines: by the root under the old log's name, and by the new log's key."""
        keys = [self.old_root(), self.log]
        return len(self.note.lines) == 2 and all(
            (key.name, key.id) == line[:2] and key.verifies(line[2], self.note.text)
            for key, line in zip(keys, self.note.lines))


class Epoch:
    """An epoch note of keyring.md, 3."""

    def __init__(self, note, log, before, number):
        rows = note.text.decode().split("\n")
        if len(rows) != 8 or rows[0] != "callvault/epoch/v1" or rows[1] != log.name \
                or rows[2] != f"epoch {number}" or not re.fullmatch(r"from [1-9][0-9]{0,18}", rows[4], re.A) \
                or not all(row.startswith(label) for row, label in zip(rows[3:7], ("key ", "from ", "tree ", "root "))) \
                or not rows[5].isascii():
            raise Malformed("an epoch note")
        self.number, self.text, self.note, self.origin = number, note.text, note, rows[1]
        self.key, self.root_key = Key(rows[3][4:]), Key(rows[6][5:])
        self.first, self.tree = int(rows[4][5:]), unbase64(rows[5][5:])
        if self.key.type != 1 or self.key.name != f"{log.name}/epoch/{number}" or len(self.tree) != 32 \
                or self.root_key.type != 1 or self.root_key.name != f"{log.name}/root" \
                or self.first >= 1 << 61 or before and self.first <= before.first:
            raise Malformed("an epoch note's keys or place")
        # Lines of the log, of the epoch before and of the root, in this order; the log's always.
        may = [log] + ([before.key] if before else []) + [self.root_key]
        self.signers = []
        for name, key_id, _ in note.lines:
            while may and (may[0].name, may[0].id) != (name, key_id):
                may.pop(0)
            if not may:
                raise Malformed("a line of another key, or out of order, in an epoch note")
            self.signers.append(may.pop(0))
        if not self.signers[0].same(log):
            raise Malformed("an epoch note without the log's line")
        self.by_before = before is not None and any(key.same(before.key) for key in self.signers)
        self.by_root = any(key.same(self.root_key) for key in self.signers)
        self.end = None  # The last size of its window; none while it is open.


class Keyring:
    """`log/keyring`: who may sign which heads beside the log's own key."""

    def __init__(self, data):
        if any(byte < 0x20 and byte != 0x0a for byte in data) or not data.endswith(b"\n"):
            raise Malformed("a keyring that is not plain text")
        try:
            rows = data.decode()[:-1].split("\n")
        except UnicodeDecodeError as error:
            raise Malformed("a keyring that is not UTF-8") from error
        if len(rows) < 3 or rows[0] != "callvault/keyring/v1" or not rows[1].startswith("log "):
            raise Malformed("a keyring's first lines")
        self.log, self.epochs, place = Key(rows[1][4:]), [], 2
        if self.log.type != 1:
            raise Malformed("a keyring of no log's key")

        def run(start):
            end = start
            while end < len(rows) and rows[end]:
                end += 1
            return end
        while place < len(rows):
            body = run(place + 1)
            tail = run(body + 1)
            if rows[place] or body >= len(rows) or len(self.epochs) >= 65536:
                raise Malformed("a keyring between two epochs")
            note = Note(("\n".join(rows[place + 1:body]) + "\n\n" + "\n".join(rows[body + 1:tail]) + "\n").encode())
            before = self.epochs[-1] if self.epochs else None
            epoch = Epoch(note, self.log, before, len(self.epochs))
            if before:
                before.end = epoch.first
            self.epochs.append(epoch)
            place = tail
        if not self.epochs:
            raise Malformed("a keyring without an epoch")

    def first_forged(self):
        for epoch in self.epochs:
            for key, (_, _, signature) in zip(epoch.signers, epoch.note.lines):
                if not key.verifies(signature, epoch.text):
                    return epoch.number
        return None

    def uncertified(self, root):
        """The epochs that neither the root nor a certified epoch before vouches for."""
        certified = False
        for epoch in self.epochs:
            certified = epoch.by_root and epoch.root_key.same(root) or epoch.by_before and certified
            if not certified:
                yield epoch


class EpochTree:
    """The root that an epoch note states, as something the tree can contradict."""

    def __init__(self, epoch):
        self.origin, self.size, self.root = epoch.origin, epoch.first - 1, epoch.tree
        self.verified, self.note = True, epoch.note

    def same(self, other):
        return (self.origin, self.size, self.root) == (other.origin, other.size, other.root)


# Anchors (anchors.md)


class Policy:
    """A tlog-policy: whose cosignatures count, and how many are wanted."""

    def __init__(self, data):
        if len(data) > 65536 or any(b < 0x20 and b not in (9, 10) for b in data) or not data.endswith(b"\n"):
            raise Malformed("a policy that is not plain text")
        self.logs, self.witnesses, self.groups, quorum = [], {}, {}, None
        used, keys = set(), set()
        for line in data.decode().split("\n"):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] == "log" and len(words) in (2, 3):
                key = Key(words[1])
                if key.type != 1:
                    raise Malformed("a log's key of another type")
                self.logs.append(key)
            elif words[0] == "witness" and len(words) in (3, 4):
                key = Key(words[2])
                if key.type != 4 or key.public in keys or words[1] in self.witnesses | self.groups \
                        or words[1] == "none":
                    raise Malformed("a witness's line")
                keys.add(key.public)
                self.witnesses[words[1]] = key
            elif words[0] == "group" and len(words) > 3:
                members = words[3:]
                want = {"any": 1, "all": len(members)}.get(words[2])
                if want is None:
                    want = int(words[2]) if re.fullmatch("[1-9][0-9]{0,2}", words[2]) else 0
                if not 1 <= want <= len(members) or words[1] in self.witnesses | self.groups \
                        or words[1] == "none" or len(set(members)) != len(members) \
                        or any(m in used or m not in self.witnesses | self.groups for m in members):
                    raise Malformed("a group's line")
                used.update(members)
                self.groups[words[1]] = (want, members)
            elif words[0] == "quorum" and len(words) == 2 and quorum is None:
                quorum = words[1]
                if quorum != "none" and quorum not in self.witnesses | self.groups:
                    raise Malformed("a quorum of an unknown name")
            else:
                raise Malformed(f"a policy's line: {words[0]}")
        if quorum is None:
            raise Malformed("a policy without a quorum")
        self.quorum = quorum

    def check(self, data, key):
        """A head of the log; it anchors if a quorum cosigned it."""
        note = Note(data)
        held = note.signers([key] + list(self.witnesses.values()))
        if key not in held:
            raise Unauthentic("no line of the log's key")

        def counts(name):
            if name in self.witnesses:
                return self.witnesses[name] in held
            want, members = self.groups[name]
            return sum(counts(member) for member in members) >= want
        head = Head(note, key)
        head.anchoring = self.quorum != "none" and counts(self.quorum)
        return head


def stamp_seconds(data, response, authority, at=None):
    """The time in a token over `data`, in seconds, if it holds now, or held at the time `at`."""
    stamped, token = scratch("stamped", data), scratch("token", response)
    when = ["-attime", str(at)] if at is not None else []
    if openssl("ts", "-verify", "-data", stamped, "-in", token, "-CAfile", authority, *when).returncode != 0:
        return None
    done = openssl("ts", "-reply", "-in", token, "-text")
    match = re.search(rb"Time stamp: (\w{3}) +(\d+) (\d\d):(\d\d):(\d\d)(?:\.\d+)? (\d{4}) GMT", done.stdout)
    if not match:
        return None
    months = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
    month, day, hour, minute, second, year = match.groups()
    return calendar.timegm((int(year), months.index(month) + 1, int(day), int(hour), int(minute), int(second)))


class Anchors:
    """`anchors/`, held against a policy and an authority that the caller gave (anchors.md)."""

    def __init__(self, folder, key, policy, authority):
        self.folder, self.key, self.policy, self.authority = folder, key, policy, authority
        self.heads, self.stamps, self.findings, self.notes = [], [], [], []
        try:
            names = sorted(folder.names(""))
            for name in names:
                if re.fullmatch(r"cosigned/\d{4}-\d\d/\d{20}", name, re.A):
                    self.take_cosigned(name)
            if authority:
                self.take_stamps(names)
        except (OSError, Malformed):
            self.findings.append(Finding("unreadable", "it could not be read", path="anchors"))

    def forged(self, name, detail):
        if len(self.findings) < 50:
            self.findings.append(Finding("unauthentic", detail, path=f"anchors/{name}"))

    def take_cosigned(self, name):
        try:
            data = self.folder.read(name, 65536) or b""
            if self.policy:
                self.heads.append(self.policy.check(data, self.key))
            else:
                self.heads.append(Head(data, self.key))
                self.heads[-1].anchoring = False
        except (Malformed, Unauthentic):
            self.forged(name, "it is no head of this log, or the line of a known witness does not hold")

    def take_stamps(self, names):
        lists = {}
        # Newest first: an older list may itself hold by a newer one.
        for name in reversed([n for n in names if re.fullmatch(r"renewals/\d+\.tsr", n, re.A)]):
            data, response = self.folder.read(name[:-4] + ".sha256", 1 << 20), self.folder.read(name, 65536)
            seconds = self.check(data, response, lists) if data is not None else None
            if seconds is None:
                self.forged(name, "the stamp does not hold")
                continue
            for line in data.decode("utf-8", "replace").splitlines():
                lists.setdefault(line[:64], seconds)
        for name in names:
            if not re.fullmatch(r"stamps/\d{4}-\d\d/\d{20}-\d{12}\.tsr", name, re.A):
                continue
            data, response = self.folder.read(name[:-4] + ".note", NOTE_LIMIT), self.folder.read(name, 65536)
            if data is None:
                self.notes.append(f"a stamp without the head it stamps: anchors/{name}")
                continue
            seconds = self.check(data, response, lists)
            try:
                head = Head(data, self.key) if seconds is not None else None
            except (Malformed, Unauthentic):
                head = None
            if head is None:
                self.forged(name, "the stamp does not hold, or what it stamps is no head of this log")
                continue
            head.anchoring = self.policy is None
            self.stamps.append((head.size, seconds))
            self.heads.append(head)

    def check(self, data, response, lists):
        seconds = stamp_seconds(data, response, self.authority)
        renewed = lists.get(sha256(response).hex())
        if seconds is None and renewed is not None:
            seconds = stamp_seconds(data, response, self.authority, renewed)
        return seconds


# Openings (journal.md, 3; audit-log.md, 13)


class Openings:
    """`openings/`: how many of the values that entries commit to are kept, were erased, or are missing."""

    def __init__(self, folder):
        self.folder, self.present, self.missing, self.first_missing, self.erased = folder, 0, 0, None, {}

    def sealed(self, log, number):
        """The openings of a bundle: (entry's id, field) to the id of the key they are sealed under."""
        path = tile_path("entries", number)[len("tile/entries/"):]
        found, place = {}, 0
        try:
            data = self.folder.read(path, 64 << 20)
        except (OSError, Malformed):
            log.find("unreadable", "it could not be read", index=number * 256, path=f"openings/{path}")
            return None
        data = data or b""
        while len(data) - place >= 21:
            length = int.from_bytes(data[place:place + 4], "big")
            end = place + 5 + length
            if length > 65536 or end + 16 > len(data) \
                    or sha256(data[place + 4:end])[:16] != data[end:end + 16]:
                break
            body = data[place + 5:end]
            if data[place + 4] == 2 and length >= 17 and length >= 17 + body[16]:
                seal = body[17 + body[16]:]
                key = seal[1:17] if len(seal) >= 45 and seal[0] == 1 else None
                found[bytes(body[:16]), body[17:17 + body[16]].decode("latin-1")] = key
            place = end + 16
        # A writer may be appending to the file of the newest entries, or a crash have cut it.
        if place < len(data) and (number + 1) * 256 < log.size:
            log.find("altered", f"it does not hold whole openings from byte {place} on", kind="edited",
                     index=number * 256, path=f"openings/{path}")
        return found

    def count(self, log):
        by_key, destroyed = {}, {}
        for number in range(log.first_bundle, (log.size + 255) // 256):
            data = log.content("entries", number)
            sealed = self.sealed(log, number)
            for start, end in split_bundle(data) if data is not None else []:
                entry = canonical(data[start:end]) or {}
                if entry.get("v") != 1:
                    continue
                index, moment = entry["idx"], entry["time"]
                if (entry.get("action"), entry.get("phase")) == ("key.destroy", "outcome") \
                        and entry.get("outcome") in ("success", "presumed") and "first" in entry:
                    key = bytes.fromhex(entry.get("key_id", "").replace("-", ""))
                    destroyed.setdefault(key, (index, entry["first"], entry["last"]))
                for field in entry.get("commits", {}) if sealed is not None else {}:
                    key = sealed.get((bytes.fromhex(entry["id"].replace("-", "")), field))
                    if key is None:
                        self.missing += 1
                        self.first_missing = index if self.first_missing is None else self.first_missing
                        continue
                    # The time of the first entry under the key, and which one; likewise the last.
                    count, least, most = by_key.get(key, (0, (moment, index), (moment, index)))
                    least = (moment, index) if moment < least[0] else least
                    by_key[key] = (count + 1, least, (moment, index) if moment > most[0] else most)
        misplaced = []
        for key, (count, least, most) in by_key.items():
            if key not in destroyed:
                self.present += count
                continue
            index, begin, end = destroyed[key]
            self.erased[index] = self.erased.get(index, 0) + count
            if least[0] < begin or most[0] > end:
                misplaced.append((least[1] if least[0] < begin else most[1], index))
        for place, index in sorted(misplaced):
            log.find("altered", f"an opening names a key that entry {index} destroyed for other entries",
                     kind="edited", index=place, path=self.path_of(place))
        if self.missing:
            log.find("altered", f"what it commits to is not there, and nothing says that it was erased; "
                     f"openings missing: {self.missing}", kind="removed", index=self.first_missing,
                     path=self.path_of(self.first_missing))

    @staticmethod
    def path_of(index):
        return "openings/" + tile_path("entries", index // 256)[len("tile/entries/"):]

    def facts(self):
        rows = {"present": self.present, "missing": self.missing,
                "erased": [{"entry": n, "count": c} for n, c in sorted(self.erased.items())]}
        if self.first_missing is not None:
            rows["first_missing"] = self.first_missing
        return rows


# Packages


def check_manifest(folder, find):
    """MANIFEST.sha256 lists every other file, once, as it is."""
    data = folder.read("MANIFEST.sha256", 64 << 20)
    if data is None:
        find("unreadable", "the package has no manifest", path="MANIFEST.sha256")
        return
    listed = {}
    lines = data.decode("utf-8", "replace").split("\n")
    if lines.pop() != "":
        find("altered", "it was cut", kind="edited", path="MANIFEST.sha256")
    for line in lines:
        match = re.fullmatch(r"([0-9a-f]{64})  ([A-Za-z0-9._/-]+)", line, re.A)
        if not match or match[2] in listed:
            find("altered", "a line is not as sha256sum writes it", kind="edited", path="MANIFEST.sha256")
            return
        listed[match[2]] = match[1]
    present = set(folder.names("")) - {"MANIFEST.sha256"}
    for name in sorted(present | set(listed)):
        if name not in listed:
            find("altered", "the manifest does not list it", kind="inserted", path=name)
        elif name not in present:
            find("altered", "the manifest lists it, and it is missing", kind="removed", path=name)
        elif digest_of(folder, name) != listed[name]:
            find("altered", "it is not the file that the manifest lists", kind="edited", path=name)


def read_json(folder, name, keys, limit=1 << 20):
    data = folder.read(name, limit)
    if data is None or not data.endswith(b"\n"):
        raise Malformed(f"{name} is missing or cut")
    value = canonical(data[:-1], limit)
    if value is None or set(value) != set(keys):
        raise Malformed(f"{name} is not as package.md says")
    return value


def rfc3339(text):
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,3}))?Z", text, re.A)
    if not match:
        raise Malformed("a time")
    seconds = calendar.timegm(tuple(int(match[i]) for i in range(1, 7)))
    return seconds * 1000 + int((match[7] or "0").ljust(3, "0"))


def check_package(folder, log):
    """Holds a package against its manifest, and what lies beside its logs against them; package.md, 3, 4 and 9."""
    check_manifest(folder, log.find)
    if log.head is None:
        return
    policies = check_beside(folder, log)
    policies |= check_earlier(folder, log)
    have = {name.split("/")[1][:-5] for name in folder.names("") if name.startswith("policies/")}
    for name in sorted(have):
        if digest_of(folder, f"policies/{name}.yaml") != name:
            log.find("altered", "its hash is not its name", kind="edited", path=f"policies/{name}.yaml")
    for lacking in sorted(policies - have):
        log.note(f"entries of the range name a policy that is not there: {lacking}")


def check_earlier(package, log):
    """The logs that recoveries ended: each is what the log after it says it was; returns the policies they name."""
    places = {int(match[1]) for match in (re.match(r"earlier/([1-9][0-9]{0,5})/", name) for name in package.names(""))
              if match}
    policies, restart, after = set(), log.restart, None
    for number in sorted(places, reverse=True):
        place = f"earlier/{number}"
        if restart is None or after not in (None, number + 1) or not restart.holds():
            log.find("altered", "nothing says that it came before", kind="inserted", path=place)
            return policies
        folder = package.below(place)
        earlier = Log(folder.below("log"), restart.old)
        earlier.root_key = restart.old_root() if log.root_key else None
        earlier.run()
        if earlier.head and (earlier.head.size, earlier.head.root) != restart.kept:
            earlier.find("altered", "it is not the log that the recovery kept", kind="edited", path="log/checkpoint")
        policies |= check_beside(folder, earlier)
        for finding in earlier.findings:
            inner = (finding.path or "log").removeprefix("log/")
            is_beside = inner.split("/")[0] in ("package.json", "entries", "proofs", "identities.jsonl")
            finding.path = f"{place}/{inner if is_beside or inner == 'log' else 'log/' + inner}"
            log.findings.append(finding)
        for note in earlier.notes:
            log.note(f"{place}: {note}")
        if earlier.head and not earlier.findings:
            log.note(f"{place}: {earlier.size} entries of {earlier.origin} are as the recovery kept them")
        restart, after = earlier.restart, number
    if restart:
        log.note(f"the log before, {restart.old.name}, is not in the package")
    return policies


def check_beside(folder, log):
    """package.json, entries, proofs and identities of one log; returns the policies that its entries name."""
    if log.head is None:
        return set()
    try:
        data = folder.read("package.json", 1 << 20) or b""
        names = ["entries", "from", "origin", "root", "size", "time", "to", "v"]
        is_empty = b'{"entries":0,' in data
        facts = read_json(folder, "package.json", names if is_empty else names + ["first", "last"])
        first, last = (0, -1) if is_empty else (facts["first"], facts["last"])
        start, stop = rfc3339(facts["from"]), rfc3339(facts["to"])
        told = (facts["origin"], facts["size"], facts["root"])
        if told != (log.head.origin, log.head.size, base64.b64encode(log.head.root).decode()) \
                or not is_empty and not 0 <= first <= last < log.size or facts["entries"] != last - first + 1 \
                or facts["v"] != 1 or rfc3339(facts["time"]) != log.time_of(log.size - 1):
            raise Malformed("it says otherwise than the log")
    except (Malformed, TypeError) as error:
        log.find("altered", str(error), kind="edited", path="package.json")
        return set()
    if is_empty and not log.findings and any(
            start <= (canonical(entry) or {}).get("time", -1) < stop for _, entry in walk_entries(log)):
        log.find("altered", "the log has entries of the range", kind="removed", path="package.json")
    policies = check_range(folder, log, first, last, start, stop)
    if not is_empty:
        check_proofs(folder, log, first, last)
    check_identities(folder, log)
    return policies


def check_range(folder, log, first, last, start, stop):
    """entries/ is the range; returns the policies that it names."""
    policies, index = set(), first
    for name in sorted(n for n in folder.names("") if n.startswith("entries/")):
        data = folder.read(name, 128 << 20)
        if name != f"entries/{index:012d}.jsonl" or not data.endswith(b"\n"):
            log.find("altered", "it does not continue the file before", kind="removed", index=index, path=name)
            return policies
        for line in data[:-1].split(b"\n"):
            entry = log.entry(index) if index <= last else None
            if line != entry:
                log.find("altered", "it is not the entry of the log", kind="edited", index=index, path=name)
                return policies
            policy = (canonical(line) or {}).get("policy")
            if isinstance(policy, str):
                policies.add(policy)
            index += 1
    if index != last + 1:
        log.find("altered", "entries of the range are missing", kind="removed", index=index, path="entries")
    for edge in (first, last) if last >= first else ():
        moment = log.time_of(edge)
        if moment is not None and not start <= moment < stop:
            log.find("altered", "the range does not begin and end as package.json says", kind="edited",
                     index=edge, path="package.json")
    return policies


def check_proofs(folder, log, first, last):
    for name, index in (("first", first), ("last", last)):
        path = f"proofs/{name}"
        try:
            data = folder.read(path, 1 << 20)
            if data is None:
                raise Malformed("it is missing")
            body, gap, note = data.partition(b"\n\n")
            lines = body.decode().split("\n")
            if lines[:2] != ["c2sp.org/tlog-proof@v1", f"index {index}"] or not gap:
                raise Malformed("it is not the proof of that entry")
            head = Head(note, log.key)
            entry = log.entry(index)
            if not head.same(log.head) or entry is None or not inclusion_holds(
                    index, head.size, leaf_hash(entry), [unbase64(line) for line in lines[2:]], head.root):
                raise Malformed("it does not lead to the head")
        except (Malformed, Unauthentic, UnicodeDecodeError) as error:
            log.find("altered", str(error), kind="edited", path=path)
    before, proof = folder.read("proofs/before", NOTE_LIMIT), folder.read("proofs/consistency", NOTE_LIMIT)
    if before is None and proof is None:
        return
    try:
        if before is None or proof is None:
            raise Malformed("one of the two files is missing")
        old = Head(before, log.key)
        body, gap, note = proof.partition(b"\n\n")
        lines = body.decode().split("\n")
        if not gap or lines[0] != f"old {old.size}" or old.size > first or not Head(note, log.key).same(log.head):
            raise Malformed("it is not the growth from proofs/before to the head")
        if not consistency_holds(old.size, log.head.size, [unbase64(line) for line in lines[1:]], old.root,
                                 log.head.root):
            raise Malformed("it does not lead from proofs/before to the head")
    except (Malformed, Unauthentic, UnicodeDecodeError) as error:
        log.find("altered", str(error), kind="edited", path="proofs/consistency")


def commitment(key, field, value):
    message = b"callvault/commit/v1" + bytes([len(field)]) + field + len(value).to_bytes(4, "big") + value
    return base64url(hmac.digest(key, message, "sha256"))


def check_identities(folder, log):
    data = folder.read("identities.jsonl", 256 << 20)
    if data is None:
        log.find("altered", "it is missing", kind="removed", path="identities.jsonl")
        return
    if data and not data.endswith(b"\n"):
        log.find("altered", "it was cut", kind="edited", path="identities.jsonl")
    for line in data.split(b"\n")[:-1]:
        try:
            row = canonical(line) or {}
            if set(row) != {"id", "index", "key", "kind", "name"}:
                raise Malformed("a line is not as package.md says")
            entry = canonical(log.entry(row["index"]) or b"") or {}
            if entry.get("action") != "person.created" or row["id"] not in entry.get("objects", []) \
                    or entry.get("commits", {}).get("name") != commitment(
                        unbase64(row["key"]), b"name", row["name"].encode()):
                raise Malformed(f"entry {row['index']} does not call {row['id']} so")
        except (Malformed, TypeError, AttributeError) as error:
            log.find("altered", str(error), kind="edited", path="identities.jsonl")
            return


# Subjects and samples


def tag_of(key, number, origin):
    log = origin.encode() if RESTARTED.fullmatch(origin) else b""
    return base64url(hmac.digest(key, b"callvault/subject/v1" + number.to_bytes(8, "big") + log, "sha256")[:16])


def walk_entries(log):
    """(index, entry) of everything the head covers and that was not pruned, one bundle in memory."""
    for number in range(log.first_bundle, (log.size + 255) // 256):
        data = log.content("entries", number)
        if data is None:
            raise Malformed("a log with a gap")
        for offset, (start, end) in enumerate(split_bundle(data)):
            yield number * 256 + offset, data[start:end]


def check_subject(proof, key):
    """What the file proves alone (package.md, 6.2); returns its head and each subject's key and count."""
    if set(proof) != {"v", "kind", "checkpoint", "subjects"} or proof["v"] != 1 \
            or proof["kind"] != "callvault-subject-proof" or not proof["subjects"]:
        raise Malformed("it is no subject proof")
    head = Head(proof["checkpoint"].encode(), key)
    found, links, ended = [], {}, {}
    for place, subject in enumerate(proof["subjects"]):
        kind = "call" if place else "patient"
        names = {"kind", "key", "opening", "introduced", "entries"} | ({"linked"} if place else set())
        if set(subject) != names or subject["kind"] != kind:
            raise Malformed("a subject is not as package.md says")
        secret, opening = unbase64(subject["key"]), unbase64(subject["opening"])
        before, introduced = -1, False
        for number, row in enumerate(subject["entries"], 1):
            leaf, index = row["leaf"].encode(), row["index"]
            if set(row) != {"index", "leaf", "n", "proof"} or row["n"] != number:
                raise Malformed("tags with a gap or out of order")
            entry = canonical(leaf)
            if entry is None or entry.get("idx") != index or index < before:
                raise Malformed(f"entry {index} is not in its place")
            if not inclusion_holds(index, head.size, leaf_hash(leaf), [unbase64(h) for h in row["proof"]],
                                   head.root):
                raise Malformed(f"entry {index} is not in the log")
            if tag_of(secret, number, head.origin) not in entry.get("subjects", []):
                raise Malformed(f"entry {index} does not carry tag {number}")
            if index == subject["introduced"]:
                introduced |= entry.get("commits", {}).get("subject") == commitment(opening, b"subject", secret)
            if entry["action"] in ("subject.linked", "subject.unlinked"):
                rows = links if entry["action"] == "subject.linked" else ended
                rows.setdefault(index, set()).add(place)
            before = index
        if not introduced:
            raise Malformed("the key is not the one that the log committed to")
        found.append((kind, secret, len(subject["entries"]), subject.get("linked")))
    for place, (kind, _, _, linked) in enumerate(found):
        if place and links.get(linked, set()) < {0, place}:
            raise Malformed("a call's link does not name it and the patient")
        if place and any(index > linked and places >= {0, place} for index, places in ended.items()):
            raise Malformed("a call's link was taken back")
    return head, found, links_of(found[0][1], subjects_entries(proof), head.origin)


def subjects_entries(proof):
    return [canonical(row["leaf"].encode()) for row in proof["subjects"][0]["entries"]]


def links_of(secret, entries, origin):
    """From when to when calls were on record as the patient's: (first entry, last or None)."""
    spans = {}
    for number, entry in enumerate(entries, 1):
        if entry["action"] not in ("subject.linked", "subject.unlinked"):
            continue
        # The id of the link stands for the patient, at the place of the patient's tag.
        link = entry["objects"][entry["subjects"].index(tag_of(secret, number, origin))]
        first, _ = spans.get(link, (entry["idx"], None))
        spans[link] = (first, entry["idx"] if entry["action"] == "subject.unlinked" else None)
    return sorted(spans.values(), key=lambda span: span[0])


def sample_size(population, confidence, tolerable):
    """package.md, 7.3."""
    bad, chance, size = (population * tolerable + 99) // 100, 1.0, 0
    while size < population and chance > 1 - confidence / 100:
        chance = chance * ((population - bad - size) / (population - size))
        size += 1
    return size


def draw(log, size, facts):
    """The population's number and the sample, in order of index."""
    start, stop, ranked, population = rfc3339(facts["from"]), rfc3339(facts["to"]), [], 0
    for index, data in walk_entries(log):
        if index >= size:
            break
        entry = canonical(data)
        if entry and entry.get("action") == facts["action"] and entry.get("phase") in ("intent", "single") \
                and start <= entry["time"] < stop:
            population += 1
            rank = hmac.digest(facts["seed"].encode(), b"callvault/sample/v1" + entry["id"].encode(), "sha256")
            ranked.append((rank, entry["id"], index))
    ranked.sort()
    chosen = ranked[:sample_size(population, facts["confidence"], facts["tolerable"])]
    return population, [{"id": name, "index": index} for _, name, index in sorted(chosen, key=lambda c: c[2])]


# The program


def given_key(text):
    if text is None:
        return None
    try:
        if text.startswith("@"):
            with open(text[1:], encoding="utf-8") as file:
                text = file.readline().strip()
        key = Key(text)
        if key.type != 1:
            raise Malformed("a key that is not a log's")
        return key
    except (OSError, Malformed, ValueError) as error:
        raise Usage(f"no verifier key: {error}") from error


def given_file(path, limit=NOTE_LIMIT):
    try:
        with open(path, "rb") as file:
            return file.read(limit)
    except OSError as error:
        raise Usage(f"{path}: {error.strerror}") from error


def open_target(path):
    """The log's folder, the package it lies in if it does, and the anchors beside it."""
    if os.path.isdir(path):
        folder = Folder(path)
        if os.path.exists(os.path.join(path, "MANIFEST.sha256")) or os.path.isdir(os.path.join(path, "log")):
            return folder.below("log"), folder, folder.below("anchors")
        return folder, None, Folder(os.path.join(path, "..", "anchors"))
    if not os.path.isfile(path):
        raise Usage(f"{path}: no such file or folder")
    tar = Tar(path)
    return tar.below("log"), tar, tar.below("anchors")


def without_anchors(args):
    """The options of `log` that other commands do not have."""
    names = ("checkpoint", "policy", "tsa_ca", "anchors", "root", "max_age", "begin", "openings")
    return argparse.Namespace(**{**vars(args), **dict.fromkeys(names)})


def make_log(args, target):
    folder, package, anchors = target
    key = given_key(args.key)
    policy = None
    if args.policy:
        try:
            policy = Policy(given_file(args.policy, 65537))
        except (Malformed, ValueError) as error:
            raise Usage(f"--policy: {error}") from error
        if key is None and policy.logs:
            if len(policy.logs) != 1:
                raise Usage("the policy names several logs: say which by --key")
            key = policy.logs[0]
    if key is None and (args.policy or args.tsa_ca):
        raise Usage("--policy and --tsa-ca need --key, or a log in the policy")
    log = Log(folder, key)
    heads = []
    for path in args.checkpoint or []:
        try:
            heads.append(policy.check(given_file(path), key) if policy else Head(given_file(path), key))
        except (Malformed, Unauthentic) as error:
            raise Usage(f"--checkpoint {path}: {error}") from error
    if args.begin:
        try:
            heads.append(Head(given_file(args.begin), key))
        except (Malformed, Unauthentic) as error:
            raise Usage(f"--from {args.begin}: {error}") from error
        # Under a policy it only says where to begin.
        heads[-1].anchoring, log.first_size = policy is None, heads[-1].size
    if args.openings:
        log.openings = Openings(Folder(args.openings))
    if policy or args.tsa_ca:
        found = Anchors(Folder(args.anchors) if args.anchors else anchors, key, policy, args.tsa_ca)
        heads += found.heads
        log.stamps, log.findings, log.notes = sorted(found.stamps), found.findings, found.notes
    log.anchors = sorted(heads, key=lambda head: head.size)
    log.root_key = given_key(args.root)
    if log.root_key and (key is None or log.root_key.name != f"{key.name}/root"):
        raise Usage("--root is not a root key of the log of --key")
    if args.max_age:
        match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", args.max_age)
        if not match:
            raise Usage("--max-age is digits and s, m, h or d, such as 24h")
        scale = {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
        log.max_age = (int(match[1]) * scale * 1000, int(time.time() * 1000))
    return log, package


def say(args, verdict, findings, notes, facts):
    findings = sorted(findings, key=lambda finding: WEIGHT.index(finding.verdict))[:50]
    if args.json:
        rows = [{k: v for k, v in vars(finding).items() if v is not None} for finding in findings]
        print(json.dumps({"verdict": verdict, "code": CODES[verdict], "findings": rows, "notes": notes, **facts}))
    else:
        print(f"{verdict}: " + ", ".join(f"{name} {value}" for name, value in facts.items() if name != "openings"))
        if "openings" in facts:
            counts = facts["openings"]
            erased = "".join(f", {row['count']} erased by entry #{row['entry']}" for row in counts["erased"])
            print(f"  openings: {counts['present']} present{erased}, {counts['missing']} missing")
        for finding in findings:
            print(f"  {finding}")
        for note in notes:
            print(f"  note: {note}")
    return CODES[verdict]


def log_facts(log):
    facts = {"size": log.size, "anchored_size": log.confirmed, "unanchored_tail": log.size - log.confirmed}
    if log.origin:
        facts["origin"] = log.origin
    if log.openings:
        facts["openings"] = log.openings.facts()
    return facts


def command_log(args):
    try:
        target = open_target(args.target)
    except Malformed as error:
        return say(args, "unreadable", [Finding("unreadable", str(error), path=args.target)], [], {})
    log, package = make_log(args, target)
    log.run()
    if package is not None:
        check_package(package, log)
    status = say(args, log.verdict(), log.findings, log.notes, log_facts(log))
    if not args.json:
        for note in log.evidence:
            if note is not None:
                print("  signed head:\n    " + note.data.decode().replace("\n", "\n    ").rstrip())
    return status


def command_subject(args):
    log, findings, notes = None, [], []
    key = given_key(args.key)
    try:
        data = given_file(args.file, 1 << 30)
        proof = canonical(data[:-1], 1 << 30) if data.endswith(b"\n") else None
        if proof is None:
            raise Malformed("it is not canonical JSON")
        head, subjects, links = check_subject(proof, key)
    except Unauthentic as error:
        return say(args, "unauthentic", [Finding("unauthentic", str(error), path=args.file)], [], {})
    except (Malformed, KeyError, TypeError, AttributeError) as error:
        return say(args, "altered", [Finding("altered", str(error), kind="edited", path=args.file)], [], {})
    verdict = "unanchored"
    if args.log:
        args = without_anchors(args)
        log, _ = make_log(args, open_target(args.log))
        log.anchors = [head]
        log.run()
        findings += log.findings
        if not findings:
            beyond = {tag_of(secret, n, head.origin): (place, n) for place, (_, secret, count, _) in enumerate(subjects)
                      for n in range(count + 1, count + 257)}
            for index, data in walk_entries(log):
                if index >= head.size:
                    break
                for tag in (canonical(data) or {}).get("subjects", []):
                    if tag in beyond:
                        findings.append(Finding(
                            "altered", f"it carries tag {beyond[tag][1]} of subject {beyond[tag][0]}, "
                            "which the file leaves out", kind="removed", index=index, path=args.file))
        verdict = log.verdict()
        if findings:
            verdict = next(v for v in WEIGHT if v in {finding.verdict for finding in findings})
    else:
        notes.append("whether the lists end where they end was not checked: give the log with --log")
    if key is None:
        notes.append("no key was given, so nobody vouches for the head")
    facts = {"entries": sum(count for _, _, count, _ in subjects), "size": head.size, "subjects": len(subjects)}
    for place, (_, _, _, linked) in enumerate(subjects):
        if place:
            notes.append(f"call {place} is on record as the patient's from entry {linked} on")
    for first, last in links:
        if last is not None:
            notes.append(f"another call was on record as the patient's from entry {first} to {last}, where that was "
                         "taken back: what was logged about it in between is in the file, the rest is not")
    return say(args, verdict, findings, notes, facts)


def command_sample(args):
    args = without_anchors(args)
    log, _ = make_log(args, open_target(args.log))
    log.run()
    findings = list(log.findings)
    names = {"v", "kind", "origin", "size", "from", "to", "action", "confidence", "tolerable", "seed",
             "population", "sample"}
    try:
        data = given_file(args.file, 1 << 30)
        facts = canonical(data[:-1], 1 << 30) if data.endswith(b"\n") else None
        if facts is None or set(facts) != names or facts["v"] != 1 or facts["kind"] != "callvault-sample":
            raise Malformed("it is no sample list")
        if facts["origin"] != log.origin or not 0 <= facts["size"] <= log.size:
            raise Malformed("it was drawn from another log, or a longer one")
        if not findings:
            population, sample = draw(log, facts["size"], facts)
            if (population, sample) != (facts["population"], facts["sample"]):
                raise Malformed(f"drawn again there are {len(sample)} of {population}, and not the same ones")
    except (Malformed, KeyError, TypeError) as error:
        findings.append(Finding("altered", str(error), kind="edited", path=args.file))
        facts = {"population": 0, "sample": []}
    verdict = log.verdict()
    if findings:
        verdict = next(v for v in WEIGHT if v in {finding.verdict for finding in findings})
    return say(args, verdict, findings, log.notes,
               {"sample": len(facts["sample"]), "population": facts["population"]})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("log", "package"):
        command = commands.add_parser(name)
        command.add_argument("target")
        command.add_argument("--checkpoint", action="append")
        command.add_argument("--root")
        command.add_argument("--policy")
        command.add_argument("--tsa-ca")
        command.add_argument("--anchors")
        command.add_argument("--max-age")
        command.add_argument("--from", dest="begin", metavar="FILE")
        command.add_argument("--openings", metavar="DIR")
        command.set_defaults(run=command_log)
    for name, run in (("subject", command_subject), ("sample", command_sample)):
        command = commands.add_parser(name)
        command.add_argument("file")
        command.add_argument("--log", required=name == "sample")
        command.set_defaults(run=run)
    for command in commands.choices.values():
        command.add_argument("--key")
        command.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        return args.run(args)
    except Usage as error:
        print(f"verify.py: {error}", file=sys.stderr)
        return 2
    except Exception as error:  # Whatever it is, it says nothing about the log.
        print(f"verify.py: failed: {type(error).__name__}: {error}", file=sys.stderr)
        return 31


if __name__ == "__main__":
    sys.exit(main())
