public import Audit
import Cryptography
import Database
public import Durable
import Encoding
import Threading
public import Vault

/// A backup that is restored beside the vault for a drill, and removed after it.
public actor RestoredAside: DrillSource {
  private let executor: BlockingExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  private let folder: String
  private let aside: String
  private let fileSystem: any FileSystem
  public nonisolated let objects: any BlobStore

  /// - Parameters:
  ///   - folder: the backup.
  ///   - aside: a folder to be, which only drills use; what an interrupted one left there is removed.
  ///   - fileSystem: where both lie.
  /// - Throws: ``VaultError/Code/unavailable`` when there are no threads.
  public init(
    _ folder: String, aside: String, on fileSystem: any FileSystem = LinuxFileSystem()
  ) throws(VaultError) {
    do {
      executor = try BlockingExecutor(label: "drill")
    } catch {
      throw VaultError(.unavailable, during: "starting a thread for a drill", cause: error)
    }
    self.folder = folder
    self.aside = aside
    self.fileSystem = fileSystem
    objects = try FileBlobStore(root: aside + "/objects", lanes: 1, on: fileSystem)
  }

  public func restore(for key: VerifierKey) throws(VaultError) -> RestoredBackup {
    try remove()
    return try BackupRestore(folder, to: aside, key: key, on: fileSystem).run()
  }

  public func sample(
    _ count: Int
  ) async throws(VaultError) -> [(recording: RecordingRow, call: CallRow)] {
    // Names of objects are random: those that follow a random one are a sample.
    let start = BlobName(Hex.encode(Identifier.random().bytes))
    let connection = try await SQLiteCatalog.examining(aside + "/catalog.sqlite")
    do {
      return try await connection.perform { connection in
        var rows = try connection.recordings(after: start, limit: count)
        if rows.count < count {
          let rest = try connection.recordings(after: nil, limit: count)
          let known = Set(rows.map(\.recording.id))
          rows += rest.filter { !known.contains($0.recording.id) }.prefix(count - rows.count)
        }
        return rows
      }
    } catch {
      throw VaultError(database: error, during: "choosing recordings for a drill")
    }
  }

  public func verifyLog(key: VerifierKey) async throws(VaultError) {
    do {
      let report = try await LogVerifier(key: key).verify(LogFolder(aside + "/log", on: fileSystem))
      switch report.verdict {
      case .intact, .unanchored, .stale: return
      default:
        throw VaultError(
          .tampered, during: "verifying a backup's log",
          detail: "the backup's log: \(report.sentence)")
      }
    } catch {
      throw VaultError(describing: error, during: "verifying a backup's log")
    }
  }

  public func remove() throws(VaultError) {
    try failingAsVault("removing a drill's folder") {
      for path in [aside, aside + ".part"]
      where try Directory.status(of: path, on: fileSystem) != nil {
        // Only a folder that a restore made is removed, whatever name a person gave.
        let isOurs = try Directory.status(of: path + "/restored", on: fileSystem) != nil
        guard try path != aside || isOurs || Directory.names(in: path, on: fileSystem).isEmpty
        else {
          throw VaultError(
            .conflict, during: "making room for a drill",
            detail: "\(path) is not what a drill left; name another folder with --aside")
        }
        try Directory.removeTree(path, last: "restored", on: fileSystem)
      }
    }
  }
}
