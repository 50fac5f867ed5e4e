/// Directories whose names last, and the sweeping of what crashes left in them.
public enum Directory {
  /// Makes `path` and the directories above it that lack, each durable in its parent.
  ///
  /// The parents are synced also when a directory was there: the process that made it may have
  /// died before its own sync, and what we then store in it would be lost with it.
  ///
  /// - Parameters:
  ///   - path: what shall exist.
  ///   - root: a directory that exists and is durable already; `path` must lie below it or be it.
  ///   - mode: of those made.
  ///   - fileSystem: where the calls go.
  /// - Throws: ``DurableError``; some of the directories may be there then.
  public static func make(
    _ path: String, below root: String, mode: FileMode = .privateDirectory,
    on fileSystem: any FileSystem
  ) throws(DurableError) {
    precondition(path == root || path.hasPrefix(root + "/"), "not below its root")
    var directory = root
    do throws(SystemCallError) {
      for name in path.dropFirst(root.count).split(separator: "/") {
        let parent = directory
        directory += "/" + name
        do throws(SystemCallError) {
          try fileSystem.makeDirectory(directory, mode: mode)
        } catch {
          guard DurableError(error, during: "making a directory").code == .exists else {
            throw error
          }
        }
        try fileSystem.syncDirectory(parent)
      }
    } catch {
      throw DurableError(error, during: "making a directory")
    }
  }

  /// Returns the names in a directory, in ascending order.
  public static func names(in path: String, on fileSystem: any FileSystem) throws(DurableError)
    -> [String]
  {
    do throws(SystemCallError) {
      return try fileSystem.list(path).sorted()
    } catch {
      throw DurableError(error, during: "listing a directory")
    }
  }

  /// Returns how many bytes this user may still write to the volume that holds `path`.
  public static func availableBytes(at path: String, on fileSystem: any FileSystem)
    throws(DurableError) -> Int64
  {
    do {
      return try fileSystem.availableBytes(at: path)
    } catch {
      throw DurableError(error, during: "asking for free space")
    }
  }

  /// What `path` is, without following a link; nil when there is nothing.
  public static func status(of path: String, on fileSystem: any FileSystem) throws(DurableError)
    -> FileStatus?
  {
    do {
      return try fileSystem.status(at: path)
    } catch {
      let failure = DurableError(error, during: "looking at a file")
      guard failure.code == .notFound else { throw failure }
      return nil
    }
  }

  /// Removes a file and makes its absence durable; one that is not there is an error.
  public static func remove(_ path: String, on fileSystem: any FileSystem) throws(DurableError) {
    do throws(SystemCallError) {
      try fileSystem.unlink(path)
      try fileSystem.syncDirectory(parentDirectory(of: path))
    } catch {
      throw DurableError(error, during: "removing a file")
    }
  }

  /// Writes zeros over a small file, durably, and then removes it.
  ///
  /// A volume that writes elsewhere than over the old bytes, or keeps snapshots, still has them.
  public static func wipe(_ path: String, on fileSystem: any FileSystem) throws(DurableError) {
    do throws(SystemCallError) {
      let file = try fileSystem.repeatingInterrupted { () throws(SystemCallError) in
        try fileSystem.open(path, for: .overwriting)
      }
      do {
        defer { fileSystem.close(file) }
        let length = try fileSystem.status(of: file).length
        let zeros = [UInt8](repeating: 0, count: Int(length))
        try fileSystem.writeAll(unsafe zeros.span.bytes, to: file)
        try fileSystem.fsync(file)
      }
    } catch {
      throw DurableError(error, during: "wiping a file")
    }
    try remove(path, on: fileSystem)
  }

  /// Removes the temporary files that crashed writers left in one directory.
  ///
  /// - Parameters:
  ///   - path: the directory; those below it are not entered.
  ///   - time: files last written before it go, in ms since 1970; a live writer's is younger.
  ///   - fileSystem: where the calls go.
  /// - Returns: how many went.
  /// - Throws: ``DurableError``; the rest waits for the next sweep.
  @discardableResult
  public static func sweepTemporaryFiles(
    in path: String, writtenBefore time: Int64, on fileSystem: any FileSystem
  ) throws(DurableError) -> Int {
    var swept = 0
    do throws(SystemCallError) {
      for name in try fileSystem.list(path) where name.hasSuffix(StagedFile.temporaryEnding) {
        let file = path + "/" + name
        let status = try fileSystem.status(at: file)
        guard status.kind == .file, status.modified < time else { continue }
        try fileSystem.unlink(file)
        swept += 1
      }
    } catch {
      throw DurableError(error, during: "sweeping temporary files")
    }
    return swept
  }
}
