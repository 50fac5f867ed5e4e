import Cryptography

/// A head as it was read from the log or given by the caller, and whether its signature holds.
struct LogHead: Sendable {
  let checkpoint: Checkpoint
  let note: SignedNote
  /// False only when there is no key to check it with.
  let isVerified: Bool
  /// Whether a head from outside confirms the log; false for one that only the log's key signed.
  var isAnchoring = true

  /// Reads a head, and checks it if there is a key.
  ///
  /// - Throws: ``AuditError/Code/notAuthentic`` or ``AuditError/Code/malformed``, as
  ///   ``VerifiedCheckpoint``.
  init(parsing bytes: [UInt8], key: VerifierKey?) throws(AuditError) {
    try self.init(try SignedNote(parsing: bytes), key: key)
  }

  /// Checks a note, if there is a key.
  init(_ note: SignedNote, key: VerifierKey?) throws(AuditError) {
    self.note = note
    if let key {
      checkpoint = try VerifiedCheckpoint(note, key: key).checkpoint
      isVerified = true
    } else {
      checkpoint = try Checkpoint(parsing: note.text)
      isVerified = false
    }
    // Without a key anybody can claim any size; places in the tree are counted without overflow.
    guard checkpoint.size < 1 << 61 else {
      throw AuditError(.malformed, during: "taking a head of an impossible size")
    }
  }

  /// Takes a head that something other than a checkpoint's note says.
  ///
  /// - Parameters:
  ///   - checkpoint: of a size below 2^61.
  ///   - note: what says so.
  ///   - isVerified: whether the lines of the note were found to hold.
  init(_ checkpoint: Checkpoint, in note: SignedNote, isVerified: Bool) {
    self.checkpoint = checkpoint
    self.note = note
    self.isVerified = isVerified
  }

  var size: Int64 { checkpoint.size }
  var root: SHA256Digest { checkpoint.root }
}

extension [LogHead] {
  /// Those of a size in `range`, of heads in ascending order of size.
  func sized(_ range: ClosedRange<Int64>) -> ArraySlice<LogHead> {
    func first(from size: Int64) -> Int {
      var (low, high) = (0, count)
      while low < high {
        let middle = (low + high) / 2
        if self[middle].size >= size { high = middle } else { low = middle + 1 }
      }
      return low
    }
    let start = first(from: range.lowerBound)
    return self[start..<Swift.max(start, first(from: range.upperBound + 1))]
  }
}
