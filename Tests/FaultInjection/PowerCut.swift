public import Durable
import Foundation
import Glibc
import Threading

/// A disk that loses its power: what was not synced before may be there afterwards, in part or not.
///
/// Killing a process leaves the kernel's pages, so it shows the order of steps but not whether each
/// step was synced. Here calls go through to a directory, and beside it is kept what a disk would
/// still be bound to: bytes as of the last sync of their file, names as of the last sync of their
/// directory. ``restore(_:)`` then lays out one of the states that the rest may have left.
public final class PowerCut: FileSystem {
  private typealias Node = Int

  private enum NameChange {
    case name(String, Node)
    case directory(String)
    case remove(String)
    /// One change: a journalling file system moves a name wholly or not at all.
    case rename(from: String, to: String, Node)
  }

  private enum ByteChange {
    case write(at: Int, [UInt8])
    case length(Int)
  }

  private struct Bytes {
    var synced: [UInt8] = []
    var current: [UInt8] = []
    var pending: [ByteChange] = []
    /// What a failed sync left in memory, marked as written: no later sync writes it.
    var forsaken: [Range<Int>] = []

    /// What the disk has after a sync of all that is left to write.
    var written: [UInt8] {
      var bytes = current
      for place in forsaken.joined() where place < bytes.count {
        bytes[place] = place < synced.count ? synced[place] : 0
      }
      return bytes
    }

    mutating func sync() {
      synced = written
      pending = []
    }

    mutating func failToSync() {
      for case .write(let offset, let new) in pending {
        forsaken.append(offset..<(offset + new.count))
      }
      pending = []
    }

    /// What is cut off, and what is appended in its place, is the disk's affair again.
    mutating func truncate(to length: Int) {
      current = Array(current.prefix(length))
      pending.append(.length(length))
      forsaken = forsaken.map { $0.clamped(to: 0..<length) }
    }
  }

  private struct State {
    var calls = 0
    var syncs = 0
    var isOff = false
    var nodes: [Bytes] = []
    var names: [String: Node] = [:]
    var syncedNames: [String: Node] = [:]
    var syncedDirectories: Set<String> = []
    /// By directory, in order.
    var pending: [String: [NameChange]] = [:]
    var files: [FileDescriptor: (node: Node?, path: String)] = [:]
    /// Those that were opened to be written over, with one write.
    var overwriting: Set<FileDescriptor> = []
  }

  private let real = LinuxFileSystem()
  private let root: String
  private let last: Int?
  private let failing: Int?
  private let state: Lock<State>

  /// - Parameters:
  ///   - root: what is there now is on the disk; all calls are below it.
  ///   - call: the first call that finds no power, counted from 1; nil for never.
  ///   - sync: the sync of a file's bytes, counted from 1, that fails as Linux lets it: reading gives the bytes,
  ///     later syncs succeed, and the disk never gets them.
  /// - Throws: if `root` cannot be read.
  public init(below root: String, atCall call: Int?, failingSync sync: Int? = nil) throws {
    self.root = root
    last = call
    failing = sync
    var state = State()
    state.syncedDirectories = [root]
    let found = FileManager.default.enumerator(atPath: root)?.allObjects as? [String] ?? []
    for name in found {
      let path = root + "/" + name
      if try real.status(at: path).kind == .directory {
        state.syncedDirectories.insert(path)
      } else {
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        state.names[path] = state.nodes.count
        state.nodes.append(Bytes(synced: bytes, current: bytes))
      }
    }
    state.syncedNames = state.names
    self.state = Lock(state)
  }

  /// How many calls there were, those without power included.
  public var calls: Int { state.withLock { $0.calls } }
  /// How many times a file's bytes were synced, or were to be.
  public var syncs: Int { state.withLock { $0.syncs } }
  /// Whether the power went.
  public var isOff: Bool { state.withLock { $0.isOff } }

