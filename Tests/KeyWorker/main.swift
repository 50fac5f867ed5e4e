import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import Glibc
import Retention
import Threading
import Vault

// A vault that stores, purges, rotates and ratchets until it is killed: a program of its own, because
// there is no command that purges. `Tests/Torture/key_kills.py` kills it and holds what it said against
// what it has afterwards.
//
//     key-worker FOLDER POLICIES [ratchet]     `ratchet` makes one and ends

/// One line for whoever reads along, at once.
func say(_ words: String...) {
  let line = Array((words.joined(separator: " ") + "\n").utf8)
  _ = unsafe line.withUnsafeBytes { unsafe write(STDOUT_FILENO, $0.baseAddress, $0.count) }
}

struct Looks: AudioInspector {
  func inspect(
    length: Int64, from uploader: Identifier,
    read: @escaping @Sendable (_ offset: Int64, _ count: Int) async throws -> [UInt8]
  ) async -> AudioFacts { AudioFacts(condition: .unexamined) }
}

let folder = CommandLine.arguments[1]
let layout = StorageLayout(root: folder + "/data")
let files = LinuxFileSystem()
let tenantFile = folder + "/tenant"

/// Stands for a volume of its own: a test has one.
struct OwnVolume: RingAnchorStore {
  let place: FileRingAnchorStore
  let volume: UInt64
  var name: String { place.name }

  func standing() throws(VaultError) -> RingAnchorStanding { .dedicated(volume: volume) }
  func anchor(_ id: Identifier, of tenant: Identifier) throws(VaultError) -> RingAnchor? {
    try place.anchor(id, of: tenant)
  }
  func keep(_ anchor: RingAnchor) throws(VaultError) { try place.keep(anchor) }
  func destroyAll(but id: Identifier?, of tenant: Identifier) throws(VaultError) {
    try place.destroyAll(but: id, of: tenant)
  }
  func holdsOnly(_ id: Identifier?, of tenant: Identifier) throws(VaultError) -> Bool {
    try place.holdsOnly(id, of: tenant)
  }
}

func places() -> [any RingAnchorStore] {
  ["a", "b"].enumerated().map { number, name in
    OwnVolume(
      place: FileRingAnchorStore(folder + "/anchor-" + name, data: layout.root),
      volume: UInt64(number))
  }
}

func openRing() throws -> (KeyRing, Identifier) {
  let custodian = KeyFileCustodian(rootKeyFile: folder + "/root.key")
  let store = FileKeyRingStore(layout.keys + "/ring")
  let copies = [FileKeyRingStore(folder + "/copy/ring")]
  if let bytes = try? AtomicFile.read(tenantFile, limit: 64, on: files),
    let tenant = Identifier(String(decoding: bytes, as: UTF8.self))
  {
    return (
      try KeyRing.open(custodian: custodian, store: store, copies: copies, anchors: places()),
      tenant
    )
  }
  for path in [
    layout.root, layout.keys, layout.objects, folder + "/copy", folder + "/anchor-a",
    folder + "/anchor-b",
  ] { try Directory.make(path, below: folder, on: files) }
  let tenant = Identifier.random()
  let ring = try KeyRing.create(
    tenant: tenant, custodian: custodian, store: store, copies: copies, anchors: places(),
    at: Timestamp(milliseconds: SystemClock().read().milliseconds))
  try AtomicFile.write(Array(tenant.description.utf8), to: tenantFile, on: files)
  return (ring, tenant)
}

func open() async throws -> (Vault, AuditLog, SQLiteCatalog) {
  let (ring, tenant) = try openRing()
  let catalog = try SQLiteCatalog(layout.catalog)
  guard let node = NodeName("test"), let software = SoftwareName("callvault 0.0.0") else {
    preconditionFailure("both are names")
  }
  let origin = "vault.example.org/callvault"
  let log = try await AuditLog.open(
    LogConfiguration(origin: origin, tenant: tenant, node: node, software: software),
    store: FileLogStore(layout), signer: NoteSigner(name: origin, seed: ring.logSigningSeed()),
    openings: ring, subjects: catalog, clock: SystemClock())
  let policies = CommandLine.arguments[2]
  let vault = try await Vault.open(
    VaultConfiguration(tenant: tenant, administrator: 1000),
    policy: AccessPolicy(
      parsing: AtomicFile.read(policies + "/access.yaml", limit: 1 << 20, on: files),
      file: "access.yaml"),
    retention: RetentionSchedule(
      parsing: AtomicFile.read(policies + "/retention.yaml", limit: 1 << 20, on: files),
      file: "retention.yaml"),
    catalog: catalog, blobs: FileBlobStore(root: layout.objects), log: log, keys: ring,
    inspector: Looks(), clock: SystemClock(),
    keyStorage: KeyStorage(tables: [
      FileKeyTableStore(layout.keys), FileKeyTableStore(folder + "/copy"),
    ]))
  return (vault, log, catalog)
}

