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
    /// Keys that a catalog older than a ratchet was given anew.
    public var rekeyed = 0
    /// Purged calls that came back with an older catalog: gone again.
    public var removedAgain = 0
  }

  /// Brings the catalog and the log together after a stop of any kind, before anything is served.
  ///
  /// - Throws: ``VaultError/Code/behindLog`` if the log says that something was stored, given or revoked which the catalog
  ///   lacks: it was brought back from an older copy, and serving would lose calls or revive a token.
  ///   ``VaultError/Code/tampered`` if the catalog was written under another log, or under a longer one.
  func reconcile() async throws(VaultError) -> Reconciliation {
    var result = Reconciliation()
    try await checkRing()
    let settlement = CatalogSettlement(catalog: catalog, blobs: blobs, log: log) {
      [keys, now] (key) throws(VaultError) in try keys.bury([key], at: now, everywhere: false)
    }
    try await settlement.compare()
    (result.completed, result.dropped) = try await settlement.settlePending()
    try await restoreKeys(&result)
    try await announceIncidents()
    try await finishExcisions()
    // What is wrong with places is in the health, and does not stop a start.
    try keys.settle()
    try await closeIntents(&result)
    _ = try await finishRatchet(by: systemActor, closing: nil)
    return result
  }

  /// Closes each intent that has no outcome with a recovery entry.
  private func closeIntents(_ result: inout Reconciliation) async throws(VaultError) {
    for intent in log.unfinishedIntents {
      let entry = intent.entry
      let outcome = Self.outcome(interrupting: entry.action)
      if outcome == .presumed, entry.action != .logPrune, entry.action != .keyDestroy,
        entry.action != .keyRotate, entry.action != .retentionRun
      {
        result.presumedDisclosed += 1
        counters.count(.presumedDisclosed)
      } else {
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

  /// What is taken to have become of an attempt that nobody could account for any more.
  static func outcome(interrupting action: Action) -> OutcomeCode {
    switch action {
    case .recordingOpened, .recordingExported, .transcriptOpened, .noteOpened, .consentOpened,
      .callOpened, .search:
      .presumed
    // What was to go may be gone; what is left of it goes by itself, or the next time.
    case .logPrune, .keyDestroy, .keyRotate, .retentionRun: .presumed
    default: .failed
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
