import Audit
import Cryptography
import Drivers
import Encoding
import Glibc
import Threading
import Vault

/// A log with keys of its own and nobody in it, in a directory of its own: sequencer, journal, publishing as in the service.
struct BenchLog {
  let layout: StorageLayout
  let ring: KeyRing
  let log: AuditLog

  /// Makes `root`, which must not exist.
  init(in root: String) async throws {
    guard unsafe mkdir(root, 0o700) == 0 else { throw BenchError.file(root, errno: errno) }
    layout = StorageLayout(root: root)
    guard unsafe mkdir(layout.keys, 0o700) == 0 else { throw BenchError.file(root, errno: errno) }
    let tenant = Identifier.random()
    let clock = SystemClock()
    ring = try KeyRing.create(
      tenant: tenant, custodian: KeyFileCustodian(rootKeyFile: layout.keys + "/root.key"),
      store: FileKeyRingStore(layout.keys + "/ring"),
      at: Timestamp(milliseconds: clock.read().milliseconds))
    let origin = "bench.example/callvault"
    guard let node = NodeName("bench"), let software = SoftwareName("callvault-bench 1") else {
      throw BenchError.usage
    }
    log = try await AuditLog.open(
      LogConfiguration(origin: origin, tenant: tenant, node: node, software: software),
      store: try FileLogStore(layout),
      signer: try NoteSigner(name: origin, seed: try ring.logSigningSeed()), openings: ring,
      subjects: NoSubjects(), clock: clock,
      epochs: try FileEpochKeys(layout, ring: ring))
  }

  /// Runs `body` while the log publishes, and stops it cleanly afterwards.
  func running<Result: Sendable>(_ body: () async throws -> Result) async throws -> Result {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await log.run() }
      let result = try await body()
      group.cancelAll()
      try await group.waitForAll()
      return result
    }
  }
}

/// The benchmark's entries are about nobody whom a catalog knows.
private struct NoSubjects: SubjectLedger {
  func countedPosition() async throws -> LogPosition? { nil }
  func countedEntries(of subjects: [Identifier]) async throws -> [Identifier: Int64] { [:] }
  func storeCounts(_ counts: [SubjectCount], through position: LogPosition) async throws {}
}

/// What one range read leaves in the log, with nobody behind it.
struct BenchRead {
  private let actor = Actor(
    id: .random(), kind: .person, role: .clinician, method: .token, strength: 1)
  private let subjects: [SubjectKey]
  private let part: PartName

  init(of subject: SubjectKey? = nil) throws {
    guard let part = PartName("recording-1") else { throw BenchError.usage }
    self.part = part
    subjects = subject.map { [$0] } ?? []
  }

  /// The entry that must be durable before a byte leaves.
  func intent(via address: String? = nil) -> EntryDraft {
    var draft = EntryDraft(
      .recordingOpened, .intent, by: actor, on: [.random(), .random()], parts: [part])
    draft.purpose = .treatment
    draft.session = .random()
    draft.request = .random()
    draft.subjects = subjects
    if let address { draft.commits[.via] = Array(address.utf8) }
    return draft
  }
}