/// The bytes of a recording, as a clinician gets them.
func read(_ recording: Identifier, _ vault: Vault, _ clinician: Caller) async throws -> [UInt8] {
  try await vault.openRecording(recording, as: clinician, purpose: .treatment) { reader in
    var all: [UInt8] = []
    try await reader.read(0..<reader.facts.length) { bytes in all += bytes }
    return all
  }
}

func ratchet(_ vault: Vault, _ administrator: Caller) async throws {
  say("ratcheting")
  _ = try await vault.startRatchet(as: administrator)
  try await vault.keepKeys()
  guard case .done(let sentence)? = try await vault.keyStatus(as: administrator).run?.state else {
    let state = try await vault.keyStatus(as: administrator).run?.state
    say("refused", "\(state.map { "\($0)" } ?? "")")
    exit(1)
  }
  say("ratcheted", sentence)
}

func live() async throws -> Never {
  let (vault, log, catalog) = try await open()
  let administrator = try await vault.authenticate(localUser: 1000, request: .random())
  let token = try await vault.createToken(
    named: "clinician", role: .clinician, scopes: [], as: administrator)
  let clinician = try await vault.authenticate(
    token: token.token.text, via: "test", request: .random())
  guard let write = Scope("recordings:write") else { preconditionFailure("a scope of the policy") }
  let service = try await vault.createToken(
    named: "pbx", role: .service, scopes: [write], as: administrator)
  let system = try await vault.authenticate(
    token: service.token.text, via: "test", request: .random())

  // What was interrupted goes on, as in the service.
  try await vault.keepKeys()
  var calls: [Identifier] = []
  var query = CatalogQuery(limit: 100)
  while true {
    let page = try await catalog.calls(matching: query)
    for listing in page {
      calls.append(listing.call.id)
      for recording in try await catalog.recordings(of: listing.call.id) {
        let bytes = try await read(recording.id, vault, clinician)
        say("live", "\(listing.call.id)", "\(recording.id)", SHA256.hash(bytes).description)
      }
    }
    guard let last = page.last, page.count == 100 else { break }
    query.after = CallCursor(started: last.call.started.instant, call: last.call.id)
  }
  try await catalog.checkIntegrity()
  let status = try await vault.keyStatus(as: administrator)
  guard status.epochs.map(\.keys).reduce(0, +) == Int64(2 * calls.count) else {
    say("wrong", "keys hang on no epoch")
    exit(1)
  }
  say("ready", "\(calls.count)")
  if CommandLine.arguments.count > 3 {
    try await ratchet(vault, administrator)
    exit(0)
  }
  while true {
    switch Int.random(in: 0..<10) {
    case 0..<5 where calls.count < 40:
      let bytes = (0..<Int.random(in: 1...70_000)).map { _ in UInt8.random(in: .min ... .max) }
      let call = try await vault.createCall(
        NewCall(source: "pbx", sourceID: "\(Identifier.random())"), as: system)
      var rest = bytes[...]
      let stored = try await vault.storeRecording(in: call.call, as: system) {
        guard !rest.isEmpty else { return nil }
        let piece = Array(rest.prefix(20_000))
        rest = rest.dropFirst(piece.count)
        return piece
      }
      calls.append(call.call)
      say(
        "stored", "\(call.call)", "\(stored.recording)", SHA256.hash(bytes).description)
    case 5..<7 where !calls.isEmpty:
      let gone = (0..<min(calls.count, Int.random(in: 1...3))).map { _ in
        calls.remove(at: Int.random(in: calls.indices))
      }
      for call in gone { say("purging", "\(call)") }
      _ = try await vault.purge(
        gone.map { PurgeOrder(call: $0, evidence: nil, rule: "test") }, holds: NoHolds(),
        by: log.system)
      for call in gone { say("purged", "\(call)") }
    case 7:
      say("rotating")
      _ = try await vault.rotateKeys(as: administrator)
      try await vault.keepKeys()
      say("rotated")
    case 8, 9: try await ratchet(vault, administrator)
    default: continue
    }
  }
}

do {
  try await live()
} catch {
  say("failed", "\(error)")
  exit(1)
}
