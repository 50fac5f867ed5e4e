public import Cryptography
import Encoding

/// What a run of the verifier has found to be right, so that the next one can go on from there.
///
/// Kept by whoever verifies, and worth as much as the place where it is kept.
public struct VerifiedPart: Hashable, Sendable {
  private static let header = "callvault/verified/v1"
  /// No file of one is longer.
  public static let maximumByteCount = SignedNote.maximumByteCount + 256

  /// Entries that were read and hashed.
  public let entries: Int64
  /// The root of the tree over them.
  public let root: SHA256Digest
  /// The log's head at that time.
  public let head: SignedNote

  init(entries: Int64, root: SHA256Digest, head: SignedNote) {
    self.entries = entries
    self.root = root
    self.head = head
  }

  /// Reads the file that ``encoded`` makes.
  ///
  /// - Throws: ``AuditError/Code/malformed`` for any other spelling.
  public init(parsing bytes: [UInt8]) throws(AuditError) {
    let parts = bytes.split(separator: 0x0a, maxSplits: 4, omittingEmptySubsequences: false)
    guard bytes.count <= Self.maximumByteCount, parts.count == 5, parts[3].isEmpty,
      String(decoding: parts[0], as: UTF8.self) == Self.header,
      let entries = Checkpoint.size(String(decoding: parts[1], as: UTF8.self)),
      entries < 1 << 61,
      let root = Base64.decode(String(decoding: parts[2], as: UTF8.self))
        .flatMap({ SHA256Digest(bytes: $0) })
    else { throw AuditError(.malformed, during: "parsing what was verified before") }
    self.entries = entries
    self.root = root
    head = try SignedNote(parsing: Array(parts[4]))
  }

  public var encoded: [UInt8] {
    Array("\(Self.header)\n\(entries)\n\(Base64.encode(root.bytes))\n\n".utf8) + head.encoded
  }
}
