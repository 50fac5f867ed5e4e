import CLinux
import Glibc

/// The kernel's own calls.
public struct LinuxFileSystem: FileSystem {
  public init() {}

  public func open(_ path: String, for access: FileAccess) throws(SystemCallError)
    -> FileDescriptor
  {
    let flags: Int32
    var mode = FileMode.privateFile
    switch access {
    case .reading:
      flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
    case .directory:
      flags = O_RDONLY | O_DIRECTORY
    case .creating(let chosen):
      flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
      mode = chosen
    case .appending:
      flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
    case .overwriting:
      flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
    case .appendingOrCreating(let chosen):
      flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
      mode = chosen
    }
    let path = try checked(path, "open")
    let number = unsafe Glibc.open(path, flags | O_CLOEXEC, mode.rawValue)
    try check(number >= 0, "open")
    return FileDescriptor(rawValue: number)
  }

  public func close(_ file: FileDescriptor) {
    let result = Glibc.close(file.rawValue)
    // A number closed twice may by then be another thread's file.
    precondition(result == 0 || errno != EBADF, "closed twice")
  }

  public func read(_ file: FileDescriptor, into buffer: inout MutableRawSpan)
    throws(SystemCallError) -> Int
  {
    let count = unsafe buffer.withUnsafeMutableBytes {
      unsafe Glibc.read(file.rawValue, $0.baseAddress, $0.count)
    }
    try check(count >= 0, "read")
    return count
  }

  public func pread(_ file: FileDescriptor, into buffer: inout MutableRawSpan, at offset: Int64)
    throws(SystemCallError) -> Int
  {
    let count = unsafe buffer.withUnsafeMutableBytes {
      unsafe Glibc.pread(file.rawValue, $0.baseAddress, $0.count, off_t(offset))
    }
    try check(count >= 0, "pread")
    return count
  }

  public func write(_ file: FileDescriptor, _ bytes: RawSpan) throws(SystemCallError) -> Int {
    let count = unsafe bytes.withUnsafeBytes {
      unsafe Glibc.write(file.rawValue, $0.baseAddress, $0.count)
    }
    try check(count >= 0, "write")
    return count
  }

  public func fsync(_ file: FileDescriptor) throws(SystemCallError) {
    try check(Glibc.fsync(file.rawValue) == 0, "fsync")
  }

  public func fdatasync(_ file: FileDescriptor) throws(SystemCallError) {
    try check(Glibc.fdatasync(file.rawValue) == 0, "fdatasync")
  }

  public func syncVolume(_ file: FileDescriptor) throws(SystemCallError) {
    try check(syncfs(file.rawValue) == 0, "syncfs")
  }

  public func beginWriting(_ file: FileDescriptor) throws(SystemCallError) {
    // sync_file_range(2): begin to write whatever is dirty, to the end of the file.
    let beginWriting: UInt32 = 2
    let result = sync_file_range(file.rawValue, 0, 0, beginWriting)
    try check(result == 0, "sync_file_range")
  }

  public func truncate(_ file: FileDescriptor, to length: Int64) throws(SystemCallError) {
    try check(ftruncate(file.rawValue, off_t(length)) == 0, "ftruncate")
  }

  public func reserve(_ file: FileDescriptor, _ length: Int64) throws(SystemCallError) {
    let result = fallocate(file.rawValue, FALLOC_FL_KEEP_SIZE, 0, off_t(length))
    try check(result == 0, "fallocate")
  }

  public func lock(_ file: FileDescriptor) throws(SystemCallError) {
    try check(flock(file.rawValue, LOCK_EX | LOCK_NB) == 0, "flock")
  }

  public func unlock(_ file: FileDescriptor) {
    _ = flock(file.rawValue, LOCK_UN)
  }

  public func status(of file: FileDescriptor) throws(SystemCallError) -> FileStatus {
    var status = stat()
    let result = unsafe fstat(file.rawValue, &status)
    try check(result == 0, "fstat")
    return FileStatus(status)
  }

  public func status(at path: String) throws(SystemCallError) -> FileStatus {
    var status = stat()
    let result = unsafe lstat(try checked(path, "lstat"), &status)
    try check(result == 0, "lstat")
    return FileStatus(status)
  }

  public func rename(_ path: String, to target: String) throws(SystemCallError) {
    let (path, target) = (try checked(path, "rename"), try checked(target, "rename"))
    try check(unsafe Glibc.rename(path, target) == 0, "rename")
  }

  public func link(_ path: String, to target: String) throws(SystemCallError) {
    let (path, target) = (try checked(path, "link"), try checked(target, "link"))
    try check(unsafe Glibc.link(path, target) == 0, "link")
  }

  public func unlink(_ path: String) throws(SystemCallError) {
    try check(unsafe Glibc.unlink(try checked(path, "unlink")) == 0, "unlink")
  }

  public func makeDirectory(_ path: String, mode: FileMode) throws(SystemCallError) {
    try check(unsafe mkdir(try checked(path, "mkdir"), mode.rawValue) == 0, "mkdir")
  }

  public func removeDirectory(_ path: String) throws(SystemCallError) {
    try check(unsafe rmdir(try checked(path, "rmdir")) == 0, "rmdir")
  }

  public func list(_ path: String) throws(SystemCallError) -> [String] {
    guard let directory = unsafe opendir(try checked(path, "opendir")) else {
      throw SystemCallError("opendir", errno)
    }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while true {
      // readdir tells an error from the end only by errno.
      errno = 0
      guard let entry = unsafe readdir(directory) else { break }
      let name = unsafe String(cString: callvault_entry_name(entry))
      if name != "." && name != ".." { names.append(name) }
    }
    try check(errno == 0, "readdir")
    return names
  }

  public func availableBytes(at path: String) throws(SystemCallError) -> Int64 {
    var volume = statvfs()
    let result = unsafe statvfs(try checked(path, "statvfs"), &volume)
    try check(result == 0, "statvfs")
    // A hostile or remote file system may answer any numbers.
    let (bytes, overflow) = UInt64(volume.f_bavail).multipliedReportingOverflow(
      by: UInt64(volume.f_frsize))
    return overflow ? .max : Int64(clamping: bytes)
  }

  /// Refuses a path with a NUL, which C would read as another, shorter path.
  private func checked(_ path: String, _ call: String) throws(SystemCallError) -> String {
    guard !path.utf8.contains(0) else { throw SystemCallError(call, EINVAL) }
    return path
  }

  private func check(_ succeeded: Bool, _ call: String) throws(SystemCallError) {
    guard !succeeded else { return }
    let number = errno
    // Our own mistake, not the world's; going on could write into another file.
    precondition(number != EBADF && number != EFAULT, "a file used after it was closed")
    throw SystemCallError(call, number)
  }
}

extension FileStatus {
  fileprivate init(_ status: stat) {
    let kind: Kind
    switch status.st_mode & S_IFMT {
    case S_IFREG: kind = .file
    case S_IFDIR: kind = .directory
    default: kind = .other
    }
    self.init(
      kind: kind, length: Int64(status.st_size),
      modified: Int64(status.st_mtim.tv_sec) * 1000 + Int64(status.st_mtim.tv_nsec) / 1_000_000,
      permissions: status.st_mode & 0o7777, owner: status.st_uid,
      device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
  }
}
