import Cryptography
import Encoding

/// What a key ring file says, without its seal: `Documentation/formats/keys.md`, section 5.
struct RingContents: Equatable, Sendable {
  /// A key-encryption key as it lies in the file.
  struct SealedKEK: Equatable, Sendable {
    let id: Identifier
    let epoch: UInt32
    let created: Timestamp
    let nonce: [UInt8]
    /// Ciphertext ‖ tag under the ring's sealing key.
    let sealed: [UInt8]
  }

  /// A key of the tenant as a whole, wrapped.
  struct Key: Equatable, Sendable {
    let record: WrapRecord
    let created: Timestamp
    /// For an opening key the month in which it expires, `2036-11`; else empty.
    let label: String
  }

  /// A key that was taken away and must not come back with a backup.
  struct Tombstone: Equatable, Sendable {
    let keyID: Identifier
    let removed: Timestamp
  }

  /// 1 or 2, as the file that was read; what is written from now on is 2.
  var version: UInt8 = 2
  let tenant: Identifier
  /// From 1, raised at every change of the file.
  var generation: UInt64
  var custodian: CustodianRecord
  /// Which anchor was mixed in; nil: none yet.
  var anchor: Identifier?
  /// The first epoch whose keys were never in a ring that a backup and the root key open; 0: none.
  var confinedFrom: UInt32 = 0
  var keks: [SealedKEK]
  var keys: [Key]
  var tombstones: [Tombstone]
}

/// A key ring file whose seal has not been checked: its claims about the custodian are all that may
/// be used, to find the root key.
struct UnverifiedRing: Sendable {
  static let largestFile = 4 << 20
  /// `CVRING` ‖ version ‖ line end.
  static let magic = Array("CVRING".utf8)
  private static let largestReference = 1024
  static let largestCount = 16_384
  static let checkByteCount = 16
  static let codeByteCount = 32

  private let contents: RingContents
  private let check: [UInt8]
  private let body: [UInt8]
  private let code: [UInt8]

  var custodian: CustodianRecord { contents.custodian }
  var generation: UInt64 { contents.generation }
  var anchor: Identifier? { contents.anchor }
  var tenant: Identifier { contents.tenant }

  /// Parses a ring file.
  ///
  /// Storage is not trusted: whatever `bytes` holds, this returns or throws, and never traps; costs
  /// that the file asks of the custodian are bounded here.
  ///
  /// - Throws: ``VaultError/Code/tampered`` where the bytes are not a ring of version 1 or 2.
  init(parsing bytes: [UInt8]) throws(VaultError) {
    guard bytes.count <= UnverifiedRing.largestFile else { throw UnverifiedRing.damaged }
    var reader = RingReader(bytes)
    let mark = try reader.take(8)
    let version = mark[6] &- 0x30
    guard mark.starts(with: UnverifiedRing.magic), (1...2).contains(version), mark[7] == 0x0A else {
      throw VaultError(
        .tampered, during: "reading the key ring", detail: "the file is not a key ring")
    }
    let generation = try reader.integer(UInt64.self)
    guard generation > 0 else { throw UnverifiedRing.damaged }
    let tenant = try reader.identifier()
    let custodian = try UnverifiedRing.custodian(&reader)
    let anchorBytes = try reader.take(16)
    let anchor = Identifier(bytes: anchorBytes)
    guard anchor != nil || anchorBytes.allSatisfy({ $0 == 0 }) else {
      throw UnverifiedRing.damaged
    }
    let confinedFrom = try version == 1 ? 0 : reader.integer(UInt32.self)
    let check = try reader.take(UnverifiedRing.checkByteCount)

    var keks: [RingContents.SealedKEK] = []
    for _ in 0..<(try reader.count(atMost: UnverifiedRing.largestCount)) {
      keks.append(
        RingContents.SealedKEK(
          id: try reader.identifier(), epoch: try reader.integer(UInt32.self),
          created: try reader.timestamp(), nonce: try reader.take(12),
          sealed: try reader.take(48)))
    }
    var keys: [RingContents.Key] = []
    for _ in 0..<(try reader.count(atMost: UnverifiedRing.largestCount)) {
      let created = try reader.timestamp()
      let label = try reader.take(Int(try reader.integer(UInt8.self)))
      guard label.count <= 32, label.allSatisfy({ (0x21...0x7E).contains($0) }) else {
        throw UnverifiedRing.damaged
      }
      keys.append(
        RingContents.Key(
          record: try WrapRecord(parsing: try reader.take(WrapRecord.byteCount)),
          created: created, label: String(decoding: label, as: UTF8.self)))
    }
    var tombstones: [RingContents.Tombstone] = []
    for _ in 0..<(try reader.count(atMost: UnverifiedRing.largestCount)) {
      tombstones.append(
        RingContents.Tombstone(
          keyID: try reader.identifier(), removed: try reader.timestamp()))
    }
    body = Array(bytes[..<reader.offset])
    code = try reader.take(UnverifiedRing.codeByteCount)
    guard reader.isAtEnd else { throw UnverifiedRing.damaged }
    self.check = check
    contents = RingContents(
      version: version, tenant: tenant, generation: generation, custodian: custodian,
      anchor: anchor, confinedFrom: confinedFrom, keks: keks, keys: keys, tombstones: tombstones)
  }

