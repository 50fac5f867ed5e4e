public import Audit
import Encoding
import Threading

/// How the vault is doing, without anything about anybody.
public struct VaultHealth: Sendable {
  /// Whether no root key is in memory: content cannot be opened or stored.
  public let isSealed: Bool
  /// What the catalog holds; nil if it does not answer.
  public let catalog: CatalogCounts?
  /// Bytes that may still be written; nil if storage does not answer.
  public let availableBytes: Int64?
  /// Why the catalog and storage do not answer.
  public let catalogFailure, storageFailure: VaultError?
  public let log: LogStatus
  /// What a start found.
  public let reconciliation: Vault.Reconciliation
  /// Why work that nobody waits for failed the last time it was tried; what succeeded is not here.
  public let upkeepFailures: [VaultUpkeep: any Error]
  /// When the last backup was made, or since when one is due; nil if the catalog does not answer.
  public let backupAge: BackupAge?
  /// Seconds since then.
  public let backupSeconds: Int64
  /// Whether that is longer than the settings allow.
  public let isBackupOld: Bool
  /// How far the pass over all objects has come; nil before the first.
  public let scrub: ScrubState?
  /// Incidents that are open; nil if the catalog does not answer.
  public let incidents: IncidentCounts?
  /// Why our clock is not believed for retention; nil: it is, or nothing asked.
  public let clockAlarm: ClockAlarm?

  /// All work of vault and log that nobody waits for, by name, and why it fails; nil: it does not.
  public var upkeep: [(name: String, failure: (any Error)?)] {
    LogUpkeep.allCases.map { ("log-\($0.rawValue)", log.upkeepFailures[$0]) }
      + VaultUpkeep.allCases.map { ($0.rawValue, upkeepFailures[$0]) }
  }

  /// What is in nobody's way now and must not stay so, in words for an operator.
  public var alarms: [String] {
    var alarms: [String] = []
    if isBackupOld {
      alarms.append(
        "the last backup is \(backupSeconds / 3600) hours ago"
          + (backupAge.map { if case .due = $0 { ": there was none" } else { "" } } ?? ""))
    }
    if let scrub, !scrub.damaged.isEmpty {
      alarms.append("\(scrub.damaged.count) objects are damaged and have no second copy")
    }
    if let overdue = incidents?.overdue, overdue > 0 {
      alarms.append(
        "\(overdue) incidents of card data are open beyond their time: callvault incident list")
    }
    if let clockAlarm { alarms.append("nothing is purged: \(clockAlarm.sentence)") }
    return alarms
  }

  /// Why the vault cannot take or give content now, in words for an operator; empty when it can.
  public var reasons: [String] {
    var reasons: [String] = []
    if isSealed { reasons.append("sealed: no root key is in memory") }
    if catalog == nil { reasons.append("the catalog does not answer") }
    switch availableBytes {
    case nil: reasons.append("storage does not answer")
    case .some(let bytes) where bytes < 64 << 20: reasons.append("the volume is nearly full")
    default: break
    }
    if log.upkeepFailures[.room] != nil { reasons.append("the log has no room for more entries") }
    if log.failure != nil { reasons.append("the log cannot commit") }
    if log.isFull { reasons.append("the log cannot be published, and takes no more entries") }
    if upkeepFailures[.position] != nil { reasons.append("the catalog cannot be written") }
    return reasons
  }
}

extension Vault {
  /// How the vault is doing now.
  ///
  /// It never throws: not to know is an answer.
  public func health() async -> VaultHealth {
    var counts: CatalogCounts?
    var bytes: Int64?
    var catalogFailure: VaultError?
    var storageFailure: VaultError?
    var backup: BackupAge?
    var scrub: ScrubState?
    var incidents: IncidentCounts?
    do throws(VaultError) {
      counts = try await catalog.counts()
      backup = try await backupAge()
      scrub = try await scrubState()
      incidents = try await catalog.incidentCounts(at: now)
    } catch {
      catalogFailure = error
    }
    let age = backup?.seconds(at: now) ?? 0
    do throws(VaultError) {
      bytes = try await blobs.availableBytes()
    } catch {
      storageFailure = error
    }
    return VaultHealth(
      isSealed: keys.isSealed, catalog: counts, availableBytes: bytes,
      catalogFailure: catalogFailure, storageFailure: storageFailure, log: await log.status,
      reconciliation: reconciliation, upkeepFailures: upkeepFailures.withLock { $0 },
      backupAge: backup, backupSeconds: age,
      isBackupOld: .seconds(age) > maintenanceSettings.withLock { $0.backupLimit }, scrub: scrub,
      incidents: incidents, clockAlarm: retentionWork.withLock { $0.alarm })
  }

  /// What has ended the log or the catalog for this process; nil while there is nothing.
  ///
  /// After a failed write or fsync nobody knows what the disk holds. Only a start finds out: it reads
  /// everything again.
  public func lastingFailure() async -> (any Error)? {
    if let failure = await log.status.failure { return failure }
    do throws(VaultError) {
      return try await catalog.lastingFailure()
    } catch {
      return error
    }
  }
}

/// What the vault does by itself while it runs.
public enum VaultUpkeep: String, CaseIterable, Sendable {
  /// Removing objects that nothing names.
  case orphans
  /// Noting in the catalog how far the log has come.
  case position
  /// Wrapping keys again, and what else is to be done with them.
  case keys
  /// Looking at every place of the key ring and its anchor.
  case keyPlaces = "key-places"
  /// The last ratchet.
  case ratchet
  /// Looking at every object once in a while.
  case scrub
  /// Carrying out plans that were approved, and proposing others.
  case retention
}
