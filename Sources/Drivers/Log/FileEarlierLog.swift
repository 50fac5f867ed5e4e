public import Audit
public import Durable

/// What is left of a log that a recovery ended, in files: read, and never written again.
public final class FileEarlierLog: PublishedLogFiles {
  private let directory: PublishedDirectory

  /// Looks at nothing yet.
  ///
  /// - Parameters:
  ///   - layout: of the earlier log: ``StorageLayout/earlier(_:)``.
  ///   - fileSystem: where it lies.
  /// - Throws: `ThreadingError` when the kernel gives no thread.
  public init(_ layout: StorageLayout, on fileSystem: any FileSystem = LinuxFileSystem()) throws {
    directory = try PublishedDirectory(
      log: layout.log, openings: layout.openings, on: fileSystem)
  }

  public func published(_ path: String) async throws -> [UInt8]? {
    try await directory.read(path)
  }

  public func historyMonths() async throws -> [String] {
    try await directory.historyMonths()
  }

  public func history(
    of month: String, from offset: Int64, count: Int
  ) async throws -> [UInt8]? {
    try await directory.history(of: month, from: offset, count: count)
  }

  public func openings(ofBundle number: Int64) async throws -> [UInt8]? {
    try await directory.openings(ofBundle: number)
  }
}
