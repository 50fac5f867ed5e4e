import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import HTTP
import Host
import Retention
import Service
import Threading
import Vault
import YAML

/// A data directory that this process owns, unsealed, with its log, catalog and objects open.
///
/// The one place where drivers are chosen.
final class OpenedVault: Sendable {
  let layout: StorageLayout
  let settings: Settings
  let vault: Vault
  let ring: KeyRing
  let log: AuditLog
  /// Where backups lie and drills take place.
  let places: LocalPlaces
  /// Gives the log's heads to the anchors of the settings; nil without any.
  let anchoring: Anchoring?
  /// Anchors that were out of reach when the log was compared with them.
  let anchorAlarms: [(anchor: String, cause: String)]
  // Held for as long as anything here may write.
  private let lock: OwnedLock

  /// Opens everything in the order that a crash needs: lock, keys, catalog, log, vault.
  ///
  /// - Parameters:
  ///   - root: the data directory.
  ///   - lock: taken before.
  ///   - settings: read before.
  ///   - ring: open.
  /// - Throws: ``CommandFailure`` with the exit code and the sentence for what stands in the way.
  init(
    root: String, lock: OwnedLock, settings: Settings, ring: KeyRing
  ) async throws {
    let layout = StorageLayout(root: root)
    let files = LinuxFileSystem()
    let clock = SystemClock()
    let catalog = try SQLiteCatalog(layout.catalog)
    try await LogSwitch.finish(layout, catalog: catalog, on: files)
    let signer = try NoteSigner(name: settings.origin, seed: ring.logSigningSeed())
    let anchors = try settings.anchors.map { try OutsideAnchors(layout, $0, clock: clock) }
    let found = await anchors?.found(of: signer.verifierKey) ?? OutsideAnchors.Found()
    let epochKeys = try FileEpochKeys(layout, ring: ring, on: files)
    let log = try await AuditLog.open(
      try settings.logConfiguration(), store: FileLogStore(layout, on: files), signer: signer,
      openings: ring, subjects: catalog, clock: clock,
      epochs: epochKeys, anchors: found.heads)
    let access = layout.policies + "/access.yaml"
    let accessBytes = try AtomicFile.read(access, limit: 1 << 20, on: files)
    let retention = layout.policies + "/retention.yaml"
    let retentionBytes = try AtomicFile.read(retention, limit: 1 << 20, on: files)
    let consent = try Self.consent(layout, on: files)
    let vault = try await Vault.open(
      try settings.vaultConfiguration(),
      policy: AccessPolicy(parsing: accessBytes, file: access),
      retention: RetentionSchedule(parsing: retentionBytes, file: retention),
      consent: consent?.policy, catalog: catalog, blobs: FileBlobStore(root: layout.objects),
      log: log, keys: ring,
      inspector: ProbedAudio(), clock: clock,
      keyStorage: settings.keyPlaces.storage(layout, holders: [epochKeys]))
    try await vault.keepPolicies(
      [accessBytes, retentionBytes] + (consent.map { [$0.bytes] } ?? []))
    vault.keep(try Self.earlierLogs(layout, ring: ring, on: files))
    try await Self.putRestoreOnRecord(layout, vault, on: files)
    let backup = settings.backup
    vault.keep(
      MaintenanceSettings(
        secondCopy: try backup.folder.map { try FileBlobStore.ofBackup($0, on: files) },
        backupLimit: backup.limit,
        scrubInterval: backup.scrubDays.map { .seconds($0 * 86_400) }))
    places = try LocalPlaces(layout: layout, settings: settings, catalog: catalog)
    self.layout = layout
    self.settings = settings
    self.lock = lock
    self.log = log
    self.ring = ring
    self.vault = vault
    let anchoring = try anchors?.anchoring(of: log)
    self.anchoring = anchoring
    anchorAlarms = found.alarms
    var times: AnchorTimes?
    if let anchors, let anchoring {
      times = AnchorTimes(anchors: anchors, anchoring: anchoring, log: log, clock: clock)
    }
    vault.keep(
      RetentionPlaces(
        plans: try FilePlanStore(layout.plans, below: layout.root, on: files), times: times,
        copies: try settings.destructionPlaces(ring), software: "callvault \(CallVault.version)",
        sweepInterval: .seconds(86_400)))
  }

  /// Opens the data directory that the arguments name, while no service has it, and closes it whatever
  /// comes of `body`.
  ///
  /// Where the root key was shared out, its keepers are asked at the terminal.
  static func stopped<Result>(
    _ arguments: Arguments, _ terminal: Terminal, _ body: (OpenedVault) async throws -> Result
  ) async throws -> Result {
    let layout = StorageLayout(root: try dataDirectory(arguments))
    let lock = try OwnedLock(layout)
    return try await stopped(
      arguments, terminal, lock: lock, settings: try Settings.read(layout), body)
  }

