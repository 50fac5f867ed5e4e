import Cryptography

/// The log as it was at one head, made from the files of a log that has grown since.
///
/// A tile or a bundle of the right edge is the beginning of the wider one that was published later; so
/// every state of a log can be had from any later one.
public struct LogCut: Sendable {
  public let checkpoint: Checkpoint
  /// The signed head.
  public let note: [UInt8]

  /// - Throws: ``AuditError/Code/malformed`` for bytes that are no head.
  public init(note: [UInt8]) throws(AuditError) {
    checkpoint = try Checkpoint(parsing: SignedNote(parsing: note).text)
    self.note = note
  }

  public var size: Int64 { checkpoint.size }

  /// Every bundle and tile of the tree, of a log that was pruned those from entry `minimum` on.
  public func paths(from minimum: Int64) -> [TilePath] {
    TilePath.added(from: 0, to: size).filter { path in
      path.level != .entries && path.level != .hashes(0) || path.number >= minimum / 256
    }
  }

  /// The part of a wider tile or bundle that this tree has.
  ///
  /// - Throws: ``AuditError/Code/malformed`` if there is less.
  public func part(of bytes: [UInt8], at path: TilePath) throws(AuditError) -> [UInt8] {
    switch path.level {
    case .hashes:
      guard bytes.count >= path.width * 32 else { break }
      return Array(bytes.prefix(path.width * 32))
    case .entries:
      let ranges = EntryBundle.ranges(bytes)
      guard ranges.count >= path.width else { break }
      return Array(bytes.prefix(ranges[path.width - 1].upperBound))
    }
    throw AuditError(.malformed, during: "cutting a tile or a bundle")
  }

  /// Whether the tree of these partial tiles has the head's root.
  ///
  /// - Throws: ``AuditError/Code/malformed``, and whatever `read` throws.
  public func isRoot(
    ofTiles read: (TilePath) throws(AuditError) -> [UInt8]
  ) throws(AuditError) -> Bool {
    try TreeEdge(size: size, read: read).root == checkpoint.root
  }

  /// The keyring without the epochs that begin above the head.
  ///
  /// - Throws: ``AuditError/Code/malformed``.
  public func keyring(_ bytes: [UInt8]) throws(AuditError) -> [UInt8] {
    try Keyring(parsing: bytes).opened(atOrBelow: size).encoded
  }

  /// How many bytes of a month's history are heads of this tree; and whether the last of them is
  /// this head.
  ///
  /// - Throws: ``AuditError/Code/malformed`` for what is no history.
  public func history(in bytes: [UInt8]) throws(AuditError) -> (length: Int, hasHead: Bool) {
    var taken = 0
    var hasHead = false
    while bytes.count - taken >= 2 {
      let end = taken + 2 + (Int(bytes[taken]) << 8 | Int(bytes[taken + 1]))
      guard end <= bytes.count else { break }
      let record = Array(bytes[(taken + 2)..<end])
      guard try LogCut(note: record).size <= size else { break }
      hasHead = record == note
      taken = end
    }
    return (taken, hasHead)
  }

  /// A record of the history.
  public var historyRecord: [UInt8] {
    [UInt8(truncatingIfNeeded: note.count >> 8), UInt8(truncatingIfNeeded: note.count)] + note
  }

  /// A piece of the journal that has no entry: its head, so that a log goes on from here.
  public var journalPiece: (name: String, bytes: [UInt8]) {
    let digits = String(size)
    var bytes: [UInt8] = []
    JournalFrame.append(.head, note, to: &bytes)
    return (String(repeating: "0", count: 16 - digits.count) + digits + ".journal", bytes)
  }
}

extension Keyring {
  /// The epochs that had begun when the log had `size` entries.
  fileprivate func opened(atOrBelow size: Int64) throws(AuditError) -> Keyring {
    guard let first = epochs.first else { return self }
    var keyring = try Keyring(logKey: logKey, first: first.note)
    for epoch in epochs.dropFirst() where epoch.epoch.firstSize <= size {
      try keyring.append(epoch.note)
    }
    return keyring
  }
}

extension AuditLog {
  /// Signs what is said of this log and is no head.
  ///
  /// - Throws: ``AuditError/Code/invalidDraft`` for another log's; ``AuditError/Code/unavailable``.
  public func sign(_ statement: Statement) throws(AuditError) -> [UInt8] {
    guard statement.origin == configuration.origin else {
      throw AuditError(.invalidDraft, during: "signing a statement about another log")
    }
    return try signer.sign(statement.text).encoded
  }
}
