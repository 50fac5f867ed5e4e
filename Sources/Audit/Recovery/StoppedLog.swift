import Encoding

/// A log that goes no further: read as far as it is left, and never signed again.
///
/// ``AuditLog/open(_:store:signer:openings:subjects:clock:epochs:anchors:continuing:)`` would append;
/// where an anchor knows of more entries, that would be a second history of one name.
public struct StoppedLog: ReadableLog {
  /// The newest head, which the log signed when it was alive.
  public let head: Checkpoint
  /// The last entry.
  public let last: LogPosition
  /// Intents that have no outcome, in order of index.
  public let openIntents: [OpenIntent]

  private let key: VerifierKey
  private let store: any LogStore
  private let recovery: LogRecovery
  private let reader: LogReader

  /// Reads everything, and changes nothing.
  ///
  /// - Throws: ``AuditError/Code/damaged``, ``AuditError/Code/notAuthentic``, or
  ///   ``AuditError/Code/unavailable`` when the store cannot be read; ``AuditError/Code/notFound`` for a
  ///   log without entries.
  public init(_ store: any LogStore, key: VerifierKey) async throws(AuditError) {
    let recovery = try await LogRecovery(from: store, key: key)
    guard recovery.size > 0,
      let head = Checkpoint(
        origin: key.name, size: recovery.size, root: recovery.sequencer.edge.root)
    else { throw AuditError(.notFound, during: "looking for the entries of a log") }
    let minimum = try await AuditLog.minimum(in: store, key: key)?.index ?? 0
    self.head = head
    last = LogPosition(index: recovery.size - 1, leafHash: recovery.sequencer.last)
    openIntents = try await LogHistory(recovery, store: store).openIntents(from: minimum).list()
    self.key = key
    self.store = store
    self.recovery = recovery
    reader = LogReader(
      store: store, minimum: minimum, publishedSize: recovery.published.size,
      publishedNote: recovery.publishedNote, tail: recovery.unpublished)
  }

  /// The largest of some heads if the log is behind it, or contradicts one of them; nil if it is
  /// neither, so that it may go on.
  ///
  /// - Throws: as reading does.
  public func contradiction(
    among heads: [VerifiedCheckpoint]
  ) async throws(AuditError) -> VerifiedCheckpoint? {
    do throws(AuditError) {
      try await recovery.compare(with: heads, in: store)
      return nil
    } catch {
      guard error.code == .behindAnchor || error.code == .forked else { throw error }
      return heads.max { $0.checkpoint.size < $1.checkpoint.size }
    }
  }

  /// The subjects' counts that the ledger does not have, through ``last``.
  ///
  /// - Throws: ``AuditError/Code/inconsistent`` if the ledger knows of a place that this log lacks.
  public func counts(
    since ledger: any SubjectLedger
  ) async throws(AuditError) -> [SubjectCount] {
    try await LogHistory(recovery, store: store).counts(since: ledger).unstored
  }

  /// Publishes what the journal holds beyond `log/`, under the head that the log signed for it: the
  /// folder is what others will check.
  ///
  /// - Throws: ``AuditError/Code/unavailable`` if the store cannot; it may be tried again.
  public func publish() async throws(AuditError) {
    guard recovery.size > recovery.published.size, let note = recovery.newestNote,
      let time = recovery.replayed.last?.entry.time
    else { return }
    var edge = recovery.published
    var publication = try edge.add(recovery.unpublished)
    publication.history = "checkpoints/\(time.rfc3339.prefix(7))"
    publication.checkpoint = note
    let stored = try await store.reading { store in try await store.published(Keyring.path) }
    publication.keyring = try Keyring.joined(
      published: stored, journal: recovery.epochs, logKey: key)?.encoded
    do {
      try await store.publish(publication)
    } catch {
      throw AuditError(.unavailable, during: "publishing a log that goes no further", cause: error)
    }
  }

  public func contains(_ position: LogPosition) async throws(AuditError) -> Bool {
    try await reader.contains(position)
  }

  public func entries(
    matching filter: EntryFilter, limit: Int
  ) async throws(AuditError) -> EntryPage {
    try await reader.entries(matching: filter, limit: min(max(limit, 1), 1000))
  }
}
