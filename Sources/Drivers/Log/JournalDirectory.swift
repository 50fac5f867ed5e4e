import Audit
import Durable
import Threading

/// `journal/`: the pieces, of which the newest grows.
actor JournalDirectory {
  /// Far above what one piece grows to; a longer file is not ours.
  static let segmentLimit = 1 << 30

  private let executor: BlockingExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  private let path: String
  private let fileSystem: any FileSystem
  private var file: AppendFile?
  /// The log's size after what was appended last; nil before a piece is begun.
  private var size: Int64?

  init(_ path: String, on fileSystem: any FileSystem) throws(ThreadingError) {
    executor = try BlockingExecutor(label: "journal")
    self.path = path
    self.fileSystem = fileSystem
  }

  func read(_ first: Int64) throws -> [UInt8] {
    try AtomicFile.read(journalPiece(first, in: path), limit: Self.segmentLimit, on: fileSystem)
  }

  func renew(_ first: Int64, with bytes: [UInt8]) throws {
    do {
      try AtomicFile.write(bytes, to: journalPiece(first, in: path), on: fileSystem)
    } catch {
      guard error.code == .noSpace else { throw error }
      throw AuditError(.noSpace, during: "writing a piece of the journal anew", cause: error)
    }
  }

  func begin(at first: Int64, with head: [UInt8], reserving length: Int) throws {
    let (before, path) = (size, journalPiece(first, in: path))
    // Unless it is sure that there is no new piece, nothing may be appended to the one before.
    size = nil
    do throws(DurableError) {
      try AtomicFile.write(head, to: path, reserving: Int64(length), on: fileSystem)
    } catch {
      guard error.code == .noSpace, try Directory.status(of: path, on: fileSystem) == nil else {
        throw error
      }
      size = before
      throw AuditError(.noSpace, during: "beginning a piece of the journal", cause: error)
    }
    file = nil
    file = try AppendFile(path, on: fileSystem)
    size = first
  }

  func reserve(_ length: Int) throws {
    do {
      try file?.reserve(Int64(length))
    } catch {
      guard error.code == .noSpace else { throw error }
      throw AuditError(.noSpace, during: "making room in the journal", cause: error)
    }
  }

  func append(_ bytes: [UInt8], from before: Int64, to after: Int64) throws {
    guard size == before, file != nil else {
      throw DurableError(.poisoned, during: "appending to the journal")
    }
    // Unknown until the sync has returned: a failure leaves it so for good.
    size = nil
    try file?.append(bytes)
    try file?.sync()
    size = after
  }
}

/// The path of the piece that begins with the entry `first`.
func journalPiece(_ first: Int64, in directory: String) -> String {
  let digits = String(first)
  return directory + "/" + String(repeating: "0", count: max(0, 16 - digits.count)) + digits
    + ".journal"
}
