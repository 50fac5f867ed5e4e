public import Durable
public import Encoding
import Threading
public import Vault

/// Objects as files, `objects/ab/cd/<name>`, where `abcd` are the first digits of the name.
///
/// An unfinished object lies beside its later name as `.<name>.<random>.tmp`, and its place says
/// nothing else. Files block, so the calls run on a few threads of their own.
public final class FileBlobStore: BlobStore {
  private let root: String
  private let fileSystem: any FileSystem
  private let lanes: [BlockingExecutor]
  private let state = Lock(State())

  private struct State {
    /// Directories that this process knows to be durable.
    var known: Set<String> = []
    var nextLane = 0
  }

  /// Opens the store below `root`, a directory that exists.
  ///
  /// - Parameters:
  ///   - root: such as `DATA/objects`.
  ///   - lanes: threads, so that one slow file does not hold up the others.
  ///   - fileSystem: where the calls go.
  /// - Throws: ``VaultError/Code/unavailable`` when there are no threads.
  public init(
    root: String, lanes: Int = 4, on fileSystem: any FileSystem = LinuxFileSystem()
  ) throws(VaultError) {
    self.root = root
    self.fileSystem = fileSystem
    var executors: [BlockingExecutor] = []
    do throws(ThreadingError) {
      for number in 0..<max(1, lanes) {
        executors.append(try BlockingExecutor(label: "objects-\(number)"))
      }
    } catch {
      throw VaultError(.unavailable, during: "starting the object store", cause: error)
    }
    self.lanes = executors
  }

  public func create(_ name: BlobName) async throws(VaultError) -> any BlobWriter {
    let writer = FileBlobWriter(name, in: self, on: lane())
    try await writer.stage()
    return writer
  }

  public func open(_ name: BlobName) async throws(VaultError) -> any BlobReader {
    try await FileBlobReader.open(path(of: name), fileSystem, on: lane())
  }

  public func replace(_ name: BlobName) async throws(VaultError) -> any BlobWriter {
    let writer = FileBlobWriter(name, in: self, on: lane(), replaces: true)
    try await writer.stage()
    return writer
  }

  public func remove(_ name: BlobName) async throws(VaultError) {
    try await FileBlobKeeper(on: lane()).perform { () throws(VaultError) in
      try self.removeNow(name)
    }
  }

  public func names(
    lastChangedBefore time: Timestamp, after cursor: BlobName?, limit: Int
  ) async throws(VaultError) -> [BlobName] {
    try await FileBlobKeeper(on: lane()).perform { () throws(VaultError) in
      try self.namesNow(lastChangedBefore: time, after: cursor, limit: limit)
    }
  }

  public func availableBytes() async throws(VaultError) -> Int64 {
    try await FileBlobKeeper(on: lane()).perform { () throws(VaultError) in
      do throws(DurableError) {
        return try Directory.availableBytes(at: self.root, on: self.fileSystem)
      } catch {
        throw VaultError(error)
      }
    }
  }

  // MARK: On a lane

  private func lane() -> BlockingExecutor {
    state.withLock { state in
      state.nextLane = (state.nextLane + 1) % lanes.count
      return lanes[state.nextLane]
    }
  }

  private func folder(of name: BlobName) -> String {
    let digits = name.description
    return "\(root)/\(digits.prefix(2))/\(digits.dropFirst(2).prefix(2))"
  }

  fileprivate func path(of name: BlobName) -> String {
    "\(folder(of: name))/\(name)"
  }

  fileprivate func stage(_ name: BlobName) throws(VaultError) -> StagedFile {
    let folder = folder(of: name)
    do {
      if !state.withLock({ $0.known.contains(folder) }) {
        try Directory.make(folder, below: root, on: fileSystem)
        _ = state.withLock { $0.known.insert(folder) }
      }
      return try StagedFile(stagedIn: folder, named: name.description, on: fileSystem)
    } catch {
      throw VaultError(error)
    }
  }

  private func removeNow(_ name: BlobName) throws(VaultError) {
    let folder = folder(of: name)
    do throws(DurableError) {
      for file in try Directory.names(in: folder, on: fileSystem)
      where object(named: file) == name {
        try Directory.remove("\(folder)/\(file)", on: fileSystem)
      }
    } catch {
      // No folder, no object.
      guard error.code == .notFound else { throw VaultError(error) }
    }
  }

  private func namesNow(
    lastChangedBefore time: Timestamp, after cursor: BlobName?, limit: Int
  ) throws(VaultError) -> [BlobName] {
    let first = cursor.map { String($0.description.prefix(4)) } ?? ""
    var found: [BlobName] = []
    do throws(DurableError) {
      // Folder by folder: there may be 65 536, and a page needs few of them.
      for upper in try pairs(in: root) where upper >= first.prefix(2) {
        for lower in try pairs(in: "\(root)/\(upper)") where upper + lower >= first {
          found += try names(
            in: "\(root)/\(upper)/\(lower)", lastChangedBefore: time, after: cursor)
          if found.count >= limit { return Array(found.prefix(limit)) }
        }
      }
    } catch {
      throw VaultError(error)
    }
    return found
  }

