public import Cryptography
public import Durable
import Threading
public import Vault

/// The lists of purge plans as files, `<sha256>.plan`: `sha256sum` says whether one is what was approved.
public actor FilePlanStore: PlanStore {
  private let executor: BlockingExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  private let folder: String
  private let root: String
  private let fileSystem: any FileSystem
  private var staged: StagedFile?

  /// - Parameters:
  ///   - folder: made when the first list is.
  ///   - root: a folder that exists, above it.
  ///   - fileSystem: where the calls go.
  /// - Throws: ``VaultError/Code/unavailable`` when there is no thread for it.
  public init(
    _ folder: String, below root: String, on fileSystem: any FileSystem = LinuxFileSystem()
  ) throws(VaultError) {
    do {
      executor = try BlockingExecutor(label: "plans")
    } catch {
      throw VaultError(.unavailable, during: "starting a thread for plans", cause: error)
    }
    self.folder = folder
    self.root = root
    self.fileSystem = fileSystem
  }

  public func begin() throws(VaultError) {
    do throws(DurableError) {
      try Directory.make(folder, below: root, on: fileSystem)
      // What a crash left of one.
      try Directory.sweepTemporaryFiles(in: folder, writtenBefore: .max, on: fileSystem)
      staged = try StagedFile(stagedIn: folder, named: "plan", on: fileSystem)
    } catch {
      throw VaultError(error)
    }
  }

  public func append(_ bytes: [UInt8]) throws(VaultError) {
    do throws(DurableError) {
      guard try staged?.append(bytes) != nil else {
        throw DurableError(.poisoned, during: "appending to a plan that was not begun")
      }
    } catch {
      throw VaultError(error)
    }
  }

  public func commit(as hash: SHA256Digest) throws(VaultError) {
    do throws(DurableError) {
      guard let file = staged.take() else {
        throw DurableError(.poisoned, during: "ending a plan that was not begun")
      }
      try file.replace(path(of: hash))
    } catch {
      throw VaultError(error)
    }
  }

  public func read(
    _ plan: SHA256Digest, at offset: Int64, count: Int
  ) throws(VaultError) -> [UInt8] {
    do throws(DurableError) {
      return try InputFile(path(of: plan), on: fileSystem).read(at: offset, count: count)
    } catch {
      guard error.code == .notFound else { throw VaultError(error) }
      throw VaultError(
        .notFound, during: "reading a plan",
        detail: "the list of this plan is not here any more; void it and make another")
    }
  }

  private func path(of hash: SHA256Digest) -> String { "\(folder)/\(hash.hex).plan" }
}
