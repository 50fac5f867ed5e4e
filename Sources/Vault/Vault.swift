public import Audit
import Cryptography
public import Encoding
public import Retention
public import Threading

/// Recordings, transcripts and notes of calls: sealed, accounted for, and opened only against a receipt.
///
/// Every function is one attempt and leaves exactly one account of itself in the log before it
/// answers: an entry, or an intent and its outcome, also when it is refused. What a caller may not
/// know of is ``VaultError/Code/notFound``, the same as what does not exist.
///
/// All functions throw ``VaultError``: ``VaultError/Code/unavailable`` when the log or storage
/// cannot commit (nothing is released then), ``VaultError/Code/sealed`` without a root key in memory,
/// ``VaultError/Code/denied`` and ``VaultError/Code/invalid`` with a detail that may go to the client.
public final class Vault: Sendable {
  public let configuration: VaultConfiguration
  public let policy: AccessPolicy
  public let retention: RetentionSchedule
  /// Whose consent a recording needs; nil: nothing is asked for.
  public let consent: ConsentPolicy?
  public let counters = VaultCounters()
  /// What this start found and put right.
  public let reconciliation: Reconciliation

  /// Recordings on their way in and out.
  public let streams = StreamShare()

  let catalog: any Catalog
  let blobs: any BlobStore
  let log: AuditLog
  let keys: KeyRing
  let inspector: any AudioInspector
  let clock: any WallClock
  let transcripts: TranscriptReader
  let gates = Gates()
  let sessions = Lock(Sessions())
  let knownTokens = Lock(KnownTokens())
  let unsettled = Lock<[RowReference: LogPosition?]>([:])
  let keyStorage: KeyStorage
  let keyWork = Lock(KeyWork())
  let upkeepFailures = Lock<[VaultUpkeep: any Error]>([:])
  let maintenanceSettings = Lock(MaintenanceSettings())
  let isScrubbing = Lock(false)
  let retentionWork = Lock(RetentionWork())
  let earlierLogs = Lock(EarlierLogs())

  /// Opens a vault over its parts, and settles what a crash left, before anything is served.
  ///
  /// Afterwards run ``run()`` for as long as it serves.
  ///
  /// - Parameters:
  ///   - configuration: the practice and its bounds.
  ///   - policy: who may do what. A change since the last start is an entry.
  ///   - retention: how long things are kept. A change since the last start is an entry.
  ///   - consent: whose consent a recording needs. A change since the last start is an entry.
  ///   - catalog: bound to `log` for ever by the first entry.
  ///   - blobs: holds ciphertext.
  ///   - log: open, of the same tenant.
  ///   - keys: unsealed.
  ///   - inspector: looks at sound without keys.
  ///   - clock: says what its time is worth.
  ///   - keyStorage: where else keys lie, and what must not be destroyed.
  /// - Returns: the vault, settled.
  /// - Throws: ``VaultError/Code/behindLog`` or ``VaultError/Code/tampered`` when catalog and log do not belong together.
  public static func open(
    _ configuration: VaultConfiguration, policy: AccessPolicy, retention: RetentionSchedule,
    consent: ConsentPolicy? = nil, catalog: any Catalog, blobs: any BlobStore, log: AuditLog,
    keys: KeyRing,
    inspector: any AudioInspector, clock: any WallClock, keyStorage: KeyStorage = KeyStorage()
  ) async throws(VaultError) -> Vault {
    let transcripts: TranscriptReader
    do {
      transcripts = try TranscriptReader()
    } catch {
      throw VaultError(.unavailable, during: "starting the reader of transcripts", cause: error)
    }
    let bare = Vault(
      configuration, policy, retention, consent, catalog, blobs, log, keys, inspector, clock,
      keyStorage, transcripts,
      Reconciliation())
    try await bare.bindTenant()
    let found = try await bare.reconcile()
    let vault = Vault(
      configuration, policy, retention, consent, catalog, blobs, log, keys, inspector, clock,
      keyStorage, transcripts,
      found)
    vault.counters.count(.presumedDisclosed, by: Int64(found.presumedDisclosed))
    try await vault.announce(policy.hash, as: .accessPolicy)
    try await vault.announce(retention.hash, as: .retentionSchedule)
    if let consent { try await vault.announce(consent.hash, as: .consentPolicy) }
    try await vault.adoptPolicy()
    try await vault.watchBackups()
    return vault
  }

