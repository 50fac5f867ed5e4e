public import Audit
import Cryptography
public import Durable
import Encoding
public import Threading
public import Vault

/// Begins a new log where an anchor knows that the old one was cut or contradicted, and what it knows
/// cannot be brought back.
///
/// Specified in `Documentation/formats/recovery.md`. The new log is made whole beside the old one;
/// then one file decides, and ``LogSwitch`` does the rest. A crash before that leaves the old log, as
/// refused as before; after it, the new one.
public struct RecoveryCeremony: Sendable {
  private let layout: StorageLayout
  private let configuration: LogConfiguration
  private let ring: KeyRing
  private let catalog: SQLiteCatalog
  private let blobs: any BlobStore
  private let clock: any WallClock
  private let fileSystem: any FileSystem

  /// - Parameters:
  ///   - layout: of a data directory that this process owns; nothing of the log is open.
  ///   - configuration: of the log that goes no further.
  ///   - ring: unsealed; the log's key stays, under a new name.
  ///   - catalog: of one instant with the log.
  ///   - blobs: likewise.
  ///   - clock: says when; the new log is named by it.
  ///   - fileSystem: where the calls go.
  public init(
    _ layout: StorageLayout, _ configuration: LogConfiguration, ring: KeyRing,
    catalog: SQLiteCatalog, blobs: any BlobStore, clock: any WallClock,
    on fileSystem: any FileSystem = LinuxFileSystem()
  ) {
    self.layout = layout
    self.configuration = configuration
    self.ring = ring
    self.catalog = catalog
    self.blobs = blobs
    self.clock = clock
    self.fileSystem = fileSystem
  }

  /// What came of it.
  public struct Outcome: Sendable {
    public let note: RecoveryNote
    public let carried: CarryOver.Result
    /// The old log is in `earlier/<number>`.
    public let number: Int64
  }

  /// Holds the ceremony.
  ///
  /// - Parameters:
  ///   - reason: why, at most ``Commitment/maximumValueLength`` bytes; the log only commits to it.
  ///   - user: the local user who holds it.
  ///   - rootFile: the file of the log's root key.
  ///   - anchors: heads of the old log that are kept outside it.
  ///   - endsTokens: whether every token ends: nobody knows which were revoked in what is lost.
  /// - Returns: what was lost and what was carried over.
  /// - Throws: ``VaultError/Code/conflict`` if no anchor contradicts the log, or the root key is not
  ///   the one it is under; ``VaultError/Code/behindLog`` or ``VaultError/Code/tampered`` if catalog and
  ///   log are not of one instant; what reading and writing throw.
  public func hold(
    because reason: String, by user: UInt32, rootFile: String, anchors: [VerifiedCheckpoint],
    endsTokens: Bool
  ) async throws -> Outcome {
    let oldSigner = try signer(configuration.origin)
    let oldRoot = try LogRootFile.signer(in: rootFile, for: configuration.origin)
    try await check(oldRoot.verifierKey)
    let old = try await StoppedLog(
      FileLogStore(layout, on: fileSystem), key: oldSigner.verifierKey)
    guard let anchored = try await old.contradiction(among: anchors) else {
      throw VaultError(
        .conflict, during: "looking for what was lost",
        detail: "no anchor knows of anything that this log lacks: it can be started as it is")
    }
    try await settle(with: old)
    try await old.publish()

    let time = Timestamp(milliseconds: clock.read().milliseconds)
    let name = LogName(
      origin: LogOrigin.restarted(from: configuration.origin, at: time),
      earlier: (try LogName.read(layout, on: fileSystem)?.earlier ?? 0) + 1,
      tokensEnded: endsTokens ? time : nil)
    let newSigner = try signer(name.origin)
    let newRoot = try LogRootFile.signer(in: rootFile, for: name.origin)
    guard
      let note = RecoveryNote(
        log: newSigner.verifierKey, root: newRoot.verifierKey, old: oldSigner.verifierKey,
        anchored: anchored.checkpoint, kept: old.head)
    else {
      throw VaultError(
        .conflict, during: "naming a new log", detail: "the last log began this second: try again")
    }
    let staged = layout.recovery
    try stage(
      note.signed(by: oldRoot, and: newSigner).encoded, root: newRoot.verifierKey,
      anchored: anchored.note.encoded)
    let carried = try await begin(
      name.origin, signer: newSigner, root: newRoot, note: note, old: old, reason: reason,
      person: try await person(user, at: time), endsTokens: endsTokens)
    try AtomicFile.write(name.encoded, to: staged.logName, on: fileSystem)
    // From here on the new log is the log, whatever happens.
    try AtomicFile.write(name.encoded, to: layout.logName, on: fileSystem)
    try await LogSwitch.finish(layout, catalog: catalog, on: fileSystem)
    return Outcome(note: note, carried: carried, number: name.earlier)
  }

