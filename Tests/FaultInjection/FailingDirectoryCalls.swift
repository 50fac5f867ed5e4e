public import Durable
import Threading

/// Directory calls of which one chosen fails, or all from one on; counts every call.
public final class FailingDirectoryCalls: DirectoryCalls {
  private struct State {
    var names: [String] = []
    var fired = false
  }

  private let real = LinuxDirectoryCalls()
  private let fault: FailingFileSystem.Fault
  private let state = Lock(State())

  public init(_ fault: FailingFileSystem.Fault) {
    self.fault = fault
  }

  /// The calls made, in order.
  public var calls: [String] { state.withLock { $0.names } }
  /// Whether the chosen call was reached.
  public var fired: Bool { state.withLock { $0.fired } }

  private func step(_ name: String) throws(SystemCallError) {
    let fails = state.withLock { state in
      state.names.append(name)
      guard let call = fault.call else { return false }
      let reached = state.names.count
      let fails = reached == call || (fault.lasting && reached > call)
      if fails { state.fired = true }
      return fails
    }
    if fails { throw SystemCallError(name, fault.number) }
  }

  public func open(_ path: String) throws(SystemCallError) -> FileDescriptor {
    try step("open")
    return try real.open(path)
  }

  public func openDirectory(_ name: [UInt8], in directory: FileDescriptor)
    throws(SystemCallError) -> FileDescriptor
  {
    try step("openat")
    return try real.openDirectory(name, in: directory)
  }

  public func openFile(_ name: [UInt8], in directory: FileDescriptor)
    throws(SystemCallError) -> FileDescriptor
  {
    try step("openat")
    return try real.openFile(name, in: directory)
  }

  public func createFile(_ name: [UInt8], in directory: FileDescriptor)
    throws(SystemCallError) -> FileDescriptor
  {
    try step("openat")
    return try real.createFile(name, in: directory)
  }

  public func close(_ file: FileDescriptor) { real.close(file) }

  public func pread(_ file: FileDescriptor, into buffer: inout MutableRawSpan, at offset: Int64)
    throws(SystemCallError) -> Int
  {
    try step("pread")
    return try real.pread(file, into: &buffer, at: offset)
  }

  public func write(_ file: FileDescriptor, _ bytes: RawSpan) throws(SystemCallError) -> Int {
    try step("write")
    return try real.write(file, bytes)
  }

  public func fsync(_ file: FileDescriptor) throws(SystemCallError) {
    try step("fsync")
    try real.fsync(file)
  }

  public func status(of file: FileDescriptor) throws(SystemCallError) -> NodeStatus {
    try step("fstat")
    return try real.status(of: file)
  }

  public func status(of name: [UInt8], in directory: FileDescriptor)
    throws(SystemCallError) -> NodeStatus
  {
    try step("fstatat")
    return try real.status(of: name, in: directory)
  }

  public func isBeingWritten(_ file: FileDescriptor) -> Bool? { real.isBeingWritten(file) }

  public func list(
    _ directory: FileDescriptor, from: [UInt8]?, limit: Int, where isWanted: ([UInt8]) -> Bool
  ) throws(SystemCallError) -> [[UInt8]] {
    try step("readdir")
    return try real.list(directory, from: from, limit: limit, where: isWanted)
  }

  public func makeDirectory(_ name: [UInt8], in directory: FileDescriptor)
    throws(SystemCallError)
  {
    try step("mkdirat")
    try real.makeDirectory(name, in: directory)
  }

  public func renameToNew(
    _ name: [UInt8], in directory: FileDescriptor, to newName: [UInt8], in other: FileDescriptor
  ) throws(SystemCallError) {
    try step("renameat2")
    try real.renameToNew(name, in: directory, to: newName, in: other)
  }

  public func unlink(_ name: [UInt8], in directory: FileDescriptor) throws(SystemCallError) {
    try step("unlinkat")
    try real.unlink(name, in: directory)
  }
}