  /// The contents, once the root key has vouched for them.
  ///
  /// - Throws: ``VaultError/Code/sealed`` where the root key is not this ring's,
  ///   ``VaultError/Code/tampered`` where it is, and the file was changed.
  func verified(by keys: RingKeys) throws(VaultError) -> RingContents {
    guard constantTimeEqual(check, keys.check) else {
      throw VaultError(
        .sealed, during: "opening the key ring",
        detail: "the passphrase or root key is not the one this key ring was sealed with")
    }
    guard constantTimeEqual(code, try keys.code(of: body)) else { throw UnverifiedRing.damaged }
    return contents
  }

  static var damaged: VaultError {
    VaultError(
      .tampered, during: "reading the key ring",
      detail: "the key ring is damaged or was changed; put back the copy from your backup")
  }

  private static func custodian(
    _ reader: inout RingReader
  ) throws(VaultError) -> CustodianRecord {
    guard
      let kind = CustodianRecord.Kind(rawValue: try reader.integer(UInt8.self)),
      let destruction = CustodianRecord.Destruction(rawValue: try reader.integer(UInt8.self))
    else { throw damaged }
    let derivationID = try reader.integer(UInt8.self)
    let operations = Int(try reader.integer(UInt32.self))
    let memoryKiB = Int(try reader.integer(UInt32.self))
    let salt = try reader.take(Argon2id.saltByteCount)
    let derivation: CustodianRecord.Derivation
    switch derivationID {
    case 0:
      guard operations == 0, memoryKiB == 0, salt.allSatisfy({ $0 == 0 }) else { throw damaged }
      derivation = .none
    case 1:
      // A hostile file must not make the start cost a day or all memory.
      guard Argon2id.operations.contains(operations), Argon2id.memoryKiB.contains(memoryKiB) else {
        throw damaged
      }
      derivation = .argon2id(operations: operations, memoryKiB: memoryKiB, salt: salt)
    default: throw damaged
    }
    let length = Int(try reader.integer(UInt16.self))
    guard length <= largestReference else { throw damaged }
    return CustodianRecord(
      kind: kind, destruction: destruction, derivation: derivation,
      reference: try reader.take(length))
  }
}

extension RingContents {
  /// The file's bytes under these keys, which must be those of ``generation``.
  func sealed(by ringKeys: RingKeys) throws(VaultError) -> [UInt8] {
    var bytes = UnverifiedRing.magic + [0x30 + version, 0x0A]
    append(generation, to: &bytes)
    bytes += tenant.bytes
    bytes += [custodian.kind.rawValue, custodian.destruction.rawValue]
    switch custodian.derivation {
    case .none:
      bytes += [UInt8](repeating: 0, count: 25)
    case .argon2id(let operations, let memoryKiB, let salt):
      bytes.append(1)
      append(UInt32(operations), to: &bytes)
      append(UInt32(memoryKiB), to: &bytes)
      bytes += salt
    }
    append(UInt16(custodian.reference.count), to: &bytes)
    bytes += custodian.reference
    bytes += anchor?.bytes ?? [UInt8](repeating: 0, count: 16)
    if version > 1 { append(confinedFrom, to: &bytes) }
    bytes += ringKeys.check
    append(UInt16(keks.count), to: &bytes)
    for kek in keks {
      bytes += kek.id.bytes
      append(kek.epoch, to: &bytes)
      append(kek.created.milliseconds, to: &bytes)
      bytes += kek.nonce + kek.sealed
    }
    append(UInt16(keys.count), to: &bytes)
    for key in keys {
      append(key.created.milliseconds, to: &bytes)
      bytes.append(UInt8(key.label.utf8.count))
      bytes += Array(key.label.utf8) + key.record.encoded
    }
    append(UInt16(tombstones.count), to: &bytes)
    for tombstone in tombstones {
      bytes += tombstone.keyID.bytes
      append(tombstone.removed.milliseconds, to: &bytes)
    }
    return bytes + (try ringKeys.code(of: bytes))
  }
}

/// What seals one generation of a ring: all of it comes from the root key.
struct RingKeys: Sendable {
  /// Tells a wrong root key from a changed file.
  let check: [UInt8]
  private let sealing: SharedSecret
  private let authenticating: SharedSecret

