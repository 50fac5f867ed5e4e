import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import Foundation
import Retention
import Synchronization
import Testing
import Threading

@testable import Vault

/// A vault over real drivers in a folder of its own, and the people and programs that use it.
final class Practice: Sendable {
  let folder: URL
  let tenant: Identifier
  let store: FaultyLogStore
  let log: AuditLog
  let catalog: SQLiteCatalog
  let blobs: FileBlobStore
  let keys: KeyRing
  let vault: Vault
  let inspector: CountingInspector

  private init(
    folder: URL, tenant: Identifier, custodian: MemoryCustodian, ring: MemoryRingStore,
    configuration: VaultConfiguration?, inspector: CountingInspector,
    objectsOn files: any FileSystem = LinuxFileSystem(), home: KeyHome,
    clock: any WallClock = SystemClock(), retention: RetentionSchedule? = nil
  ) async throws {
    self.folder = folder
    self.tenant = tenant
    self.inspector = inspector
    let layout = StorageLayout(root: folder.path)
    self.clock = clock
    store = FaultyLogStore(try FileLogStore(layout))
    catalog = try SQLiteCatalog(layout.catalog)
    try FileManager.default.createDirectory(
      atPath: layout.objects, withIntermediateDirectories: true)
    blobs = try FileBlobStore(root: layout.objects, on: files)
    keys = try KeyRing.open(
      custodian: custodian, store: ring, copies: home.copies, anchors: home.anchors)
    let origin = "vault.example.org/callvault"
    var settings = LogConfiguration(
      origin: origin, tenant: tenant, node: try #require(NodeName("test")),
      software: try #require(SoftwareName("callvault 0.0.0")))
    settings.heartbeatInterval = .seconds(3600)
    log = try await AuditLog.open(
      settings, store: store,
      signer: try NoteSigner(name: origin, seed: try keys.logSigningSeed()), openings: keys,
      subjects: catalog, clock: clock)
    vault = try await Vault.open(
      configuration ?? VaultConfiguration(tenant: tenant, administrator: 1000),
      policy: try PolicyFiles.access(), retention: try retention ?? PolicyFiles.retention(),
      consent: home.consent, catalog: catalog,
      blobs: blobs, log: log, keys: keys, inspector: inspector, clock: clock,
      keyStorage: home.storage)
    self.home = home
    self.custodian = custodian
    self.ring = ring
  }
  let custodian: MemoryCustodian
  let ring: MemoryRingStore
  let home: KeyHome
  let clock: any WallClock

  /// A practice that opens today.
  static func new(
    _ configure: (inout VaultConfiguration) -> Void = { _ in },
    inspector: CountingInspector = CountingInspector(),
    objectsOn files: any FileSystem = LinuxFileSystem(), home: KeyHome = KeyHome(),
    clock: any WallClock = SystemClock(), retention: RetentionSchedule? = nil
  ) async throws -> Practice {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "callvault-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let tenant = Identifier.random()
    let custodian = try MemoryCustodian()
    let ring = MemoryRingStore()
    _ = try KeyRing.create(
      tenant: tenant, custodian: custodian, store: ring, copies: home.copies,
      anchors: home.anchors, at: Timestamp(milliseconds: 1_795_188_000_000))
    var configuration = VaultConfiguration(tenant: tenant, administrator: 1000)
    configure(&configuration)
    return try await Practice(
      folder: folder, tenant: tenant, custodian: custodian, ring: ring,
      configuration: configuration, inspector: inspector, objectsOn: files, home: home,
      clock: clock, retention: retention)
  }

  /// The same folder after a stop without warning.
  func restarted(
    objectsOn files: any FileSystem = LinuxFileSystem(), retention: RetentionSchedule? = nil
  ) async throws -> Practice {
    try await reopened(folder, home, objectsOn: files, retention: retention)
  }

  /// A folder of this practice, wherever it was copied, with its keys.
  func reopened(
    _ folder: URL, _ home: KeyHome, objectsOn files: any FileSystem = LinuxFileSystem(),
    retention: RetentionSchedule? = nil
  ) async throws -> Practice {
    try await Practice(
      folder: folder, tenant: tenant, custodian: custodian, ring: ring,
      configuration: vault.configuration, inspector: inspector, objectsOn: files, home: home,
      clock: clock, retention: retention ?? vault.retention)
  }

  func remove() {
    try? FileManager.default.removeItem(at: folder)
  }

  deinit { remove() }

  // MARK: People

  func administrator() async throws -> Caller {
    try await vault.authenticate(localUser: 1000, request: .random())
  }

  /// A caller with a token of this role, made by the administrator.
  func caller(
    _ role: Role, _ scopes: String..., named name: String? = nil
  ) async throws -> Caller {
    let token = try await vault.createToken(
      named: name ?? "\(role.rawValue)-\(Identifier.random().description.prefix(8))", role: role,
      scopes: scopes.map { try #require(Scope($0)) }, as: administrator())
    return try await vault.authenticate(
      token: token.token.text, via: "192.0.2.7", request: .random())
  }

  func phoneSystem() async throws -> Caller {
    try await caller(.service, "recordings:write", "transcripts:write")
  }

  // MARK: Shortcuts

  /// A call with a recording of these bytes.
  func recording(
    _ bytes: [UInt8] = [UInt8](repeating: 7, count: 100), source: String = "3cx",
    sourceID: String = Identifier.random().description, location: String? = nil,
    callExtension: String? = nil
  ) async throws -> RecordingReceipt {
    let system = try await phoneSystem()
    let call = try await vault.createCall(
      NewCall(
        source: source, sourceID: sourceID, from: "+13135550142", to: "+13135550100",
        callExtension: callExtension, agent: "Dana", location: location), as: system)
    return try await store(bytes, in: call.call, as: system)
  }

  func store(
    _ bytes: [UInt8], in call: Identifier, as caller: Caller, expecting: SHA256Digest? = nil
  ) async throws(VaultError) -> RecordingReceipt {
    var rest = bytes[...]
    return try await vault.storeRecording(in: call, expecting: expecting, as: caller) {
      guard !rest.isEmpty else { return nil }
      let piece = Array(rest.prefix(10_000))
      rest = rest.dropFirst(piece.count)
      return piece
    }
  }

  func read(
    _ recording: Identifier, _ range: Range<Int64>? = nil, as caller: Caller,
    purpose: PurposeOfUse? = .treatment
  ) async throws -> [UInt8] {
    try await vault.openRecording(recording, as: caller, purpose: purpose) { reader in
      var all: [UInt8] = []
      try await reader.read(range ?? 0..<reader.facts.length) { bytes in all += bytes }
      return all
    }
  }

  // MARK: The log

  /// All entries from `start` on.
  func entries(from start: Int64 = 0) async throws -> [Entry] {
    var entries: [Entry] = []
    var next: Int64? = start
    while let index = next {
      let page = try await log.entries(
        matching: EntryFilter(indices: index..<Int64.max), limit: 1000)
      entries += page.entries.map(\.entry)
      next = page.next
    }
    return entries
  }

  /// What `body` wrote to the log.
  func entriesOf(_ body: () async throws -> Void) async throws -> [Entry] {
    let start = try await entries().count
    try await body()
    return try await entries(from: Int64(start))
  }
}

/// Where else keys lie.
struct KeyHome: Sendable {
  var copies: [any KeyRingStore] = []
  var anchors: [any RingAnchorStore] = []
  var storage = KeyStorage()
  /// Whose consent a recording needs.
  var consent: ConsentPolicy?
}

/// A key file that is no file.
struct MemoryCustodian: KeyCustodian {
  private let secret: SharedSecret

  init() throws {
    secret = SharedSecret(try SecretBytes.random(count: 32))
  }

  func enrol() throws(VaultError) -> CustodianRecord {
    CustodianRecord(kind: .file, destruction: .file, derivation: .none)
  }

  func root(for record: CustodianRecord) throws(VaultError) -> SecretBytes {
    do {
      return try secret.duplicate()
    } catch {
      throw VaultError(.sealed, during: "lending a root key")
    }
  }
}

final class MemoryRingStore: KeyRingStore {
  private let bytes = Mutex<[UInt8]?>(nil)

  func read() throws(VaultError) -> [UInt8]? { bytes.withLock { $0 } }

  func replace(with new: [UInt8]) throws(VaultError) { bytes.withLock { $0 = new } }
}

/// Answers what it was told, and remembers what it read: never a key, always ranges.
final class CountingInspector: AudioInspector {
  private let reads = Mutex<[[UInt8]]>([])
  let facts: AudioFacts
  private let meanwhile: @Sendable () async -> Void

  /// - Parameters:
  ///   - facts: what it answers, unless it is cancelled.
  ///   - meanwhile: what happens while it looks.
  init(
    _ facts: AudioFacts = AudioFacts(
      condition: .sound, format: "wav/pcm-s16", channels: 1, sampleRate: 8000,
      durationMilliseconds: 1234),
    meanwhile: @escaping @Sendable () async -> Void = {}
  ) {
    self.facts = facts
    self.meanwhile = meanwhile
  }

  var seen: [[UInt8]] { reads.withLock { $0 } }

  func inspect(
    length: Int64, from uploader: Identifier,
    read: @escaping @Sendable (_ offset: Int64, _ count: Int) async throws -> [UInt8]
  ) async -> AudioFacts {
    guard let head = try? await read(0, 16), let tail = try? await read(max(0, length - 16), 64)
    else { return AudioFacts(condition: .damaged) }
    reads.withLock { $0 += [head, tail] }
    await meanwhile()
    // As the probe does.
    return Task.isCancelled ? AudioFacts(condition: .unexamined) : facts
  }
}

/// A log store that stops taking appends when it is told to.
final class FaultyLogStore: LogStore {
  struct Broken: Error {}
  private let store: FileLogStore
  /// Appends that still succeed; nil: all.
  private let left = Mutex<Int?>(nil)

  init(_ store: FileLogStore) {
    self.store = store
  }

  /// Fails every append after the next `count`.
  func fail(after count: Int) { left.withLock { $0 = count } }

  func append(_ bytes: [UInt8], from before: Int64, to after: Int64) async throws {
    let fails = left.withLock { left in
      guard let count = left else { return false }
      left = count - 1
      return count <= 0
    }
    if fails { throw Broken() }
    try await store.append(bytes, from: before, to: after)
  }

  func publishMinimum(_ note: [UInt8]) async throws { try await store.publishMinimum(note) }
  func removeBundles(below number: Int64) async throws {
    try await store.removeBundles(below: number)
  }
  func journalSegments() async throws -> [Int64] { try await store.journalSegments() }
  func journal(beginningAt first: Int64) async throws -> [UInt8] {
    try await store.journal(beginningAt: first)
  }
  func renewJournal(beginningAt first: Int64, with bytes: [UInt8]) async throws {
    try await store.renewJournal(beginningAt: first, with: bytes)
  }
  func beginJournal(at first: Int64, with head: [UInt8], reserving length: Int) async throws {
    try await store.beginJournal(at: first, with: head, reserving: length)
  }

  func reserveJournal(_ length: Int) async throws {
    try await store.reserveJournal(length)
  }
  func removeJournal(beginningBefore first: Int64) async throws {
    try await store.removeJournal(beginningBefore: first)
  }
  func publish(_ publication: Publication) async throws { try await store.publish(publication) }
  func published(_ path: String) async throws -> [UInt8]? { try await store.published(path) }
  func historyMonths() async throws -> [String] { try await store.historyMonths() }
  func history(of month: String, from offset: Int64, count: Int) async throws -> [UInt8]? {
    try await store.history(of: month, from: offset, count: count)
  }
  func openings(ofBundle number: Int64) async throws -> [UInt8]? {
    try await store.openings(ofBundle: number)
  }
  func removeSupersededPartials(below size: Int64) async throws {
    try await store.removeSupersededPartials(below: size)
  }
  func saveSnapshot(_ bytes: [UInt8]) async throws { try await store.saveSnapshot(bytes) }
  func snapshot() async throws -> [UInt8]? { try await store.snapshot() }
}
