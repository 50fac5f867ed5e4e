import CLinux
import Glibc

/// The kernel's own calls.
public struct LinuxDirectoryCalls: DirectoryCalls {
  /// What is done to an open file does not depend on how it was opened.
  private let files = LinuxFileSystem()

  public init() {}

  private static let directoryFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC

  public func open(_ path: String) throws(SystemCallError) -> FileDescriptor {
    let number = unsafe Glibc.open(path, Self.directoryFlags)
    try check(number >= 0, "open")
    return FileDescriptor(rawValue: number)
  }

  public func openDirectory(_ name: [UInt8], in directory: FileDescriptor)
    throws(SystemCallError) -> FileDescriptor
  {
    try open(name, in: directory, Self.directoryFlags | O_NOFOLLOW)
  }

  public func openFile(_ name: [UInt8], in directory: FileDescriptor)
    throws(SystemCallError) -> FileDescriptor
  {
    try open(name, in: directory, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
  }

  public func createFile(_ name: [UInt8], in directory: FileDescriptor)
    throws(SystemCallError) -> FileDescriptor
  {
    try open(name, in: directory, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)
  }

  public func close(_ file: FileDescriptor) { files.close(file) }

  public func pread(_ file: FileDescriptor, into buffer: inout MutableRawSpan, at offset: Int64)
    throws(SystemCallError) -> Int
  {
    try files.pread(file, into: &buffer, at: offset)
  }

  public func write(_ file: FileDescriptor, _ bytes: RawSpan) throws(SystemCallError) -> Int {
    try files.write(file, bytes)
  }

  public func fsync(_ file: FileDescriptor) throws(SystemCallError) { try files.fsync(file) }

  public func status(of file: FileDescriptor) throws(SystemCallError) -> NodeStatus {
    var status = stat()
    let result = unsafe fstat(file.rawValue, &status)
    try check(result == 0, "fstat")
    return NodeStatus(status)
  }

  public func status(of name: [UInt8], in directory: FileDescriptor)
    throws(SystemCallError) -> NodeStatus
  {
    var status = stat()
    let result = unsafe fstatat(
      directory.rawValue, try checked(name, "fstatat"), &status, AT_SYMLINK_NOFOLLOW)
    try check(result == 0, "fstatat")
    return NodeStatus(status)
  }

  public func isBeingWritten(_ file: FileDescriptor) -> Bool? {
    // A read lease is given only where nobody writes, and to the file's owner only.
    switch callvault_probe_writers(file.rawValue) {
    case 0: false
    case EAGAIN: true
    default: nil
    }
  }

  public func list(
    _ directory: FileDescriptor, from: [UInt8]?, limit: Int, where isWanted: ([UInt8]) -> Bool
  ) throws(SystemCallError) -> [[UInt8]] {
    // The stream closes what it is given, and a descriptor of its own has a position of its own.
    let own = unsafe openat(directory.rawValue, ".", Self.directoryFlags)
    try check(own >= 0, "openat")
    guard let stream = unsafe fdopendir(own) else {
      let number = errno
      close(FileDescriptor(rawValue: own))
      throw SystemCallError("fdopendir", number)
    }
    defer { unsafe closedir(stream) }
    var names = LeastNames(from: from, limit: limit)
    while true {
      // readdir tells an error from the end only by errno.
      errno = 0
      guard let entry = unsafe readdir(stream) else {
        try check(errno == 0, "readdir")
        break
      }
      guard let name = unsafe callvault_entry_name(entry) else { continue }
      let bytes = unsafe Array(UnsafeRawBufferPointer(start: name, count: strlen(name)))
      if bytes != [0x2E], bytes != [0x2E, 0x2E], isWanted(bytes) { names.add(bytes) }
    }
    return names.sorted()
  }

  public func makeDirectory(_ name: [UInt8], in directory: FileDescriptor)
    throws(SystemCallError)
  {
    let result = unsafe mkdirat(directory.rawValue, try checked(name, "mkdirat"), 0o700)
    try check(result == 0, "mkdirat")
  }

  public func unlink(_ name: [UInt8], in directory: FileDescriptor) throws(SystemCallError) {
    let result = unsafe unlinkat(directory.rawValue, try checked(name, "unlinkat"), 0)
    try check(result == 0, "unlinkat")
  }

  public func renameToNew(
    _ name: [UInt8], in directory: FileDescriptor, to newName: [UInt8], in other: FileDescriptor
  ) throws(SystemCallError) {
    let (old, new) = (try checked(name, "renameat2"), try checked(newName, "renameat2"))
    let noReplace: UInt32 = 1
    let result = unsafe renameat2(directory.rawValue, old, other.rawValue, new, noReplace)
    // NFS cannot; there looking first has to do.
    guard result != 0, errno == EINVAL || errno == ENOSYS else {
      return try check(result == 0, "renameat2")
    }
    do throws(SystemCallError) {
      _ = try status(of: newName, in: other)
    } catch {
      guard error.number == ENOENT else { throw error }
      let result = unsafe renameat(directory.rawValue, old, other.rawValue, new)
      return try check(result == 0, "renameat")
    }
    throw SystemCallError("renameat2", EEXIST)
  }

  private func open(_ name: [UInt8], in directory: FileDescriptor, _ flags: Int32)
    throws(SystemCallError) -> FileDescriptor
  {
    let number = unsafe openat(
      directory.rawValue, try checked(name, "openat"), flags, FileMode.privateFile.rawValue)
    try check(number >= 0, "openat")
    return FileDescriptor(rawValue: number)
  }

  /// A name as C takes it; refuses what would be another name, or a path.
  private func checked(_ name: [UInt8], _ call: String) throws(SystemCallError) -> [CChar] {
    guard !name.isEmpty, !name.contains(0), !name.contains(UInt8(ascii: "/")),
      name != [0x2E], name != [0x2E, 0x2E]
    else { throw SystemCallError(call, EINVAL) }
    return name.map(CChar.init(bitPattern:)) + [0]
  }

  private func check(_ succeeded: Bool, _ call: String) throws(SystemCallError) {
    guard !succeeded else { return }
    let number = errno
    // Our own mistake, not the world's; going on could touch another file.
    precondition(number != EBADF && number != EFAULT, "a file used after it was closed")
    throw SystemCallError(call, number)
  }
}

/// The least of many names, in memory for twice as many as are asked for.
private struct LeastNames {
  private let from: [UInt8]?
  private let limit: Int
  private var names: [[UInt8]] = []
  /// Known to be beyond the limit, with all after it; nil: nothing is yet.
  private var ceiling: [UInt8]?