  static func stopped<Result>(
    _ arguments: Arguments, _ terminal: Terminal, lock: OwnedLock, settings: Settings,
    _ body: (OpenedVault) async throws -> Result
  ) async throws -> Result {
    let layout = StorageLayout(root: try dataDirectory(arguments))
    let keeper = try RootKeeper(layout, settings, arguments)
    let opened = try await OpenedVault(
      root: layout.root, lock: lock, settings: settings,
      ring: UnsealingHere(layout, settings, keeper, terminal).ring())
    do {
      let result = try await body(opened)
      await opened.close()
      return result
    } catch {
      await opened.close()
      throw error
    }
  }

  /// Whose consent a recording needs; nil in a data directory from before there was such a policy.
  private static func consent(
    _ layout: StorageLayout, on files: LinuxFileSystem
  ) throws -> (policy: ConsentPolicy, bytes: [UInt8])? {
    let file = layout.policies + "/consent.yaml"
    guard try Directory.status(of: file, on: files) != nil else { return nil }
    let bytes = try AtomicFile.read(file, limit: 1 << 20, on: files)
    return (try ConsentPolicy(parsing: bytes, file: file), bytes)
  }

  /// What recoveries ended, for questions about the time before.
  private static func earlierLogs(
    _ layout: StorageLayout, ring: KeyRing, on files: LinuxFileSystem
  ) throws -> EarlierLogs {
    guard let count = try LogName.read(layout, on: files)?.earlier else { return EarlierLogs() }
    guard count <= 1000 else {
      throw CommandFailure(
        .damaged, "\(layout.logName) counts more recoveries than there ever were")
    }
    let logs = try (1...count).map { number in
      try PublishedDirectory(layout.earlier(number), on: files)
    }
    return EarlierLogs(logs, sealer: ring)
  }

  /// Records where a restored directory came from, before anything of it is served.
  private static func putRestoreOnRecord(
    _ layout: StorageLayout, _ vault: Vault, on files: LinuxFileSystem
  ) async throws {
    guard try Directory.status(of: layout.restored, on: files) != nil else { return }
    try await vault.announceRestore(
      of: try AtomicFile.read(layout.restored, limit: 1 << 16, on: files))
    try Directory.remove(layout.restored, on: files)
  }

  /// Ends the log as a stop that was meant, where nothing was served.
  func close() async {
    let running = Task { await log.run() }
    running.cancel()
    await running.value
  }
}

/// The right to a data directory, held by whoever holds this.
final class OwnedLock: Sendable {
  private let lock: DirectoryLock

  /// - Throws: ``CommandFailure`` with ``ExitCode/locked`` when another process has it.
  init(_ layout: StorageLayout) throws(CommandFailure) {
    do {
      lock = try DirectoryLock(layout.root, on: LinuxFileSystem())
    } catch {
      throw CommandFailure(
        error.code == .locked ? .locked : .usage,
        error.code == .locked
          ? "another process holds \(layout.root); stop it first"
          : "\(layout.root) is no data directory, or you may not write there: \(error)")
    }
  }
}

extension Settings {
  /// Reads the settings of a data directory.
  ///
  /// - Throws: ``CommandFailure`` when there are none, or with file, line and column what is wrong; of a
  ///   vault whose ceremony is not at its end, what is to be done.
  static func read(_ layout: StorageLayout) throws(CommandFailure) -> Settings {
    if let unfinished = try UnfinishedCeremony.read(layout) { throw unfinished.refusal(layout) }
    return try readUnproven(layout)
  }

  /// The same where shares still have to be proven.
  static func readUnproven(_ layout: StorageLayout) throws(CommandFailure) -> Settings {
    let bytes: [UInt8]
    do {
      bytes = try AtomicFile.read(layout.configuration, limit: 1 << 20, on: LinuxFileSystem())
    } catch {
      throw CommandFailure(
        error.code == .notFound ? .usage : .internal,
        error.code == .notFound
          ? missing(layout)
          : "\(layout.configuration) cannot be read: \(error)")
    }
    do {
      var settings = try Settings(
        parsing: bytes, file: layout.configuration, environment: environment)
      if let name = try LogName.read(layout) {
        guard name.origin.hasPrefix(settings.origin + "/") else {
          throw CommandFailure(
            .damaged, "\(layout.logName) names another log than \(layout.configuration)")
        }
        settings.origin = name.origin
      }
      return settings
    } catch let error as YAMLError {
      throw CommandFailure(.usage, "\(error)")
    } catch {
      throw CommandFailure(describing: error)
    }
  }

  /// Where copies of what is destroyed lie, or lay, and what destroying means there.
  func destructionPlaces(_ ring: KeyRing) throws(VaultError) -> [DestructionPlace] {
    let facts = try ring.facts()
    var places = [
      DestructionPlace(
        kind: "live", property: "rows overwritten in the catalog, objects unlinked"),
      DestructionPlace(
        kind: "key-ring", property: "custodian destroys as \(facts.custodian.destruction)",
        horizon: "until the next ratchet (T1)"),
    ]
    for _ in keyPlaces.copies {
      places.append(
        DestructionPlace(
          kind: "key-ring-copy", property: "replaced with the ring",
          horizon: "until the next ratchet (T1)"))
    }
    for _ in keyPlaces.anchors {
      places.append(
        DestructionPlace(kind: "key-anchor", property: "replaced by every ratchet"))
    }
    if backup.folder != nil {
      places.append(
        DestructionPlace(
          kind: "backup", property: "ciphertext and wrapped keys of the last set",
          horizon: "until the next backup; keys open there until the next ratchet (T1)"))
    }
    return places
  }

