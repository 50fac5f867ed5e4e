/// A small file that is replaced whole: a reader, or a crash, sees the old bytes or the new.
public enum AtomicFile {
  /// Replaces `path` with `bytes`; both the bytes and the name are durable when it returns.
  ///
  /// Order: temporary file in the same directory, its fsync, rename, fsync of the directory. A
  /// crash before the rename leaves the old file and a `.name.….tmp`; after it, the new file.
  ///
  /// - Parameters:
  ///   - bytes: the whole content.
  ///   - path: its name.
  ///   - mode: of the file, narrowed by the process's umask.
  ///   - reserved: how many bytes the file is going to have; blocks for them are set aside before
  ///     it gets its name.
  ///   - fileSystem: where the calls go.
  /// - Throws: ``DurableError``. Until the rename the old file is untouched; when only the last
  ///   fsync failed the new bytes are there, but a power cut may bring the old ones back.
  public static func write(
    _ bytes: [UInt8], to path: String, mode: FileMode = .privateFile, reserving reserved: Int64 = 0,
    on fileSystem: any FileSystem
  ) throws(DurableError) {
    let temporary = temporaryName(for: path)
    do throws(SystemCallError) {
      try stage(bytes, as: temporary, mode: mode, reserving: reserved, on: fileSystem)
      try fileSystem.rename(temporary, to: path)
      try fileSystem.syncDirectory(parentDirectory(of: path))
    } catch {
      // After the rename there is nothing of that name, which is as good.
      fileSystem.discard(temporary)
      throw DurableError(error, during: "replacing a file")
    }
  }

  /// A file's new content.
  public struct Replacement: Sendable {
    public let path: String
    public let bytes: [UInt8]

    public init(path: String, bytes: [UInt8]) {
      self.path = path
      self.bytes = bytes
    }
  }

  /// Replaces several files, each whole; the bytes and names of all are durable when it returns.
  ///
  /// The bytes of all are durable before the first gets its name; the names appear in the order
  /// given, and each directory is synced once. A crash in between leaves some files old and some
  /// new, so none may mean anything without a later one that says so.
  ///
  /// - Throws: ``DurableError``; any number of the files may be new.
  public static func write(
    _ files: [Replacement], mode: FileMode, on fileSystem: any FileSystem
  ) throws(DurableError) {
    var staged: [String] = []
    do throws(SystemCallError) {
      for file in files { staged.append(temporaryName(for: file.path)) }
      var start = 0
      while start < files.count {
        var end = start
        var length = 0
        while end < files.count, end - start < openAtOnce, end == start || length < begunAtOnce {
          length += files[end].bytes.count
          end += 1
        }
        try stage(files[start..<end], as: staged[start..<end], mode: mode, on: fileSystem)
        start = end
      }
      for (file, temporary) in zip(files, staged) {
        try fileSystem.rename(temporary, to: file.path)
      }
      var synced: Set<String> = []
      for file in files where synced.insert(parentDirectory(of: file.path)).inserted {
        try fileSystem.syncDirectory(parentDirectory(of: file.path))
      }
    } catch {
      for temporary in staged { fileSystem.discard(temporary) }
      throw DurableError(error, during: "replacing files")
    }
  }

  /// How many files are open at once while several are replaced.
  private static let openAtOnce = 64
  /// Bytes after which nothing more is begun before what was begun is durable: a sync of somebody else,
  /// such as a journal's, waits in the disk's queue behind no more than this and one file.
  private static let begunAtOnce = 512 << 10

  /// Makes temporary files, all of which are durable when it returns.
  ///
  /// Each sync waits for the file system's own journal; where all of them are written and begun
  /// before the first sync, that one takes the others along.
  private static func stage(
    _ files: ArraySlice<Replacement>, as temporaries: ArraySlice<String>, mode: FileMode,
    on fileSystem: any FileSystem
  ) throws(SystemCallError) {
    var open: [FileDescriptor] = []
    defer { for file in open { fileSystem.close(file) } }
    for (file, temporary) in zip(files, temporaries) {
      let descriptor = try fileSystem.repeatingInterrupted { () throws(SystemCallError) in
        try fileSystem.open(temporary, for: .creating(mode))
      }
      open.append(descriptor)
      try fileSystem.writeAll(unsafe file.bytes.span.bytes, to: descriptor)
      try fileSystem.beginWritingIfPossible(descriptor)
    }
    for file in open { try fileSystem.fsync(file) }
  }

  private static func temporaryName(for path: String) -> String {
    "\(parentDirectory(of: path))/.\(lastComponent(of: path)).\(temporarySuffix()).tmp"
  }

  /// Makes a temporary file of `bytes`, which are durable when it returns; its name is not.
  private static func stage(
    _ bytes: [UInt8], as temporary: String, mode: FileMode, reserving reserved: Int64 = 0,
    on fileSystem: any FileSystem
  ) throws(SystemCallError) {
    let file = try fileSystem.repeatingInterrupted { () throws(SystemCallError) in
      try fileSystem.open(temporary, for: .creating(mode))
    }
    defer { fileSystem.close(file) }
    if reserved > 0 { try fileSystem.reserveIfPossible(reserved, in: file) }
    try fileSystem.writeAll(unsafe bytes.span.bytes, to: file)
    try fileSystem.fsync(file)
  }

  /// Makes a file that must not exist yet, durably.
  ///
  /// - Throws: ``DurableError/Code/exists`` when the name is taken; the file there is untouched.
  public static func create(
    _ bytes: [UInt8], at path: String, mode: FileMode = .privateFile,
    on fileSystem: any FileSystem
  ) throws(DurableError) {
    var file = try StagedFile(
      stagedIn: parentDirectory(of: path), named: lastComponent(of: path), mode: mode,
      on: fileSystem)
    try file.append(unsafe bytes.span.bytes)
    try file.commit(to: path)
  }

  /// Reads a whole file of at most `limit` bytes.
  ///
  /// - Throws: ``DurableError/Code/notFound``; ``DurableError/Code/malformed`` when it is longer,
  ///   or no plain file.
  public static func read(_ path: String, limit: Int, on fileSystem: any FileSystem)
    throws(DurableError) -> [UInt8]
  {
    let file = try InputFile(path, on: fileSystem)
    guard file.length <= Int64(limit) else {
      throw DurableError(.malformed, during: "reading a file that is too long")
    }
    return try file.read(at: 0, count: limit)
  }
}
