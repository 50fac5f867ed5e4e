import Cryptography

/// The open intents at one place of the log, as stored in `journal/snapshot`.
struct Snapshot: Sendable {
  /// The last entry that is counted in; nil at the beginning of the log.
  let position: LogPosition?
  let intents: OpenIntents

  init(position: LogPosition?, intents: OpenIntents) {
    self.position = position
    self.intents = intents
  }

  /// Reads a stored snapshot; nil if it is not whole.
  init?(parsing bytes: [UInt8]) {
    var offset = 0
    guard let first = JournalFrame(in: bytes, at: &offset), first.kind == .position,
      first.body.count == 8 + MerkleTree.hashByteCount,
      let leaf = SHA256Digest(bytes: Array(first.body[8...])),
      let size = Int64(exactly: first.body[..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    else { return nil }
    var intents = OpenIntents()
    while let frame = JournalFrame(in: bytes, at: &offset) {
      if frame.kind == .entry, let entry = try? Entry(parsing: frame.body) {
        intents.apply(entry, bytes: frame.body)
      } else {
        // Only the frame that ends it may follow, and nothing that frame.
        guard frame == first, offset == bytes.count else { return nil }
        position = size > 0 ? LogPosition(index: size - 1, leafHash: leaf) : nil
        self.intents = intents
        return
      }
    }
    return nil
  }

  var encoded: [UInt8] {
    var body: [UInt8] = []
    body.append(bigEndian: UInt64(position.map { $0.index + 1 } ?? 0))
    body.append(contentsOf: (position?.leafHash ?? PublishedEdge.zeros).bytes)
    var bytes: [UInt8] = []
    JournalFrame.append(.position, body, to: &bytes)
    for entry in intents.encoded { JournalFrame.append(.entry, entry, to: &bytes) }
    JournalFrame.append(.position, body, to: &bytes)
    return bytes
  }
}
