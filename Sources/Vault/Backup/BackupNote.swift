public import Audit
public import Cryptography
public import Encoding

/// What the file `BACKUP` of a backup says: which set counts, and what it is of.
///
/// `Documentation/formats/backup.md`, 2.
public struct BackupNote: Hashable, Sendable {
  public var origin: String
  public var tenant: Identifier
  /// The number of the set, from 1.
  public var set: Int64
  public var contents: BackupContents
  public var time: Timestamp

  public init(
    origin: String, tenant: Identifier, set: Int64, contents: BackupContents, time: Timestamp
  ) {
    self.origin = origin
    self.tenant = tenant
    self.set = set
    self.contents = contents
    self.time = time
  }

  private static let names = [
    "tenant", "set", "manifest", "files", "bytes", "log", "recordings", "lost", "time",
  ]

  /// What is signed.
  public var statement: Statement {
    let head = contents.head
    let values = [
      tenant.description, "\(set)", contents.manifest.hex, "\(contents.files)",
      "\(contents.bytes)", "\(head.size) \(Base64.encode(head.root.bytes))",
      "\(contents.recordings)", "\(contents.lost)", time.rfc3339,
    ]
    return Statement(
      .backup, origin: origin, fields: zip(Self.names, values).map { Statement.Field($0, $1) })
  }

  /// Reads a signed note, and checks it if there is a key.
  ///
  /// - Throws: ``VaultError/Code/tampered`` for any other form, or a signature that does not hold.
  public init(parsing bytes: [UInt8], key: VerifierKey?) throws(VaultError) {
    do throws(AuditError) {
      let statement = try Statement(
        parsing: bytes, as: .backup, fields: Self.names, key: key)
      let values = statement.fields.map(\.value)
      guard let tenant = Identifier(values[0]), let set = Self.number(values[1]), set > 0,
        let manifest = SHA256Digest(hex: values[2]), let files = Self.number(values[3]),
        let length = Self.number(values[4]), let head = Self.head(values[5], of: statement.origin),
        let recordings = Self.number(values[6]), let lost = Self.number(values[7]),
        let time = Timestamp(rfc3339: values[8])
      else { throw AuditError(.malformed, during: "reading a backup's note") }
      self.init(
        origin: statement.origin, tenant: tenant, set: set,
        contents: BackupContents(
          manifest: manifest, manifestLength: 0, files: files, bytes: length, head: head,
          recordings: recordings, lost: lost, copied: 0, copiedBytes: 0),
        time: time)
      guard self.statement == statement else {
        throw AuditError(.malformed, during: "reading a backup's note")
      }
    } catch {
      throw VaultError(
        .tampered, during: "reading a backup's note",
        detail: error.code == .notAuthentic
          ? "BACKUP is not signed by this log's key" : "BACKUP is not what was written",
        cause: error)
    }
  }

  /// Digits without leading zeros, below 2^53.
  static func number(_ text: String) -> Int64? {
    guard (1...16).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let number = Int64(text), number < 1 << 53
    else { return nil }
    return number
  }

  static func head(_ text: String, of origin: String) -> Checkpoint? {
    let parts = text.split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count == 2, let size = number(String(parts[0])), size > 0,
      let root = Base64.decode(parts[1]).flatMap({ SHA256Digest(bytes: $0) })
    else { return nil }
    return Checkpoint(origin: origin, size: size, root: root)
  }
}

/// What a set holds, and what it took to make it.
public struct BackupContents: Hashable, Sendable {
  public var manifest: SHA256Digest
  public var manifestLength: Int64
  /// Lines of the manifest, and the sum of the lengths of their files.
  public var files: Int64
  public var bytes: Int64
  public var head: Checkpoint
  /// Rows of recordings in the catalog, and how many of them have no whole object anywhere.
  public var recordings: Int64
  public var lost: Int64
  /// Objects that were not there before.
  public var copied: Int64
  public var copiedBytes: Int64

  public init(
    manifest: SHA256Digest, manifestLength: Int64, files: Int64, bytes: Int64, head: Checkpoint,
    recordings: Int64, lost: Int64, copied: Int64, copiedBytes: Int64
  ) {
    self.manifest = manifest
    self.manifestLength = manifestLength
    self.files = files
    self.bytes = bytes
    self.head = head
    self.recordings = recordings
    self.lost = lost
    self.copied = copied
    self.copiedBytes = copiedBytes
  }
}
