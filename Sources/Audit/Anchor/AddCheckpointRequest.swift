public import Cryptography
import Encoding

/// What a log asks of a witness: to cosign a head that grew from the one cosigned before
/// (c2sp.org/tlog-witness, `add-checkpoint`).
///
/// Specified in `Documentation/formats/anchors.md`, 2. Nothing is proved yet: ``WitnessState``
/// judges it.
public struct AddCheckpointRequest: Hashable, Sendable {
  /// No request is longer than this.
  public static let maximumByteCount = 65_536

  /// The size that the witness cosigned last, as far as the log knows.
  public let oldSize: Int64
  /// The consistency proof from there, 0 to 63 hashes.
  public let hashes: [SHA256Digest]
  /// The head with its signatures.
  public let note: SignedNote
  /// What the note says.
  public let checkpoint: Checkpoint

  /// - Precondition: the proof is that of ``ConsistencyProof`` for these sizes, so at most 63 hashes.
  /// - Throws: ``AuditError/Code/malformed`` if the note is no checkpoint.
  public init(oldSize: Int64, hashes: [SHA256Digest], note: SignedNote) throws(AuditError) {
    precondition(hashes.count <= InclusionProof.maximumHashes, "no proof is this long")
    self.oldSize = oldSize
    self.hashes = hashes
    self.note = note
    checkpoint = try Checkpoint(parsing: note.text)
  }

  /// Reads the body of a request.
  ///
  /// - Throws: ``AuditError/Code/malformed`` for any spelling but the one ``encoded`` has.
  public init(parsing bytes: [UInt8]) throws(AuditError) {
    guard bytes.count <= Self.maximumByteCount,
      let gap = bytes.indices.dropLast().first(where: { bytes[$0] == 0x0a && bytes[$0 + 1] == 0x0a }
      ),
      let head = String(validating: bytes[..<gap], as: UTF8.self)
    else { throw AuditError(.malformed, during: "parsing a request without an empty line") }
    var lines = head.utf8.split(separator: 0x0a, omittingEmptySubsequences: false)
      .map { String(Substring($0)) }[...]
    guard let first = lines.popFirst(), first.hasPrefix("old "),
      let oldSize = Checkpoint.size(String(first.dropFirst(4)))
    else { throw AuditError(.malformed, during: "parsing a request's old size") }
    guard lines.count <= InclusionProof.maximumHashes else {
      throw AuditError(.malformed, during: "parsing a proof of too many hashes")
    }
    var hashes: [SHA256Digest] = []
    for line in lines {
      guard let hash = Base64.decode(line).flatMap({ SHA256Digest(bytes: $0) }) else {
        throw AuditError(.malformed, during: "parsing a hash of a request")
      }
      hashes.append(hash)
    }
    try self.init(
      oldSize: oldSize, hashes: hashes, note: SignedNote(parsing: Array(bytes[(gap + 2)...])))
  }

  /// The body as it is sent.
  public var encoded: [UInt8] {
    let lines = ["old \(oldSize)"] + hashes.map { Base64.encode($0.bytes) }
    return Array(lines.map { $0 + "\n" }.joined().utf8) + [0x0a] + note.encoded
  }
}
