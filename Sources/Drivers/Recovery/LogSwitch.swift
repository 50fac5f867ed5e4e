import Audit
public import Durable
public import Vault

/// Puts a new log in the place of one that goes no further.
///
/// Each step may be repeated, so a crash anywhere is finished by the next start. Specified in
/// `Documentation/formats/recovery.md`, 6.
public enum LogSwitch {
  /// Goes on with a switch that was decided; nothing where none is under way.
  ///
  /// - Parameters:
  ///   - layout: of a data directory that this process owns; nothing of the log is open.
  ///   - catalog: bound to the log that goes no further, or already to the new one.
  ///   - fileSystem: where the calls go.
  /// - Throws: ``VaultError`` or `DurableError`; calling it again goes on.
  public static func finish(
    _ layout: StorageLayout, catalog: any Catalog, on fileSystem: any FileSystem = LinuxFileSystem()
  ) async throws {
    let staged = layout.recovery
    // The new log may lie ready without a decision: then the old one is still the log.
    guard let name = try LogName.read(layout, on: fileSystem),
      try LogName.read(at: staged.logName, on: fileSystem) == name
    else { return }
    let earlier = layout.earlier(name.earlier)
    try Directory.make(earlier.root, below: layout.root, on: fileSystem)
    // Heads of another log are no anchors of this one, and positions none of its sinks.
    for part in [\StorageLayout.log, \.journal, \.openings, \.anchors, \.sinks] {
      try exchange(
        layout[keyPath: part], for: staged[keyPath: part], keeping: earlier[keyPath: part],
        on: fileSystem)
    }
    try Directory.make(earlier.keys, below: layout.root, on: fileSystem)
    for part in [\StorageLayout.logRoot, \.certified] {
      try exchange(
        layout[keyPath: part], for: staged[keyPath: part], keeping: earlier[keyPath: part],
        on: fileSystem)
    }
    if try exists(staged.epochKeys, on: fileSystem) {
      // A key of the old log that is still here could sign a second history of its last day.
      if try exists(layout.epochKeys, on: fileSystem) {
        for key in try Directory.names(in: layout.epochKeys, on: fileSystem) {
          try Directory.wipe(layout.epochKeys + "/" + key, on: fileSystem)
        }
        try Directory.removeTree(layout.epochKeys, on: fileSystem)
      }
      try Directory.move(staged.epochKeys, to: layout.epochKeys, on: fileSystem)
    }
    if try exists(staged.anchored, on: fileSystem) {
      try Directory.move(staged.anchored, to: earlier.anchored, on: fileSystem)
    }
    try await catalog.beginLog(after: name.earlier, endingTokensAt: name.tokensEnded)
    // The name in it goes last: with it goes the only sign that something was left to do.
    try Directory.removeTree(staged.root, last: StorageLayout.logNameFile, on: fileSystem)
  }

  /// Moves what is in use beside the other earlier things, unless it was, and what is staged in its
  /// place.
  private static func exchange(
    _ used: String, for staged: String, keeping kept: String, on fileSystem: any FileSystem
  ) throws(DurableError) {
    let isStaged = try exists(staged, on: fileSystem)
    // Where nothing is staged, what is in use may be the new one already: then the old one was kept.
    if try !exists(kept, on: fileSystem), try exists(used, on: fileSystem) {
      try Directory.move(used, to: kept, on: fileSystem)
    }
    if isStaged { try Directory.move(staged, to: used, on: fileSystem) }
  }

  static func exists(
    _ path: String, on fileSystem: any FileSystem
  ) throws(DurableError) -> Bool {
    try Directory.status(of: path, on: fileSystem) != nil
  }
}
