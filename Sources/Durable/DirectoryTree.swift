extension Directory {
  /// Gives a file or folder another name on the same volume, durably; a name that is taken is refused.
  ///
  /// A crash leaves it under one of the two names.
  ///
  /// - Throws: ``DurableError/Code/exists``; ``DurableError/Code/notFound``.
  public static func move(
    _ path: String, to target: String, on fileSystem: any FileSystem
  ) throws(DurableError) {
    // The caller owns both places, so nobody takes the name in between.
    guard try status(of: target, on: fileSystem) == nil else {
      throw DurableError(.exists, during: "moving a file or folder")
    }
    do throws(SystemCallError) {
      try fileSystem.rename(path, to: target)
      // The new name first: a power cut in between shows the folder twice rather than never.
      try fileSystem.syncDirectory(parentDirectory(of: target))
      try fileSystem.syncDirectory(parentDirectory(of: path))
    } catch {
      throw DurableError(error, during: "moving a file or folder")
    }
  }

  /// Removes a folder with everything in it; links in it are removed, not followed.
  ///
  /// A crash leaves part of it.
  ///
  /// - Parameters:
  ///   - path: the folder; one that is not there is no error.
  ///   - last: a name in it that goes when everything else is gone.
  ///   - fileSystem: where the calls go.
  /// - Throws: ``DurableError``; part of it may be gone.
  public static func removeTree(
    _ path: String, last: String? = nil, on fileSystem: any FileSystem
  ) throws(DurableError) {
    guard try status(of: path, on: fileSystem) != nil else { return }
    try removeContents(of: path, last: last, on: fileSystem)
    do throws(SystemCallError) {
      try fileSystem.removeDirectory(path)
      try fileSystem.syncDirectory(parentDirectory(of: path))
    } catch {
      throw DurableError(error, during: "removing a folder")
    }
  }

  /// Removes everything in a folder, as ``removeTree(_:last:on:)`` does, and leaves the folder.
  ///
  /// - Throws: ``DurableError``; part of it may be gone.
  public static func empty(
    _ path: String, last: String? = nil, on fileSystem: any FileSystem
  ) throws(DurableError) {
    try removeContents(of: path, last: last, on: fileSystem)
    try sync(path, on: fileSystem)
  }

  private static func removeContents(
    of path: String, last: String?, on fileSystem: any FileSystem
  ) throws(DurableError) {
    let names = try names(in: path, on: fileSystem)
    for name in names.filter({ $0 != last }) + names.filter({ $0 == last }) {
      let inner = path + "/" + name
      if try status(of: inner, on: fileSystem)?.kind == .directory {
        try removeTree(inner, on: fileSystem)
      } else {
        // What goes last must not go while a power cut could still bring the others back.
        if name == last { try sync(path, on: fileSystem) }
        do throws(SystemCallError) {
          try fileSystem.unlink(inner)
        } catch {
          throw DurableError(error, during: "removing a folder")
        }
      }
    }
  }

  private static func sync(
    _ path: String, on fileSystem: any FileSystem
  ) throws(DurableError) {
    do {
      try fileSystem.syncDirectory(path)
    } catch {
      throw DurableError(error, during: "removing a folder")
    }
  }
}