  /// Derives the keys of a generation.
  ///
  /// The ring key is HKDF(root, salt = anchor, info = `callvault/ring/v1|gen=<n>`), and each key here
  /// is HKDF(ring key, info = its own name).
  ///
  /// - Throws: ``VaultError/Code/unavailable`` when the library fails.
  init(
    root: SharedSecret, anchor: RingAnchor? = nil, generation: UInt64
  ) throws(VaultError) {
    do throws(CryptographyError) {
      let ring = try root.withSecret { (root) throws(CryptographyError) in
        let info = Array("callvault/ring/v1|gen=\(generation)".utf8)
        guard let anchor else {
          return try HKDFSHA256.derive(input: root, salt: [], info: info, count: 32)
        }
        return try anchor.secret.withSecret { (salt) throws(CryptographyError) in
          try HKDFSHA256.derive(input: root, salt: salt, info: info, count: 32)
        }
      }
      let derive = { (name: String, count: Int) throws(CryptographyError) in
        try HKDFSHA256.derive(input: ring, salt: [], info: Array(name.utf8), count: count)
      }
      let check = try derive("callvault/ring/v1|check", UnverifiedRing.checkByteCount)
      self.check = check.withBytes { (bytes: RawSpan) in
        unsafe bytes.withUnsafeBytes { unsafe Array($0) }
      }
      sealing = SharedSecret(try derive("callvault/ring/v1|seal", 32))
      authenticating = SharedSecret(try derive("callvault/ring/v1|mac", 32))
    } catch {
      throw VaultError(.unavailable, during: "deriving the ring's keys", cause: error)
    }
  }

  func code(of bytes: [UInt8]) throws(VaultError) -> [UInt8] {
    do throws(CryptographyError) {
      return try authenticating.withBytes { (key: RawSpan) throws(CryptographyError) in
        try HMACSHA256.authenticate(bytes, key: key)
      }
    } catch {
      throw VaultError(.unavailable, during: "sealing the key ring", cause: error)
    }
  }

  func seal(
    _ kek: KeyEncryptionKey, created: Timestamp
  ) throws(VaultError) -> RingContents.SealedKEK {
    do throws(CryptographyError) {
      let nonce = try Random.bytes(AES256GCM.nonceByteCount)
      let context = RingKeys.context(tenant: kek.tenant, id: kek.id, epoch: kek.epoch)
      let sealed = try sealing.withSecret { (sealing) throws(CryptographyError) in
        try kek.secret.withSecret { (key) throws(CryptographyError) in
          try sealKey(key, under: sealing, nonce: nonce, context: context)
        }
      }
      return RingContents.SealedKEK(
        id: kek.id, epoch: kek.epoch, created: created, nonce: nonce, sealed: sealed)
    } catch {
      throw VaultError(.unavailable, during: "sealing the key ring", cause: error)
    }
  }

  func open(
    _ kek: RingContents.SealedKEK, tenant: Identifier
  ) throws(VaultError) -> KeyEncryptionKey {
    let context = RingKeys.context(tenant: tenant, id: kek.id, epoch: kek.epoch)
    do throws(CryptographyError) {
      let secret = try sealing.withSecret { (sealing) throws(CryptographyError) in
        try openKey(kek.sealed, under: sealing, nonce: kek.nonce, context: context)
      }
      return KeyEncryptionKey(
        tenant: tenant, id: kek.id, epoch: kek.epoch, secret: SharedSecret(secret))
    } catch {
      throw VaultError(.tampered, during: "opening the key ring", cause: error)
    }
  }

  private static func context(tenant: Identifier, id: Identifier, epoch: UInt32) -> [UInt8] {
    Array("callvault/kek/v1|tenant=\(tenant)|key=\(id)|epoch=\(epoch)".utf8)
  }
}

/// Takes fields from the front of a ring file.
private struct RingReader {
  private let bytes: [UInt8]
  private(set) var offset = 0

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  var isAtEnd: Bool { offset == bytes.count }

  mutating func take(_ count: Int) throws(VaultError) -> [UInt8] {
    guard count <= bytes.count - offset else { throw UnverifiedRing.damaged }
    defer { offset += count }
    return Array(bytes[offset..<offset + count])
  }

  mutating func integer<Value: FixedWidthInteger>(
    _: Value.Type
  ) throws(VaultError) -> Value {
    try take(Value.bitWidth / 8).reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
  }

  mutating func count(atMost limit: Int) throws(VaultError) -> Int {
    let count = Int(try integer(UInt16.self))
    guard count <= limit else { throw UnverifiedRing.damaged }
    return count
  }

  mutating func identifier() throws(VaultError) -> Identifier {
    guard let identifier = Identifier(bytes: try take(16)) else { throw UnverifiedRing.damaged }
    return identifier
  }

  mutating func timestamp() throws(VaultError) -> Timestamp {
    Timestamp(milliseconds: try integer(Int64.self))
  }
}

private func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
  for shift in stride(from: value.bitWidth - 8, through: 0, by: -8) {
    bytes.append(UInt8(truncatingIfNeeded: value >> type(of: value).init(shift)))
  }
}