  private init(
    _ configuration: VaultConfiguration, _ policy: AccessPolicy, _ retention: RetentionSchedule,
    _ consent: ConsentPolicy?, _ catalog: any Catalog, _ blobs: any BlobStore, _ log: AuditLog,
    _ keys: KeyRing,
    _ inspector: any AudioInspector, _ clock: any WallClock, _ keyStorage: KeyStorage,
    _ transcripts: TranscriptReader, _ reconciliation: Reconciliation
  ) {
    self.configuration = configuration
    self.policy = policy
    self.retention = retention
    self.consent = consent
    self.catalog = catalog
    self.blobs = blobs
    self.log = log
    self.keys = keys
    self.inspector = inspector
    self.clock = clock
    self.keyStorage = keyStorage
    self.transcripts = transcripts
    self.reconciliation = reconciliation
  }

  /// Entries after which the catalog's position is noted before its minute is over.
  ///
  /// A start looks at every entry beyond the position: this bounds how many a busy minute leaves it.
  private static let unnotedLimit: Int64 = 16_384

  /// Sweeps orphans each hour, goes on with what is to be done with keys, and notes each minute how far the catalog has come, until the task is cancelled.
  ///
  /// An orphan does no harm, and an old position costs the next start a longer look: what fails is in
  /// ``health()`` until a later round succeeds.
  public func run() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        await self.repeatedly(every: .seconds(3600)) {
          await self.attempt(.orphans) { () throws(VaultError) in _ = try await self.sweepOrphans()
          }
        }
      }
      group.addTask {
        await self.repeatedly(every: .seconds(5)) {
          await self.attempt(.scrub) { () throws(VaultError) in try await self.scrubIfDue() }
        }
      }
      group.addTask {
        await self.repeatedly(every: .seconds(1)) {
          await self.attempt(.keys) { () throws(VaultError) in try await self.keepKeys() }
        }
      }
      group.addTask {
        await self.repeatedly(every: .seconds(1)) {
          await self.attempt(.retention) { () throws(VaultError) in try await self.keepRetention() }
        }
      }
      group.addTask { await self.watchKeyPlaces() }
      if let interval = keyStorage.ratchetInterval {
        group.addTask {
          await self.repeatedly(every: .seconds(60)) {
            await self.attempt(.keys) { () throws(VaultError) in
              _ = try await self.startRatchet(every: interval)
            }
          }
        }
      }
      group.addTask {
        var second = 0
        var noted: Int64 = 0
        await self.repeatedly(every: .seconds(1)) {
          let size = await self.logSize
          if second.isMultiple(of: 60) || size - noted >= Self.unnotedLimit {
            await self.attempt(.position) { () throws(VaultError) in try await self.noteProgress() }
            noted = size
          }
          second += 1
        }
      }
    }
  }

  /// Looks each minute at the places of keys, on a thread of its own: a volume may hang.
  private func watchKeyPlaces() async {
    do {
      let executor = try BlockingExecutor(label: "key-places")
      await withTaskExecutorPreference(executor) {
        await repeatedly(every: .seconds(60)) {
          await attempt(.keyPlaces) { () throws(VaultError) in try lookAtKeyPlaces() }
        }
      }
    } catch {
      upkeepFailures.withLock { [error] in $0[.keyPlaces] = error }
    }
  }

  /// Fails with the first place that is not as it must be; sealed, there is nothing to compare with.
  func lookAtKeyPlaces() throws(VaultError) {
    guard !keys.isSealed, try !keys.lookAtPlaces(), let trouble = keys.troubles.first else {
      return
    }
    throw VaultError(
      .unavailable, during: "looking at the places of keys",
      detail: "\(trouble.place): \(trouble.error.detail ?? "\(trouble.error)")",
      cause: trouble.error)
  }

  private func repeatedly(every interval: Duration, _ step: () async -> Void) async {
    while !Task.isCancelled {
      await step()
      do {
        try await Task.sleep(for: interval)
      } catch {
        return
      }
    }
  }

  /// Tries once, and keeps what came of it.
  private func attempt(
    _ upkeep: VaultUpkeep, _ step: () async throws(VaultError) -> Void
  ) async {
    var failure: VaultError?
    do throws(VaultError) {
      try await step()
    } catch {
      failure = error
    }
    upkeepFailures.withLock { [failure] in $0[upkeep] = failure }
  }

  /// Moves the catalog's position to the log's head, so that a start after many reads need not look at each.
  ///
  /// Rows are written before their entries, and what narrows before its own: every entry that is durable now finds its
  /// row in the catalog as it is now.
  func noteProgress() async throws(VaultError) {
    let last = await logSize - 1
    guard last >= 0, try await catalog.appliedPosition()?.index != last else { return }
    let leaf: SHA256Digest
    do {
      leaf = try await log.leafHash(at: last)
    } catch {
      throw VaultError(.unavailable, during: "reading the log", cause: error)
    }
    try await catalog.advance(to: LogPosition(index: last, leafHash: leaf))
  }

  /// The machine's time.
  var now: Timestamp { Timestamp(milliseconds: clock.read().milliseconds) }

  /// Entries that are durable.
  var logSize: Int64 {
    get async { await log.durableHead.size }
  }

  /// Who acts when the program does something by itself.
  var systemActor: Actor { log.system }

  /// Lets go of a receipt whose entry is all there was to do.
  func discard(_ receipt: consuming Receipt) {}

  /// Refuses a catalog of another practice; a new one becomes this practice's.
  private func bindTenant() async throws(VaultError) {
    let tenant = configuration.tenant.bytes
    if let bound = try await catalog.fact(.tenant) {
      guard bound == tenant, log.configuration.tenant == configuration.tenant else {
        throw VaultError(
          .tampered, during: "opening a vault", detail: "the catalog belongs to another practice")
      }
    } else {
      try await catalog.setFact(.tenant, to: tenant, at: nil)
    }
  }

  /// Records that another policy decides from now on.
  private func announce(
    _ hash: SHA256Digest, as fact: CatalogFact
  ) async throws(VaultError) {
    guard try await catalog.fact(fact) != hash.bytes else { return }
    var draft = EntryDraft(.policyChanged, .single, by: systemActor)
    draft.outcome = .success
    draft.policy = hash
    draft.commits[.file] = Array(fact.rawValue.utf8) + hash.bytes
    let position = try await record(draft).position
    try await catalog.setFact(fact, to: hash.bytes, at: position)
  }
}

