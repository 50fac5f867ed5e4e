public import Audit
public import Encoding

/// Brings a catalog in line with the log that it belongs to, whether or not that log goes on.
public struct CatalogSettlement: Sendable {
  private let catalog: any Catalog
  private let blobs: any BlobStore
  private let log: any ReadableLog
  private let bury: @Sendable (Identifier) throws(VaultError) -> Void

  /// - Parameters:
  ///   - catalog: which is to agree with the log.
  ///   - blobs: holds its objects.
  ///   - log: what happened.
  ///   - bury: takes the key of a purged call away, so that it does not come back with a backup.
  public init(
    catalog: any Catalog, blobs: any BlobStore, log: any ReadableLog,
    bury: @escaping @Sendable (Identifier) throws(VaultError) -> Void
  ) {
    self.bury = bury
    self.catalog = catalog
    self.blobs = blobs
    self.log = log
  }

  /// Checks that the catalog is of this log and not behind it, and moves its position on.
  ///
  /// - Throws: ``VaultError/Code/behindLog`` if the log says that something was stored, given or revoked which the catalog
  ///   lacks: it was brought back from an older copy, and serving would lose calls or revive a token.
  ///   ``VaultError/Code/tampered`` if the catalog was written under another log, or under a longer one.
  public func compare() async throws(VaultError) {
    var start: Int64 = 0
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
      start = position.index + 1
    }
    var last: LogPosition?
    try await scan(from: start, actions: Self.bound) { logged throws(VaultError) in
      let entry = logged.entry
      guard entry.outcome == .success || entry.phase == .single && entry.outcome == nil else {
        return
      }
      // A plan that is lost is made again.
      for row in Self.rows(of: entry) where row.kind != .plan {
        if row.kind == .purge, try await self.replay(row, entry, logged.bytes) { continue }
        guard try await self.catalog.contains(row) else {
          throw VaultError(
            .behindLog, during: "comparing catalog and log",
            detail: "entry \(entry.index) is about a \(row.kind.rawValue) that the catalog lacks")
        }
      }
      if entry.action == .incidentOpened,
        let incident = entry.objects.dropFirst(entry.subjects.count).first,
        try await self.catalog.incident(incident) == nil
      {
        throw VaultError(
          .behindLog, during: "comparing catalog and log",
          detail: "entry \(entry.index) put a call into quarantine that the catalog shows")
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
      if entry.action == .holdReleased, entry.outcome == .success, let hold = entry.objects.first {
        try await self.catalog.releaseHold(hold, at: entry.time, position: position)
      }
      last = position
    }
    if let last { try await catalog.advance(to: last) }
  }

  /// Makes pending rows live whose entry is durable, and drops the others.
  ///
  /// - Returns: how many of each.
  public func settlePending() async throws(VaultError) -> (completed: Int, dropped: Int) {
    var settled = (completed: 0, dropped: 0)
    while true {
      let pending = try await catalog.pendingRows(limit: 1000)
      guard let start = pending.map(\.since).min() else { return settled }
      var positions: [RowReference: LogPosition] = [:]
      let wanted = Set(pending.map(\.row))
      try await scan(from: start, actions: Self.bound) { logged throws(VaultError) in
        guard logged.entry.outcome == .success else { return }
        let rows = Self.rows(of: logged.entry) + Self.ends(of: logged.entry)
        for row in rows where wanted.contains(row) {
          positions[row] = LogPosition(
            index: logged.entry.index, leafHash: MerkleTree.leafHash(logged.bytes))
        }
      }
      for row in pending {
        if let position = positions[row.row] {
          if row.row.kind == .purge {
            try await completePurge(of: row.row.id, at: position)
          } else {
            try await catalog.confirm(row.row, at: position)
          }
          settled.completed += 1
        } else {
          let staged =
            row.row.kind == .excision ? try await catalog.stagedBlobs(of: row.row.id) : []
          try await catalog.dropPending(row.row)
          for blob in staged + [row.blob].compactMap(\.self) { try await blobs.remove(blob) }
          settled.dropped += 1
        }
      }
    }
  }

  /// Purges what the log says was purged, in a catalog that was brought back from before it.
  ///
  /// - Returns: whether the catalog knows of the purge now.
  private func replay(
    _ row: RowReference, _ entry: Entry, _ bytes: [UInt8]
  ) async throws(VaultError) -> Bool {
    guard try await !catalog.contains(row), try await catalog.call(row.id) != nil else {
      return false
    }
    try await catalog.insert(
      [NewPurge(call: row.id, plan: entry.run)], at: entry.time, since: entry.index)
    try await completePurge(
      of: row.id,
      at: LogPosition(index: entry.index, leafHash: MerkleTree.leafHash(bytes)))
    return true
  }

  /// Goes on with a purge whose entry is durable.
  private func completePurge(
    of call: Identifier, at position: LogPosition
  ) async throws(VaultError) {
    if let row = try await catalog.call(call) { try bury(row.keyID) }
    let objects = try await catalog.blobs(of: call)
    try await catalog.confirm(RowReference(.purge, call), at: position)
    for object in objects { try await blobs.remove(object) }
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
      .recordingPurged, .recordingExcised, .consentRecorded, .consentRevoked, .incidentOpened,
      .holdSet, .holdReleased, .retentionPlanned,
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
    case .consentRecorded, .consentRevoked: stored.map { RowReference(.consent, $0) }
    case .recordingExcised: stored.map { RowReference(.excision, $0) }
    case .subjectCreated: entry.objects.prefix(1).map { RowReference(.patient, $0) }
    case .subjectLinked: entry.objects.dropFirst().prefix(1).map { RowReference(.link, $0) }
    case .personCreated: entry.objects.prefix(1).map { RowReference(.identity, $0) }
    case .authTokenCreated: entry.objects.prefix(1).map { RowReference(.token, $0) }
    case .recordingPurged: entry.objects.prefix(1).map { RowReference(.purge, $0) }
    case .holdSet: entry.objects.prefix(1).map { RowReference(.hold, $0) }
    case .retentionPlanned: entry.objects.prefix(1).map { RowReference(.plan, $0) }
    default: []
    }
  }

  /// What an entry's success ends, where that is pending.
  ///
  /// A catalog that was brought back from before has no such row: ``compare()`` ends what it has.
  private static func ends(of entry: Entry) -> [RowReference] {
    switch entry.action {
    case .subjectUnlinked: entry.objects.dropFirst().prefix(1).map { RowReference(.unlinking, $0) }
    case .holdReleased: entry.objects.prefix(1).map { RowReference(.release, $0) }
    default: []
    }
  }
}
