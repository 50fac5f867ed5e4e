public import Durable
import Threading
public import Vault

/// The key table beside a copy of the ring: `keys-<epoch>.tab`, the newest of which counts.
public actor FileKeyTableStore: KeyTableStore {
  private let executor: BlockingExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  private let folder: String
  private let fileSystem: any FileSystem
  private var staged: StagedFile?

  /// - Throws: ``VaultError/Code/unavailable`` when there is no thread for it.
  public init(
    _ folder: String, on fileSystem: any FileSystem = LinuxFileSystem()
  ) throws(VaultError) {
    do {
      executor = try BlockingExecutor(label: "key-table")
    } catch {
      throw VaultError(.unavailable, during: "starting a thread for the key table", cause: error)
    }
    self.folder = folder
    self.fileSystem = fileSystem
  }

  public func begin() throws(VaultError) {
    do throws(DurableError) {
      staged = try StagedFile(stagedIn: folder, named: "keys", on: fileSystem)
    } catch {
      throw VaultError(error)
    }
  }

  public func append(_ bytes: [UInt8]) throws(VaultError) {
    do throws(DurableError) {
      try staged?.append(bytes)
    } catch {
      throw VaultError(error)
    }
  }

  public func commit(epoch: UInt32) throws(VaultError) {
    do throws(DurableError) {
      guard let file = staged.take() else {
        throw DurableError(.malformed, during: "ending a key table that was not begun")
      }
      let path = "\(folder)/keys-\(epoch).tab"
      // Of an attempt that was interrupted: nothing has been destroyed since.
      if try Directory.status(of: path, on: fileSystem) != nil {
        try Directory.remove(path, on: fileSystem)
      }
      try file.commit(to: path)
      for (name, old) in try tables() where old < epoch {
        try Directory.remove(folder + "/" + name, on: fileSystem)
      }
    } catch {
      throw VaultError(error)
    }
  }

  public func read(at offset: Int64, count: Int) throws(VaultError) -> [UInt8] {
    do throws(DurableError) {
      guard let newest = try tables().max(by: { $0.epoch < $1.epoch }) else { return [] }
      return try InputFile(folder + "/" + newest.name, on: fileSystem)
        .read(at: offset, count: count)
    } catch {
      throw VaultError(error)
    }
  }

  private func tables() throws(DurableError) -> [(name: String, epoch: UInt32)] {
    try Directory.names(in: folder, on: fileSystem).compactMap { name in
      guard name.hasPrefix("keys-"), name.hasSuffix(".tab"),
        let epoch = UInt32(name.dropFirst(5).dropLast(4))
      else { return nil }
      return (name, epoch)
    }
  }
}
