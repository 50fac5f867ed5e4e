public import Audit
public import Durable
public import Vault

extension LogName {
  /// What the data directory's file says; nil where no recovery was ever decided.
  ///
  /// - Throws: ``VaultError/Code/tampered`` for a file that is none.
  public static func read(
    _ layout: StorageLayout, on fileSystem: any FileSystem = LinuxFileSystem()
  ) throws(VaultError) -> LogName? {
    try read(at: layout.logName, on: fileSystem)
  }

  static func read(
    at path: String, on fileSystem: any FileSystem
  ) throws(VaultError) -> LogName? {
    let bytes: [UInt8]?
    do {
      bytes = try readIfPresent(path, limit: maximumByteCount, on: fileSystem)
    } catch {
      throw VaultError(.unavailable, during: "reading the log's name", cause: error)
    }
    guard let bytes else { return nil }
    guard let name = LogName(parsing: bytes) else {
      throw VaultError(
        .tampered, during: "reading the log's name", detail: "log-name is not what was written")
    }
    return name
  }
}
