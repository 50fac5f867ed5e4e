#!/usr/bin/env python3
"""Makes Tests/Vectors/keys/keys.json from Documentation/formats/keys.md and envelope.md alone.

An implementation of its own, on PyPI `cryptography`: the Swift code must agree with it to the byte.
Every value is derived from SHA-256("callvault key vectors/<label>"); never use them.

  key_vectors.py > Tests/Vectors/keys/keys.json
"""
import hashlib
import hmac
import json
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def fixed(label, count=32):
    return hashlib.sha256(b"callvault key vectors/" + label.encode()).digest()[:count]


def uuid(label):
    raw = bytearray(fixed(label, 16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    digits = raw.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def raw(identifier):
    return bytes.fromhex(identifier.replace("-", ""))


def hkdf(key, info, salt=b"", count=32):
    return HKDF(hashes.SHA256(), count, salt, info.encode()).derive(key)


TENANT, CALL = uuid("tenant"), uuid("call")


def part_keys():
    for part in ("recording-1", "recording-12", "transcript-3", "details", "notes", "peaks-1",
                 "artifact-waveform"):
        for generation in (1, 7):
            dek = fixed(f"dek {part}")
            aad = f"callvault/v1|tenant={TENANT}|call={CALL}|part={part}/{generation}"
            yield {"dek": dek.hex(), "tenant": TENANT, "call": CALL, "part": part,
                   "generation": generation, "aad": aad,
                   "pk": hkdf(dek, "callvault/part/v1|" + aad).hex()}


def wrap(kek, epoch, kek_id, key, key_id, use, owner, iv):
    context = f"callvault/wrap/v1|tenant={TENANT}|owner={owner}|key={key_id}|use={use}|epoch={epoch}"
    return (b"\x01\x01" + raw(kek_id) + raw(key_id) + bytes([use]) + iv
            + AESGCM(kek).encrypt(iv, key, context.encode()))


def wraps():
    for use in (1, 2, 3, 4, 5):
        for epoch in (1, 4_000_000_000):
            label = f"wrap {use} {epoch}"
            kek, key, iv = fixed(label + " kek"), fixed(label + " key"), fixed(label + " iv", 12)
            kek_id, key_id, owner = uuid(label + " kek"), uuid(label + " key"), uuid(label)
            yield {"tenant": TENANT, "owner": owner, "use": use, "epoch": epoch,
                   "kek": kek.hex(), "kek_id": kek_id, "key": key.hex(), "key_id": key_id,
                   "record": wrap(kek, epoch, kek_id, key, key_id, use, owner, iv).hex()}


def tokens():
    key = fixed("index key")
    for field, value in (("party", b"+13125550142"), ("party", b""), ("agent", "Zoë".encode()),
                         ("source-call", b"pbx\0" + bytes(range(256))), ("content", fixed("c"))):
        message = (b"callvault/index/v1" + bytes([len(field)]) + field.encode()
                   + struct.pack(">I", len(value)) + value)
        yield {"key": key.hex(), "field": field, "value": value.hex(),
               "token": hmac.digest(key, message, "sha256").hex()}


def opening(key, key_id, entry, field, value, iv):
    context = f"callvault/opening/v1|tenant={TENANT}|entry={entry}|field={field}"
    return b"\x01" + raw(key_id) + iv + AESGCM(key).encrypt(iv, value, context.encode())


def ring(name, derivation, root, generation, extra, anchor=None):
    ring_key = hkdf(root, f"callvault/ring/v1|gen={generation}", anchor["secret"] if anchor else b"")
    seal = hkdf(ring_key, "callvault/ring/v1|seal")
    check = hkdf(ring_key, "callvault/ring/v1|check", count=16)
    mac = hkdf(ring_key, "callvault/ring/v1|mac")
    kek, kek_id, created = fixed(name + " kek"), uuid(name + " kek"), 1795188000123
    iv = fixed(name + " kek iv", 12)
    sealed = AESGCM(seal).encrypt(
        iv, kek, f"callvault/kek/v1|tenant={TENANT}|key={kek_id}|epoch=1".encode())
    keys, months, found = b"", {2: b"", 3: b"2036-11", 5: b""}, {}
    for use, label in months.items():
        key, key_id = fixed(f"{name} key {use}"), uuid(f"{name} key {use}")
        found[use] = {"id": key_id, "key": key.hex()}
        keys += struct.pack(">qB", created, len(label)) + label + wrap(
            kek, 1, kek_id, key, key_id, use, TENANT, fixed(f"{name} iv {use}", 12))
    version, mark = b"1", bytes(16)
    if anchor:
        version, mark = b"2", raw(anchor["id"]) + struct.pack(">I", 1)
    body = (b"CVRING" + version + b"\n" + struct.pack(">Q", generation) + raw(TENANT) + b"\x01\x01" + derivation
            + struct.pack(">H", len(extra)) + extra + mark + check
            + struct.pack(">H", 1) + raw(kek_id) + struct.pack(">Iq", 1, created) + iv + sealed
            + struct.pack(">H", len(months)) + keys
            + struct.pack(">H", 1) + raw(uuid(name + " gone")) + struct.pack(">q", created))
    entry, value = uuid(name + " entry"), b"\x01" + fixed(name + " opening") + b"192.0.2.7"
    return {"name": name, "tenant": TENANT, "generation": generation, "kek_id": kek_id,
            "keys": {str(use): key for use, key in found.items()},
            "removed": uuid(name + " gone"),
            "file": (body + hmac.digest(mac, body, "sha256")).hex(),
            "opening": {"entry": entry, "field": "via", "time": 1795188000123,
                        "value": value.hex(),
                        "sealed": opening(bytes.fromhex(found[3]["key"]), found[3]["id"], entry,
                                          "via", value, fixed(name + " opening iv", 12)).hex()}}


def rings():
    root = fixed("root")
    yield ring("root key file", bytes(25), root, 1, b"") | {"root": root.hex()}
    passphrase, salt = "correct horse battery staple", fixed("salt", 16)
    root = Argon2id(salt=salt, length=32, iterations=2, lanes=1,
                    memory_cost=1024).derive(passphrase.encode())
    yield ring("passphrase", b"\x01" + struct.pack(">II", 2, 1024) + salt, root, 258,
               b"") | {"passphrase": passphrase, "root": root.hex()}
    root, anchor = fixed("root"), {"id": uuid("anchor"), "secret": fixed("anchor")}
    file = b"CVANCH1\n" + raw(anchor["id"]) + raw(TENANT) + anchor["secret"]
    yield ring("anchored", bytes(25), root, 3, b"", anchor) | {
        "root": root.hex(), "anchor": file.hex()}


print(json.dumps({
    "made_by": "Tests/Outside/key_vectors.py on PyPI cryptography",
    "part_keys": list(part_keys()), "wraps": list(wraps()), "tokens": list(tokens()),
    "rings": list(rings())}, indent=1))
