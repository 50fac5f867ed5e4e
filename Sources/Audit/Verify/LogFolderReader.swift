/// A log's folder to be checked: `log/`, or a copy of it.
///
/// Calls may block and come from several threads. What is read is not trusted.
public protocol LogFolderReader: Sendable {
  /// Returns up to `count` bytes of the file at `path` from `offset` on, fewer only at its end;
  /// nil if there is no such file.
  ///
  /// - Throws: any error of reading; the verdict then says `unreadable`.
  func read(_ path: String, from offset: Int64, count: Int) throws -> [UInt8]?

  /// Returns what a folder holds, in any order; nil if there is no such folder. The folder of the
  /// log itself is the empty path.
  func list(_ folder: String) throws -> [LogFolderItem]?
}

/// One name in a log's folder.
public struct LogFolderItem: Hashable, Sendable {
  public let name: String
  public let isFolder: Bool

  public init(name: String, isFolder: Bool) {
    self.name = name
    self.isFolder = isFolder
  }
}

extension LogFolderReader {
  /// Returns a whole file that is not longer than `limit`; nil if there is none.
  ///
  /// - Throws: ``AuditError/Code/malformed`` if it is longer.
  func read(_ path: String, limit: Int) throws -> [UInt8]? {
    guard let bytes = try read(path, from: 0, count: limit + 1) else { return nil }
    guard bytes.count <= limit else {
      throw AuditError(.malformed, during: "reading a file that is too long")
    }
    return bytes
  }
}
