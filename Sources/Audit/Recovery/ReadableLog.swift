/// A log whose entries can be read, whether or not anybody may still write to it.
public protocol ReadableLog: Sendable {
  /// As ``AuditLog/contains(_:)``.
  func contains(_ position: LogPosition) async throws(AuditError) -> Bool

  /// As ``AuditLog/entries(matching:limit:)``.
  func entries(
    matching filter: EntryFilter, limit: Int
  ) async throws(AuditError) -> EntryPage
}

extension AuditLog: ReadableLog {}

/// A log as an auditor reads it: head, tiles, proofs, and what commitments stand for.
///
/// One that goes on shows what is durable; one that a recovery ended, what it published.
public protocol AuditableLog: ReadableLog {
  /// The log's name.
  var origin: String { get }

  /// The newest published head, made now where the log goes on; nil before the first.
  func newestCheckpoint() async throws(AuditError) -> [UInt8]?

  /// Entries that can be read.
  func readableSize() async throws(AuditError) -> Int64

  /// The log under its newest published head.
  func view() async throws(AuditError) -> LogView

  /// As ``AuditLog/proof(of:)``.
  func proof(of index: Int64) async throws(AuditError) -> TLogProof

  /// As ``AuditLog/openingStates(of:)``.
  func openingStates(
    of entries: [Entry]
  ) async throws(AuditError) -> [[CommitField: OpeningState]]

  /// What of it is published.
  var files: any PublishedLogFiles { get }
}

/// Each throws ``AuditError/Code/unavailable`` when the store cannot be read.
extension AuditableLog {
  /// A published tile or bundle, or nil: it never was, or a partial one was superseded.
  public func published(_ path: TilePath) async throws(AuditError) -> [UInt8]? {
    try await publishedNote(path.description)
  }

  /// A signed text that is published beside the head, by its path below the log, or nil: the keyring,
  /// where a pruned log begins, what came before a log that a recovery began.
  public func publishedNote(_ path: String) async throws(AuditError) -> [UInt8]? {
    try await files.reading { files in try await files.published(path) }
  }

  /// The months that the history of published heads has, oldest first, as `2026-11`.
  public func historyMonths() async throws(AuditError) -> [String] {
    try await files.reading { files in try await files.historyMonths() }
  }

  /// At most `count` bytes of a month's heads from `offset`, each `u16be length ‖ note`; fewer only
  /// at the end of what is there, nil for a month that has none.
  public func history(
    of month: String, from offset: Int64, count: Int
  ) async throws(AuditError) -> [UInt8]? {
    try await files.reading { files in
      try await files.history(of: month, from: offset, count: count)
    }
  }
}

extension AuditLog: AuditableLog {
  public nonisolated var files: any PublishedLogFiles { store }

  public nonisolated var origin: String { configuration.origin }

  /// On request: a reader's own entry is in the head that it is given.
  public nonisolated func newestCheckpoint() async throws(AuditError) -> [UInt8]? {
    try await publish()
    return await publishedCheckpoint
  }

  public nonisolated func readableSize() async throws(AuditError) -> Int64 {
    await durableHead.size
  }
}
