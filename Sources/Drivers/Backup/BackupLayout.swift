public import Durable
public import Vault

/// Where each thing lies in a backup's folder: `Documentation/formats/backup.md`, 1.
struct BackupLayout: Sendable {
  let root: String

  static let note = "BACKUP"
  static let manifest = "MANIFEST.sha256"

  var note: String { root + "/" + Self.note }
  var objects: String { root + "/objects" }
  var sets: String { root + "/sets" }

  /// Below ``root``.
  static func set(_ number: Int64) -> String { "sets/\(number)" }

  static func manifest(of number: Int64) -> String { "\(set(number))/\(manifest)" }

  /// The number that a folder of a set is named by.
  static func number(_ name: String) -> Int64? {
    guard let number = Int64(name), number > 0, String(number) == name else { return nil }
    return number
  }
}

extension FileBlobStore {
  /// The objects of a backup: a second copy of every recording that was there when it was made.
  public static func ofBackup(
    _ folder: String, on fileSystem: any FileSystem = LinuxFileSystem()
  ) throws(VaultError) -> FileBlobStore {
    try FileBlobStore(root: folder + "/objects", lanes: 1, on: fileSystem)
  }
}