  private func signer(_ origin: String) throws -> NoteSigner {
    try NoteSigner(name: origin, seed: ring.logSigningSeed())
  }

  private func check(_ root: VerifierKey) async throws {
    guard let known = try await FileEpochKeys(layout, ring: ring, on: fileSystem).rootKey() else {
      throw VaultError(
        .conflict, during: "looking for the log's root key",
        detail: "this vault has no root key: make one with keys root first")
    }
    guard known == root else {
      throw VaultError(
        .conflict, during: "looking for the log's root key",
        detail: "the file holds another root key than the one that this log is under")
    }
  }

  /// Brings the catalog in line with the old log for the last time.
  private func settle(with old: StoppedLog) async throws {
    let now = Timestamp(milliseconds: clock.read().milliseconds)
    let settlement = CatalogSettlement(catalog: catalog, blobs: blobs, log: old) {
      [ring] (key) throws(VaultError) in try ring.bury([key], at: now, everywhere: false)
    }
    try await settlement.compare()
    _ = try await settlement.settlePending()
    let counts = try await old.counts(since: catalog)
    try await catalog.storeCounts(counts, through: old.last)
  }

  /// Whoever holds the ceremony, made known where no entry ever named them.
  private func person(_ user: UInt32, at time: Timestamp) async throws -> IdentityRow {
    if let row = try await catalog.identity(.localUser, named: String(user)) { return row }
    let row = IdentityRow(
      id: .random(), kind: .localUser, name: String(user), created: time)
    // Its entry is the new log's, from the first on; if that is never the log, the row goes.
    try await catalog.insert(row, since: 0)
    return row
  }

  /// Makes the folder of the new log, without what an interrupted ceremony left there.
  private func stage(_ note: [UInt8], root: VerifierKey, anchored: [UInt8]) throws {
    let staged = layout.recovery
    try Directory.removeTree(staged.root, on: fileSystem)
    try Directory.make(staged.keys, below: layout.root, on: fileSystem)
    try Directory.make(staged.log, below: staged.root, mode: .publicDirectory, on: fileSystem)
    try AtomicFile.write(Array("\(root)\n".utf8), to: staged.logRoot, on: fileSystem)
    try AtomicFile.write(anchored, to: staged.anchored, on: fileSystem)
    try AtomicFile.write(
      note, to: staged.log + "/" + RecoveryNote.path, mode: .publicFile, on: fileSystem)
  }

  /// Begins the new log, writes what it must say first, lets the root vouch for it, and closes it.
  private func begin(
    _ origin: String, signer: consuming NoteSigner, root: borrowing NoteSigner, note: RecoveryNote,
    old: StoppedLog, reason: String, person: IdentityRow, endsTokens: Bool
  ) async throws -> CarryOver.Result {
    let staged = layout.recovery
    var configuration = configuration
    configuration.origin = origin
    let log = try await AuditLog.open(
      configuration, store: FileLogStore(staged, on: fileSystem), signer: signer, openings: ring,
      subjects: StagedCounts(), clock: clock,
      epochs: FileEpochKeys(staged, ring: ring, on: fileSystem),
      continuing: LogContinuation(
        evidence: SHA256.hash(note.text), reason: reason, person: person.id))
    let carried = try await CarryOver(catalog: catalog, keys: ring, log: log, person: person)
      .carry(openIntents: old.openIntents, endsTokens: endsTokens)
    try await log.publish()
    _ = try LogRootFile.certify(with: root, staged, on: fileSystem)
    try await log.takeUpCertification()
    let running = Task { await log.run() }
    running.cancel()
    await running.value
    if let failure = await log.status.upkeepFailures[.stop] { throw failure }
    return carried
  }
}

/// Counts of a log that no catalog counts yet: its first start counts it from the first entry.
private actor StagedCounts: SubjectLedger {
  private var counts: [Identifier: Int64] = [:]

  func countedPosition() -> LogPosition? { nil }

  func countedEntries(of subjects: [Identifier]) -> [Identifier: Int64] { counts }

  func storeCounts(_ counts: [SubjectCount], through position: LogPosition) {
    for count in counts { self.counts[count.subject] = count.entries }
  }
}
