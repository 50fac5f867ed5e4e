import Audit
import Cryptography
public import Encoding

extension Vault {
  /// Brings a backup up to date: entry durable → copied → counted → entry.
  ///
  /// Nobody waits for it: calls are stored and heard meanwhile. What it holds is one instant's.
  ///
  /// - Parameters:
  ///   - target: the place.
  ///   - place: what the entry commits to of it.
  ///   - caller: needs ``Right/runMaintenance``; nil: the program itself.
  /// - Returns: what was made, and the entry that says so.
  /// - Throws: ``VaultError``; the backup that was there before counts then.
  public func makeBackup(
    into target: any BackupTarget, at place: String, as caller: Caller?
  ) async throws(VaultError) -> MadeBackup {
    var draft = maintenance(.backupMade, .intent, by: caller)
    draft.commits[.file] = Array(place.utf8.prefix(512))
    let set = try await checked(&draft) { _ throws(VaultError) -> Int64 in
      try self.allowMaintenance(caller)
      do throws(VaultError) {
        return try await target.begin(for: self.log.verifierKey)
      } catch {
        await target.abandon()
        throw error
      }
    }
    let intent = draft
    return try await fulfil(intent) { receipt throws(VaultError) -> MadeBackup in
      self.discard(receipt)
      do throws(VaultError) {
        var made = try await self.fill(target, set: set)
        // It counts already: what could not be removed is a remark, and the next run's to remove.
        do throws(VaultError) {
          try await target.finish()
        } catch {
          made.leftover = error
          await target.abandon()
        }
        var outcome = intent.closing(
          made.note.contents.lost > 0 ? .partial : .success,
          because: made.note.contents.lost > 0 ? .tampered : nil)
        outcome.digest = made.note.contents.manifest
        outcome.length = made.note.contents.manifestLength
        let position = try await self.record(outcome).position
        made.logIndex = position.index
        do throws(VaultError) {
          try await self.catalog.setFact(
            .lastBackup, to: BackupAge.made(made.note.time).encoded, at: position)
        } catch {
          throw VaultError(
            error.code, during: "noting a backup", because: nil, cause: error, isAccounted: true)
        }
        return made
      } catch {
        await target.abandon()
        throw error
      }
    }
  }

  private func fill(
    _ target: any BackupTarget, set: Int64
  ) async throws(VaultError) -> MadeBackup {
    // Each time round, something was purged between the catalog and its objects.
    for _ in 0..<16 {
      let head = try await pin(target)
      do throws(VaultError) {
        let contents = try await target.copy(at: head)
        let note = BackupNote(
          origin: log.configuration.origin, tenant: configuration.tenant, set: set,
          contents: contents, time: now)
        let signed: [UInt8]
        do throws(AuditError) {
          signed = try await log.sign(note.statement)
        } catch {
          throw VaultError(.unavailable, during: "signing a backup", cause: error)
        }
        try await target.commit(signed)
        return MadeBackup(note: note, logIndex: 0)
      } catch {
        guard error.code == .conflict else { throw error }
      }
    }
    throw VaultError(
      .unavailable, during: "making a backup",
      detail: "calls are being purged all the time; try again when that is done")
  }

  /// Holds the catalog at a moment at which the log has one known size, and publishes up to it.
  ///
  /// A row comes before its entry, and is confirmed after it. So between two looks that find the same
  /// size, every entry below it has its row and no row knows of an entry beyond.
  private func pin(_ target: any BackupTarget) async throws(VaultError) -> [UInt8] {
    for _ in 0..<10_000 {
      let head = await log.durableHead
      try await target.pin()
      guard await logSize == head.size else { continue }
      do {
        try await log.publish()
      } catch {
        throw VaultError(.unavailable, during: "publishing the log for a backup", cause: error)
      }
      return head.note
    }
    throw VaultError(
      .unavailable, during: "making a backup",
      detail: "the log grows all the time; try again when less is going on")
  }
}

/// A backup that was made.
public struct MadeBackup: Sendable {
  public let note: BackupNote
  /// The entry that says so.
  public internal(set) var logIndex: Int64
  /// Why what no longer counts could not be removed; nil: it was.
  public internal(set) var leftover: VaultError?
}

/// How long ago the last backup was made, or since when one is due.
public enum BackupAge: Hashable, Sendable {
  case made(Timestamp)
  /// There was none yet; the vault began then.
  case due(since: Timestamp)

  var encoded: [UInt8] {
    switch self {
    case .made(let time): Array("made \(time.milliseconds)".utf8)
    case .due(let time): Array("due \(time.milliseconds)".utf8)
    }
  }

  /// Is nil for what ``encoded`` does not make.
  public init?(_ bytes: [UInt8]) {
    let parts = String(decoding: bytes, as: UTF8.self).split(separator: " ")
    guard parts.count == 2, let time = Int64(parts[1]) else { return nil }
    switch parts[0] {
    case "made": self = .made(Timestamp(milliseconds: time))
    case "due": self = .due(since: Timestamp(milliseconds: time))
    default: return nil
    }
  }

  /// When it was made, or became due.
  public var time: Timestamp {
    switch self {
    case .made(let time), .due(let time): time
    }
  }

  public func seconds(at now: Timestamp) -> Int64 {
    max(0, now.milliseconds - time.milliseconds) / 1000
  }
}

extension Vault {
  /// Notes since when a first backup is due.
  func watchBackups() async throws(VaultError) {
    guard try await catalog.fact(.lastBackup) == nil else { return }
    try await catalog.setFact(.lastBackup, to: BackupAge.due(since: now).encoded, at: nil)
  }

  /// - Throws: ``VaultError/Code/tampered`` for a fact that says nothing of the kind.
  func backupAge() async throws(VaultError) -> BackupAge {
    guard let bytes = try await catalog.fact(.lastBackup), let age = BackupAge(bytes) else {
      throw VaultError(.tampered, during: "reading when the last backup was made")
    }
    return age
  }
}
