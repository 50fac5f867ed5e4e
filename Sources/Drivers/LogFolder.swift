public import Audit
public import Durable

/// A log's folder on disk, or a copy of one, to be verified.
///
/// Opens each file for itself and holds nothing, so that a copy on slow or failing storage is read
/// as far as it can be.
public struct LogFolder: LogFolderReader {
  private let path: String
  private let fileSystem: any FileSystem

  /// Looks at nothing yet.
  ///
  /// - Parameters:
  ///   - path: the folder with `checkpoint` and `tile/` in it.
  ///   - fileSystem: where it lies.
  public init(_ path: String, on fileSystem: any FileSystem = LinuxFileSystem()) {
    self.path = path
    self.fileSystem = fileSystem
  }

  public func read(_ name: String, from offset: Int64, count: Int) throws -> [UInt8]? {
    let file = path + "/" + name
    guard try isThere(file) else { return nil }
    return try InputFile(file, on: fileSystem).read(at: offset, count: count)
  }

  public func list(_ folder: String) throws -> [LogFolderItem]? {
    let directory = folder.isEmpty ? path : path + "/" + folder
    guard try isThere(directory) else { return nil }
    var items: [LogFolderItem] = []
    for name in try Directory.names(in: directory, on: fileSystem) {
      // A running writer's half-made files have no name of the log yet.
      if name.hasPrefix("."), name.hasSuffix(StagedFile.temporaryEnding) { continue }
      // What it has replaced may be gone since the folder was listed.
      if let status = try Directory.status(of: directory + "/" + name, on: fileSystem) {
        items.append(LogFolderItem(name: name, isFolder: status.kind == .directory))
      }
    }
    return items
  }

  private func isThere(_ file: String) throws -> Bool {
    try Directory.status(of: file, on: fileSystem) != nil
  }
}
