import Audit
import Cryptography
import Drivers
import Encoding

/// A copied log on disk, read entry by entry in constant memory.
struct CopiedLog {
  let folder: LogFolder
  let note: SignedNote
  let checkpoint: Checkpoint

  /// - Throws: ``CommandFailure`` when the copy has no readable head.
  init(_ path: String) throws(CommandFailure) {
    folder = LogFolder(path)
    do {
      let bytes = try folder.read("checkpoint", from: 0, count: SignedNote.maximumByteCount)
      note = try SignedNote(parsing: bytes ?? [])
      checkpoint = try Checkpoint(parsing: note.text)
    } catch {
      throw CommandFailure(.damaged, "the log's head cannot be read")
    }
  }

  /// The entries of one bundle, none where the left edge was pruned.
  func bundle(_ number: Int64) throws(CommandFailure) -> [[UInt8]] {
    guard let path = TilePath.bundle(number, inLogOf: checkpoint.size) else { return [] }
    do {
      guard
        let bytes = try folder.read(
          path.description, from: 0, count: EntryBundle.maximumByteCount)
      else { return [] }
      return try EntryBundle.parse(bytes, count: path.width)
    } catch {
      throw CommandFailure(.damaged, "entries of the log cannot be read (\(path))")
    }
  }

  /// Hands every entry from `first` through `last` to `body`, in order.
  func forEach(
    _ range: ClosedRange<Int64>? = nil, _ body: (Entry, [UInt8]) throws -> Void
  ) throws {
    let range = range ?? 0...max(0, checkpoint.size - 1)
    for number in (range.lowerBound >> 8)...(range.upperBound >> 8) {
      for (offset, bytes) in try bundle(number).enumerated()
      where range.contains(number << 8 + Int64(offset)) {
        do {
          try body(try Entry(parsing: bytes), bytes)
        } catch let error as AuditError {
          throw CommandFailure(.damaged, "entry \(number << 8 + Int64(offset)): \(error)")
        }
      }
    }
  }

  /// The indices from the first entry at or after `from` through the last before `to`; nil for none.
  func range(from: Timestamp, to: Timestamp) throws -> ClosedRange<Int64>? {
    var first: Int64?
    var last: Int64?
    try forEach { entry, _ in
      guard entry.time >= from, entry.time < to else { return }
      first = first ?? entry.index
      last = entry.index
    }
    guard let first, let last, first <= last else { return nil }
    return first...last
  }

  /// When the newest entry that the head covers was taken.
  func headTime() throws -> Timestamp {
    var time: Timestamp?
    let last = checkpoint.size - 1
    try forEach(last...last) { entry, _ in time = entry.time }
    guard let time else { throw CommandFailure(.damaged, "the log's last entry is missing") }
    return time
  }

  private func tile(_ path: TilePath) throws(AuditError) -> [UInt8] {
    let bytes: [UInt8]?
    do {
      bytes = try folder.read(path.description, from: 0, count: TilePath.fullWidth * 32)
    } catch {
      throw AuditError(.unavailable, during: "reading a copied tile", cause: error)
    }
    guard let bytes else { throw AuditError(.notFound, during: "reading a copied tile") }
    return bytes
  }

  /// The proof file of one entry under the head.
  func proof(of index: Int64) async throws(AuditError) -> [UInt8] {
    let proof = try await InclusionProof(index: index, size: checkpoint.size) {
      path throws(AuditError) in try tile(path)
    }
    return TLogProof(proof: proof, checkpoint: note).encoded
  }

  /// The newest head of the history of at most `size` entries; nil if there is none above 0.
  func head(before size: Int64) throws -> SignedNote? {
    var found: SignedNote?
    for month in (try folder.list("checkpoints") ?? []).map(\.name).sorted() {
      var offset: Int64 = 0
      while let prefix = try folder.read("checkpoints/\(month)", from: offset, count: 2),
        prefix.count == 2
      {
        let count = Int(prefix[0]) << 8 | Int(prefix[1])
        let bytes =
          try folder.read("checkpoints/\(month)", from: offset + 2, count: count) ?? []
        offset += 2 + Int64(count)
        let note = try SignedNote(parsing: bytes)
        let head = try Checkpoint(parsing: note.text)
        guard head.size <= size else { return found }
        if head.size > 0 { found = note }
      }
    }
    return found
  }

  /// That the head grew from an earlier one, in the form of a witness's request.
  func growth(from old: SignedNote) async throws(AuditError) -> [UInt8] {
    let before = try Checkpoint(parsing: old.text)
    let proof = try await ConsistencyProof(oldSize: before.size, newSize: checkpoint.size) {
      path throws(AuditError) in try tile(path)
    }
    guard proof.verifies(oldRoot: before.root, newRoot: checkpoint.root) else {
      throw AuditError(.damaged, during: "proving growth from copied tiles")
    }
    let lines = ["old \(before.size)"] + proof.hashes.map { Base64.encode($0.bytes) }
    return Array((lines.joined(separator: "\n") + "\n\n").utf8) + note.encoded
  }
}
