import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import Host
import Threading
import Vault

/// The log of attempts to unseal, made before the vault's own log can be written: a C2SP log of its own.
///
/// `Documentation/formats/audit-log.md`, 10. Its key lies on this machine in clear, so it proves less than the
/// vault's log: whoever has the machine could have written it anew until the vault's log joined it.
enum UnsealingLog {
  static let folder = "unsealing"

  static func layout(_ vault: StorageLayout) -> StorageLayout {
    StorageLayout(root: vault.root + "/" + folder)
  }

  private static func keyPath(_ layout: StorageLayout) -> String { layout.root + "/key" }

  /// The machine's secret, made the first time.
  private static func seed(_ vault: StorageLayout) throws -> SecretBytes {
    let layout = layout(vault)
    try Directory.make(layout.root, below: vault.root, on: LinuxFileSystem())
    let custodian = KeyFileCustodian(rootKeyFile: keyPath(layout))
    return try custodian.root(for: custodian.enrol())
  }

  /// The machine's key.
  static func signer(_ vault: StorageLayout, origin: String) throws -> NoteSigner {
    let seed = try seed(vault)
    // The name that `init` gave the vault's log: a recovery gives that another, and leaves this one.
    let first = origin.split(separator: "/").prefix(2).joined(separator: "/")
    return try NoteSigner(name: first + "/" + folder, seed: seed)
  }

  /// Lets the root of the vault's log vouch for the machine's key.
  static func certify(
    with root: borrowing NoteSigner, _ vault: StorageLayout, origin: String
  ) throws {
    let key = try signer(vault, origin: origin).verifierKey
    let note = try root.sign(Array("callvault/unsealing/v1\n\(origin)\n\(key)\n".utf8))
    try AtomicFile.write(
      note.encoded, to: layout(vault).root + "/certificate", on: LinuxFileSystem())
  }

  /// Opens the log; who opens it runs it.
  static func open(
    _ vault: StorageLayout, settings: Settings, clock: any WallClock
  ) async throws -> AuditLog {
    let layout = layout(vault)
    let signer = try signer(vault, origin: settings.origin)
    guard let node = NodeName(settings.node),
      let software = SoftwareName("callvault \(CallVault.version)")
    else {
      throw CommandFailure(.usage, "`node` must be lower-case letters, digits and hyphens")
    }
    var configuration = LogConfiguration(
      origin: signer.verifierKey.name, tenant: settings.tenant, node: node, software: software)
    configuration.journalSegmentLength = 256 << 10
    configuration.journalReserve = 256 << 10
    return try await AuditLog.open(
      configuration, store: FileLogStore(layout, on: LinuxFileSystem()), signer: signer,
      openings: MachineOpenings(seed: seed(vault), tenant: settings.tenant), subjects: NoSubjects(),
      clock: clock)
  }

  /// The entry by which the vault's log takes this one's head: what it held until now cannot change unseen
  /// from here on.
  static func joining(_ log: AuditLog, by system: Actor) async throws -> EntryDraft {
    try await log.publish()
    let head = await log.durableHead
    var draft = EntryDraft(.journalJoined, .single, by: system)
    draft.outcome = .success
    draft.digest = SHA256.hash(head.note)
    draft.length = Int64(head.note.count)
    draft.commits = [
      .origin: Array(log.configuration.origin.utf8),
      .key: Array(log.verifierKey.description.utf8),
    ]
    return draft
  }
}

/// Openings of a log that begins before the key ring is open, under a key of the machine's own.
///
/// They say the log's name and key, and from which address somebody came.
private struct MachineOpenings: OpeningSealer {
  private static let version: UInt8 = 1
  private static let head = 1 + 16 + AES256GCM.nonceByteCount

  private let key: SharedSecret
  private let id: Identifier
  private let tenant: Identifier

  init(seed: borrowing SecretBytes, tenant: Identifier) throws {
    let derived = try HKDFSHA256.derive(
      input: seed, salt: [], info: Array("callvault/unsealing/v1|openings".utf8), count: 32)
    let name = try HKDFSHA256.derive(
      input: seed, salt: [], info: Array("callvault/unsealing/v1|openings id".utf8), count: 16)
    var bytes = name.withBytes { (bytes: RawSpan) in
      unsafe bytes.withUnsafeBytes { unsafe Array($0) }
    }
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    guard let id = Identifier(bytes: bytes) else {
      throw VaultError(.unavailable, during: "naming the machine's key for openings")
    }
    key = SharedSecret(derived)
    self.id = id
    self.tenant = tenant
  }

  func seal(_ opening: [UInt8], at address: OpeningAddress) throws -> [UInt8] {
    let nonce = try Random.bytes(AES256GCM.nonceByteCount)
    let sealed = try key.withSecret { (key) throws(CryptographyError) in
      try AES256GCM.seal(opening, key: key, nonce: nonce, aad: context(of: address))
    }
    return [Self.version] + id.bytes + nonce + sealed
  }

  func open(_ sealed: [UInt8], at address: OpeningAddress) throws -> [UInt8] {
    guard sealed.count > Self.head, sealed[0] == Self.version, Array(sealed[1..<17]) == id.bytes
    else { throw VaultError(.tampered, during: "reading an opening of the unsealing log") }
    return try key.withSecret { (key) throws(CryptographyError) in
      try AES256GCM.open(
        Array(sealed[Self.head...]), key: key, nonce: Array(sealed[17..<Self.head]),
        aad: context(of: address))
    }
  }

  func isErased(_ sealed: [UInt8], at address: OpeningAddress) -> Bool { false }

  private func context(of address: OpeningAddress) -> [UInt8] {
    Array(
      ("callvault/opening/v1|tenant=\(tenant)|entry=\(address.entry)"
        + "|field=\(address.field.rawValue)").utf8)
  }
}

/// The ledger of a log whose entries are about nobody.
private struct NoSubjects: SubjectLedger {
  func countedPosition() async throws -> LogPosition? { nil }
  func countedEntries(of subject: Identifier) async throws -> Int64 { 0 }
  func storeCounts(_ counts: [Identifier: Int64], through position: LogPosition) async throws {}
}