  init(from: [UInt8]?, limit: Int) {
    self.from = from
    self.limit = limit
  }

  mutating func add(_ name: [UInt8]) {
    if let from, name.lexicographicallyPrecedes(from) { return }
    if let ceiling, !name.lexicographicallyPrecedes(ceiling) { return }
    names.append(name)
    guard names.count > 2 * limit else { return }
    names = sorted()
    ceiling = names.last
  }

  func sorted() -> [[UInt8]] {
    Array(names.sorted { $0.lexicographicallyPrecedes($1) }.prefix(limit))
  }
}

extension NodeStatus {
  fileprivate init(_ status: stat) {
    func nanoseconds(_ time: timespec) -> Int64 {
      let (product, overflow) = Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
      // A remote file system may answer any time; all that counts is whether it changes.
      return overflow ? Int64(time.tv_sec) : product &+ Int64(time.tv_nsec)
    }
    let kind: Kind
    switch status.st_mode & S_IFMT {
    case S_IFREG: kind = .file
    case S_IFDIR: kind = .directory
    default: kind = .other
    }
    self.init(
      kind: kind, length: Int64(status.st_size), modified: nanoseconds(status.st_mtim),
      changed: nanoseconds(status.st_ctim), links: UInt64(status.st_nlink),
      device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
  }
}
