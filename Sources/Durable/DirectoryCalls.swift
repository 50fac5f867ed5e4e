/// The system calls below a directory that others write to: by descriptor and name, so that no path is
/// looked up twice and no link is followed.
///
/// ``LinuxDirectoryCalls`` is the one the program uses; tests put another in front of it that fails the
/// n-th call. Names are bytes, because the other side chooses them.
public protocol DirectoryCalls: Sendable {
  /// Opens the directory itself, which operators may name by a link.
  func open(_ path: String) throws(SystemCallError) -> FileDescriptor
  func openDirectory(_ name: [UInt8], in directory: FileDescriptor) throws(SystemCallError)
    -> FileDescriptor
  /// Opens for reading what must be no link, without waiting for the other end of a pipe.
  func openFile(_ name: [UInt8], in directory: FileDescriptor) throws(SystemCallError)
    -> FileDescriptor
  /// Makes a file that must not exist yet, mode 0600.
  func createFile(_ name: [UInt8], in directory: FileDescriptor) throws(SystemCallError)
    -> FileDescriptor
  func close(_ file: FileDescriptor)
  /// Returns how many bytes came from `offset`; 0 at the end of the file.
  func pread(_ file: FileDescriptor, into buffer: inout MutableRawSpan, at offset: Int64)
    throws(SystemCallError) -> Int
  func write(_ file: FileDescriptor, _ bytes: RawSpan) throws(SystemCallError) -> Int
  func fsync(_ file: FileDescriptor) throws(SystemCallError)
  func status(of file: FileDescriptor) throws(SystemCallError) -> NodeStatus
  /// What the name itself is: a link is not followed.
  func status(of name: [UInt8], in directory: FileDescriptor) throws(SystemCallError) -> NodeStatus
  /// Whether some process has the file open for writing; nil where this user cannot learn it.
  func isBeingWritten(_ file: FileDescriptor) -> Bool?
  /// The first `limit` of the wanted names in a directory that are not before `from`, in the order of their
  /// bytes, without `.` and `..`; `limit` also bounds what is kept in memory, however many there are.
  func list(
    _ directory: FileDescriptor, from: [UInt8]?, limit: Int, where isWanted: ([UInt8]) -> Bool
  ) throws(SystemCallError) -> [[UInt8]]
  func makeDirectory(_ name: [UInt8], in directory: FileDescriptor) throws(SystemCallError)
  /// Renames, and fails with `EEXIST` where the new name is there already.
  func renameToNew(
    _ name: [UInt8], in directory: FileDescriptor, to newName: [UInt8], in other: FileDescriptor
  ) throws(SystemCallError)
  func unlink(_ name: [UInt8], in directory: FileDescriptor) throws(SystemCallError)
}

/// What a name or an open file is, as finely as the kernel tells.
public struct NodeStatus: Hashable, Sendable {
  public enum Kind: Sendable {
    case file, directory, other
  }
  public let kind: Kind
  /// In bytes.
  public let length: Int64
  /// Last change of the content, in ns since 1970.
  public let modified: Int64
  /// Last change of content, name or mode, in ns since 1970; nobody can set it.
  public let changed: Int64
  public let links: UInt64
  /// With `inode`, what makes two names the same file.
  public let device: UInt64
  public let inode: UInt64
}
