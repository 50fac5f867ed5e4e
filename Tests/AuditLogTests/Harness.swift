import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import FaultInjection
import Foundation
import Testing
import Threading
import Vault

/// The keys, ids and neighbours of one log under test, which live longer than a run of it.
final class Harness: Sendable {
  let directory: TemporaryDirectory
  let ledger = MemoryLedger()
  let sealer: MemorySealer
  let clock = SteppedClock()
  let configuration: LogConfiguration
  /// Seals epoch keys; their root's private key lies in ``rootKeyFile``.
  private let ring: KeyRing
  let rootKey: VerifierKey

  static let seed = [UInt8](0..<32)
  static let person = Identifier.random()

  init(pace: (inout LogConfiguration) -> Void = { _ in }) throws {
    directory = try TemporaryDirectory()
    sealer = try MemorySealer()
    var configuration = LogConfiguration(
      origin: "vault.example.org/callvault", tenant: .random(),
      node: try #require(NodeName("n1")), software: try #require(SoftwareName("callvault 0.1.0")))
    pace(&configuration)
    self.configuration = configuration
    let layout = StorageLayout(root: directory.path)
    for folder in [layout.keys, layout.log] {
      try Directory.make(folder, below: layout.root, on: LinuxFileSystem())
    }
    ring = try KeyRing.create(
      tenant: configuration.tenant,
      custodian: KeyFileCustodian(rootKeyFile: layout.keys + "/root.key"),
      store: FileKeyRingStore(layout.keys + "/ring"),
      at: Timestamp(milliseconds: clock.read().milliseconds))
    let root = try LogRootFile.make(
      layout.keys + "/log-root.key", for: configuration.origin, in: layout)
    rootKey = root.verifierKey
  }

  var rootKeyFile: String { layout.keys + "/log-root.key" }

  /// Signs the newest epoch that was published with the root; the next start takes it up.
  func certify() throws -> Epoch? {
    try LogRootFile.certify(with: LogRootFile.signer(in: rootKeyFile), layout)
  }

  var layout: StorageLayout { StorageLayout(root: directory.path) }

  func signer() throws -> NoteSigner {
    try NoteSigner(
      name: configuration.origin, seed: SecretBytes(copying: unsafe Self.seed.span.bytes))
  }

  var key: VerifierKey {
    get throws {
      let signer = try signer()
      return signer.verifierKey
    }
  }

  func open(
    on fileSystem: any FileSystem = LinuxFileSystem(), at root: String? = nil,
    ledger: (any SubjectLedger)? = nil, with changed: LogConfiguration? = nil
  ) async throws -> AuditLog {
    let layout = root.map { StorageLayout(root: $0) } ?? layout
    return try await AuditLog.open(
      changed ?? configuration, store: try FileLogStore(layout, on: fileSystem),
      signer: try signer(),
      openings: sealer, subjects: ledger ?? self.ledger, clock: clock,
      epochs: try FileEpochKeys(layout, ring: ring, on: fileSystem))
  }

  func store() throws -> FileLogStore { try FileLogStore(layout) }

  /// An intent to hear a recording, from somewhere.
  func draft(_ action: Action = .recordingOpened, subjects: [SubjectKey] = []) -> EntryDraft {
    var draft = EntryDraft(
      action, .intent, by: .testPerson, on: [.random()],
      parts: [PartName("recording-1")].compactMap(\.self))
    draft.purpose = .treatment
    draft.request = .random()
    draft.subjects = subjects
    draft.commits = [.via: Array("203.0.113.7".utf8)]
    return draft
  }

  func subject() throws -> SubjectKey {
    SubjectKey(id: .random(), key: SharedSecret(try SecretBytes.random(count: 32)))
  }
}

/// Stops a log as its service would, so that all of it is published and its folder free.
func close(_ log: AuditLog) async {
  let running = Task { await log.run() }
  running.cancel()
  await running.value
}

extension Actor {
  static let testPerson = Actor(
    id: Harness.person, kind: .person, role: .clinician, method: .token, strength: 1)
}

/// What a caller keeps of a receipt: enough to find out later whether the log kept its word.
struct Acknowledged: Hashable, Sendable {
  let index: Int64
  let id: Identifier
  let leafHash: SHA256Digest

