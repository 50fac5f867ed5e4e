public import Cryptography

/// A place in one log: an entry's index and its leaf hash, which pins everything before it too.
///
/// Kept beside derived state (a catalog, counters) to say how far that state has come, and to
/// notice that it belongs to another log or to a later one than the log at hand.
public struct LogPosition: Hashable, Sendable {
  /// Counted from 0.
  public let index: Int64
  public let leafHash: SHA256Digest

  public init(index: Int64, leafHash: SHA256Digest) {
    self.index = index
    self.leafHash = leafHash
  }
}
