public import Cryptography
import Encoding

/// Who must have signed a head before it counts.
public struct WitnessPolicy: Hashable, Sendable {
  /// The log's key.
  public let log: VerifierKey
  public let witnesses: [VerifierKey]
  /// How many different witnesses must have cosigned.
  public let quorum: Int

  /// Is nil if the quorum is negative or more than there are different witnesses.
  public init?(log: VerifierKey, witnesses: [VerifierKey], quorum: Int) {
    guard (0...Set(witnesses).count).contains(quorum) else { return nil }
    self.log = log
    self.witnesses = witnesses
    self.quorum = quorum
  }
}

/// A proof that an entry is in a log, in one file that can be handed to people
/// (c2sp.org/tlog-proof@v1).
public struct TLogProof: Hashable, Sendable {
  static let header = "c2sp.org/tlog-proof@v1"
  /// No proof file is longer than this.
  public static let maximumByteCount = SignedNote.maximumByteCount + (1 << 18)
  /// What the writer wants to say besides; nobody signs it.
  public let extra: [UInt8]?
  /// The entry's place, counted from 0.
  public let index: Int64
  /// From the leaf's sibling to the root's child.
  public let hashes: [SHA256Digest]
  /// The head, with its signatures.
  public let checkpoint: SignedNote

  public init(proof: InclusionProof, checkpoint: SignedNote, extra: [UInt8]? = nil) {
    self.extra = extra
    index = proof.index
    hashes = proof.hashes
    self.checkpoint = checkpoint
  }

  /// Reads a proof file.
  ///
  /// - Throws: ``AuditError/Code/malformed`` for any spelling but the one ``encoded`` has, or more
  ///   than ``InclusionProof/maximumHashes`` hashes.
  public init(parsing bytes: [UInt8]) throws(AuditError) {
    guard bytes.count <= Self.maximumByteCount, let gap = Self.firstEmptyLine(bytes),
      let head = String(validating: bytes[..<gap], as: UTF8.self)
    else { throw AuditError(.malformed, during: "parsing a proof file without a checkpoint") }
    var lines = head.utf8.split(separator: 0x0a, omittingEmptySubsequences: false)
      .map { String(Substring($0)) }[...]
    guard lines.popFirst() == Self.header else {
      throw AuditError(.malformed, during: "parsing a proof file of another version")
    }
    var extra: [UInt8]?
    if let line = lines.first, line.hasPrefix("extra ") {
      guard let bytes = Base64.decode(line.dropFirst(6)) else {
        throw AuditError(.malformed, during: "parsing a proof file's extra line")
      }
      extra = bytes
      lines.removeFirst()
    }
    guard let line = lines.popFirst(), line.hasPrefix("index "),
      let index = Checkpoint.size(String(line.dropFirst(6)))
    else { throw AuditError(.malformed, during: "parsing a proof file's index") }
    guard lines.count <= InclusionProof.maximumHashes else {
      throw AuditError(.malformed, during: "parsing a proof file of too many hashes")
    }
    var hashes: [SHA256Digest] = []
    for line in lines {
      guard let hash = Base64.decode(line).flatMap({ SHA256Digest(bytes: $0) }) else {
        throw AuditError(.malformed, during: "parsing a proof file's hash")
      }
      hashes.append(hash)
    }
    self.extra = extra
    self.index = index
    self.hashes = hashes
    checkpoint = try SignedNote(parsing: Array(bytes[(gap + 2)...]))
  }

  /// The file's bytes.
  public var encoded: [UInt8] {
    var head = Self.header + "\n"
    if let extra { head += "extra \(Base64.encode(extra))\n" }
    head += "index \(index)\n"
    for hash in hashes { head += Base64.encode(hash.bytes) + "\n" }
    return Array(head.utf8) + [0x0a] + checkpoint.encoded
  }

  /// Checks that the entry whose leaf hash is `leaf` is in the log that `policy` describes.
  ///
  /// - Returns: the head that the proof leads to.
  /// - Throws: ``AuditError/Code/notAuthentic`` if the log's signature, the quorum or the path to
  ///   the root is missing; ``AuditError/Code/malformed`` if the note is no checkpoint.
  public func verify(
    leaf: SHA256Digest, policy: WitnessPolicy
  ) throws(AuditError) -> VerifiedCheckpoint {
    let head = try VerifiedCheckpoint(
      checkpoint, key: policy.log, witnesses: policy.witnesses)
    let cosigners = head.signers.filter { $0.type == .cosignature && $0 != policy.log }
    guard Set(cosigners).count >= policy.quorum else {
      throw AuditError(.notAuthentic, during: "counting the witnesses of a checkpoint")
    }
    let proof = InclusionProof(index: index, size: head.checkpoint.size, hashes: hashes)
    guard proof.verifies(leaf: leaf, root: head.checkpoint.root) else {
      throw AuditError(.notAuthentic, during: "following an inclusion proof")
    }
    return head
  }

  private static func firstEmptyLine(_ bytes: [UInt8]) -> Int? {
    bytes.indices.dropLast().first { bytes[$0] == 0x0a && bytes[$0 + 1] == 0x0a }
  }
}
