public import Audit
public import Durable
public import Threading

/// A second place, such as a directory on another volume, that gets a copy of each head.
///
/// Copies are created and never replaced. Whether the place itself keeps them from being changed is
/// tried out, never believed.
public actor CopyAnchor: HeadAnchor {
  public nonisolated let name = "copy"
  private let executor: BlockingExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  private let root: String
  private let folder: String
  private let fileSystem: any FileSystem
  private let clock: any WallClock
  private var probedAt: Int64?
  private var isWriteOnce = false

  private static let probeInterval: Int64 = 86_400_000

  /// - Parameters:
  ///   - path: a directory that exists.
  ///   - origin: of the log.
  ///   - clock: says when the place is probed again.
  ///   - fileSystem: where the calls go.
  /// - Throws: `ThreadingError` when the kernel gives no thread.
  public init(
    _ path: String, origin: String, clock: any WallClock,
    on fileSystem: any FileSystem = LinuxFileSystem()
  ) throws(ThreadingError) {
    executor = try BlockingExecutor(label: "copies")
    root = path
    folder = path + "/" + WitnessState.fileName(of: origin)
    self.clock = clock
    self.fileSystem = fileSystem
  }

  public func resume() async throws -> (size: Int64, milliseconds: Int64)? {
    guard let name = try names().last, let size = Int64(name),
      let status = try Directory.status(of: "\(folder)/\(name)", on: fileSystem)
    else { return nil }
    return (size, status.modified)
  }

  public func confirm(_ head: VerifiedCheckpoint) async throws -> AnchorOutcome {
    let file = "\(folder)/\(AnchorFileName.padded(head.checkpoint.size, to: 20))"
    try Directory.make(folder, below: root, mode: .publicDirectory, on: fileSystem)
    if let status = try Directory.status(of: file, on: fileSystem), status.length > 0 {
      let bytes = try AtomicFile.read(
        file, limit: AnchorEvidence.maximumByteCount, on: fileSystem)
      guard try SignedNote(parsing: bytes).text == head.note.text else {
        throw AuditError(.forked, during: "copying a head to where another of its size lies")
      }
    } else {
      try create(head.note.encoded, at: file)
    }
    let now = clock.read().milliseconds
    if probedAt.map({ now - $0 >= Self.probeInterval }) ?? true {
      isWriteOnce = try probe()
      probedAt = now
    }
    return AnchorOutcome(remark: "write-once: \(isWriteOnce ? "proven" : "not proven")")
  }

  /// Tries to change, to rename and to delete a file that is there for this alone.
  ///
  /// - Returns: whether each was refused.
  /// - Throws: `DurableError` if the file cannot be made or read.
  private func probe() throws(DurableError) -> Bool {
    let canary = folder + "/canary"
    let song: [UInt8] = Array("to be overwritten and deleted, if this place lets one\n".utf8)
    if try Directory.status(of: canary, on: fileSystem) == nil {
      try create(song, at: canary)
    }
    // Each is tried, whatever the one before came to; the last one takes the file away.
    let changes = overwrites(canary)
    let moves = renames(canary)
    let deletes = unlinks(canary)
    guard !changes, !moves, !deletes else { return false }
    // A call may fail for other reasons, too: the file must still be what it was.
    return try AtomicFile.read(canary, limit: 4096, on: fileSystem) == song
  }

  /// Makes a file under its own name.
  ///
  /// A place that lets nothing be renamed or deleted would keep every temporary one. What a crash tears
  /// is no head, and the next size has a name of its own.
  private func create(_ bytes: [UInt8], at path: String) throws(DurableError) {
    var file = try AppendFile(path, mode: .publicFile, on: fileSystem)
    try file.append(unsafe bytes.span.bytes)
    try file.sync()
  }

  private func overwrites(_ file: String) -> Bool {
    do throws(SystemCallError) {
      let open = try fileSystem.open(file, for: .appending)
      defer { fileSystem.close(open) }
      let bytes: [UInt8] = [0x0a]
      return try unsafe fileSystem.write(open, bytes.span.bytes) > 0
    } catch {
      return false
    }
  }

  private func renames(_ file: String) -> Bool {
    do throws(SystemCallError) {
      try fileSystem.rename(file, to: file + ".moved")
      try fileSystem.rename(file + ".moved", to: file)
      return true
    } catch {
      return false
    }
  }

  private func unlinks(_ file: String) -> Bool {
    do throws(SystemCallError) {
      try fileSystem.unlink(file)
      return true
    } catch {
      return false
    }
  }

  private func names() throws(DurableError) -> [String] {
    guard try Directory.status(of: folder, on: fileSystem) != nil else { return [] }
    return try Directory.names(in: folder, on: fileSystem).filter {
      $0.utf8.count == 20 && $0.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }
  }

  /// The largest heads that lie there, as they are.
  ///
  /// - Throws: `DurableError` when the place is out of reach.
  public func newest(count: Int = 16) async throws -> [[UInt8]] {
    guard try Directory.status(of: root, on: fileSystem) != nil else {
      throw DurableError(.notFound, during: "looking for the place of the copies")
    }
    var heads: [[UInt8]] = []
    for name in try names().suffix(count) {
      heads.append(
        try AtomicFile.read(
          "\(folder)/\(name)", limit: AnchorEvidence.maximumByteCount, on: fileSystem))
    }
    return heads
  }
}
