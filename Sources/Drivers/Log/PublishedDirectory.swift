public import Audit
public import Durable
import Threading

/// `log/` and `openings/`: what is published, and what commitments in it stand for.
///
/// Of a log that a recovery ended it is all that is left, and only read.
public actor PublishedDirectory: PublishedLogFiles {
  /// A bundle is 256 entries of at most 16 KiB; everything else is far smaller, save the history.
  private static let fileLimit = 64 << 20

  private let executor: BlockingExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  private let log: String
  private let openings: String
  private let fileSystem: any FileSystem
  /// Directories known to exist durably, so that each is made and synced once.
  private var made: Set<String> = []
  /// Where the files that grow durably end, once that is known.
  private var historyDurableEnd: FileEnd?
  private var openingsEnd: FileEnd?
  /// The month's history that heads go to; nil until the first does.
  private var newestHistory: String?
  /// Partial files that the last sweep found superseded.
  private var superseded: Set<String> = []

  private struct FileEnd {
    let path: String
    let length: Int64
  }

  /// Bytes of the longest record: what two bytes of length can say.
  private static let longestRecord: Int64 = 2 + 65_535

  /// Looks at nothing yet.
  ///
  /// - Throws: `ThreadingError` when the kernel gives no thread.
  public init(
    _ layout: StorageLayout, on fileSystem: any FileSystem = LinuxFileSystem()
  ) throws {
    executor = try BlockingExecutor(label: "publisher")
    log = layout.log
    openings = layout.openings
    self.fileSystem = fileSystem
  }

  // MARK: Writing

  func publish(_ publication: Publication) throws {
    try publishOpenings(publication.openings)
    var tiles: [AtomicFile.Replacement] = []
    for file in publication.full + publication.partial {
      let path = log + "/" + file.path
      try makeDirectory(holding: path, below: log, mode: .publicDirectory)
      tiles.append(AtomicFile.Replacement(path: path, bytes: file.bytes))
    }
    // Together, because each sync by itself is one that an append of the journal may have to wait for.
    try AtomicFile.write(tiles, mode: .publicFile, on: fileSystem)
    if let keyring = publication.keyring {
      try AtomicFile.write(
        keyring, to: log + "/" + Keyring.path, mode: .publicFile, on: fileSystem)
    }
    if let history = publication.history {
      try appendToHistory(publication.checkpoint, at: history)
    }
    // Last: from here on a reader asks for the files above.
    try AtomicFile.write(
      publication.checkpoint, to: log + "/checkpoint", mode: .publicFile, on: fileSystem)
  }

  /// The number as tile paths spell it.
  private func bundleName(_ number: Int64) throws(DurableError) -> String {
    guard let path = TilePath(.entries, number) else {
      throw DurableError(.malformed, during: "naming a file of openings")
    }
    return String(path.description.dropFirst("tile/entries/".count))
  }

  private func makeDirectory(holding path: String, below root: String, mode: FileMode) throws {
    guard let slash = path.lastIndex(of: "/") else { return }
    let directory = String(path[..<slash])
    guard !made.contains(directory) else { return }
    try Directory.make(directory, below: root, mode: mode, on: fileSystem)
    made.insert(directory)
  }

  /// Goes on with the file of the bundle that was not full, and makes those of the others together.
  private func publishOpenings(_ parts: [(bundle: Int64, frames: [UInt8])]) throws {
    var files: [AtomicFile.Replacement] = []
    for (bundle, frames) in parts {
      let path = openings + "/" + (try bundleName(bundle))
      try makeDirectory(holding: path, below: openings, mode: .privateDirectory)
      if try Directory.status(of: path, on: fileSystem) == nil {
        files.append(AtomicFile.Replacement(path: path, bytes: frames))
      } else {
        try append(frames, to: path)
      }
    }
    guard let last = files.last else { return }
    try AtomicFile.write(files, mode: .privateFile, on: fileSystem)
    openingsEnd = FileEnd(path: last.path, length: Int64(last.bytes.count))
  }

  private func append(_ bytes: [UInt8], to path: String) throws {
    var file = try AppendFile(path, mode: .privateFile, on: fileSystem)
    // Bytes behind the durable end come from a crash or a failed sync. They are written again and
    // not built upon: after a failed sync the kernel may hold pages that no disk has.
    let end =
      openingsEnd?.path == path ? openingsEnd?.length : try wholeFrames(path, count: file.length)
    if let end, end < file.length { try file.truncate(to: end) }
    openingsEnd = FileEnd(path: path, length: file.length)
    try file.append(bytes)
    try file.sync()
    openingsEnd = FileEnd(path: path, length: file.length)
  }

  /// How many bytes of an openings file are whole frames.
  private func wholeFrames(_ path: String, count: Int64) throws -> Int64 {
    guard count > 0 else { return 0 }
    let bytes = try AtomicFile.read(path, limit: Self.fileLimit, on: fileSystem)
    return Int64(JournalFrame.wholeLength(of: bytes))
  }

  /// Appends `u16be length ‖ note`, unless it is the last record already.
  private func appendToHistory(_ checkpoint: [UInt8], at name: String) throws {
    guard let count = UInt16(exactly: checkpoint.count) else {
      throw DurableError(.malformed, during: "appending to the history")
    }
    var path = log + "/" + name
    try makeDirectory(holding: path, below: log, mode: .publicDirectory)
    if newestHistory == nil { try takeUpHistory(before: checkpoint) }
    // A clock that was set back must not put heads among those of an earlier month.
    if let newest = newestHistory, newest > path { path = newest }
    newestHistory = path
    let end = try historyEnd(at: path, before: checkpoint)
    var file = try AppendFile(path, mode: .publicFile, on: fileSystem)
    if end < file.length { try file.truncate(to: end) }
    historyDurableEnd = FileEnd(path: path, length: file.length)
    try file.append([UInt8(count >> 8), UInt8(count & 0xff)] + checkpoint)
    try file.sync()
    historyDurableEnd = FileEnd(path: path, length: file.length)
  }

  /// Finds the month written last, and cuts what a crash left at its end: this month's heads may go
  /// to another file.
  private func takeUpHistory(before checkpoint: [UInt8]) throws {
    guard let newest = try historyMonths().last.map({ log + "/checkpoints/" + $0 }) else { return }
    let end = try historyEnd(at: newest, before: checkpoint)
    var file = try AppendFile(newest, mode: .publicFile, on: fileSystem)
    if end < file.length { try file.truncate(to: end) }
    newestHistory = newest
  }

  /// Where the next record of a month's history goes: after the last whole one that is not
  /// `checkpoint` itself, which a publication that failed may have left.
  ///
  /// Walks the file, which may be hundreds of megabytes, once in the life of the process.
  private func historyEnd(at path: String, before checkpoint: [UInt8]) throws -> Int64 {
    if let known = historyDurableEnd, known.path == path { return known.length }
    guard let file = try openIfPresent(path) else { return 0 }
    var end: Int64 = 0
    var piece: [UInt8] = []
    var pieceStart: Int64 = 0
    while end < file.length {
      if Int64(piece.count) - (end - pieceStart) < Self.longestRecord {
        pieceStart = end
        piece = try file.read(at: pieceStart, count: 1 << 20)
      }
      let offset = Int(end - pieceStart)
      guard piece.count - offset >= 2 else { break }
      let length = Int(piece[offset]) << 8 | Int(piece[offset + 1])
      guard piece.count - offset - 2 >= length else { break }
      let record = piece[(offset + 2)..<(offset + 2 + length)]
      if end + Int64(2 + length) == file.length, record.elementsEqual(checkpoint) { break }
      end += Int64(2 + length)
    }
    return end
  }

  private func openIfPresent(_ path: String) throws -> InputFile? {
    do {
      return try InputFile(path, on: fileSystem)
    } catch {
      if error.code == .notFound { return nil }
      throw error
    }
  }

  // MARK: Removing

  /// Walks all directories of partial files; those of the right edge of a log of `size` stay.
  func removeSupersededPartials(below size: Int64) throws {
    var kept: Set<String> = []
    for level in 0...7 {
      let width = Int(size >> Int64(8 * level)) & 0xff
      let number = (size >> Int64(8 * level)) >> 8
      if width > 0, let path = TilePath(.hashes(level), number, width: width) {
        kept.insert(path.description)
        if level == 0, let bundle = TilePath(.entries, number, width: width) {
          kept.insert(bundle.description)
        }
      }
    }
    var found: Set<String> = []
    try removePartials(in: "tile", keeping: kept, found: &found)
    superseded = found
  }

  private func removePartials(
    in directory: String, keeping kept: Set<String>, found: inout Set<String>
  ) throws {
    for name in try namesIfPresent(in: log + "/" + directory, on: fileSystem) {
      let path = directory + "/" + name
      if name.hasSuffix(StagedFile.temporaryEnding) {
        // Left by a crash: this actor writes nothing while it sweeps.
        try fileSystem.unlink(log + "/" + path)
        continue
      }
      // Full tiles have no point in their name, and directories of further groups begin with x.
      if name.hasSuffix(".p") {
        try removePartials(ofTile: path, keeping: kept, found: &found)
      } else if directory == "tile" || name.hasPrefix("x") {
        guard try fileSystem.status(at: log + "/" + path).kind == .directory else { continue }
        try removePartials(in: path, keeping: kept, found: &found)
      }
    }
  }

  private func removePartials(
    ofTile directory: String, keeping kept: Set<String>, found: inout Set<String>
  ) throws {
    var left = 0
    for name in try Directory.names(in: log + "/" + directory, on: fileSystem) {
      let path = directory + "/" + name
      let isOurs = TilePath(path) != nil || name.hasSuffix(StagedFile.temporaryEnding)
      if isOurs, !kept.contains(path), superseded.contains(path) {
        // Not synced: a name that comes back after a crash is removed again.
        try fileSystem.unlink(log + "/" + path)
        continue
      }
      left += 1
      if isOurs, !kept.contains(path) { found.insert(path) }
    }
    if left == 0 {
      made.remove(log + "/" + directory)
      try fileSystem.removeDirectory(log + "/" + directory)
    }
  }

  func publishMinimum(_ note: [UInt8]) throws {
    try AtomicFile.write(
      note, to: log + "/" + MinimumIndex.path, mode: .publicFile, on: fileSystem)
  }

  /// Entries go before their hashes, openings first of all.
  func removeBundles(below number: Int64) throws {
    for root in [openings, log + "/tile/entries", log + "/tile/0"] {
      try removeNumbers(below: number, in: root, prefix: "")
    }
  }

  /// Removes the files of a folder in which numbers are paths; emptied folders stay.
  private func removeNumbers(below number: Int64, in root: String, prefix: String) throws {
    for name in try namesIfPresent(in: root + prefix, on: fileSystem) {
      let path = prefix + "/" + name
      if name.hasPrefix("x") {
        try removeNumbers(below: number, in: root, prefix: path)
      } else if let file = TilePath("tile/entries" + path), file.number < number,
        file.width == TilePath.fullWidth
      {
        // Not synced: a name that comes back after a crash is removed again.
        try fileSystem.unlink(root + path)
      }
    }
  }

  // MARK: Reading

  public func published(_ path: String) throws -> [UInt8]? {
    try readIfPresent(log + "/" + path, limit: Self.fileLimit, on: fileSystem)
  }

  public func historyMonths() throws -> [String] {
    try namesIfPresent(in: log + "/checkpoints", on: fileSystem).filter { name in
      name.utf8.count == 7 && !name.hasPrefix(".")
    }
  }

  public func history(of month: String, from offset: Int64, count: Int) throws -> [UInt8]? {
    // Only a name that stands in the folder is opened, so a month is never a path.
    guard try historyMonths().contains(month) else { return nil }
    return try openIfPresent(log + "/checkpoints/" + month)?.read(at: offset, count: count)
  }

  public func openings(ofBundle number: Int64) throws -> [UInt8]? {
    try readIfPresent(
      openings + "/" + bundleName(number), limit: Self.fileLimit, on: fileSystem)
  }
}
