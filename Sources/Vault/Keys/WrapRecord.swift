import Cryptography
public import Encoding

/// A key, encrypted under a key-encryption key: the one format for every wrapped key.
///
/// `Documentation/formats/keys.md`, section 3:
/// `0x01 ‖ alg ‖ kek_id[16] ‖ key_id[16] ‖ use ‖ iv[12] ‖ ct[32] ‖ tag[16]`. Whose key it is stands in
/// the associated data and not in the record, so a record moved to another row does not open.
public struct WrapRecord: Hashable, Sendable {
  /// What the wrapped key is for.
  public enum Use: UInt8, Sendable {
    /// The key of one call.
    case call = 1
    /// Index tokens.
    case index = 2
    /// Openings of commitments in the log.
    case opening = 3
    /// A subject's tags.
    case subject = 4
    /// The seed of the log's signing key.
    case signingSeed = 5
  }

  public static let byteCount = 95
  private static let version: UInt8 = 1
  /// AES-256-GCM with a random nonce; 2 is kept for AES-KW.
  private static let algorithm: UInt8 = 1

  public let kekID: Identifier
  public let keyID: Identifier
  public let use: Use
  private let nonce: [UInt8]
  // Ciphertext ‖ tag.
  private let sealed: [UInt8]

  /// Parses a record.
  ///
  /// Storage is not trusted: whatever `bytes` holds, this returns or throws, and never traps.
  ///
  /// - Throws: ``VaultError/Code/tampered`` for another length, version, algorithm or use, or an id
  ///   that is not one.
  public init(parsing bytes: [UInt8]) throws(VaultError) {
    guard
      bytes.count == WrapRecord.byteCount, bytes[0] == WrapRecord.version,
      bytes[1] == WrapRecord.algorithm,
      let kekID = Identifier(bytes: Array(bytes[2..<18])),
      let keyID = Identifier(bytes: Array(bytes[18..<34])),
      let use = Use(rawValue: bytes[34])
    else { throw VaultError(.tampered, during: "reading a wrapped key") }
    self.kekID = kekID
    self.keyID = keyID
    self.use = use
    nonce = Array(bytes[35..<47])
    sealed = Array(bytes[47..<95])
  }

  public var encoded: [UInt8] {
    [WrapRecord.version, WrapRecord.algorithm] + kekID.bytes + keyID.bytes + [use.rawValue]
      + nonce + sealed
  }

  /// Wraps a 32-byte key with a fresh nonce.
  ///
  /// - Throws: ``VaultError/Code/unavailable`` when the library fails.
  init(
    _ key: borrowing SecretBytes, id: Identifier, use: Use, ownedBy owner: Identifier,
    under kek: KeyEncryptionKey
  ) throws(VaultError) {
    do throws(CryptographyError) {
      let nonce = try Random.bytes(AES256GCM.nonceByteCount)
      let context = WrapRecord.context(of: id, use: use, ownedBy: owner, under: kek)
      sealed = try kek.secret.withSecret { (kek) throws(CryptographyError) in
        try sealKey(key, under: kek, nonce: nonce, context: context)
      }
      self.nonce = nonce
    } catch {
      throw VaultError(.unavailable, during: "wrapping a key", cause: error)
    }
    kekID = kek.id
    keyID = id
    self.use = use
  }

  /// Opens the record for whoever should own the key.
  ///
  /// - Throws: ``VaultError/Code/tampered`` if the record is another's or was changed.
  func open(
    as use: Use, ownedBy owner: Identifier, under kek: KeyEncryptionKey
  ) throws(VaultError) -> SecretBytes {
    guard use == self.use, kek.id == kekID else {
      throw VaultError(.tampered, during: "unwrapping a key")
    }
    let context = WrapRecord.context(of: keyID, use: use, ownedBy: owner, under: kek)
    do throws(CryptographyError) {
      return try kek.secret.withSecret { (kek) throws(CryptographyError) in
        try openKey(sealed, under: kek, nonce: nonce, context: context)
      }
    } catch {
      throw VaultError(.tampered, during: "unwrapping a key", cause: error)
    }
  }

  private static func context(
    of key: Identifier, use: Use, ownedBy owner: Identifier, under kek: KeyEncryptionKey
  ) -> [UInt8] {
    Array(
      ("callvault/wrap/v1|tenant=\(kek.tenant)|owner=\(owner)|key=\(key)|use=\(use.rawValue)"
        + "|epoch=\(kek.epoch)").utf8)
  }
}

/// A key that wraps keys, alive in memory.
struct KeyEncryptionKey: Sendable {
  let tenant: Identifier
  let id: Identifier
  /// From 1; the newest wraps.
  let epoch: UInt32
  let secret: SharedSecret
}

/// Encrypts one 32-byte key under another: ciphertext ‖ tag.
func sealKey(
  _ key: borrowing SecretBytes, under wrapping: borrowing SecretBytes, nonce: [UInt8],
  context: [UInt8]
) throws(CryptographyError) -> [UInt8] {
  guard key.count == 32 else {
    throw CryptographyError(.invalidInput, during: "wrapping a key of another length")
  }
  var cipher = try AES256GCM(key: wrapping)
  return try key.withBytes { (bytes: RawSpan) throws(CryptographyError) in
    try cipher.seal(bytes, nonce: nonce.span, aad: context.span)
  }
}

/// Decrypts a 32-byte key into locked memory.
func openKey(
  _ sealed: [UInt8], under wrapping: borrowing SecretBytes, nonce: [UInt8], context: [UInt8]
) throws(CryptographyError) -> SecretBytes {
  var cipher = try AES256GCM(key: wrapping)
  return try SecretBytes(count: 32) { (key: inout MutableRawSpan) throws(CryptographyError) in
    try cipher.open(sealed.span, nonce: nonce.span, aad: context.span, into: &key)
  }
}
