import Durable
import Threading

/// `journal/`: what no append waits for any more, the pieces that are published and the snapshot.
actor SettledJournal {
  private let executor: BlockingExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  private let path: String
  private let fileSystem: any FileSystem

  init(_ path: String, on fileSystem: any FileSystem) throws(ThreadingError) {
    executor = try BlockingExecutor(label: "settled journal")
    self.path = path
    self.fileSystem = fileSystem
  }

  func segments() throws -> [Int64] {
    try Directory.names(in: path, on: fileSystem).compactMap { name in
      guard name.hasSuffix(".journal"), name.utf8.count == 24 else { return nil }
      return Int64(name.dropLast(8))
    }
  }

  func remove(beginningBefore first: Int64) throws {
    // Oldest first, each durably: a crash in between must leave no gap in the middle.
    for segment in try segments() where segment < first {
      try Directory.remove(journalPiece(segment, in: path), on: fileSystem)
    }
  }

  func saveSnapshot(_ bytes: [UInt8]) throws {
    try AtomicFile.write(bytes, to: path + "/snapshot", on: fileSystem)
  }

  func snapshot() throws -> [UInt8]? {
    try readIfPresent(path + "/snapshot", limit: JournalDirectory.segmentLimit, on: fileSystem)
  }
}
