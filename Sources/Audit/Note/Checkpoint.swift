public import Cryptography
import Encoding

/// The head of a log, as c2sp.org/tlog-checkpoint spells it: which log, how long, which root.
///
/// Nothing is proved: ``VerifiedCheckpoint`` is what a signature made of it.
public struct Checkpoint: Hashable, Sendable {
  /// Which log; not empty, without line ends.
  public let origin: String
  /// How many entries, 0 to 2^63 − 1.
  public let size: Int64
  /// The root of the tree over them.
  public let root: SHA256Digest
  /// Lines after the third; ours has none.
  public let extensions: [String]

  /// Is nil if the size is negative, or the origin or an extension is empty or holds a control
  /// character.
  public init?(origin: String, size: Int64, root: SHA256Digest, extensions: [String] = []) {
    guard size >= 0,
      ([origin] + extensions).allSatisfy({ line in
        !line.isEmpty && line.utf8.allSatisfy { $0 >= 0x20 }
      })
    else { return nil }
    self.origin = origin
    self.size = size
    self.root = root
    self.extensions = extensions
  }

  /// Reads the text of a note.
  ///
  /// - Throws: ``AuditError/Code/malformed`` for any spelling but the one ``text`` has.
  public init(parsing text: [UInt8]) throws(AuditError) {
    guard let string = String(validating: text, as: UTF8.self), text.last == 0x0a else {
      throw AuditError(.malformed, during: "parsing a checkpoint that is not plain text")
    }
    let lines = string.utf8.dropLast().split(separator: 0x0a, omittingEmptySubsequences: false)
      .map { String(Substring($0)) }
    guard lines.count >= 3, let size = Self.size(lines[1]),
      let root = Base64.decode(lines[2]).flatMap({ SHA256Digest(bytes: $0) }),
      let checkpoint = Checkpoint(
        origin: lines[0], size: size, root: root, extensions: Array(lines[3...]))
    else { throw AuditError(.malformed, during: "parsing a checkpoint") }
    self = checkpoint
  }

  /// What is signed: origin, size and root, a line each, then the extensions.
  public var text: [UInt8] {
    let lines = [origin, String(size), Base64.encode(root.bytes)] + extensions
    return Array(lines.map { $0 + "\n" }.joined().utf8)
  }

  /// Decimal digits without sign or leading zero.
  static func size(_ text: String) -> Int64? {
    guard let value = Int64(text), value >= 0, String(value) == text else { return nil }
    return value
  }
}

/// A head that a known key signed under its log's own name.
public struct VerifiedCheckpoint: Hashable, Sendable {
  public let checkpoint: Checkpoint
  /// The note as it was read, other signers' lines included: transferable evidence.
  public let note: SignedNote
  /// The log's key and the witnesses whose lines hold.
  public let signers: [VerifierKey]

  /// Checks that `note` is a head of the log of `key`.
  ///
  /// - Parameters:
  ///   - note: what was served or kept.
  ///   - key: the log's key; its name is the origin.
  ///   - witnesses: keys whose lines are checked too; one that is there and does not hold refuses
  ///     the note.
  /// - Throws: ``AuditError/Code/notAuthentic`` if the log's line is missing or does not hold, or
  ///   the origin is another; ``AuditError/Code/malformed`` if the text is no checkpoint.
  public init(
    _ note: SignedNote, key: VerifierKey, witnesses: [VerifierKey] = []
  ) throws(AuditError) {
    let signers = try note.open(with: [key] + witnesses).verified
    // Only the log's own type 0x01 line makes a head: a witness line under the same name does not.
    guard key.type == .ed25519, signers.contains(key) else {
      throw AuditError(.notAuthentic, during: "looking for the log's signature")
    }
    let checkpoint = try Checkpoint(parsing: note.text)
    guard checkpoint.origin == key.name else {
      throw AuditError(.notAuthentic, during: "comparing a checkpoint's origin with its key")
    }
    self.checkpoint = checkpoint
    self.note = note
    self.signers = signers
  }
}
