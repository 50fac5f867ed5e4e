/// Many files and folders at once, of which none counts before a sync of the whole volume.
extension Directory {
  /// Makes `path` and the directories above it that lack; not durable before ``syncVolume(holding:on:)``.
  ///
  /// - Parameters:
  ///   - path: what shall exist.
  ///   - root: a directory that exists; `path` must lie below it or be it.
  ///   - mode: of those made.
  ///   - fileSystem: where the calls go.
  /// - Throws: ``DurableError``.
  public static func makeUnsynced(
    _ path: String, below root: String, mode: FileMode = .privateDirectory,
    on fileSystem: any FileSystem
  ) throws(DurableError) {
    precondition(path == root || path.hasPrefix(root + "/"), "not below its root")
    guard try status(of: path, on: fileSystem) == nil else { return }
    var directory = root
    for name in path.dropFirst(root.count).split(separator: "/") {
      directory += "/" + name
      do throws(SystemCallError) {
        try fileSystem.makeDirectory(directory, mode: mode)
      } catch {
        let failure = DurableError(error, during: "making a directory")
        guard failure.code == .exists else { throw failure }
      }
    }
  }

  /// Removes a file whose absence need not last.
  public static func removeUnsynced(
    _ path: String, on fileSystem: any FileSystem
  ) throws(DurableError) {
    do throws(SystemCallError) {
      try fileSystem.unlink(path)
    } catch {
      throw DurableError(error, during: "removing a file")
    }
  }

  /// Waits until everything that was written to the volume that holds `path` is on stable storage.
  ///
  /// One wait for any number of files. Linux reports a write that failed since the volume was last
  /// synced this way, as `fsync` does for one file.
  public static func syncVolume(
    holding path: String, on fileSystem: any FileSystem
  ) throws(DurableError) {
    do throws(SystemCallError) {
      let directory = try fileSystem.repeatingInterrupted { () throws(SystemCallError) in
        try fileSystem.open(path, for: .directory)
      }
      defer { fileSystem.close(directory) }
      try fileSystem.syncVolume(directory)
    } catch {
      throw DurableError(error, during: "syncing a volume")
    }
  }

  /// Gives a directory another name, durably; `target` must not be there, or be an empty directory.
  public static func rename(
    _ path: String, to target: String, on fileSystem: any FileSystem
  ) throws(DurableError) {
    do throws(SystemCallError) {
      try fileSystem.rename(path, to: target)
      try fileSystem.syncDirectory(parentDirectory(of: target))
    } catch {
      throw DurableError(error, during: "renaming a directory")
    }
  }

  /// Whether a directory is `root` or lies below it, by whatever names and links.
  ///
  /// - Throws: ``DurableError`` where one of the two cannot be opened.
  public static func isBelow(
    _ path: String, _ root: String, on fileSystem: any FileSystem
  ) throws(DurableError) -> Bool {
    let wanted = try identity(of: root, on: fileSystem)
    var place = path
    var last: FileStatus?
    // The root of all is its own parent.
    for _ in 0..<1024 {
      let status = try identity(of: place, on: fileSystem)
      if status.device == wanted.device, status.inode == wanted.inode { return true }
      if let last, last.device == status.device, last.inode == status.inode { return false }
      last = status
      place += "/.."
    }
    return false
  }

  private static func identity(
    of path: String, on fileSystem: any FileSystem
  ) throws(DurableError) -> FileStatus {
    do throws(SystemCallError) {
      let directory = try fileSystem.repeatingInterrupted { () throws(SystemCallError) in
        try fileSystem.open(path, for: .directory)
      }
      defer { fileSystem.close(directory) }
      return try fileSystem.status(of: directory)
    } catch {
      throw DurableError(error, during: "looking at a directory")
    }
  }
}
