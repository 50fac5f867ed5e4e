/// The first entry that is left of a log whose left edge was pruned: the file `minimum`.
///
/// Specified in `Documentation/formats/audit-log.md`, 12.
public struct MinimumIndex: Hashable, Sendable {
  /// The file's path below the log.
  public static let path = "minimum"
  private static let header = "callvault/minimum/v1"

  public let origin: String
  /// A multiple of 256, above 0.
  public let index: Int64
  /// The entry `log.prune` that came before anything was removed.
  public let announced: Int64

  /// Is nil if the index is none at which a bundle begins, or not above 0, or the announcement lies
  /// below it.
  public init?(origin: String, index: Int64, announced: Int64) {
    guard index > 0, index < 1 << 61, index % Int64(TilePath.fullWidth) == 0, announced >= index,
      announced < 1 << 61
    else { return nil }
    self.origin = origin
    self.index = index
    self.announced = announced
  }

  /// Reads the note, and checks it if there is a key.
  ///
  /// - Throws: ``AuditError/Code/malformed`` for any other form, ``AuditError/Code/notAuthentic`` if
  ///   the key's line is missing or does not hold.
  public init(parsing bytes: [UInt8], key: VerifierKey?) throws(AuditError) {
    let note = try SignedNote(parsing: bytes)
    if let key { _ = try note.open(with: [key]) }
    let lines = String(decoding: note.text, as: UTF8.self).utf8
      .split(separator: 0x0a, omittingEmptySubsequences: false).map { String(Substring($0)) }
    guard lines.count == 5, lines[0] == Self.header, lines[4].isEmpty, note.signatures.count == 1,
      let index = Checkpoint.size(lines[2]), let announced = Checkpoint.size(lines[3]),
      let minimum = MinimumIndex(origin: lines[1], index: index, announced: announced)
    else { throw AuditError(.malformed, during: "parsing a minimum index") }
    if let key, key.name != minimum.origin {
      throw AuditError(.notAuthentic, during: "comparing a minimum index with its log")
    }
    self = minimum
  }

  /// What is signed.
  public var text: [UInt8] { Array("\(Self.header)\n\(origin)\n\(index)\n\(announced)\n".utf8) }
}