  init(_ receipt: borrowing Receipt) {
    index = receipt.index
    id = receipt.entryID
    leafHash = receipt.leafHash
  }
}

/// A catalog's counts in memory. Refuses what a catalog must never be asked.
actor MemoryLedger: SubjectLedger {
  private var counts: [Identifier: Int64] = [:]
  private var position: LogPosition?
  /// How often somebody asked whom aliases stand for, and how often for counts.
  private(set) var aliasQuestions = 0
  private(set) var countQuestions = 0

  init() {}

  init(counts: [Identifier: Int64], position: LogPosition?) {
    self.counts = counts
    self.position = position
  }

  func countedPosition() -> LogPosition? { position }

  func countedEntries(of subjects: [Identifier]) -> [Identifier: Int64] {
    countQuestions += 1
    return counts.filter { subjects.contains($0.key) }
  }

  func subjects(behind aliases: [Identifier]) -> [Identifier: Identifier] {
    aliasQuestions += 1
    return [:]
  }

  func storeCounts(_ counts: [SubjectCount], through position: LogPosition) {
    precondition(position.index >= self.position?.index ?? 0, "the place never goes back")
    for count in counts {
      precondition(count.entries > self.counts[count.subject] ?? 0, "a count only grows")
      self.counts[count.subject] = count.entries
    }
    self.position = position
  }

  /// What an older copy of it would hold.
  func copy() -> MemoryLedger { MemoryLedger(counts: counts, position: position) }
}

/// Seals openings bound to their address, and names the key as the format wants; an entry's can be
/// erased, and a key's.
final class MemorySealer: OpeningSealer {
  private struct Erased: Error {}

  private let key: SharedSecret
  private let erased = Lock<Set<Identifier>>([])
  private let named = Lock(Identifier.random())

  init() throws {
    key = SharedSecret(try SecretBytes.random(count: 32))
  }

  private static func label(_ address: OpeningAddress) -> [UInt8] {
    Array("\(address.entry)|\(address.field.rawValue)".utf8)
  }

  func seal(_ opening: [UInt8], at address: OpeningAddress) throws -> [UInt8] {
    let nonce = try Random.bytes(AES256GCM.nonceByteCount)
    return try key.withSecret { key in
      try [1] + keyID.bytes + nonce
        + AES256GCM.seal(opening, key: key, nonce: nonce, aad: Self.label(address))
    }
  }

  /// What new openings are sealed under.
  var keyID: Identifier { named.withLock { $0 } }

  func beginKey() { named.withLock { $0 = .random() } }

  func destroy(_ key: Identifier) { erase(key) }

  /// As before ``destroy(_:)``, for the next run of a sweep.
  func revive(_ key: Identifier) { erased.withLock { _ = $0.remove(key) } }

  func hasDestroyed(_ key: Identifier) -> Bool { erased.withLock { $0.contains(key) } }

  func isErased(_ sealed: [UInt8], at address: OpeningAddress) throws -> Bool {
    erased.withLock {
      $0.contains(address.entry)
        || Identifier(bytes: Array(sealed.dropFirst().prefix(16))).map($0.contains) == true
    }
  }

  func open(_ sealed: [UInt8], at address: OpeningAddress) throws -> [UInt8] {
    if erased.withLock({ $0.contains(address.entry) }) { throw Erased() }
    let nonce = Array(sealed.dropFirst(17).prefix(AES256GCM.nonceByteCount))
    return try key.withSecret { key in
      try AES256GCM.open(
        Array(sealed.dropFirst(17 + nonce.count)), key: key, nonce: nonce, aad: Self.label(address))
    }
  }

  func erase(_ entry: Identifier) {
    erased.withLock { _ = $0.insert(entry) }
  }
}

/// A clock that goes on by a millisecond with each reading, and can be set.
final class SteppedClock: WallClock {
  private let time = Lock<Int64>(1_795_188_000_000)

  func read() -> ClockReading {
    time.withLock { time in
      time += 1
      return ClockReading(milliseconds: time, state: .synced)
    }
  }

  func hasPassed(_ milliseconds: Int64) {}

  func set(_ milliseconds: Int64) {
    time.withLock { $0 = milliseconds }
  }
}
