import Audit
import Encoding
import Threading

extension Vault {
  /// What a start found and put right.
  public struct Reconciliation: Sendable, Equatable {
    /// Pending rows whose entry is in the log: live now.
    public var completed = 0
    /// Pending rows that no entry knows: gone, with their objects.
    public var dropped = 0
    /// Openings whose outcome a crash cut off: taken to have been heard.
    public var presumedDisclosed = 0
    /// Other intents a crash cut off: closed as interrupted.
    public var interrupted = 0
  }

  /// Brings the catalog and the log together after a stop of any kind, before anything is served.
  ///
  /// - Throws: ``VaultError/Code/behindLog`` if the log says that something was stored, given or revoked which the catalog
  ///   lacks: it was brought back from an older copy, and serving would lose calls or revive a token.
  ///   ``VaultError/Code/tampered`` if the catalog was written under another log, or under a longer one.
  func reconcile() async throws(VaultError) -> Reconciliation {
    var result = Reconciliation()
    if let position = try await catalog.appliedPosition() {
      let holds: Bool
      do {
        holds = try await log.contains(position)
      } catch {
        throw VaultError(.unavailable, during: "comparing catalog and log", cause: error)
      }
      guard holds else {
        throw VaultError(
          .tampered, during: "comparing catalog and log",
          detail: "the catalog belongs to another log, or the log was cut")
      }
      try await compare(from: position.index + 1)
    } else {
      try await compare(from: 0)
    }
    try await settlePending(&result)
    try await closeIntents(&result)
    return result
  }

  /// Checks that every success after the catalog's position has its row.
  private func compare(from start: Int64) async throws(VaultError) {
    var last: LogPosition?
    try await scan(from: start, actions: Self.bound) { logged throws(VaultError) in
      let entry = logged.entry
      guard entry.outcome == .success || entry.phase == .single && entry.outcome == nil else {
        return
      }
      for row in Self.rows(of: entry) {
        guard try await self.catalog.contains(row) else {
          throw VaultError(
            .behindLog, during: "comparing catalog and log",
            detail: "entry \(entry.index) is about a \(row.kind.rawValue) that the catalog lacks")
        }
      }
      if entry.action == .authTokenRevoked, let token = entry.objects.first {
        guard try await self.catalog.token(token)?.revoked != nil else {
          throw VaultError(
            .behindLog, during: "comparing catalog and log",
            detail: "entry \(entry.index) revoked a token that the catalog holds valid")
        }
      }
      let position = LogPosition(
        index: entry.index, leafHash: MerkleTree.leafHash(logged.bytes))
      if entry.action == .subjectUnlinked, let link = entry.objects.dropFirst().first {
        try await self.catalog.endLink(link, at: position)
      }
      last = position
    }
    if let last { try await catalog.advance(to: last) }
  }

  /// Makes pending rows live whose entry is durable, and drops the others.
  private func settlePending(_ result: inout Reconciliation) async throws(VaultError) {
    while true {
      let pending = try await catalog.pendingRows(limit: 1000)
      guard let start = pending.map(\.since).min() else { return }
      var positions: [RowReference: LogPosition] = [:]
      let wanted = Set(pending.map(\.row))
      try await scan(from: start, actions: Self.bound) { logged throws(VaultError) in
        guard logged.entry.outcome == .success else { return }
        for row in Self.rows(of: logged.entry) where wanted.contains(row) {
          positions[row] = LogPosition(
            index: logged.entry.index, leafHash: MerkleTree.leafHash(logged.bytes))
        }
      }
      for row in pending {
        if let position = positions[row.row] {
          try await catalog.confirm(row.row, at: position)
          result.completed += 1
        } else {
          try await catalog.dropPending(row.row)
          if let blob = row.blob { try await blobs.remove(blob) }
          result.dropped += 1
        }
      }
    }
  }

  /// Closes each intent that has no outcome with a recovery entry.
  private func closeIntents(_ result: inout Reconciliation) async throws(VaultError) {
    for intent in log.unfinishedIntents {
      let entry = intent.entry
      var outcome = OutcomeCode.failed
      switch entry.action {
      case .recordingOpened, .recordingExported, .transcriptOpened, .noteOpened, .callOpened,
        .search:
        outcome = .presumed
        result.presumedDisclosed += 1
        counters.count(.presumedDisclosed)
      case .logPrune, .keyDestroy:
        // What was to go may be gone; what is left of it goes by itself, or the next time.
        outcome = .presumed
        result.interrupted += 1
      default:
        result.interrupted += 1
      }
      var subjects: [SubjectKey] = []
      if !entry.subjects.isEmpty, let id = entry.objects.first,
        let call = try await catalog.call(id)
      {
        subjects = try keys.subjectKeys(of: call)
      }
      discard(
        try await record(intent.recovery(outcome, by: systemActor, about: subjects)))
    }
  }

  /// Every entry from `start` on with one of these actions, in order.
  private func scan(
    from start: Int64, actions: Set<Action>,
    _ body: (LoggedEntry) async throws(VaultError) -> Void
  ) async throws(VaultError) {
    var next: Int64? = start
    while let index = next {
      var filter = EntryFilter(indices: index..<Int64.max)
      filter.actions = actions
      let page: EntryPage
      do {
        page = try await log.entries(matching: filter, limit: 1000)
      } catch {
        throw VaultError(.unavailable, during: "reading the log", cause: error)
      }
      for entry in page.entries { try await body(entry) }
      next = page.next
    }
  }

  /// Actions whose success the catalog must know of.
  private static var bound: Set<Action> {
    [
      .callCreated, .recordingStored, .transcriptStored, .noteStored, .subjectCreated,
      .subjectLinked, .subjectUnlinked, .personCreated, .authTokenCreated, .authTokenRevoked,
    ]
  }

  /// The rows that an entry's success is about.
  private static func rows(of entry: Entry) -> [RowReference] {
    // First stand the call and, where a patient is known, the link; then what was stored.
    let stored = entry.objects.dropFirst(entry.subjects.count).prefix(1)
    return switch entry.action {
    case .callCreated: entry.objects.prefix(1).map { RowReference(.call, $0) }
    case .recordingStored: stored.map { RowReference(.recording, $0) }
    case .transcriptStored: stored.map { RowReference(.transcript, $0) }
    case .noteStored: stored.map { RowReference(.note, $0) }
    case .subjectCreated: entry.objects.prefix(1).map { RowReference(.patient, $0) }
    case .subjectLinked: entry.objects.dropFirst().prefix(1).map { RowReference(.link, $0) }
    case .personCreated: entry.objects.prefix(1).map { RowReference(.identity, $0) }
    case .authTokenCreated: entry.objects.prefix(1).map { RowReference(.token, $0) }
    default: []
    }
  }

  /// Removes objects that nothing names and nobody has touched for a day: what a crash left between
  /// an object and its row.
  func sweepOrphans() async throws(VaultError) -> Int {
    // After a jump forward an object that is on its way in looks a day old.
    let reading = clock.read()
    guard reading.state != .stepped else { return 0 }
    let old = Timestamp(milliseconds: reading.milliseconds - 86_400_000)
    var swept = 0
    var cursor: BlobName?
    while true {
      let names = try await blobs.names(lastChangedBefore: old, after: cursor, limit: 100)
      guard let last = names.last else { return swept }
      let kept = try await catalog.referenced(among: names)
      for name in names where !kept.contains(name) {
        try await blobs.remove(name)
        counters.count(.orphansSwept)
        swept += 1
      }
      cursor = last
    }
  }
}
