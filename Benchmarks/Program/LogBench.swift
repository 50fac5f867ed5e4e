import Audit
import Cryptography
import Drivers
import Encoding
import Glibc
import Threading
import Vault

/// Writes a log of any length the way the service does: the sequencer, the journal, publishing.
struct LogBench {
  let directory: String

  /// Returns the verifier key of the log, which lies published in `directory`.
  func write(_ count: Int) async throws -> String {
    // The log's own files are beside the published folder, as in a data directory.
    let root = directory + ".data"
    guard unsafe mkdir(root, 0o700) == 0 else { throw BenchError.file(root, errno: errno) }
    let layout = StorageLayout(root: root)
    guard unsafe mkdir(layout.keys, 0o700) == 0 else { throw BenchError.file(root, errno: errno) }
    let tenant = Identifier.random()
    let clock = SystemClock()
    let ring = try KeyRing.create(
      tenant: tenant, custodian: KeyFileCustodian(rootKeyFile: layout.keys + "/root.key"),
      store: FileKeyRingStore(layout.keys + "/ring"),
      at: Timestamp(milliseconds: clock.read().milliseconds))
    let origin = "bench.example/callvault"
    guard let node = NodeName("bench"), let software = SoftwareName("callvault-bench 1") else {
      throw BenchError.usage
    }
    let log = try await AuditLog.open(
      LogConfiguration(origin: origin, tenant: tenant, node: node, software: software),
      store: try FileLogStore(layout),
      signer: try NoteSigner(name: origin, seed: try ring.logSigningSeed()), openings: ring,
      subjects: NoSubjects(), clock: clock)
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await log.run() }
      await LogBench.record(count, in: log)
      group.cancelAll()
    }
    guard unsafe rename(layout.log, directory) == 0 else {
      throw BenchError.file(directory, errno: errno)
    }
    return log.verifierKey.description
  }

  /// As many callers as a busy hour of a large practice has, so that batches are of a real size.
  private static func record(_ count: Int, in log: AuditLog) async {
    guard let part = PartName("recording-1") else { return }
    let callers = 256
    let actor = Actor(id: .random(), kind: .person, role: .clinician, method: .token, strength: 1)
    await withTaskGroup(of: Void.self) { group in
      for caller in 0..<callers {
        group.addTask {
          var remaining = count / callers + (caller < count % callers ? 1 : 0)
          while remaining > 0 {
            var draft = EntryDraft(
              .recordingOpened, .intent, by: actor, on: [.random(), .random()],
              parts: [part])
            draft.purpose = .treatment
            draft.session = .random()
            draft.request = .random()
            do {
              _ = try await log.record(draft)
              remaining -= 1
              guard remaining > 0 else { return }
              _ = try await log.record(draft.closing(.success, released: 1024))
              remaining -= 1
            } catch {
              print("callvault-bench: \(error)")
              exit(1)
            }
          }
        }
      }
    }
  }
}

/// The benchmark's entries are about nobody.
private struct NoSubjects: SubjectLedger {
  func countedPosition() async throws -> LogPosition? { nil }
  func countedEntries(of subject: Identifier) async throws -> Int64 { 0 }
  func storeCounts(_ counts: [Identifier: Int64], through position: LogPosition) async throws {}
}
