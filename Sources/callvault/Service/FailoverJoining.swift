import Audit
import Cryptography
import Durable
import Encoding
import Service

/// Binds the logs of supervisors into the vault's: `Documentation/formats/audit-log.md`, 9b.
///
/// A supervisor writes while the vault is sealed or stopped. When the vault is there, its log takes the other's
/// head: what that held until then cannot be changed unseen from there on.
actor FailoverJoining {
  /// How often a head that has grown is taken.
  private static let pace: Duration = .seconds(60)

  private let folders: [String]
  private let log: AuditLog
  private let operatorLog: OperatorLog
  /// The size of each log when it was last joined.
  private var joined: [String: Int64] = [:]
  private var failing: Set<String> = []

  init(_ folders: [String], log: AuditLog, operatorLog: OperatorLog) {
    self.folders = folders
    self.log = log
    self.operatorLog = operatorLog
  }

  /// Joins at once, and then what has grown, until the task is cancelled.
  func run() async {
    while !Task.isCancelled {
      for folder in folders { await join(folder) }
      do { try await Task.sleep(for: Self.pace) } catch { return }
    }
  }

  private func join(_ folder: String) async {
    do {
      let files = LinuxFileSystem()
      let text = try AtomicFile.read(folder + "/verifier-key", limit: 4096, on: files)
      guard let key = VerifierKey(String(decoding: text.dropLast(), as: UTF8.self)) else {
        throw AuditError(.malformed, during: "reading a supervisor's verifier key")
      }
      let bytes = try AtomicFile.read(
        folder + "/log/checkpoint", limit: SignedNote.maximumByteCount, on: files)
      let head = try VerifiedCheckpoint(SignedNote(parsing: bytes), key: key)
      let size = head.checkpoint.size
      let last = joined[folder] ?? 0
      guard size >= last else {
        throw AuditError(.inconsistent, during: "comparing a supervisor's log with what was joined")
      }
      if size > last {
        _ = try await log.record(draft(of: bytes, key))
        joined[folder] = size
        operatorLog.write(
          .info, "journal-joined", ["origin": .string(key.name), "size": .integer(size)])
      }
      failing.remove(folder)
    } catch {
      if failing.insert(folder).inserted {
        operatorLog.write(
          .warning, "journal-not-joined",
          ["folder": .string(folder), "cause": .string(OperatorLog.describe(error))])
      }
    }
  }

  private func draft(of note: [UInt8], _ key: VerifierKey) -> EntryDraft {
    var draft = EntryDraft(.journalJoined, .single, by: log.system)
    draft.outcome = .success
    draft.digest = SHA256.hash(note)
    draft.length = Int64(note.count)
    draft.commits = [
      .origin: Array(key.name.utf8), .key: Array(key.description.utf8),
    ]
    return draft
  }
}
