import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import Foundation
import Testing
import Threading

@testable import Vault

/// A practice of which a copy was kept, and an anchor that knows what came after the copy.
final class LostPractice: Sendable {
  struct Opened {
    let vault: Vault
    let log: AuditLog
    let catalog: SQLiteCatalog
  }

  static let origin = "vault.example.org/callvault"
  static let administrator: UInt32 = 1000

  /// The data directory as it was when it was copied.
  let copy: String
  private let known = Lock<(life: Life, anchor: VerifiedCheckpoint)?>(nil)
  let keys: KeyRing
  private let tenant = Identifier.random()
  private let folder: URL

  /// What was done before the copy was made.
  struct Life {
    let recording: RecordingReceipt
    let patient: Identifier
    let openIntent: Identifier
    /// A clinician's.
    let token: String
  }

  init() async throws {
    folder = FileManager.default.temporaryDirectory.appending(
      path: "callvault-\(UUID().uuidString)")
    copy = folder.path + "/copy"
    let data = folder.path + "/data"
    let layout = StorageLayout(root: data)
    try FileManager.default.createDirectory(
      atPath: layout.keys, withIntermediateDirectories: true)
    let custodian = try MemoryCustodian()
    keys = try KeyRing.create(
      tenant: tenant, custodian: custodian, store: MemoryRingStore(),
      at: Timestamp(milliseconds: 1_795_188_000_000))
    _ = try LogRootFile.make(rootFile, for: Self.origin, in: layout)

    let first = try await open(data)
    let (life, clinician) = try await live(first)
    try await first.log.publish()
    try FileManager.default.copyItem(atPath: data, toPath: copy)
    // No backup has the day's key.
    try FileManager.default.removeItem(atPath: StorageLayout(root: copy).epochKeys)
    _ = try await first.vault.findPatient(reference: "MRN-1", as: clinician)
    try await first.log.publish()
    let anchor = try VerifiedCheckpoint(
      SignedNote(parsing: #require(await first.log.publishedCheckpoint)),
      key: first.log.verifierKey)
    known.withLock { $0 = (life, anchor) }
  }

  private var facts: (life: Life, anchor: VerifiedCheckpoint) {
    guard let facts = known.withLock({ $0 }) else { preconditionFailure("not made yet") }
    return facts
  }

  var life: Life { facts.life }
  /// The head that somebody kept of what came after the copy.
  var anchor: VerifiedCheckpoint { facts.anchor }

  deinit {
    // What is left in the folder for temporary files harms nobody.
    try? FileManager.default.removeItem(at: folder)
  }

  var rootFile: String { folder.path + "/log-root.key" }

  /// A call with a recording, a patient's; a reading that never ended; a row whose entry nobody confirmed.
  private func live(_ opened: Opened) async throws -> (Life, Caller) {
    let vault = opened.vault
    let administrator = try await administrator(of: vault)
    let (system, _) = try await caller(
      .service, "recordings:write", of: vault, by: administrator)
    let (clinician, token) = try await caller(.clinician, of: vault, by: administrator)
    let call = try await vault.createCall(
      NewCall(source: "3cx", sourceID: "1", from: "+13135550142", to: "+13135550100"), as: system)
    let recording = try await store([1, 2, 3], in: call.call, of: vault, as: system)
    let patient = try await vault.createPatient(reference: "MRN-1", as: clinician).id
    _ = try await vault.link(call.call, to: patient, as: clinician)
    var intent = EntryDraft(.recordingOpened, .intent, by: clinician.actor, on: [call.call])
    intent.subjects = try keys.subjectKeys(of: #require(await opened.catalog.call(call.call)))
    intent.purpose = .treatment
    let openIntent = try await opened.log.record(intent).entryID
    // One row whose entry came, and one whose entry did not.
    for isLogged in [true, false] {
      let row = IdentityRow(
        id: .random(), kind: .person, name: "pending \(isLogged)", created: vault.now)
      try await opened.catalog.insert(row, since: await vault.logSize)
      guard isLogged else { continue }
      var draft = EntryDraft(.personCreated, .single, by: opened.log.system, on: [row.id])
      draft.outcome = .success
      draft.commits[.name] = Array(row.name.utf8)
      _ = try await opened.log.record(draft)
    }
    let life = Life(
      recording: recording, patient: patient, openIntent: openIntent, token: token)
    return (life, clinician)
  }

  // MARK: Opening

  /// As a start does, in the order of `OpenedVault`.
  func open(_ path: String, anchors: [VerifiedCheckpoint] = []) async throws -> Opened {
    let layout = StorageLayout(root: path)
    try FileManager.default.createDirectory(
      atPath: layout.objects, withIntermediateDirectories: true)
    let catalog = try SQLiteCatalog(layout.catalog)
    try await LogSwitch.finish(layout, catalog: catalog)
    let configuration = try configuration(layout)
    let signer = try signer(configuration.origin)
    let clock = SystemClock()
    let known = anchors.filter { $0.checkpoint.origin == configuration.origin }
    let log = try await AuditLog.open(
      configuration, store: FileLogStore(layout), signer: signer, openings: keys,
      subjects: catalog, clock: clock, epochs: FileEpochKeys(layout, ring: keys), anchors: known)
    let vault = try await Vault.open(
      VaultConfiguration(tenant: tenant, administrator: Self.administrator),
      policy: try PolicyFiles.access(), retention: try PolicyFiles.retention(), catalog: catalog,
      blobs: FileBlobStore(root: layout.objects), log: log, keys: keys,
      inspector: CountingInspector(), clock: clock)
    return Opened(vault: vault, log: log, catalog: catalog)
  }

  func configuration(_ layout: StorageLayout) throws -> LogConfiguration {
    LogConfiguration(
      origin: try LogName.read(layout)?.origin ?? Self.origin, tenant: tenant,
      node: try #require(NodeName("test")), software: try #require(SoftwareName("callvault 0.0.0")))
  }

  func signer(_ origin: String) throws -> NoteSigner {
    try NoteSigner(name: origin, seed: keys.logSigningSeed())
  }

  func hold(
    in path: String, anchors: [VerifiedCheckpoint]? = nil, rootFile: String? = nil,
    endsTokens: Bool = true, on files: any FileSystem = LinuxFileSystem()
  ) async throws -> RecoveryCeremony.Outcome {
    let layout = StorageLayout(root: path)
    let catalog = try SQLiteCatalog(layout.catalog)
    try await LogSwitch.finish(layout, catalog: catalog, on: files)
    return try await RecoveryCeremony(
      layout, configuration(layout), ring: keys, catalog: catalog,
      blobs: FileBlobStore(root: layout.objects), clock: SystemClock(), on: files
    ).hold(
      because: "the disk died", by: Self.administrator, rootFile: rootFile ?? self.rootFile,
      anchors: anchors ?? [anchor], endsTokens: endsTokens)
  }

  /// A fresh copy of the copy.
  func restored(_ name: String) throws -> String {
    let path = folder.path + "/" + name
    if FileManager.default.fileExists(atPath: path) {
      try FileManager.default.removeItem(atPath: path)
    }
    try FileManager.default.copyItem(atPath: copy, toPath: path)
    return path
  }

  // MARK: People

  func administrator(of vault: Vault) async throws -> Caller {
    try await vault.authenticate(localUser: Self.administrator, request: .random())
  }

  func caller(
    _ role: Role, _ scopes: String..., of vault: Vault, by administrator: Caller
  ) async throws -> (Caller, token: String) {
    let made = try await vault.createToken(
      named: "\(role.rawValue)-\(Identifier.random().description.prefix(8))", role: role,
      scopes: scopes.map { try #require(Scope($0)) }, as: administrator)
    let text = made.token.text
    return (
      try await vault.authenticate(token: text, via: "192.0.2.7", request: .random()), text
    )
  }

  func store(
    _ bytes: [UInt8], in call: Identifier, of vault: Vault, as caller: Caller
  ) async throws -> RecordingReceipt {
    var rest: [UInt8]? = bytes
    return try await vault.storeRecording(in: call, expecting: nil, as: caller) {
      defer { rest = nil }
      return rest
    }
  }
}
