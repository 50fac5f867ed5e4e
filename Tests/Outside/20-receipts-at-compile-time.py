#!/usr/bin/env python3
"""Promise P2 as the compiler sees it: reading without a receipt, or twice with one, does not build.

Each attempt is compiled against the modules that were just built, from outside the package and as a
module of the package would be, up to SIL, because a receipt spent twice is found only there. A
control that must compile shows that the diagnostics are about the attempt and nothing else.
"""
import glob
import os
import pathlib
import subprocess
import sys

REPOSITORY = pathlib.Path(os.environ["REPOSITORY"])
SCRATCH = pathlib.Path(os.environ["SCRATCH"])
BUILT = pathlib.Path(os.environ["CALLVAULT"]).parent
HEAD = "import Audit\nimport Cryptography\nimport Encoding\nimport Vault\n"

# name, source, what the compiler must say (None: it must accept)
ATTEMPTS = [
    ("control: a receipt is spent once", """
func read(_ receipt: consuming Receipt, _ object: Identifier, _ person: Identifier) throws {
  let spent = try receipt.spend(
    for: .recordingOpened, on: object, part: "recording-1", by: person)
  try spent.check(object, part: "recording-1")
}
""", None),
    ("a receipt is made by hand", """
func forge(_ position: LogPosition, _ id: Identifier, _ time: Timestamp) -> Receipt {
  Receipt(
    position: position, entryID: id, time: time, action: .recordingOpened, phase: .intent,
    outcome: nil, principal: id, objects: [id], parts: [])
}
""", "'Receipt' initializer is inaccessible due to 'internal' protection level"),
    ("what a spent receipt permits is made by hand", """
func forge(_ position: LogPosition, _ id: Identifier) -> SpentReceipt {
  SpentReceipt(
    position: position, entryID: id, operation: .recordingOpened, principal: id, objects: [id],
    parts: [])
}
""", "'SpentReceipt' initializer is inaccessible due to 'internal' protection level"),
    ("a receipt is spent twice", """
func twice(_ receipt: consuming Receipt, _ object: Identifier, _ person: Identifier) throws {
  _ = try receipt.spend(for: .recordingOpened, on: object, part: "recording-1", by: person)
  _ = try receipt.spend(for: .recordingOpened, on: object, part: "recording-1", by: person)
}
""", "'receipt' consumed more than once"),
    ("a receipt is spent for each of many", """
func loop(_ receipt: consuming Receipt, _ objects: [Identifier], _ person: Identifier) throws {
  for object in objects {
    _ = try receipt.spend(for: .recordingOpened, on: object, part: "recording-1", by: person)
  }
}
""", "'receipt' consumed in a loop"),
    ("a receipt is copied", """
func copies(_ receipt: borrowing Receipt) -> Receipt { copy receipt }
""", "'copy' cannot be applied to noncopyable types"),
    ("a receipt is kept for later by a closure", """
func keep(_ receipt: consuming Receipt) -> () throws -> Void {
  let id = receipt.entryID
  return { _ = try receipt.spend(for: .recordingOpened, by: id) }
}
""", "cannot be consumed when captured by an escaping closure"),
    ("receipts are collected", """
func collect(_ receipt: consuming Receipt) -> [Receipt] { [receipt] }
""", "type 'Receipt' does not conform to protocol 'Copyable'"),
    ("a receipt is turned to another object", """
func turn(_ receipt: consuming Receipt, _ object: Identifier) -> Receipt {
  receipt.objects = [object]
  return receipt
}
""", "'objects' is inaccessible due to 'internal' protection level"),
    ("control: a key is opened against a receipt", """
func open(
  _ ring: KeyRing, _ address: PartAddress, _ wrapped: [UInt8], _ receipt: consuming Receipt,
  _ person: Identifier
) throws -> PartKey {
  try ring.partKey(
    at: address, wrapped: wrapped, spending: receipt, for: .recordingOpened, by: person)
}
""", None),
    ("a key is opened without a receipt", """
func open(
  _ ring: KeyRing, _ address: PartAddress, _ wrapped: [UInt8], _ person: Identifier
) throws -> PartKey {
  try ring.partKey(at: address, wrapped: wrapped, for: .recordingOpened, by: person)
}
""", "missing argument for parameter 'spending' in call"),
    ("two keys are opened with one receipt", """
func open(
  _ ring: KeyRing, _ one: PartAddress, _ other: PartAddress, _ wrapped: [UInt8],
  _ receipt: consuming Receipt, _ person: Identifier
) throws {
  _ = try ring.partKey(
    at: one, wrapped: wrapped, spending: receipt, for: .recordingOpened, by: person)
  _ = try ring.partKey(
    at: other, wrapped: wrapped, spending: receipt, for: .recordingOpened, by: person)
}
""", "'receipt' consumed more than once"),
    ("a part's key is derived past the ring", """
func derive(_ secret: borrowing SecretBytes, _ id: Identifier, _ address: PartAddress) throws
  -> PartKey
{
  try PartKey(derivedFrom: secret, id: id, at: address, mayLeave: true)
}
""", "'PartKey' initializer is inaccessible due to 'internal' protection level"),
    ("a part's key is read out", """
func read(_ key: borrowing PartKey) -> SecretBytes? { key.secret.duplicate() }
""", "'secret' is inaccessible due to 'internal' protection level"),
    ("a new call's key is read out", """
func read(_ key: borrowing CallKey) -> Int { key.secret.count }
""", "'secret' is inaccessible due to 'internal' protection level"),
    ("a call's key is made from an old record", """
func make(_ call: Identifier, _ wrapped: WrapRecord, _ secret: consuming SecretBytes) -> CallKey {
  CallKey(call: call, id: call, wrapped: wrapped, tenant: call, secret: secret)
}
""", "'CallKey' initializer is inaccessible due to 'internal' protection level"),
    ("a record is unwrapped past the receipt", """
func open(_ ring: KeyRing, _ record: WrapRecord, _ call: Identifier) throws -> SecretBytes {
  try ring.open(record, as: .call, ownedBy: call)
}
""", "incorrect argument label in call (have '_:as:ownedBy:', expected '_:as:of:')"),
    ("an object is opened with bytes for a key", """
func open(_ secret: borrowing SecretBytes, _ header: EnvelopeHeader) throws -> EnvelopeOpener {
  try EnvelopeOpener(secret, header: header, length: .recorded(100))
}
""", "cannot convert value of type 'SecretBytes' to expected argument type 'PartKey'"),
    ("a wrapped key is opened beside the ring", """
func beside(_ record: WrapRecord, _ owner: Identifier, _ kek: SharedSecret) throws {
  _ = try record.open(as: .call, ownedBy: owner, under: kek)
}
""", "'open' is inaccessible due to 'internal' protection level"),
    ("a part's key is copied", """
func copies(_ key: borrowing PartKey) -> PartKey { copy key }
""", "'copy' cannot be applied to noncopyable types"),
    ("a call's key is copied", """
func copies(_ key: borrowing CallKey) -> CallKey { copy key }
""", "'copy' cannot be applied to noncopyable types"),
    ("secret bytes are copied", """
func copies(_ key: borrowing SecretBytes) -> SecretBytes { copy key }
""", "'copy' cannot be applied to noncopyable types"),
    ("a secret's bytes are kept beyond their loan", """
func keep(_ key: borrowing SecretBytes) -> RawSpan { key.withBytes { $0 } }
""", "'withBytes' requires that 'RawSpan' conform to 'Escapable'"),
]


