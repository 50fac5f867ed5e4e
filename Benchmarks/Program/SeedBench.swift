import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import Glibc
import Retention
import Threading
import Vault

/// Grows a vault to any size through the vault's own operations, while nothing serves it.
///
/// Every tenth call gets a recording's row without an object behind it: lists count recordings, and
/// nobody listens to these.
struct SeedBench {
  private let vault: Vault
  private let catalog: SQLiteCatalog
  private let log: AuditLog
  private let token: String
  private static let callers = 64

  /// Opens the data directory that `callvault init` made, for whoever holds `token`.
  init(_ root: String, origin: String, tenant: Identifier, token: String) async throws {
    let layout = StorageLayout(root: root)
    let clock = SystemClock()
    let ring = try KeyRing.open(
      custodian: KeyFileCustodian(rootKeyFile: layout.keys + "/root.key"),
      store: FileKeyRingStore(layout.keys + "/ring"))
    guard let node = NodeName("n1"), let software = SoftwareName("callvault-bench 1") else {
      throw BenchError.usage
    }
    catalog = try SQLiteCatalog(layout.catalog)
    log = try await AuditLog.open(
      LogConfiguration(origin: origin, tenant: tenant, node: node, software: software),
      store: try FileLogStore(layout),
      signer: try NoteSigner(name: origin, seed: try ring.logSigningSeed()), openings: ring,
      subjects: catalog, clock: clock,
      epochs: try FileEpochKeys(layout, ring: ring))
    let files = LinuxFileSystem()
    func policy(_ name: String) throws -> [UInt8] {
      try AtomicFile.read(layout.policies + "/" + name, limit: 1 << 20, on: files)
    }
    vault = try await Vault.open(
      VaultConfiguration(tenant: tenant),
      policy: AccessPolicy(parsing: try policy("access.yaml"), file: "access.yaml"),
      retention: RetentionSchedule(parsing: try policy("retention.yaml"), file: "retention.yaml"),
      catalog: catalog, blobs: FileBlobStore(root: layout.objects), log: log, keys: ring,
      inspector: ProbedAudio(), clock: clock)
    self.token = token
  }

  /// Adds calls until there are `calls`, then entries until the log has `entries`, and prints what was there and what is.
  func grow(calls: Int64, entries: Int64) async throws -> String {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await log.run() }
      let before = try await catalog.counts().calls
      let start = ContinuousClock.now
      if before < calls { try await addCalls(before..<calls) }
      let elapsed = ContinuousClock.now - start
      let missing = entries - (await log.durableHead.size)
      if missing > 0 { try await LogBench.record(Int(missing), in: log) }
      let size = await log.durableHead.size
      // As `serve` does each minute, so that the first start after this is like any other.
      let position = LogPosition(index: size - 1, leafHash: try await log.leafHash(at: size - 1))
      try await catalog.advance(to: position)
      group.cancelAll()
      try await group.waitForAll()
      let line = JSONValue.object(
        JSONObject([
          ("calls", .integer(max(before, calls))), ("entries", .integer(size)),
          ("added", .integer(max(0, calls - before))),
          ("milliseconds", .integer(Int64(elapsed / .milliseconds(1)))),
        ]))
      return String(decoding: line.encoded(), as: UTF8.self)
    }
  }

  private func addCalls(_ numbers: Range<Int64>) async throws {
    // One row of numbers for all: a practice stores its calls in the order in which they were made.
    let rest = Lock(numbers)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<Self.callers {
        group.addTask {
          let caller = try await vault.authenticate(
            token: token, via: "192.0.2.1", request: .random())
          while let number = rest.withLock({ $0.popFirst() }) {
            try await add(SeedCall(number: number, among: numbers), as: caller)
          }
        }
      }
      try await group.waitForAll()
    }
  }

  private func add(_ call: SeedCall, as caller: Caller) async throws {
    let receipt = try await vault.createCall(call.description, as: caller)
    guard call.number % 10 == 0 else { return }
    let recording = Identifier.random()
    guard let blob = BlobName(Hex.encode(try Random.bytes(16))) else { throw BenchError.usage }
    try await catalog.insert(
      RecordingRow(
        id: recording, call: receipt.call, number: 1, generation: 1, stored: call.started,
        blob: blob, plaintextLength: 960_044, ciphertextLength: 960_324,
        digest: SHA256.hash(recording.bytes),
        content: LookupToken(field: .content, key: recording, value: try Random.bytes(32)),
        keyID: recording,
        audio: AudioFacts(
          condition: .sound, format: "wav/pcm-s16", channels: 1, sampleRate: 8000,
          durationMilliseconds: 60_000), logIndex: nil), since: receipt.logIndex)
    // The call's own entry or a later one is applied already, so this moves no position.
    guard let position = try await catalog.appliedPosition() else { throw BenchError.usage }
    try await catalog.confirm(RowReference(.recording, recording), at: position)
  }
}

/// The call with a number: five a minute going back from the end of 2025, on 40 extensions, with 20 agents.
struct SeedCall {
  let number: Int64
  private let patient: Int64

  /// Every patient has 20 calls, far from each other among those that are added together.
  init(number: Int64, among added: Range<Int64>) {
    self.number = number
    let patients = max(1, (added.upperBound - added.lowerBound) / 20)
    patient = added.lowerBound / 20 + (number - added.lowerBound) % patients
  }

  var started: Timestamp {
    Timestamp(milliseconds: 1_767_225_600_000 - number * 12_000)
  }

  var description: NewCall {
    NewCall(
      source: "bench", sourceID: "call-\(number)",
      started: OffsetTime(instant: started, offsetMinutes: 0),
      direction: number % 3 == 0 ? .outbound : .inbound, from: "+1202\(2_000_000 + patient)",
      to: "+12125550100", callExtension: String(100 + number % 40), agent: "agent-\(number % 20)")
  }
}
