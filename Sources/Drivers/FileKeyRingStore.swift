public import Durable
public import Vault

/// The key ring in a file of its own, replaced whole: a crash leaves the old ring or the new one.
public final class FileKeyRingStore: KeyRingStore {
  /// No ring is longer; what is longer was not written here.
  private static let largest = 4 << 20

  private let path: String
  private let fileSystem: any FileSystem

  public init(_ path: String, on fileSystem: any FileSystem = LinuxFileSystem()) {
    self.path = path
    self.fileSystem = fileSystem
  }

  public func read() throws(VaultError) -> [UInt8]? {
    do throws(DurableError) {
      return try readIfPresent(path, limit: FileKeyRingStore.largest, on: fileSystem)
    } catch {
      throw VaultError(error)
    }
  }

  public func replace(with bytes: [UInt8]) throws(VaultError) {
    do throws(DurableError) {
      try AtomicFile.write(bytes, to: path, on: fileSystem)
    } catch {
      throw VaultError(error)
    }
  }
}
