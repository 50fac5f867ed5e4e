public import Audit
public import Cryptography
public import Encoding

/// A backup that is restored aside, for a drill.
public protocol DrillSource: Sendable {
  /// Restores the backup beside the vault.
  ///
  /// - Throws: ``VaultError/Code/tampered`` naming the first file that is not what was written.
  func restore(for key: VerifierKey) async throws(VaultError) -> RestoredBackup

  /// Recordings of the restored catalog, chosen at random; all of them if there are not more.
  func sample(_ count: Int) async throws(VaultError) -> [(recording: RecordingRow, call: CallRow)]

  /// The restored objects.
  var objects: any BlobStore { get }

  /// Verifies the restored log.
  ///
  /// - Throws: ``VaultError/Code/tampered`` with the verdict, if it is not what was signed.
  func verifyLog(key: VerifierKey) async throws(VaultError)

  /// Removes what was restored.
  func remove() async throws(VaultError)
}

/// What was restored.
public struct RestoredBackup: Sendable {
  /// SHA-256 of the file `BACKUP`.
  public let digest: SHA256Digest
  public let note: BackupNote

  public init(digest: SHA256Digest, note: BackupNote) {
    self.digest = digest
    self.note = note
  }
}

/// What a drill found, and when.
public struct DrillReport: Sendable {
  public let backup: RestoredBackup
  /// Recordings that were looked at: opened whole, purged or excised since, damaged.
  public let sample, opened, purged, damaged: Int64
  /// From the first byte read to the last recording opened.
  public let milliseconds: Int64
  public let time: Timestamp
  /// The signed certificate.
  public let certificate: [UInt8]
  public let logIndex: Int64
}

extension Vault {
  /// Shows that a backup can be restored: restores it aside, verifies its log, and opens a sample of its
  /// recordings with today's keys; plaintext is forgotten as it comes.
  ///
  /// - Parameters:
  ///   - source: the backup.
  ///   - count: recordings to open.
  ///   - place: what the entry commits to of it.
  ///   - caller: needs ``Right/runMaintenance``; nil: the program itself.
  /// - Returns: what was found; the certificate is for whoever asks next year.
  /// - Throws: ``VaultError/Code/tampered`` if the backup is not what was written; what was restored is
  ///   gone then.
  public func drill(
    _ source: any DrillSource, sample count: Int, at place: String, as caller: Caller?
  ) async throws(VaultError) -> DrillReport {
    var draft = maintenance(.backupDrilled, .intent, by: caller)
    draft.commits[.file] = Array(place.utf8.prefix(512))
    draft.run = .random()
    try await checked(&draft) { _ throws(VaultError) in try self.allowMaintenance(caller) }
    let intent = draft
    return try await fulfil(intent) { receipt throws(VaultError) -> DrillReport in
      self.discard(receipt)
      do throws(VaultError) {
        return try await self.drill(source, sample: count, intent, as: caller)
      } catch {
        do throws(VaultError) {
          try await source.remove()
        } catch {
          // The first failure is the one to report; what is left lies where the next drill removes it.
        }
        throw error
      }
    }
  }

  private func drill(
    _ source: any DrillSource, sample count: Int, _ intent: EntryDraft, as caller: Caller?
  ) async throws(VaultError) -> DrillReport {
    let start = ContinuousClock.now
    let key = log.verifierKey
    let backup = try await source.restore(for: key)
    try await source.verifyLog(key: key)
    let sample = try await source.sample(count)
    var (opened, purged, damaged): (Int64, Int64, Int64) = (0, 0, 0)
    for first in stride(from: 0, to: sample.count, by: 256) {
      let part = sample[first..<min(sample.count, first + 256)]
      let (batchIntent, batch) = try await beginExamination(
        .backupDrilled, of: part.map(\.recording.id), run: intent.run ?? intent.id, by: caller)
      try await concluding(batchIntent) { () throws(VaultError) -> [Identifier] in
        var bad: [Identifier] = []
        for (recording, call) in part {
          // What is gone from the vault must not be opened from a backup, by nobody and for nothing; nor
          // what it was before an excision, whose key is another.
          guard let today = try await catalog.recording(recording.id),
            today.recording.keyID == recording.keyID
          else {
            purged += 1
            continue
          }
          do throws(VaultError) {
            try await examine(
              recording, of: call, wrapped: today.call.wrappedKey, in: batch,
              from: source.objects)
            opened += 1
          } catch {
            guard error.code == .tampered || error.code == .unavailable else { throw error }
            damaged += 1
            bad.append(recording.id)
          }
        }
        return bad
      }
    }
    let elapsed = Int64((ContinuousClock.now - start) / .milliseconds(1))
    let ended = now
    try await source.remove()
    let note = backup.note
    let values: [(String, String)] = [
      ("tenant", configuration.tenant.description), ("backup", backup.digest.hex),
      (
        "log",
        "\(note.contents.head.size) \(Base64.encode(note.contents.head.root.bytes))"
      ),
      ("files", "\(note.contents.files)"), ("bytes", "\(note.contents.bytes)"),
      ("recordings", "\(note.contents.recordings)"), ("sample", "\(sample.count)"),
      ("opened", "\(opened)"), ("purged", "\(purged)"), ("damaged", "\(damaged)"),
      ("milliseconds", "\(elapsed)"), ("time", ended.rfc3339),
    ]
    let certificate: [UInt8]
    do {
      certificate = try await log.sign(
        Statement(
          .drill, origin: log.configuration.origin,
          fields: values.map { Statement.Field($0.0, $0.1) }))
    } catch {
      throw VaultError(.unavailable, during: "signing a drill's certificate", cause: error)
    }
    var outcome = intent.closing(
      damaged == 0 ? .success : .partial, because: damaged == 0 ? nil : .tampered)
    outcome.digest = SHA256.hash(certificate)
    outcome.length = Int64(certificate.count)
    let index = try await record(outcome).index
    return DrillReport(
      backup: backup, sample: Int64(sample.count), opened: opened, purged: purged,
      damaged: damaged, milliseconds: elapsed, time: ended, certificate: certificate,
      logIndex: index)
  }

  /// Puts on record that this vault was restored, before it serves.
  ///
  /// - Parameter note: the file `BACKUP` that it came from.
  /// - Throws: ``VaultError/Code/unavailable`` if the log cannot take the entry.
  public func announceRestore(of note: [UInt8]) async throws(VaultError) {
    var draft = maintenance(.backupRestored, .single, by: nil)
    draft.outcome = .success
    draft.digest = SHA256.hash(note)
    draft.length = Int64(note.count)
    discard(try await record(draft))
  }
}
