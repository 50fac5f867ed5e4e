import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import Glibc
import Retention
import Threading
import Vault

/// One line for whoever reads along, at once.
func say(_ words: String...) {
  let line = Array((words.joined(separator: " ") + "\n").utf8)
  _ = unsafe line.withUnsafeBytes { unsafe write(STDOUT_FILENO, $0.baseAddress, $0.count) }
}

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

struct Looks: AudioInspector {
  func inspect(
    length: Int64, from uploader: Identifier,
    read: @escaping @Sendable (_ offset: Int64, _ count: Int) async throws -> [UInt8]
  ) async -> AudioFacts { AudioFacts(condition: .unexamined) }
}

/// A folder with a vault and all of its keys, its backup, and what is restored from that.
struct Place {
  let folder: String
  let policies: String
  let files = LinuxFileSystem()

  var layout: StorageLayout { StorageLayout(root: folder + "/data") }
  var backup: String { folder + "/backup" }
  var restored: String { folder + "/restored" }
  private var tenantFile: String { folder + "/tenant" }

  /// What a worker and a check need of an open vault.
  struct Opened {
    let vault: Vault
    let log: AuditLog
    let catalog: SQLiteCatalog
    let tenant: Identifier
  }

  private func anchors() -> [any RingAnchorStore] {
    ["a", "b"].enumerated().map { number, name in
      OwnVolume(
        place: FileRingAnchorStore(folder + "/anchor-" + name, data: layout.root),
        volume: UInt64(number))
    }
  }

  private func openRing(_ layout: StorageLayout) throws -> (KeyRing, Identifier) {
    let custodian = KeyFileCustodian(rootKeyFile: folder + "/root.key")
    let store = FileKeyRingStore(layout.keys + "/ring")
    let copies = [FileKeyRingStore(folder + "/copy/ring")]
    if try Directory.status(of: tenantFile, on: files) != nil,
      let tenant = Identifier(
        String(decoding: try AtomicFile.read(tenantFile, limit: 64, on: files), as: UTF8.self))
    {
      return (
        try KeyRing.open(custodian: custodian, store: store, copies: copies, anchors: anchors()),
        tenant
      )
    }
    for path in [
      layout.root, layout.keys, layout.objects, folder + "/copy", folder + "/anchor-a",
      folder + "/anchor-b", backup,
    ] { try Directory.make(path, below: folder, on: files) }
    let tenant = Identifier.random()
    let ring = try KeyRing.create(
      tenant: tenant, custodian: custodian, store: store, copies: copies, anchors: anchors(),
      at: Timestamp(milliseconds: SystemClock().read().milliseconds))
    try AtomicFile.write(Array(tenant.description.utf8), to: tenantFile, on: files)
    return (ring, tenant)
  }

  /// Opens the vault, or what was restored of it: the same keys, from the copies of the ring.
  func open(_ restored: StorageLayout? = nil) async throws -> Opened {
    let layout = restored ?? layout
    let (ring, tenant) = try openRing(layout)
    let catalog = try SQLiteCatalog(layout.catalog)
    guard let node = NodeName("test"), let software = SoftwareName("callvault 0.0.0") else {
      preconditionFailure("both are names")
    }
    let origin = "vault.example.org/callvault"
    let log = try await AuditLog.open(
      LogConfiguration(origin: origin, tenant: tenant, node: node, software: software),
      store: FileLogStore(layout), signer: NoteSigner(name: origin, seed: ring.logSigningSeed()),
      openings: ring, subjects: catalog, clock: SystemClock())
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
    return Opened(vault: vault, log: log, catalog: catalog, tenant: tenant)
  }

  /// Says every call that is live, its recordings read as a clinician gets them, and holds the keys against
  /// them.
  ///
  /// - Returns: the calls.
  func sayLive(_ opened: Opened, as word: String = "live") async throws -> [Identifier] {
    let vault = opened.vault
    let administrator = try await vault.authenticate(localUser: 1000, request: .random())
    let token = try await vault.createToken(
      named: "clinician", role: .clinician, scopes: [], as: administrator)
    let clinician = try await vault.authenticate(
      token: token.token.text, via: "test", request: .random())
    // What was interrupted goes on, as in the service.
    try await vault.keepKeys()
    var calls: [Identifier] = []
    var query = CatalogQuery(limit: 100)
    while true {
      let page = try await opened.catalog.calls(matching: query)
      for listing in page {
        calls.append(listing.call.id)
        for recording in try await opened.catalog.recordings(of: listing.call.id) {
          let bytes = try await read(recording.id, vault, clinician)
          say(
            word, "\(listing.call.id)", "\(recording.id)", SHA256.hash(bytes).description)
        }
      }
      guard let last = page.last, page.count == 100 else { break }
      query.after = CallCursor(started: last.call.started.instant, call: last.call.id)
    }
    try await opened.catalog.checkIntegrity()
    let status = try await vault.keyStatus(as: administrator)
    guard status.epochs.map(\.keys).reduce(0, +) == Int64(2 * calls.count) else {
      say("wrong", "keys hang on no epoch")
      exit(1)
    }
    return calls
  }

  private func read(
    _ recording: Identifier, _ vault: Vault, _ clinician: Caller
  ) async throws -> [UInt8] {
    try await vault.openRecording(recording, as: clinician, purpose: .treatment) { reader in
      var all: [UInt8] = []
      try await reader.read(0..<reader.facts.length) { bytes in all += bytes }
      return all
    }
  }

  func restore(_ key: VerifierKey) throws {
    _ = try BackupRestore(backup, to: restored, key: key).run()
  }

  /// Removes what was restored; a folder that is half removed does not have its name any more.
  func discardRestored() throws {
    let gone = folder + "/gone"
    if try Directory.status(of: gone, on: files) != nil {
      try Directory.removeTree(gone, on: files)
    }
    guard try Directory.status(of: restored, on: files) != nil else { return }
    try Directory.rename(restored, to: gone, on: files)
    try Directory.removeTree(gone, on: files)
  }
}
