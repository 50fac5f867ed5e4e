import Cryptography
import Encoding
public import Threading

extension AuditLog {
  /// Opens the log, or begins it with its genesis entry.
  ///
  /// What no signed head covers is cut, and counted in the entry that says that the log was opened;
  /// subjects are counted on from what the ledger holds.
  ///
  /// - Parameters:
  ///   - configuration: its origin is the signer's name.
  ///   - store: nobody else writes to it.
  ///   - signer: the stable log key.
  ///   - openings: seals what commitments stand for.
  ///   - subjects: the catalog's counts.
  ///   - clock: gives each entry its time.
  ///   - epochKeys: the keys that sign beside the log's; nil for a log without a root key.
  ///   - anchors: heads of this log that are kept outside it, compared before anything is written.
  ///   - continuation: what a new log says of the one that it goes on for; nothing is done with it in a
  ///     log that has entries.
  /// - Returns: the log, which commits from now on; ``run()`` publishes it.
  /// - Throws: ``AuditError/Code/damaged`` or ``AuditError/Code/notAuthentic`` if what is stored is
  ///   not what was written, ``AuditError/Code/inconsistent`` if the ledger counts to a place that
  ///   this log does not have, ``AuditError/Code/behindAnchor`` or ``AuditError/Code/forked`` if an
  ///   anchor contradicts it, ``AuditError/Code/unavailable`` if it cannot be read or written.
  public static func open(
    _ configuration: LogConfiguration, store: any LogStore, signer: consuming NoteSigner,
    openings: any OpeningSealer, subjects: any SubjectLedger, clock: any WallClock,
    epochs epochKeys: (any EpochKeys)? = nil,
    anchors: [VerifiedCheckpoint] = [], continuing continuation: LogContinuation? = nil
  ) async throws(AuditError) -> AuditLog {
    guard signer.verifierKey.name == configuration.origin else {
      throw AuditError(.invalidDraft, during: "opening a log under another name than its key's")
    }
    let recovery = try await LogRecovery(from: store, key: signer.verifierKey)
    try await recovery.compare(with: anchors, in: store)
    let history = LogHistory(recovery, store: store)
    let minimum = try await minimum(in: store, key: signer.verifierKey)
    let intents = try await history.openIntents(from: minimum?.index ?? 0)
    let counts = try await history.counts(since: subjects)
    let last = try await history.last()
    if let last { clock.hasPassed(last.time.milliseconds) }

    let keyring = try await store.reading { store in try await store.published(Keyring.path) }
    var epochs = EpochSuccession(keyring: nil, live: nil)
    if let epochKeys {
      epochs = try await EpochSuccession(
        published: keyring, journal: recovery.epochs, lastNote: recovery.publishedNote,
        logKey: signer.verifierKey, keys: epochKeys)
      if epochs.live == nil {
        try await prepareEpoch(
          &epochs, keys: epochKeys, origin: configuration.origin, at: clock.read().milliseconds)
      }
    }
    let head = SignedHead(
      size: recovery.size,
      note: try sign(
        recovery.sequencer, with: signer, and: epochs.signers(introducing: false),
        origin: configuration.origin),
      last: recovery.sequencer.last)
    do {
      // Last of all: where anything is damaged, nothing is changed.
      if let newest = recovery.newestPiece {
        // A tail is cut; and what a head covers may be in the kernel's memory alone: after a sync that
        // failed it gives out pages that no later sync writes, and a killed program has not synced at all.
        try await store.renewJournal(beginningAt: newest.first, with: newest.bytes)
      }
      // A piece that a crash ended is never appended to.
      try await store.beginJournal(
        at: head.size, with: head.size > 0 ? head.frame : [], reserving: configuration.pieceLength)
    } catch let error as AuditError {
      throw error
    } catch {
      throw AuditError(.unavailable, during: "making the journal ready", cause: error)
    }
    let log = AuditLog(
      configuration, store: store, signer: signer, sealer: openings, ledger: subjects,
      clock: clock, epochKeys: epochKeys, epochs: epochs, recovery: recovery, head: head,
      intents: intents, counts: counts,
      minimum: minimum, unfinished: try intents.list(), continuation: continuation)
    try await log.begin(after: recovery.cut, cleanStop: last?.action == .logStop)
    return log
  }

  static func minimum(
    in store: any PublishedLogFiles, key: VerifierKey
  ) async throws(AuditError) -> MinimumIndex? {
    let bytes = try await store.reading { store in try await store.published(MinimumIndex.path) }
    return try bytes.map { bytes throws(AuditError) in try MinimumIndex(parsing: bytes, key: key) }
  }

  /// Records the genesis of a new log, and the start.
  func begin(
    after cut: LogRecovery.CutTail?, cleanStop: Bool
  ) async throws(AuditError) {
    if head.size == 0 {
      if epochs.next == nil {
        _ = try await append(genesis)
      } else {
        // It introduces the first epoch.
        try await settle()
      }
    }
    var start = EntryDraft(.logStart, .single, by: system, on: [configuration.tenant])
    if let cut {
      start.flags.insert(.tailCut)
      start.digest = cut.digest
      start.length = Int64(cut.length)
      if let first = cut.entries.first, let last = cut.entries.last {
        start.count = Int64(cut.entries.count)
        start.first = first.time
        start.last = last.time
      }
    }
    // Counted refusals live in memory for a second, those of a flood for its window: without a stop some may
    // be missing.
    if head.size > 1, !cleanStop { start.flags.insert(.uncleanStop) }
    _ = try await append(start)
    // What it fails for keeps no log from its work; it is tried again while the log runs.
    await attempt(.epochs) { try await self.takeUpCertification() }
  }

  var genesis: EntryDraft {
    var genesis = EntryDraft(.logGenesis, .single, by: system, on: [configuration.tenant])
    genesis.commits = [
      .origin: Array(configuration.origin.utf8), .key: Array(verifierKey.description.utf8),
    ]
    continuation?.fill(&genesis)
    return genesis
  }
}
