public import Durable
import Glibc
import Threading

/// A file system that fails one chosen call, or all calls from one on, and counts every call.
///
/// A failing `write` first writes half of its bytes where ``Fault/tearing`` is set, as a full disk
/// does.
public final class FailingFileSystem: FileSystem {
  /// Which call fails, and how.
  public struct Fault: Sendable {
    /// The call, counted from 1; nil never fails.
    public var call: Int?
    /// The error number, such as `EIO`.
    public var number: Int32
    /// Whether every later call fails as well, as when a disk is gone.
    public var lasting = false
    /// Whether a failing write leaves half of its bytes.
    public var tearing = false

    public init(call: Int?, number: Int32, lasting: Bool = false, tearing: Bool = false) {
      self.call = call
      self.number = number
      self.lasting = lasting
      self.tearing = tearing
    }
  }

  private struct State {
    var fault: Fault
    var names: [String] = []
    var fired = false
    /// Calls that fail by name, until told otherwise.
    var failing: Set<String> = []
  }

  private let real = LinuxFileSystem()
  private let state: Lock<State>
  /// Writes take at most this many bytes, and every second call of each kind is interrupted once.
  private let writesAtMost: Int?
  private let interruptions = Lock(0)

  public init(_ fault: Fault, writesAtMost: Int? = nil) {
    state = Lock(State(fault: fault))
    self.writesAtMost = writesAtMost
  }

  /// The calls made, in order.
  public var calls: [String] { state.withLock { $0.names } }
  /// Whether the chosen call was reached.
  public var fired: Bool { state.withLock { $0.fired } }

  /// Lets all calls of these names fail from now on; none of them with an empty set.
  public func fail(_ names: Set<String>, with number: Int32) {
    state.withLock { state in
      state.failing = names
      state.fault.number = number
    }
  }

  private func step(_ name: String) throws(SystemCallError) {
    if try stepFails(name) { throw SystemCallError(name, state.withLock { $0.fault.number }) }
  }

  /// Counts the call; true when it is to fail.
  private func stepFails(_ name: String) throws(SystemCallError) -> Bool {
    if writesAtMost != nil, name != "fsync", name != "fdatasync" {
      // Every third call is interrupted; the caller must make it again.
      let turn = interruptions.withLock { count in
        count += 1
        return count
      }
      let repeated = [
        "open", "pread", "write", "sync_file_range", "ftruncate", "fallocate", "flock",
      ].contains(name)
      if repeated, turn.isMultiple(of: 3) { throw SystemCallError(name, EINTR) }
    }
    return state.withLock { state in
      state.names.append(name)
      if state.failing.contains(name) { return true }
      guard let call = state.fault.call else { return false }
      let reached = state.names.count
      let fails = reached == call || (state.fault.lasting && reached > call)
      if fails { state.fired = true }
      return fails
    }
  }

  public func open(_ path: String, for access: FileAccess) throws(SystemCallError)
    -> FileDescriptor
  {
    try step("open")
    return try real.open(path, for: access)
  }

  public func close(_ file: FileDescriptor) { real.close(file) }

  public func read(_ file: FileDescriptor, into buffer: inout MutableRawSpan)
    throws(SystemCallError) -> Int
  {
    try step("read")
    return try real.read(file, into: &buffer)
  }

  public func pread(_ file: FileDescriptor, into buffer: inout MutableRawSpan, at offset: Int64)
    throws(SystemCallError) -> Int
  {
    try step("pread")
    guard let writesAtMost, buffer.byteCount > writesAtMost else {
      return try real.pread(file, into: &buffer, at: offset)
    }
    var part = buffer._mutatingExtracting(0..<writesAtMost)
    return try real.pread(file, into: &part, at: offset)
  }

  public func write(_ file: FileDescriptor, _ bytes: RawSpan) throws(SystemCallError) -> Int {
    let fault = state.withLock { $0.fault }
    if try stepFails("write") {
      if fault.tearing { _ = try real.write(file, bytes.extracting(first: bytes.byteCount / 2)) }
      throw SystemCallError("write", fault.number)
    }
    return try real.write(file, bytes.extracting(first: min(bytes.byteCount, writesAtMost ?? .max)))
  }

  public func fsync(_ file: FileDescriptor) throws(SystemCallError) {
    try step("fsync")
    try real.fsync(file)
  }

  public func fdatasync(_ file: FileDescriptor) throws(SystemCallError) {
    try step("fdatasync")
    try real.fdatasync(file)
  }

  public func syncVolume(_ file: FileDescriptor) throws(SystemCallError) {
    try step("syncfs")
    try real.syncVolume(file)
  }

  public func beginWriting(_ file: FileDescriptor) throws(SystemCallError) {
    try step("sync_file_range")
    try real.beginWriting(file)
  }

  public func truncate(_ file: FileDescriptor, to length: Int64) throws(SystemCallError) {
    try step("ftruncate")
    try real.truncate(file, to: length)
  }

  public func reserve(_ file: FileDescriptor, _ length: Int64) throws(SystemCallError) {
    try step("fallocate")
    try real.reserve(file, length)
  }

  public func lock(_ file: FileDescriptor) throws(SystemCallError) {
    try step("flock")
    try real.lock(file)
  }

  public func unlock(_ file: FileDescriptor) { real.unlock(file) }

  public func status(of file: FileDescriptor) throws(SystemCallError) -> FileStatus {
    try step("fstat")
    return try real.status(of: file)
  }

  public func status(at path: String) throws(SystemCallError) -> FileStatus {
    try step("lstat")
    return try real.status(at: path)
  }

  public func rename(_ path: String, to target: String) throws(SystemCallError) {
    try step("rename")
    try real.rename(path, to: target)
  }

  public func link(_ path: String, to target: String) throws(SystemCallError) {
    try step("link")
    try real.link(path, to: target)
  }

  public func unlink(_ path: String) throws(SystemCallError) {
    try step("unlink")
    try real.unlink(path)
  }

  public func makeDirectory(_ path: String, mode: FileMode) throws(SystemCallError) {
    try step("mkdir")
    try real.makeDirectory(path, mode: mode)
  }

  public func removeDirectory(_ path: String) throws(SystemCallError) {
    try step("rmdir")
    try real.removeDirectory(path)
  }

  public func availableBytes(at path: String) throws(SystemCallError) -> Int64 {
    try step("statvfs")
    return try real.availableBytes(at: path)
  }

  public func list(_ path: String) throws(SystemCallError) -> [String] {
    try step("opendir")
    return try real.list(path)
  }
}
