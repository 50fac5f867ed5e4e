import Cryptography

/// A head that this log has signed, with the leaf it ends in.
struct SignedHead: Sendable {
  let size: Int64
  /// The signed note.
  let note: [UInt8]
  /// Leaf hash of the last entry; zeros for a log without entries.
  let last: SHA256Digest

  /// The frame that stands in the journal.
  var frame: [UInt8] {
    var bytes: [UInt8] = []
    JournalFrame.append(.head, note, to: &bytes)
    return bytes
  }

  /// The last entry, or nil for a log without entries.
  var position: LogPosition? {
    size > 0 ? LogPosition(index: size - 1, leafHash: last) : nil
  }
}