  /// Lays out below the root what the disk may hold after the power came back.
  ///
  /// Of each directory's unsynced changes the first few are there. Of each file's unsynced bytes
  /// some 512-byte sectors are, and where the length grew without them there are zeros.
  public func restore(_ dice: inout some RandomNumberGenerator) throws {
    let state = state.withLock { $0 }
    var names = state.syncedNames
    var directories = state.syncedDirectories
    for (_, changes) in state.pending.sorted(by: { $0.key < $1.key }) {
      for change in changes.prefix(Int.random(in: 0...changes.count, using: &dice)) {
        switch change {
        case .name(let path, let node): names[path] = node
        case .directory(let path): directories.insert(path)
        case .remove(let path):
          names[path] = nil
          directories.remove(path)
        case .rename(let from, let to, let node):
          names[from] = nil
          names[to] = node
        }
      }
    }
    for name in try FileManager.default.contentsOfDirectory(atPath: root) {
      try FileManager.default.removeItem(atPath: root + "/" + name)
    }
    // A directory whose own name was lost takes along what was in it.
    var made: Set<String> = [root]
    for path in directories.sorted() where path != root && made.contains(Self.parent(of: path)) {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      made.insert(path)
    }
    for (path, node) in names.sorted(by: { $0.key < $1.key })
    where made.contains(Self.parent(of: path)) {
      let bytes = Self.remains(of: state.nodes[node], &dice)
      try Data(bytes).write(to: URL(fileURLWithPath: path))
    }
  }

  private static func remains(
    of file: Bytes, _ dice: inout some RandomNumberGenerator
  ) -> [UInt8] {
    var bytes = file.synced
    for change in file.pending {
      switch change {
      case .length(let length):
        guard Bool.random(using: &dice) else { continue }
        bytes = Array(bytes.prefix(length))
      case .write(let offset, let new):
        let fate = Int.random(in: 0..<3, using: &dice)
        guard fate > 0 else { continue }
        if bytes.count < offset + new.count {
          bytes += [UInt8](repeating: 0, count: offset + new.count - bytes.count)
        }
        var start = offset
        while start < offset + new.count {
          let end = min(offset + new.count, (start / 512 + 1) * 512)
          if fate == 1 || Bool.random(using: &dice) {
            bytes.replaceSubrange(start..<end, with: new[(start - offset)..<(end - offset)])
          }
          start = end
        }
      }
    }
    return bytes
  }

  private static func parent(of path: String) -> String {
    String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
  }

