import Cryptography
import Encoding

/// What an entry says instead of a value that came from outside, and how it is opened again.
///
/// HMAC-SHA-256(k, `callvault/commit/v1` ‖ u8 len(field) ‖ field ‖ u32be len(value) ‖ value), with 32
/// fresh random bytes k for every field: a dictionary of numbers matches nothing, two equal values
/// do not look equal, and once the opening is destroyed nothing is left but a proof that something
/// stood there.
public struct Commitment: Hashable, Sendable {
  /// Bytes of k.
  public static let keyLength = 32
  /// Values are longer nowhere: a path, a name, a digest.
  public static let maximumValueLength = 4096
  /// What an opening begins with.
  static let version: UInt8 = 1

  public let field: CommitField
  /// ``keyLength`` bytes.
  public let key: [UInt8]
  public let value: [UInt8]

  /// Commits to a value with a fresh key.
  ///
  /// - Throws: ``AuditError/Code/invalidDraft`` for a value over ``maximumValueLength``,
  ///   ``AuditError/Code/unavailable`` when the system gives no random bytes.
  init(to value: [UInt8], as field: CommitField) throws(AuditError) {
    guard value.count <= Self.maximumValueLength else {
      throw AuditError(.invalidDraft, during: "committing to a value that is too long")
    }
    do {
      key = try Random.bytes(Self.keyLength)
    } catch {
      throw AuditError(.unavailable, during: "committing to a value", cause: error)
    }
    self.field = field
    self.value = value
  }

  /// Reads an opening: `0x01 ‖ k[32] ‖ value`.
  ///
  /// - Throws: ``AuditError/Code/malformed`` for any other form.
  public init(opening: [UInt8], of field: CommitField) throws(AuditError) {
    guard opening.count > Self.keyLength, opening[0] == Self.version,
      opening.count - 1 - Self.keyLength <= Self.maximumValueLength
    else { throw AuditError(.malformed, during: "reading an opening") }
    self.field = field
    key = Array(opening[1...Self.keyLength])
    value = Array(opening[(Self.keyLength + 1)...])
  }

  var opening: [UInt8] { [Self.version] + key + value }

  /// What stands in the entry.
  ///
  /// - Throws: ``AuditError/Code/unavailable`` when the cryptographic library fails.
  public func digest() throws(AuditError) -> CommitmentDigest {
    let name = Array(field.rawValue.utf8)
    var message = Array("callvault/commit/v1".utf8)
    message.append(UInt8(name.count))
    message.append(contentsOf: name)
    message.append(bigEndian: UInt32(value.count))
    message.append(contentsOf: value)
    do {
      let digest = try HMACSHA256.authenticate(message, key: unsafe key.span.bytes)
      guard let commitment = CommitmentDigest(bytes: digest) else {
        throw AuditError(.unavailable, during: "committing to a value")
      }
      return commitment
    } catch let error as AuditError {
      throw error
    } catch {
      throw AuditError(.unavailable, during: "committing to a value", cause: error)
    }
  }

  /// Whether this is what `digest` stands for.
  ///
  /// - Throws: ``AuditError/Code/unavailable`` when the cryptographic library fails.
  public func opens(_ digest: CommitmentDigest) throws(AuditError) -> Bool {
    try self.digest() == digest
  }
}
