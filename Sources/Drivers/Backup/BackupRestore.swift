public import Audit
import Cryptography
public import Durable
public import Vault

/// Makes a data directory of a backup.
///
/// `Documentation/formats/backup.md`, 6.
public struct BackupRestore: Sendable {
  private let backup: BackupLayout
  private let target: String
  private let key: VerifierKey?
  private let fileSystem: any FileSystem

  /// - Parameters:
  ///   - folder: the backup.
  ///   - target: the data directory to be; nothing may be there, or an empty folder.
  ///   - key: the log's; nil: nobody vouches for who signed.
  ///   - fileSystem: where both lie.
  public init(
    _ folder: String, to target: String, key: VerifierKey?,
    on fileSystem: any FileSystem = LinuxFileSystem()
  ) {
    backup = BackupLayout(root: folder)
    self.target = target
    self.key = key
    self.fileSystem = fileSystem
  }

  /// Where files lie before all of them are there.
  private var part: String { target + ".part" }

  /// The backup's log, to be verified before anything is restored.
  ///
  /// - Throws: ``VaultError/Code/invalid`` where there is no backup, ``VaultError/Code/tampered`` for one
  ///   that the key did not sign.
  public func log() throws(VaultError) -> LogFolder {
    LogFolder(
      "\(backup.root)/\(BackupLayout.set(try note().note.set))/log", on: fileSystem)
  }

  private func note() throws(VaultError) -> (note: BackupNote, bytes: [UInt8]) {
    let bytes = try failingAsVault("reading a backup's note") {
      try readIfPresent(backup.note, limit: 1 << 16, on: fileSystem)
    }
    guard let bytes else {
      throw Self.refusal(.invalid, "there is no backup in \(backup.root)")
    }
    return (try BackupNote(parsing: bytes, key: key), bytes)
  }

  /// Copies every file, hashed as it is read, and gives the folder its name when all is durable.
  ///
  /// One of the same backup that was interrupted is gone on with, and what is whole is kept.
  ///
  /// - Throws: ``VaultError/Code/tampered`` with a sentence that names the first file that is not what was
  ///   written; ``VaultError/Code/conflict`` if something is in the way.
  public func run() throws(VaultError) -> RestoredBackup {
    try failingAsVault("restoring a backup") {
      let (note, bytes) = try note()
      try checkTarget()
      let manifest = backup.root + "/" + BackupLayout.manifest(of: note.set)
      guard try ManifestFile.digest(manifest, on: fileSystem) == note.contents.manifest else {
        throw Self.refusal(
          .tampered, "\(BackupLayout.manifest(of: note.set)) is not what was written")
      }
      if try Directory.status(of: part, on: fileSystem) == nil {
        try Directory.makeUnsynced(part, below: parent(of: part), on: fileSystem)
      }
      let lock: DirectoryLock
      do throws(DurableError) {
        lock = try DirectoryLock(part, on: fileSystem)
      } catch {
        guard error.code == .locked else { throw error }
        throw Self.refusal(.conflict, "another restore to \(target) is running")
      }
      try makeRoom(for: bytes)
      try copyAll(manifest, of: note)
      for folder in ["objects", "journal", "openings", "log", "keys", "policies"] {
        try Directory.makeUnsynced(
          part + "/" + folder, below: part, mode: Self.mode(of: folder, isFolder: true),
          on: fileSystem)
      }
      try Directory.syncVolume(holding: part, on: fileSystem)
      try Directory.rename(part, to: target, on: fileSystem)
      _ = consume lock
      return RestoredBackup(digest: SHA256.hash(bytes), note: note)
    }
  }

  /// Empties what was begun of another backup: a piece of its journal, or a recording that is purged since,
  /// would stand in this one as if it were of it.
  private func makeRoom(for note: [UInt8]) throws {
    let begun = try readIfPresent(part + "/restored", limit: 1 << 16, on: fileSystem)
    guard begun != note else { return }
    let names = try Directory.names(in: part, on: fileSystem)
    guard begun != nil || names.allSatisfy({ $0.hasSuffix(StagedFile.temporaryEnding) }) else {
      throw Self.refusal(.conflict, "\(part) is not what a restore left; move it away")
    }
    try Directory.empty(part, last: "restored", on: fileSystem)
    try AtomicFile.write(note, to: part + "/restored", on: fileSystem)
  }

  private static func refusal(_ code: VaultError.Code, _ sentence: String) -> VaultError {
    VaultError(code, during: "restoring a backup", detail: sentence)
  }

  private func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
    return String(path[..<slash])
  }

  private func checkTarget() throws {
    guard try Directory.status(of: target, on: fileSystem) != nil else { return }
    guard try Directory.names(in: target, on: fileSystem).isEmpty else {
      throw Self.refusal(
        .conflict, "\(target) is not empty; a restore never writes over what is there")
    }
  }

  private func copyAll(_ path: String, of note: BackupNote) throws {
    var manifest = try ManifestFile(path, on: fileSystem)
    let prefix = BackupLayout.set(note.set) + "/"
    // The machine's key is not there, so the next attempts begin a log of their own.
    let attempts = "earlier/unsealing-\(note.contents.manifest.hex.prefix(16))/"
    while let line = try manifest.next() {
      let name =
        line.path.hasPrefix(prefix) ? String(line.path.dropFirst(prefix.count)) : line.path
      guard name != line.path || line.path.hasPrefix("objects/") else {
        throw Self.refusal(.tampered, "\(line.path): of another set")
      }
      let place =
        name.hasPrefix("unsealing/") ? attempts + name.dropFirst("unsealing/".count) : name
      try copy(line, to: part + "/" + place, mode: Self.mode(of: name, isFolder: false))
    }
  }

  private func copy(_ line: ManifestLine, to place: String, mode: FileMode) throws {
    if let status = try Directory.status(of: place, on: fileSystem) {
      if status.kind == .file,
        try HashedCopy.digest(of: place, on: fileSystem).0 == line.digest
      {
        return
      }
      try Directory.removeUnsynced(place, on: fileSystem)
    }
    let below = String(place.dropFirst(part.count + 1))
    try Directory.makeUnsynced(
      parent(of: place), below: part, mode: Self.mode(of: below, isFolder: true), on: fileSystem)
    let digest: SHA256Digest
    do throws(VaultError) {
      (digest, _) = try HashedCopy.make(
        place, from: backup.root + "/" + line.path, mode: mode, on: fileSystem)
    } catch {
      guard (error.cause as? DurableError)?.code == .notFound else { throw error }
      throw Self.refusal(.tampered, "\(line.path) is missing")
    }
    guard digest == line.digest else {
      try Directory.removeUnsynced(place, on: fileSystem)
      throw Self.refusal(.tampered, "\(line.path) is not what was written")
    }
  }

  /// The log is for auditors to read, as where it was made.
  private static func mode(of path: String, isFolder: Bool) -> FileMode {
    let isPublic = path == "log" || path.hasPrefix("log/")
    return isFolder
      ? isPublic ? .publicDirectory : .privateDirectory : isPublic ? .publicFile : .privateFile
  }
}