  /// Counts the call, and runs it while there is power; no other call comes in between.
  private func step<Result>(
    _ name: String, _ body: (inout State) throws(SystemCallError) -> Result
  ) throws(SystemCallError) -> Result {
    let result: Swift.Result<Result, SystemCallError> = state.withLock { state in
      state.calls += 1
      if let last, state.calls >= last { state.isOff = true }
      guard !state.isOff else { return .failure(SystemCallError(name, EIO)) }
      do throws(SystemCallError) {
        return .success(try body(&state))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  // MARK: Names

  public func open(
    _ path: String, for access: FileAccess
  ) throws(SystemCallError) -> FileDescriptor {
    try step("open") { state throws(SystemCallError) in
      let file = try real.open(path, for: access)
      if access == .directory {
        state.files[file] = (nil, path)
        return file
      }
      if state.names[path] == nil {
        let node = state.nodes.count
        state.nodes.append(Bytes())
        state.names[path] = node
        state.pending[Self.parent(of: path), default: []].append(.name(path, node))
      }
      state.files[file] = (state.names[path], path)
      if access == .overwriting { state.overwriting.insert(file) }
      return file
    }
  }

  public func close(_ file: FileDescriptor) {
    state.withLock { state in
      state.files[file] = nil
      state.overwriting.remove(file)
    }
    real.close(file)
  }

  public func rename(_ path: String, to target: String) throws(SystemCallError) {
    try step("rename") { state throws(SystemCallError) in
      try real.rename(path, to: target)
      guard let node = state.names.removeValue(forKey: path) else { return }
      state.names[target] = node
      state.pending[Self.parent(of: target), default: []].append(
        .rename(from: path, to: target, node))
    }
  }

  public func link(_ path: String, to target: String) throws(SystemCallError) {
    try step("link") { state throws(SystemCallError) in
      try real.link(path, to: target)
      guard let node = state.names[path] else { return }
      state.names[target] = node
      state.pending[Self.parent(of: target), default: []].append(.name(target, node))
    }
  }

  public func unlink(_ path: String) throws(SystemCallError) {
    try step("unlink") { state throws(SystemCallError) in
      try real.unlink(path)
      state.names[path] = nil
      state.pending[Self.parent(of: path), default: []].append(.remove(path))
    }
  }

  public func makeDirectory(_ path: String, mode: FileMode) throws(SystemCallError) {
    try step("mkdir") { state throws(SystemCallError) in
      try real.makeDirectory(path, mode: mode)
      state.pending[Self.parent(of: path), default: []].append(.directory(path))
    }
  }

  public func removeDirectory(_ path: String) throws(SystemCallError) {
    try step("rmdir") { state throws(SystemCallError) in
      try real.removeDirectory(path)
      state.pending[Self.parent(of: path), default: []].append(.remove(path))
    }
  }

  // MARK: Bytes

  public func write(_ file: FileDescriptor, _ bytes: RawSpan) throws(SystemCallError) -> Int {
    try step("write") { state throws(SystemCallError) in
      let count = try real.write(file, bytes)
      guard let node = state.files[file]?.node else { return count }
      let new = unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0.prefix(count)) }
      if state.overwriting.contains(file) {
        state.nodes[node].pending.append(.write(at: 0, new))
        state.nodes[node].current.replaceSubrange(0..<count, with: new)
        return count
      }
      // All other files that are written to here are written to at their end.
      state.nodes[node].pending.append(.write(at: state.nodes[node].current.count, new))
      state.nodes[node].current += new
      return count
    }
  }

  /// What has begun may reach the disk or not, as everything that is not synced.
  public func beginWriting(_ file: FileDescriptor) throws(SystemCallError) {
    try step("sync_file_range") { _ throws(SystemCallError) in try real.beginWriting(file) }
  }

  public func truncate(_ file: FileDescriptor, to length: Int64) throws(SystemCallError) {
    try step("ftruncate") { state throws(SystemCallError) in
      try real.truncate(file, to: length)
      guard let node = state.files[file]?.node else { return }
      state.nodes[node].truncate(to: Int(length))
    }
  }

  /// Blocks set aside read as zeros until they are written to, as if they were not there.
  public func reserve(_ file: FileDescriptor, _ length: Int64) throws(SystemCallError) {
    try step("fallocate") { _ throws(SystemCallError) in try real.reserve(file, length) }
  }

  public func fsync(_ file: FileDescriptor) throws(SystemCallError) {
    try step("fsync") { state throws(SystemCallError) in try sync(file, in: &state) }
  }

  public func fdatasync(_ file: FileDescriptor) throws(SystemCallError) {
    try step("fdatasync") { state throws(SystemCallError) in try sync(file, in: &state) }
  }

  public func syncVolume(_ file: FileDescriptor) throws(SystemCallError) {
    try step("syncfs") { state throws(SystemCallError) in
      for node in state.nodes.indices {
        state.nodes[node].sync()
      }
      for path in Array(state.pending.keys) { Self.syncNames(in: path, &state) }
    }
  }

  private func sync(_ file: FileDescriptor, in state: inout State) throws(SystemCallError) {
    guard let (node, path) = state.files[file] else { return }
    guard let node else {
      Self.syncNames(in: path, &state)
      return
    }
    state.syncs += 1
    if state.syncs == failing {
      state.nodes[node].failToSync()
      throw SystemCallError("fsync", EIO)
    }
    state.nodes[node].sync()
  }

  private static func syncNames(in path: String, _ state: inout State) {
    for change in state.pending.removeValue(forKey: path) ?? [] {
      switch change {
      case .name(let path, let node): state.syncedNames[path] = node
      case .directory(let path): state.syncedDirectories.insert(path)
      case .remove(let path):
        state.syncedNames[path] = nil
        state.syncedDirectories.remove(path)
      case .rename(let from, let to, let node):
        state.syncedNames[from] = nil
        state.syncedNames[to] = node
      }
    }
  }

  // MARK: Looking

  public func read(
    _ file: FileDescriptor, into buffer: inout MutableRawSpan
  ) throws(SystemCallError) -> Int {
    try power("read")
    return try real.read(file, into: &buffer)
  }

  public func pread(
    _ file: FileDescriptor, into buffer: inout MutableRawSpan, at offset: Int64
  ) throws(SystemCallError) -> Int {
    try power("pread")
    return try real.pread(file, into: &buffer, at: offset)
  }

  public func lock(_ file: FileDescriptor) throws(SystemCallError) {
    try power("flock")
    try real.lock(file)
  }

  public func unlock(_ file: FileDescriptor) { real.unlock(file) }

  public func status(of file: FileDescriptor) throws(SystemCallError) -> FileStatus {
    try power("fstat")
    return try real.status(of: file)
  }

  public func status(at path: String) throws(SystemCallError) -> FileStatus {
    try power("lstat")
    return try real.status(at: path)
  }

  public func availableBytes(at path: String) throws(SystemCallError) -> Int64 {
    try power("statvfs")
    return try real.availableBytes(at: path)
  }

  public func list(_ path: String) throws(SystemCallError) -> [String] {
    try power("opendir")
    return try real.list(path)
  }

  /// Looking changes nothing on the disk, so no cut needs to be tried before it.
  private func power(_ name: String) throws(SystemCallError) {
    if isOff { throw SystemCallError(name, EIO) }
  }
}