def compile(number, source, package):
    path = SCRATCH / f"attempt{number}.swift"
    path.write_text(HEAD + source)
    words = ["swiftc", "-emit-sil", "-o", os.devnull, "-swift-version", "6",
             "-I", str(BUILT / "Modules"), "-module-cache-path", str(SCRATCH / "cache")]
    for setting in ("MemberImportVisibility", "NonisolatedNonsendingByDefault", "ExistentialAny"):
        words += ["-enable-upcoming-feature", setting]
    maps = glob.glob(str(REPOSITORY / "Sources/C*/module.modulemap"))
    maps += glob.glob(str(BUILT / "*.build/module.modulemap"))
    for path_of_map in sorted(maps):
        words += ["-Xcc", "-fmodule-map-file=" + path_of_map]
    if package:
        # SwiftPM names a root package by its folder, in lower case.
        words += ["-package-name", REPOSITORY.name.lower()]
    result = subprocess.run(words + [str(path)], capture_output=True, text=True, timeout=300)
    return result.returncode, result.stdout + result.stderr


def main():
    failures = 0
    for number, (name, source, wanted) in enumerate(ATTEMPTS):
        for package in (False, True):
            code, said = compile(number, source, package)
            where = "inside the package" if package else "outside"
            if wanted is None:
                good = code == 0
            else:
                good = code != 0 and wanted in said
            if not good:
                failures += 1
                print(f"{name}, {where}: exit {code}, wanted {wanted!r}; the compiler said:\n{said}")
    print(f": {len(ATTEMPTS)} programs compiled from two places: {failures} surprises")
    return 1 if failures else 0


sys.exit(main())
