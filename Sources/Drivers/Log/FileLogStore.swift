public import Audit
public import Durable
import Threading

/// A log in files: `journal/`, `log/` and `openings/` of the data directory.
///
/// Specified in `Documentation/formats/journal.md` and `audit-log.md`. Three threads: one appends, so
/// that an append never waits for the many small syncs of publishing, which another makes, nor for
/// the removal of old pieces, in which a file system spends milliseconds.
public final class FileLogStore: LogStore {
  private let journal: JournalDirectory
  private let settled: SettledJournal
  private let publishing: PublishedDirectory

  /// Makes the directories that lack and removes what crashed writers left half-written.
  ///
  /// The caller holds the lock of the data directory.
  ///
  /// - Parameters:
  ///   - layout: where the directories lie; its root exists.
  ///   - fileSystem: where the calls go.
  /// - Throws: `DurableError`, or `ThreadingError` when the kernel gives no thread.
  public init(_ layout: StorageLayout, on fileSystem: any FileSystem = LinuxFileSystem()) throws {
    try Directory.make(layout.journal, below: layout.root, on: fileSystem)
    try Directory.make(layout.openings, below: layout.root, on: fileSystem)
    // An auditor's account may read the published log, never what lies beside it.
    try Directory.make(
      layout.log, below: layout.root, mode: .publicDirectory, on: fileSystem)
    for directory in [layout.journal, layout.openings, layout.log] {
      // This process has no writer yet, so every temporary file is a dead one's.
      try Directory.sweepTemporaryFiles(in: directory, writtenBefore: .max, on: fileSystem)
    }
    journal = try JournalDirectory(layout.journal, on: fileSystem)
    settled = try SettledJournal(layout.journal, on: fileSystem)
    publishing = try PublishedDirectory(layout, on: fileSystem)
  }

  public func journalSegments() async throws -> [Int64] {
    try await settled.segments()
  }

  public func journal(beginningAt first: Int64) async throws -> [UInt8] {
    try await journal.read(first)
  }

  public func renewJournal(beginningAt first: Int64, with bytes: [UInt8]) async throws {
    try await journal.renew(first, with: bytes)
  }

  public func beginJournal(
    at first: Int64, with head: [UInt8], reserving length: Int
  ) async throws {
    try await journal.begin(at: first, with: head, reserving: length)
  }

  public func reserveJournal(_ length: Int) async throws {
    try await journal.reserve(length)
  }

  public func append(_ bytes: [UInt8], from before: Int64, to after: Int64) async throws {
    try await journal.append(bytes, from: before, to: after)
  }

  public func removeJournal(beginningBefore first: Int64) async throws {
    try await settled.remove(beginningBefore: first)
  }

  public func publish(_ publication: Publication) async throws {
    try await publishing.publish(publication)
  }

  public func publishMinimum(_ note: [UInt8]) async throws {
    try await publishing.publishMinimum(note)
  }

  public func removeBundles(below number: Int64) async throws {
    try await publishing.removeBundles(below: number)
  }

  public func published(_ path: String) async throws -> [UInt8]? {
    try await publishing.published(path)
  }

  public func historyMonths() async throws -> [String] {
    try await publishing.historyMonths()
  }

  public func history(
    of month: String, from offset: Int64, count: Int
  ) async throws -> [UInt8]? {
    try await publishing.history(of: month, from: offset, count: count)
  }

  public func openings(ofBundle number: Int64) async throws -> [UInt8]? {
    try await publishing.openings(ofBundle: number)
  }

  public func removeSupersededPartials(below size: Int64) async throws {
    try await publishing.removeSupersededPartials(below: size)
  }

  public func saveSnapshot(_ bytes: [UInt8]) async throws {
    try await settled.saveSnapshot(bytes)
  }

  public func snapshot() async throws -> [UInt8]? {
    try await settled.snapshot()
  }
}
