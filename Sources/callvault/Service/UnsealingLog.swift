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

  static func layout(_ vault: StorageLayout) -> StorageLayout { vault.unsealing }

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
      openings: MachineOpenings(seed: seed(vault), tenant: settings.tenant, of: folder),
      subjects: NoSubjects(),
      clock: clock)
  }

  /// Lets the vault's log take this one's head: what it held until now cannot change unseen from here on.
  ///
  /// The entry says from where to where: how many entries no joining had taken yet, and their times.
  static func join(_ log: AuditLog, of vault: StorageLayout, to vaultLog: AuditLog) async throws {
    try await log.publish()
    let head = await log.durableHead
    var draft = EntryDraft(.journalJoined, .single, by: vaultLog.system)
    draft.outcome = .success
    draft.digest = SHA256.hash(head.note)
    draft.length = Int64(head.note.count)
    draft.commits = [
      .origin: Array(log.configuration.origin.utf8),
      .key: Array(log.verifierKey.description.utf8),
    ]
    let from = joinedSize(vault).flatMap { $0 <= head.size ? $0 : nil } ?? 0
    if from < head.size {
      draft.count = head.size - from
      draft.first = try await time(of: from, in: log)
      draft.last = try await time(of: head.size - 1, in: log)
    }
    _ = try await vaultLog.record(draft)
    // After the entry: a crash in between joins some entries twice, and none never.
    try AtomicFile.write(
      Array("\(head.size)\n".utf8), to: joinedPath(vault), on: LinuxFileSystem())
  }

  private static func joinedPath(_ vault: StorageLayout) -> String {
    layout(vault).root + "/joined"
  }

  /// How many entries were joined; nil where none were, or nobody can tell: then all are joined again.
  private static func joinedSize(_ vault: StorageLayout) -> Int64? {
    guard
      let bytes = try? AtomicFile.read(joinedPath(vault), limit: 32, on: LinuxFileSystem()),
      bytes.last == 0x0A
    else { return nil }
    return Int64(String(decoding: bytes.dropLast(), as: UTF8.self)).flatMap { $0 >= 0 ? $0 : nil }
  }

  private static func time(of index: Int64, in log: AuditLog) async throws -> Timestamp {
    let page = try await log.entries(
      matching: EntryFilter(indices: index..<index + 1), limit: 1)
    guard let entry = page.entries.first?.entry else {
      throw AuditError(.damaged, during: "reading an entry of the log of attempts")
    }
    return entry.time
  }
}
