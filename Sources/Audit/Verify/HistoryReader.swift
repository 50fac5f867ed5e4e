/// Reads the history of a log's heads, oldest first, in constant memory.
///
/// Specified in `Documentation/formats/audit-log.md`, 6.
struct HistoryReader {
  /// Folder of the history below the log's.
  static let folder = "checkpoints"
  /// Bytes read at once; more than the longest frame.
  private static let pieceByteCount = 1 << 18

  /// What comes next.
  enum Item {
    case note(SignedNote, path: String)
    /// The frame or the note is not one; nothing after it in its file can be read.
    case malformed(path: String)
    case unreadable(path: String, cause: String)
  }

  private let reader: any LogFolderReader
  private var paths: ArraySlice<String>
  private var piece: [UInt8] = []
  private var offset: Int64 = 0
  private var position = 0
  /// Whether ``piece`` goes up to the file's end.
  private var isLastPiece = false

  /// - Parameters:
  ///   - reader: the log's folder.
  ///   - paths: the files, oldest first.
  init(_ reader: any LogFolderReader, paths: ArraySlice<String>) {
    self.reader = reader
    self.paths = paths
  }

  /// Whether `name` is a month, as `2026-11`.
  static func isMonth(_ name: String) -> Bool {
    let bytes = Array(name.utf8)
    guard bytes.count == 7, bytes[4] == 0x2d,
      (bytes[..<4] + bytes[5...]).allSatisfy({ (0x30...0x39).contains($0) })
    else { return false }
    return (1...12).contains(Int(bytes[5] - 0x30) * 10 + Int(bytes[6] - 0x30))
  }

  /// Returns the next head or what stands in its place; nil at the end.
  mutating func next() -> Item? {
    while let path = paths.first {
      let item: Item?
      do {
        item = try frame(of: path).map { .note(try SignedNote(parsing: $0), path: path) }
      } catch let error as AuditError where error.code == .malformed {
        item = .malformed(path: path)
      } catch {
        item = .unreadable(path: path, cause: "\(error)")
      }
      if case .note? = item { return item }
      paths.removeFirst()
      (piece, offset, position, isLastPiece) = ([], 0, 0, false)
      if let item { return item }
    }
    return nil
  }

  /// The last frame of the last file, as far as it can be read, without looking into the others.
  mutating func lastFrame() -> [UInt8]? {
    guard let path = paths.last else { return nil }
    var last: [UInt8]?
    // What stops this is found again, and reported, when the history is read from its beginning.
    while let frame = try? frame(of: path) { last = frame }
    return last
  }

  /// The bytes of the next frame of one file; nil at its end.
  private mutating func frame(of path: String) throws -> [UInt8]? {
    if !isLastPiece, piece.count - position < 2 + 0xffff {
      offset += Int64(position)
      position = 0
      guard let bytes = try reader.read(path, from: offset, count: Self.pieceByteCount) else {
        throw AuditError(.malformed, during: "reading a history that is gone")
      }
      piece = bytes
      isLastPiece = bytes.count < Self.pieceByteCount
    }
    if position == piece.count { return nil }
    guard piece.count - position >= 2 else {
      throw AuditError(.malformed, during: "reading a history that ends inside a frame")
    }
    let length = Int(piece[position]) << 8 | Int(piece[position + 1])
    let start = position + 2
    guard piece.count - start >= length else {
      throw AuditError(.malformed, during: "reading a history that ends inside a frame")
    }
    position = start + length
    return Array(piece[start..<position])
  }
}
