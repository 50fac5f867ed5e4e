import Cryptography
import Encoding

/// Derived state at a start: read from the newest place that is sure, and the entries after it.
///
/// Ordinarily all of these entries lie in the journal. Only when the snapshot is lost or the catalog
/// came back from an older copy are published bundles read, and then as many as it takes.
struct LogHistory: Sendable {
  private let recovery: LogRecovery
  private let store: any LogStore

  init(_ recovery: LogRecovery, store: any LogStore) {
    self.recovery = recovery
    self.store = store
  }

  /// The intents from `first` on that have no outcome; none without one was ever pruned.
  func openIntents(from first: Int64) async throws(AuditError) -> OpenIntents {
    let bytes = try await store.reading { store in try await store.snapshot() }
    var intents = OpenIntents()
    var start = first
    if let snapshot = bytes.flatMap({ Snapshot(parsing: $0) }) {
      if let position = snapshot.position {
        guard try await holds(position) else {
          throw AuditError(.damaged, during: "comparing the snapshot with the log")
        }
        start = position.index + 1
      }
      intents = snapshot.intents
    }
    try await forEach(from: start) { entry, bytes in intents.apply(entry, bytes: bytes) }
    return intents
  }

  /// The subjects' counts that the ledger does not have yet.
  ///
  /// - Throws: ``AuditError/Code/inconsistent`` if the ledger knows of a place that is not in this
  ///   log: one of the two was brought back from an older copy.
  func counts(since ledger: any SubjectLedger) async throws(AuditError) -> SubjectCounts {
    var counts = SubjectCounts()
    var start: Int64 = 0
    do {
      // Before this log signs anything: it would be a second history of the same name.
      if let position = try await ledger.knownPosition(), try await !holds(position) {
        throw AuditError(.inconsistent, during: "comparing the catalog's place with the log")
      }
      if let position = try await ledger.countedPosition() {
        guard try await holds(position) else {
          throw AuditError(.inconsistent, during: "comparing the subjects' counts with the log")
        }
        start = position.index + 1
      }
      var found: [Identifier: Int64] = [:]
      var aliases: [Identifier] = []
      try await forEach(from: start) { entry, _ in
        for alias in entry.objects.prefix(entry.subjects.count) {
          if found[alias] == nil { aliases.append(alias) }
          found[alias, default: 0] += 1
        }
      }
      let subjects = try await ledger.subjects(behind: aliases)
      let counted = try await ledger.countedEntries(
        of: Array(Set(aliases.map { subjects[$0] ?? $0 })))
      for alias in aliases {
        let subject = subjects[alias] ?? alias
        counts.learn(counted[subject] ?? 0, of: subject)
        counts.replay(found[alias] ?? 0, of: subject)
      }
    } catch let error as AuditError {
      throw error
    } catch {
      throw AuditError(.unavailable, during: "asking for the subjects' counts", cause: error)
    }
    return counts
  }

  /// The last entry, or nil for a log without any.
  func last() async throws(AuditError) -> Entry? {
    var last: Entry?
    try await forEach(from: max(0, recovery.size - 1)) { entry, _ in last = entry }
    return last
  }

  /// Whether the log has this leaf at this place.
  private func holds(_ position: LogPosition) async throws(AuditError) -> Bool {
    guard (0..<recovery.size).contains(position.index) else { return false }
    var leaf: SHA256Digest?
    try await forEach(from: position.index, to: position.index + 1) { _, bytes in
      leaf = MerkleTree.leafHash(bytes)
    }
    return leaf == position.leafHash
  }

  private func forEach(
    from start: Int64, to end: Int64 = .max, _ body: (Entry, [UInt8]) -> Void
  ) async throws(AuditError) {
    let end = min(end, recovery.size)
    var index = start
    // Below the journal: published bundles.
    while index < min(recovery.firstReplayed, end) {
      guard let path = TilePath.bundle(index >> 8, inLogOf: recovery.published.size) else { break }
      let entries = try EntryBundle.parse(try await store.file(path), count: path.width)
      for bytes in entries[Int(index & 0xff)...]
      where index < min(recovery.firstReplayed, end) {
        body(try Entry(parsing: bytes), bytes)
        index += 1
      }
    }
    while index < end {
      let entry = recovery.replayed[Int(index - recovery.firstReplayed)]
      body(entry.entry, entry.bytes)
      index += 1
    }
  }
}
