/// The system calls that durability rests on: the seam between this module and the kernel.
///
/// ``LinuxFileSystem`` is the one the program uses. Tests put another in front of it that fails the
/// n-th call, for every n. Each requirement is one call with that call's freedom: a `write` may be
/// short and any call may be interrupted; the types above complete and repeat.
public protocol FileSystem: Sendable {
  func open(_ path: String, for access: FileAccess) throws(SystemCallError) -> FileDescriptor
  /// Never reported: what must last has been synced before, and Linux frees the number anyway.
  func close(_ file: FileDescriptor)
  /// Returns how many bytes came; 0 at the end of the file.
  func read(_ file: FileDescriptor, into buffer: inout MutableRawSpan) throws(SystemCallError)
    -> Int
  /// Reads at `offset` without moving the file's position.
  func pread(_ file: FileDescriptor, into buffer: inout MutableRawSpan, at offset: Int64)
    throws(SystemCallError) -> Int
  /// Returns how many bytes went, at least one unless `bytes` is empty.
  func write(_ file: FileDescriptor, _ bytes: RawSpan) throws(SystemCallError) -> Int
  /// Waits until the file's bytes and metadata, or a directory's names, are on stable storage.
  func fsync(_ file: FileDescriptor) throws(SystemCallError)
  /// Waits until the file's bytes, and the length needed to read them, are on stable storage.
  func fdatasync(_ file: FileDescriptor) throws(SystemCallError)
  /// Waits until everything on the volume that holds the open file or directory is on stable storage.
  func syncVolume(_ file: FileDescriptor) throws(SystemCallError)
  /// Begins to write the file's bytes to the disk and does not wait for them.
  ///
  /// They last only after a sync; but of many files begun together the first sync takes most along,
  /// so that those of the others find little to do.
  func beginWriting(_ file: FileDescriptor) throws(SystemCallError)
  func truncate(_ file: FileDescriptor, to length: Int64) throws(SystemCallError)
  /// Sets blocks aside for the first `length` bytes of a file and leaves its length as it is.
  func reserve(_ file: FileDescriptor, _ length: Int64) throws(SystemCallError)
  /// Takes the file's exclusive lock or fails at once with `EWOULDBLOCK`.
  func lock(_ file: FileDescriptor) throws(SystemCallError)
  /// Gives the lock back, which an open file that was locked cannot fail to do.
  ///
  /// `close` alone would not: a child that is being started has the file open, too, until it executes its program.
  func unlock(_ file: FileDescriptor)
  func status(of file: FileDescriptor) throws(SystemCallError) -> FileStatus
  /// Says what the name itself is: a symbolic link is not followed.
  func status(at path: String) throws(SystemCallError) -> FileStatus
  /// Replaces what `target` named, atomically.
  func rename(_ path: String, to target: String) throws(SystemCallError)
  /// Gives the file a second name; fails with `EEXIST` rather than replace one.
  func link(_ path: String, to target: String) throws(SystemCallError)
  func unlink(_ path: String) throws(SystemCallError)
  func makeDirectory(_ path: String, mode: FileMode) throws(SystemCallError)
  func removeDirectory(_ path: String) throws(SystemCallError)
  /// Returns the names in a directory, without `.` and `..`, in no order.
  func list(_ path: String) throws(SystemCallError) -> [String]
  /// Returns how many bytes this user may still write to the volume that holds `path`.
  func availableBytes(at path: String) throws(SystemCallError) -> Int64
}

/// An open file's number.
///
/// It has no owner: the types above this seam close it.
public struct FileDescriptor: Hashable, Sendable {
  public let rawValue: Int32

  public init(rawValue: Int32) {
    self.rawValue = rawValue
  }
}

/// Permission bits of what is made here.
public enum FileMode: UInt32, Sendable {
  /// 0600: a file only its owner reads.
  case privateFile = 0o600
  /// 0644: a published file.
  case publicFile = 0o644
  /// 0700: a directory only its owner enters.
  case privateDirectory = 0o700
  /// 0755: a directory with published files.
  case publicDirectory = 0o755
}

/// The ways a file is opened here.
///
/// All close on exec; none follows a link in the last component, except a directory, which
/// operators do move to other volumes by a link.
public enum FileAccess: Hashable, Sendable {
  /// Reads what exists. Does not wait for the other end of a pipe.
  case reading
  /// Opens a directory, to sync its names or to lock it.
  case directory
  /// Writes a file that must not exist yet.
  case creating(FileMode)
  /// Appends to what exists.
  case appending
  /// Writes over what exists, from its start.
  case overwriting
  /// Appends to what exists or to a file made now.
  case appendingOrCreating(FileMode)
}

/// What a name or an open file is.
public struct FileStatus: Hashable, Sendable {
  public enum Kind: Sendable {
    case file, directory, other
  }
  public let kind: Kind
  /// In bytes.
  public let length: Int64
  /// Last change of the content, in ms since 1970.
  public let modified: Int64
  /// The permission bits alone, such as 0o600.
  public let permissions: UInt32
  public let owner: UInt32
  /// With `inode`, what makes two names the same file.
  public let device: UInt64
  public let inode: UInt64

  public init(
    kind: Kind, length: Int64, modified: Int64, permissions: UInt32, owner: UInt32,
    device: UInt64, inode: UInt64
  ) {
    self.kind = kind
    self.length = length
    self.modified = modified
    self.permissions = permissions
    self.owner = owner
    self.device = device
    self.inode = inode
  }
}

/// A call that the kernel refused.
///
/// For the operator only; it names no path.
public struct SystemCallError: Error, Hashable, CustomStringConvertible {
  /// Such as `fsync`.
  public let call: String
  /// Such as `EIO`, as a number.
  public let number: Int32

  public init(_ call: String, _ number: Int32) {
    self.call = call
    self.number = number
  }

  public var description: String { "\(call): error \(number)" }
}