/// What a vault is told at start.
public struct VaultConfiguration: Sendable {
  /// The practice, made at `init`.
  public var tenant: Identifier
  /// Where numbers are dialled when a call names no location that is configured.
  public var country: PhoneNumber.Country?
  public var locations: [String: Location]
  /// Where calls are taken that name no location with a state; nil: unknown, so the strictest rule.
  public var state: USState?
  /// The user id of whoever ran `init`: the administrator by peer credentials.
  public var administrator: UInt32?
  /// The largest recording taken, in bytes as sent.
  public var recordingLimit: Int64

  public init(
    tenant: Identifier, country: PhoneNumber.Country? = PhoneNumber.Country(code: "US"),
    locations: [String: Location] = [:], administrator: UInt32? = nil,
    recordingLimit: Int64 = 4 << 30
  ) {
    self.tenant = tenant
    self.country = country
    self.locations = locations
    self.administrator = administrator
    self.recordingLimit = recordingLimit
  }
}

/// Where keys lie beside the ring and the catalog, and what must not be destroyed with them.
public struct KeyStorage: Sendable {
  /// Who else keeps wrapped keys.
  public var holders: [any WrappedKeyHolder]
  /// Where the key table lies; with none, a catalog that is older than a ratchet cannot be restored.
  public var tables: [any KeyTableStore]
  public var holds: any DestructionHolds
  /// How often a ratchet begins by itself; nil: never.
  public var ratchetInterval: Duration?

  public init(
    holders: [any WrappedKeyHolder] = [], tables: [any KeyTableStore] = [],
    holds: any DestructionHolds = NoHolds(), ratchetInterval: Duration? = nil
  ) {
    self.holders = holders
    self.tables = tables
    self.holds = holds
    self.ratchetInterval = ratchetInterval
  }
}
