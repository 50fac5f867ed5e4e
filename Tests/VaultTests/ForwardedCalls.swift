import Durable

/// Directory calls that are another's but for some.
protocol ForwardedCalls: DirectoryCalls {
  var real: any DirectoryCalls { get }
}

extension ForwardedCalls {
  func open(_ path: String) throws(SystemCallError) -> FileDescriptor { try real.open(path) }
  func openDirectory(_ name: [UInt8], in directory: FileDescriptor)
    throws(SystemCallError) -> FileDescriptor
  { try real.openDirectory(name, in: directory) }
  func openFile(_ name: [UInt8], in directory: FileDescriptor)
    throws(SystemCallError) -> FileDescriptor
  { try real.openFile(name, in: directory) }
  func createFile(_ name: [UInt8], in directory: FileDescriptor)
    throws(SystemCallError) -> FileDescriptor
  { try real.createFile(name, in: directory) }
  func close(_ file: FileDescriptor) { real.close(file) }
  func pread(_ file: FileDescriptor, into buffer: inout MutableRawSpan, at offset: Int64)
    throws(SystemCallError) -> Int
  { try real.pread(file, into: &buffer, at: offset) }
  func write(_ file: FileDescriptor, _ bytes: RawSpan) throws(SystemCallError) -> Int {
    try real.write(file, bytes)
  }
  func fsync(_ file: FileDescriptor) throws(SystemCallError) { try real.fsync(file) }
  func status(of file: FileDescriptor) throws(SystemCallError) -> NodeStatus {
    try real.status(of: file)
  }
  func status(of name: [UInt8], in directory: FileDescriptor)
    throws(SystemCallError) -> NodeStatus
  { try real.status(of: name, in: directory) }
  func isBeingWritten(_ file: FileDescriptor) -> Bool? { real.isBeingWritten(file) }
  func list(
    _ directory: FileDescriptor, from: [UInt8]?, limit: Int, where isWanted: ([UInt8]) -> Bool
  ) throws(SystemCallError) -> [[UInt8]] {
    try real.list(directory, from: from, limit: limit, where: isWanted)
  }
  func makeDirectory(_ name: [UInt8], in directory: FileDescriptor) throws(SystemCallError) {
    try real.makeDirectory(name, in: directory)
  }
  func renameToNew(
    _ name: [UInt8], in directory: FileDescriptor, to newName: [UInt8], in other: FileDescriptor
  ) throws(SystemCallError) {
    try real.renameToNew(name, in: directory, to: newName, in: other)
  }
  func unlink(_ name: [UInt8], in directory: FileDescriptor) throws(SystemCallError) {
    try real.unlink(name, in: directory)
  }
}
