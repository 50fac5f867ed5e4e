public import Cryptography
public import Encoding

/// The key from which the tags of one subject's entries are made: K_P of
/// `Documentation/formats/audit-log.md`.
///
/// A subject is a patient, or a call of whom no patient is known. The key is random, sealed in the
/// catalog, and committed to when the subject is introduced; who holds it finds every entry about
/// the subject and can show that the next tag is absent.
public struct SubjectKey: Sendable {
  /// Key length in bytes.
  public static let byteCount = 32

  /// The subject: a patient's id, or a call's.
  public let id: Identifier
  /// What stands in the subject's place among an entry's objects.
  ///
  /// A call's own id. For a patient the id of the link to the call, so that entries of one patient do
  /// not link without the key.
  public let alias: Identifier
  private let key: SharedSecret

  /// Takes ``byteCount`` random bytes as the key of the subject `id`.
  public init(id: Identifier, alias: Identifier? = nil, key: SharedSecret) {
    self.id = id
    self.alias = alias ?? id
    self.key = key
  }

  /// What the entry that introduces the subject commits to: the key itself.
  ///
  /// The opening is then where the key survives the subject's rows, for as long as the log needs it.
  public var committedValue: [UInt8] {
    key.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe Array($0) } }
  }

  /// The tag of the subject's entry number `ordinal`, counted from 1.
  ///
  /// HMAC-SHA-256(K, `callvault/subject/v1` ‖ u64be ordinal), its first 16 bytes; in a log that a
  /// recovery began its origin follows, so that entries of two logs do not link without K.
  ///
  /// - Throws: ``AuditError/Code/unavailable`` when the cryptographic library fails.
  public func tag(_ ordinal: Int64, in origin: String) throws(AuditError) -> SubjectTag {
    var message = Array("callvault/subject/v1".utf8)
    message.append(bigEndian: UInt64(bitPattern: ordinal))
    if LogOrigin.isRestart(origin) { message.append(contentsOf: origin.utf8) }
    do {
      let digest = try key.withBytes { bytes throws(CryptographyError) in
        try HMACSHA256.authenticate(message, key: bytes)
      }
      guard let tag = SubjectTag(bytes: Array(digest.prefix(SubjectTag.byteCount))) else {
        throw AuditError(.unavailable, during: "tagging a subject")
      }
      return tag
    } catch let error as AuditError {
      throw error
    } catch {
      throw AuditError(.unavailable, during: "tagging a subject", cause: error)
    }
  }
}
