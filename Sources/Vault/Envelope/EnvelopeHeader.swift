import Cryptography

/// The first 40 bytes of every object: what its key and its nonces are made with.
///
/// Specified in `Documentation/formats/envelope.md`, section 4.
public struct EnvelopeHeader: Equatable, Sendable {
  public static let byteCount = 40
  static let saltByteCount = 32
  static let noncePrefixByteCount = 7

  let salt: [UInt8]
  let noncePrefix: [UInt8]

  /// Makes the header of a new object.
  ///
  /// - Throws: ``VaultError/Code/unavailable`` when the system gives no randomness.
  init() throws(VaultError) {
    do throws(CryptographyError) {
      salt = try Random.bytes(EnvelopeHeader.saltByteCount)
      noncePrefix = try Random.bytes(EnvelopeHeader.noncePrefixByteCount)
    } catch {
      throw VaultError(.unavailable, during: "starting an object", cause: error)
    }
  }

  /// For test vectors only: a pair used twice under one key would reveal both plaintexts.
  package init?(salt: [UInt8], noncePrefix: [UInt8]) {
    guard
      salt.count == EnvelopeHeader.saltByteCount,
      noncePrefix.count == EnvelopeHeader.noncePrefixByteCount
    else { return nil }
    self.salt = salt
    self.noncePrefix = noncePrefix
  }

  /// Parses the start of a stored object.
  ///
  /// Storage is not trusted: whatever `bytes` holds, this returns or throws, and never traps. Bytes
  /// after the fortieth are not looked at.
  ///
  /// - Throws: ``VaultError/Code/tampered`` if bytes lack or the first is not 40.
  public init(parsing bytes: [UInt8]) throws(VaultError) {
    guard
      bytes.count >= EnvelopeHeader.byteCount, bytes[0] == UInt8(EnvelopeHeader.byteCount)
    else { throw VaultError(.tampered, during: "reading an object's header") }
    salt = Array(bytes[1..<33])
    noncePrefix = Array(bytes[33..<40])
  }

  public var encoded: [UInt8] {
    [UInt8(EnvelopeHeader.byteCount)] + salt + noncePrefix
  }

  /// The nonce of segment 0, not last; ``number(_:index:isLast:)`` changes it for the others.
  var firstNonce: [UInt8] {
    noncePrefix + [UInt8](repeating: 0, count: 5)
  }

  /// Writes the index and the mark of the last segment into a nonce, in place.
  static func number(_ nonce: inout [UInt8], index: UInt32, isLast: Bool) {
    nonce[7] = UInt8(truncatingIfNeeded: index >> 24)
    nonce[8] = UInt8(truncatingIfNeeded: index >> 16)
    nonce[9] = UInt8(truncatingIfNeeded: index >> 8)
    nonce[10] = UInt8(truncatingIfNeeded: index)
    nonce[11] = isLast ? 1 : 0
  }

  /// The context for the object's segments; the derived key itself is wiped here.
  func cipher(
    under key: borrowing SecretBytes, associatedData: [UInt8]
  ) throws(CryptographyError) -> AES256GCM {
    try AES256GCM(
      key: try HKDFSHA256.derive(
        input: key, salt: salt, info: associatedData, count: AES256GCM.keyByteCount))
  }
}