  /// Why there are no settings, and what to do.
  static func missing(_ layout: StorageLayout) -> String {
    if MachineFacts.file(layout.root + ".part") != nil {
      return "a restore to \(layout.root) did not come to its end; run the same callvault restore "
        + "again, which keeps what is whole"
    }
    return MachineFacts.file(layout.keys) == nil
      ? "there is no vault in \(layout.root); make one with: callvault init --data \(layout.root)"
      : "init did not come to its end in \(layout.root), so nothing was ever stored there: remove it, "
        + "and the root.key and log-root.key that this init made elsewhere, then run init again"
  }

  func logConfiguration() throws(CommandFailure) -> LogConfiguration {
    guard let node = NodeName(node), let software = SoftwareName("callvault \(CallVault.version)")
    else {
      throw CommandFailure(.usage, "`node` must be lower-case letters, digits and hyphens")
    }
    return LogConfiguration(origin: origin, tenant: tenant, node: node, software: software)
  }

  func vaultConfiguration() throws(CommandFailure) -> VaultConfiguration {
    guard let country = PhoneNumber.Country(code: country) else {
      throw CommandFailure(.usage, "`country` must be a country's two letters, such as US")
    }
    var all: [String: Location] = [:]
    for location in locations {
      guard let country = PhoneNumber.Country(code: location.country) else {
        throw CommandFailure(
          .usage, "`country` of a location must be a country's two letters, such as US")
      }
      all[location.name] = Location(
        name: location.name, country: country, zone: location.timeZone, state: location.state)
    }
    var configuration = VaultConfiguration(
      tenant: tenant, country: country, locations: all, administrator: administrator,
      recordingLimit: recordingLimit)
    configuration.state = state
    return configuration
  }
}

extension CommandFailure {
  /// What a failure below comes to for the person who typed the command.
  init(describing error: any Error) {
    switch error {
    case let failure as CommandFailure: self = failure
    case let error as VaultError: self.init(vault: error)
    case let error as AuditError: self.init(audit: error)
    case let error as YAMLError: self.init(.usage, "\(error)")
    case let error as DurableError where error.code == .locked:
      self.init(.locked, "another process holds the data directory; stop it first")
    case let error as DurableError where error.code == .notFound:
      self.init(.notFound, "a file of the vault is missing (\(Self.chain(error)))")
    case let error as HTTPError where error.code == .unavailable:
      self.init(
        .usage, "the address cannot be listened on (\(Self.chain(error))); give another --listen")
    case let error as HTTPError where error.code == .tls:
      self.init(.usage, "the TLS certificate or key cannot be used (\(Self.chain(error)))")
    case let error as DurableError where error.code == .noSpace: self = .volumeFull
    case let error as DurableError where error.code == .readOnly:
      self.init(.internal, "the volume is mounted read-only; mount it for writing and start again")
    default: self.init(.internal, Self.chain(error))
    }
  }

  private static let volumeFull = CommandFailure(
    .internal, "the volume is full; make room on it (64 MB at least) and start again")

  private init(vault error: VaultError) {
    let detail = error.detail ?? Self.chain(error)
    switch error.code {
    case .notFound: self.init(.notFound, detail)
    case .unauthenticated, .denied, .held: self.init(.refused, detail)
    case .conflict: self.init(.conflict, detail)
    case .invalid, .tooLarge: self.init(.usage, detail)
    case .sealed: self.init(.sealed, "sealed: \(detail)")
    case .tampered: self.init(.damaged, detail)
    case .behindLog:
      self.init(
        .damaged,
        "catalog-behind-log: \(detail); the catalog is older than the log, so restore both from "
          + "one instant")
    case .noSpace: self = .volumeFull
    case .unavailable: self.init(.internal, detail)
    }
  }

  private init(audit error: AuditError) {
    switch error.code {
    case .damaged, .notAuthentic, .malformed, .mismatch:
      self.init(
        .damaged,
        "the log is not what was written (\(Self.chain(error))); keep everything and find out "
          + "with: callvault audit verify")
    case .inconsistent:
      self.init(
        .damaged,
        "catalog and log do not belong together (\(Self.chain(error))); restore both from one "
          + "instant")
    case .behindAnchor:
      self.init(
        .damaged,
        "behind-anchor: the log was brought back from an older copy (\(Self.chain(error))); bring "
          + "back the newer data; if it is lost for good: callvault audit recover --help")
    case .forked:
      self.init(
        .damaged,
        "forked: an anchor holds a head that this log contradicts (\(Self.chain(error))); keep "
          + "both, they are evidence; to go on with a new log: callvault audit recover --help")
    case .noSpace: self = .volumeFull
    default: self.init(.internal, "the log: \(Self.chain(error))")
    }
  }

  /// An error and all that lies beneath it.
  static func chain(_ error: any Error) -> String {
    OperatorLog.describe(error)
  }
}
