import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import Glibc
import Retention
import Threading
import Vault

/// What a plan over many calls takes, and how fast calls go.
struct PurgeBench {
  private let layout: StorageLayout
  private let vault: Vault
  private let log: AuditLog
  private let catalog: SQLiteCatalog
  private static let callers = 64

  /// Opens, or makes, a vault below `root` that decides by the files in `policies`.
  init(_ root: String, policies: String) async throws {
    layout = StorageLayout(root: root)
    let files = LinuxFileSystem()
    let clock = SystemClock()
    let custodian = KeyFileCustodian(rootKeyFile: layout.keys + "/root.key")
    let store = FileKeyRingStore(layout.keys + "/ring")
    if try Directory.status(of: layout.keys, on: files) == nil {
      for folder in [root, layout.keys, layout.objects] {
        guard unsafe mkdir(folder, 0o700) == 0 || errno == EEXIST else {
          throw BenchError.file(folder, errno: errno)
        }
      }
      _ = try KeyRing.create(
        tenant: .random(), custodian: custodian, store: store,
        at: Timestamp(milliseconds: clock.read().milliseconds))
    }
    let ring = try KeyRing.open(custodian: custodian, store: store)
    let origin = "bench.example/callvault"
    guard let node = NodeName("bench"), let software = SoftwareName("callvault-bench 1") else {
      throw BenchError.usage
    }
    catalog = try SQLiteCatalog(layout.catalog)
    log = try await AuditLog.open(
      LogConfiguration(origin: origin, tenant: ring.tenant, node: node, software: software),
      store: try FileLogStore(layout),
      signer: try NoteSigner(name: origin, seed: try ring.logSigningSeed()), openings: ring,
      subjects: catalog, clock: clock, epochs: try FileEpochKeys(layout, ring: ring))
    func policy(_ name: String) throws -> [UInt8] {
      try AtomicFile.read(policies + "/" + name, limit: 1 << 20, on: files)
    }
    vault = try await Vault.open(
      VaultConfiguration(tenant: ring.tenant, administrator: getuid()),
      policy: AccessPolicy(parsing: try policy("access.yaml"), file: "access.yaml"),
      retention: RetentionSchedule(parsing: try policy("retention.yaml"), file: "retention.yaml"),
      catalog: catalog, blobs: FileBlobStore(root: layout.objects), log: log, keys: ring,
      inspector: NoLook(), clock: clock)
    vault.keep(
      RetentionPlaces(
        plans: try FilePlanStore(layout.plans, below: root), software: "callvault-bench 1"))
  }

  private struct NoLook: AudioInspector {
    func inspect(
      length: Int64, from uploader: Identifier,
      read: @escaping @Sendable (_ offset: Int64, _ count: Int) async throws -> [UInt8]
    ) async -> AudioFacts { AudioFacts(condition: .unexamined) }
  }

  private func running(_ body: () async throws -> String) async throws -> String {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await log.run() }
      let result = try await body()
      group.cancelAll()
      try await group.waitForAll()
      return result
    }
  }

  /// Plans once over whatever is there; where nothing is, stores a call first, from whose keys rows can be
  /// made that the vault opens with.
  func plan() async throws -> String {
    try await running {
      if try await catalog.counts().calls == 0 {
        _ = try await vault.createCall(
          NewCall(source: "bench", sourceID: "first", from: "+12025550100"),
          as: vault.authenticate(token: try await token(), via: "192.0.2.1", request: .random()))
      }
      let began = ContinuousClock.now
      let plan = try await vault.planPurge(withinCaps: false, as: nil)
      let took = (ContinuousClock.now - began) / .milliseconds(1)
      return "{\"calls\": \(plan.plan.totals.calls), \"milliseconds\": \(Int(took))}"
    }
  }

  /// Stores so many calls of one small recording each, and purges them.
  func purge(_ count: Int) async throws -> String {
    try await running {
      let token = try await token()
      let calls = try await withThrowingTaskGroup(of: [Identifier].self) { group in
        for lane in 0..<Self.callers {
          group.addTask {
            let caller = try await vault.authenticate(
              token: token, via: "192.0.2.1", request: .random())
            var calls: [Identifier] = []
            for number in stride(from: lane, to: count, by: Self.callers) {
              calls.append(try await store(number, as: caller))
            }
            return calls
          }
        }
        return try await group.reduce(into: []) { $0 += $1 }
      }
      let began = ContinuousClock.now
      for start in stride(from: 0, to: calls.count, by: Vault.purgeBatch.upperBound) {
        let page = calls[start..<min(start + Vault.purgeBatch.upperBound, calls.count)]
        _ = try await vault.purge(
          page.map { PurgeOrder(call: $0, evidence: nil, rule: "bench") }, holds: NoHolds(),
          by: log.system)
      }
      let took = (ContinuousClock.now - began) / .seconds(1)
      return "{\"purged\": \(calls.count), \"a_second\": \(Int(Double(calls.count) / took))}"
    }
  }

  /// Of a phone system.
  private func token() async throws -> String {
    let administrator = try await vault.authenticate(localUser: getuid(), request: .random())
    guard let scope = Scope("recordings:write") else { throw BenchError.usage }
    return try await vault.createToken(
      named: "pbx", role: .service, scopes: [scope], as: administrator
    ).token.text
  }

  private func store(_ number: Int, as caller: Caller) async throws -> Identifier {
    let call = try await vault.createCall(
      NewCall(
        source: "bench", sourceID: "call-\(number)", from: "+1202\(2_000_000 + number)",
        to: "+12125550100"), as: caller)
    let seed = UInt64(truncatingIfNeeded: number) &* 0x9E37_79B9_7F4A_7C15
    var rest: [UInt8]? = (0..<8192).map { UInt8(truncatingIfNeeded: seed >> UInt64(8 * ($0 % 8))) }
    _ = try await vault.storeRecording(in: call.call, as: caller) { rest.take() }
    return call.call
  }
}