  private func names(
    in folder: String, lastChangedBefore time: Timestamp, after cursor: BlobName?
  ) throws(DurableError) -> [BlobName] {
    // One object may have a finished and an unfinished file.
    var names: Set<BlobName> = []
    for file in try Directory.names(in: folder, on: fileSystem) {
      guard let name = object(named: file), cursor.map({ $0 < name }) ?? true else { continue }
      // Gone meanwhile: finished, or removed.
      guard
        let status = try Directory.status(of: "\(folder)/\(file)", on: fileSystem),
        status.kind == .file, status.modified < time.milliseconds
      else { continue }
      names.insert(name)
    }
    return names.sorted()
  }

  /// The folders named by two digits, in order.
  private func pairs(in folder: String) throws(DurableError) -> [String] {
    try Directory.names(in: folder, on: fileSystem).filter {
      $0.utf8.count == 2 && Hex.decode($0) != nil
    }
  }

  /// The object that a file holds or was to hold; nil for a file that is none of ours.
  private func object(named file: String) -> BlobName? {
    if let name = BlobName(file) { return name }
    guard file.hasPrefix("."), file.hasSuffix(StagedFile.temporaryEnding) else { return nil }
    return BlobName(String(file.dropFirst().prefix(32)))
  }
}

/// One object on its way in.
private actor FileBlobWriter: BlobWriter {
  nonisolated var executor: any TaskExecutor { lane }
  private let lane: BlockingExecutor
  private let store: FileBlobStore
  private let name: BlobName
  private let replaces: Bool
  private var file: StagedFile?

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe lane.asUnownedSerialExecutor()
  }

  init(
    _ name: BlobName, in store: FileBlobStore, on lane: BlockingExecutor, replaces: Bool = false
  ) {
    self.lane = lane
    self.store = store
    self.name = name
    self.replaces = replaces
  }

  func stage() throws(VaultError) {
    file = try store.stage(name)
  }

  func append(_ bytes: [UInt8]) throws(VaultError) {
    do throws(DurableError) {
      guard try file?.append(bytes) != nil else {
        throw DurableError(.poisoned, during: "appending to an object that is finished")
      }
    } catch {
      throw VaultError(error)
    }
  }

  func commit() throws(VaultError) {
    guard let file = file.take() else {
      throw VaultError(.unavailable, during: "committing an object that is finished")
    }
    do {
      if replaces {
        try file.replace(store.path(of: name))
      } else {
        try file.commit(to: store.path(of: name))
      }
    } catch {
      throw VaultError(error)
    }
  }

  func discard() {
    file = nil
  }
}

/// One object that is read.
private actor FileBlobReader: BlobReader {
  nonisolated let length: Int64
  nonisolated let beginning: [UInt8]
  nonisolated var executor: any TaskExecutor { lane }
  private let lane: BlockingExecutor
  private let file: Lock<InputFile?>

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe lane.asUnownedSerialExecutor()
  }

  private init(_ file: InputFile, beginning: [UInt8], on lane: BlockingExecutor) {
    self.lane = lane
    self.file = Lock(file)
    self.beginning = beginning
    length = file.length
  }

  static func open(
    _ path: String, _ fileSystem: any FileSystem, on lane: BlockingExecutor
  ) async throws(VaultError) -> FileBlobReader {
    try await FileBlobKeeper(on: lane).perform { () throws(VaultError) in
      do throws(DurableError) {
        let file = try InputFile(path, on: fileSystem)
        return FileBlobReader(
          file, beginning: try file.read(at: 0, count: beginningByteCount), on: lane)
      } catch {
        // The catalog named it, so it was there, and as a plain file.
        if error.code == .notFound || error.code == .malformed {
          throw VaultError(.tampered, during: "opening an object", cause: error)
        }
        throw VaultError(error)
      }
    }
  }

  func read(at offset: Int64, count: Int) throws(VaultError) -> [UInt8] {
    guard let file = file.withLock({ $0 }) else {
      throw VaultError(.unavailable, during: "reading an object that is closed")
    }
    let bytes: [UInt8]
    do {
      bytes = try file.read(at: offset, count: count)
    } catch {
      throw VaultError(error)
    }
    guard bytes.count == count else { throw VaultError(.tampered, during: "reading an object") }
    return bytes
  }

  // Not on the lane: to let go of a file that was only read blocks nobody, and needs no turn there.
  nonisolated func close() {
    file.withLock { $0 = nil }
  }
}

/// Runs one thing on a lane.
private actor FileBlobKeeper {
  private let lane: BlockingExecutor

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe lane.asUnownedSerialExecutor()
  }

  init(on lane: BlockingExecutor) {
    self.lane = lane
  }

  func perform<Result: Sendable>(_ body: @Sendable () throws(VaultError) -> Result)
    throws(VaultError) -> Result
  {
    try body()
  }
}

extension VaultError {
  /// Says what a failed file operation means to the vault.
  init(_ error: DurableError) {
    switch error.code {
    case .noSpace: self.init(.noSpace, during: "storing", cause: error)
    case .exists: self.init(.conflict, during: "storing", cause: error)
    case .malformed: self.init(.tampered, during: "reading", cause: error)
    default: self.init(.unavailable, during: "using the disk", cause: error)
    }
  }
}
