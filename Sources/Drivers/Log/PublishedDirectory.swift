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
  /// Where the files that grow ended when the last publication was whole, once that is known.
  private var historyEnd: FileEnd?
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
    let openings = try publishOpenings(publication.openings)
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
    let history = try publication.history.map { month in
      try appendToHistory(publication.checkpoint, at: month)
    }
    do {
      // Last: from here on a reader asks for the files above.
      try AtomicFile.write(
        publication.checkpoint, to: log + "/checkpoint", mode: .publicFile, on: fileSystem)
    } catch {
      // It may have its name all the same, and then what it speaks of must stay.
      if (try? published("checkpoint")) == publication.checkpoint { keep(openings, history) }
      throw error
    }
    keep(openings, history)
  }

  /// Notes where the files that grow end, once the checkpoint says so.
  ///
  /// Not before: what a publication that failed has appended is written over by the next, or a disk that
  /// takes these files and no tiles would fill up with them, a copy each second.
  private func keep(_ openings: FileEnd?, _ history: FileEnd?) {
    if let openings { openingsEnd = openings }
    if let history { historyEnd = history }
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

  /// Goes on with the file that the last publication went on with, and writes the others whole, together.
  ///
  /// - Returns: where the last of them ends now.
  private func publishOpenings(_ parts: [(bundle: Int64, frames: [UInt8])]) throws -> FileEnd? {
    var files: [AtomicFile.Replacement] = []
    var end: FileEnd?
    for (bundle, frames) in parts {
      let path = openings + "/" + (try bundleName(bundle))
      try makeDirectory(holding: path, below: openings, mode: .privateDirectory)
      if let known = openingsEnd, known.path == path {
        end = FileEnd(path: path, length: try append(frames, to: path, from: known.length))
      } else {
        let bytes = try storedFrames(path, besides: frames) + frames
        files.append(AtomicFile.Replacement(path: path, bytes: bytes))
        end = FileEnd(path: path, length: Int64(bytes.count))
      }
    }
    if !files.isEmpty { try AtomicFile.write(files, mode: .privateFile, on: fileSystem) }
    return end
  }

  /// Appends after the first `length` bytes; returns how many the file has then.
  private func append(
    _ bytes: [UInt8], to path: String, from length: Int64, mode: FileMode = .privateFile
  ) throws -> Int64 {
    // What stands there comes from a publication that failed. It is not built upon: after a failed sync
    // the kernel may hold pages that no disk has.
    var file = try open(path, cutTo: length, mode: mode)
    try file.append(bytes)
    try file.sync()
    return file.length
  }

  private func open(
    _ path: String, cutTo length: Int64, mode: FileMode
  ) throws -> AppendFile {
    var file = try AppendFile(path, mode: mode, on: fileSystem)
    if length < file.length { try file.truncate(to: length) }
    return file
  }

  /// The whole frames of an openings file but those that are published again: after a crash a
  /// publication is repeated.
  ///
  /// What lies behind a damaged frame is kept: what is missing a verifier counts.
  private func storedFrames(_ path: String, besides frames: [UInt8]) throws -> [UInt8] {
    guard let file = try openIfPresent(path), file.length > 0 else { return [] }
    guard file.length <= Int64(Self.fileLimit) else {
      throw DurableError(.malformed, during: "reading a file of openings that is too long")
    }
    let bytes = try file.read(at: 0, count: Self.fileLimit)
    let again = Set(JournalFrame.wholeFrames(of: frames))
    return JournalFrame.wholeFrames(of: bytes, passingDamage: true)
      .filter { !again.contains($0) }.flatMap(\.self)
  }

  /// Appends `u16be length ‖ note`; returns where the month ends now.
  private func appendToHistory(_ checkpoint: [UInt8], at name: String) throws -> FileEnd {
    guard UInt16(exactly: checkpoint.count) != nil else {
      throw DurableError(.malformed, during: "appending to the history")
    }
    var path = log + "/" + name
    try makeDirectory(holding: path, below: log, mode: .publicDirectory)
    if newestHistory == nil { try takeUpHistory() }
    // A clock that was set back must not put heads among those of an earlier month.
    if let newest = newestHistory, newest > path { path = newest }
    newestHistory = path
    // In a month that was not the newest before stands nothing but what a publication that failed left, and
    // it may have left something in the one that was.
    let end = historyEnd.map { $0.path == path ? $0.length : 0 } ?? 0
    if let known = historyEnd, known.path != path {
      _ = try open(known.path, cutTo: known.length, mode: .publicFile)
    }
    let length = try append(Self.record(of: checkpoint), to: path, from: end, mode: .publicFile)
    return FileEnd(path: path, length: length)
  }

  /// Finds the month written last, and cuts what a publication that did not end left in it: this month's
  /// heads may go to another file.
  private func takeUpHistory() throws {
    guard let newest = try historyMonths().last.map({ log + "/checkpoints/" + $0 }) else { return }
    let end = try publishedEnd(ofHistory: newest)
    _ = try open(newest, cutTo: end, mode: .publicFile)
    historyEnd = FileEnd(path: newest, length: end)
    newestHistory = newest
  }

  /// Where the record of the published head ends in a month's history.
  ///
  /// Behind it stands at most one record, whole, torn by a power cut or in the kernel's memory alone; in a
  /// month that has just begun, the published head's own is the last of the month before. If it is neither
  /// there nor here, or if there is more behind it, somebody changed the file, and nothing is taken away from
  /// what a verifier will find. Walks the file, which may be hundreds of megabytes, once in the life of the
  /// process.
  private func publishedEnd(ofHistory path: String) throws -> Int64 {
    guard let file = try openIfPresent(path) else { return 0 }
    let head = try published("checkpoint")
    var end: Int64 = 0
    var publishedEnd: Int64 = 0
    var piece: [UInt8] = []
    var pieceStart: Int64 = 0
    while end < file.length {
      if Int64(piece.count) - (end - pieceStart) < Self.longestRecord {
        pieceStart = end
        piece = try file.read(at: pieceStart, count: 1 << 20)
      }
      guard let record = Self.record(in: piece, at: Int(end - pieceStart)) else { break }
      end += Int64(2 + record.count)
      if let head, record.elementsEqual(head) { publishedEnd = end }
    }
    guard file.length - publishedEnd <= Self.longestRecord,
      try publishedEnd > 0 || head.map({ try ends(monthBefore: path, with: $0) }) ?? true
    else { return file.length }
    let rest = try file.read(at: publishedEnd, count: Int(file.length - publishedEnd))
    var offset = 0
    var heads = 0
    while let record = Self.record(in: rest, at: offset) {
      offset += 2 + record.count
      if (try? SignedNote(parsing: Array(record))) != nil { heads += 1 }
    }
    return heads > 1 ? file.length : publishedEnd
  }

  /// Whether the record of `head` is the last of the month before one.
  private func ends(monthBefore path: String, with head: [UInt8]) throws -> Bool {
    let name = path.dropFirst((log + "/checkpoints/").count)
    guard let before = try historyMonths().last(where: { $0 < name }),
      let file = try openIfPresent(log + "/checkpoints/" + before)
    else { return false }
    let record = Self.record(of: head)
    let start = file.length - Int64(record.count)
    return try start >= 0 && file.read(at: start, count: record.count) == record
  }

  private static func record(of note: [UInt8]) -> [UInt8] {
    [UInt8(note.count >> 8), UInt8(note.count & 0xff)] + note
  }

  /// The record that begins at `offset`; nil where none does, or not a whole one.
  private static func record(in bytes: [UInt8], at offset: Int) -> ArraySlice<UInt8>? {
    guard bytes.count - offset >= 2 else { return nil }
    let length = Int(bytes[offset]) << 8 | Int(bytes[offset + 1])
    // A note is never empty: zeros are what a power cut leaves of bytes that no disk took.
    guard length > 0, bytes.count - offset - 2 >= length else { return nil }
    return bytes[(offset + 2)..<(offset + 2 + length)]
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
