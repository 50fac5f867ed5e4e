public import Encoding

/// Seals what commitments in the log stand for, under a key that can be destroyed.
///
/// Called by many callers at once, on their way to the log; it must not wait for a disk or a peer,
/// except for the rare making of a new key. What is sealed must open only for the same
/// ``OpeningAddress``: a row moved to another entry is refused.
public protocol OpeningSealer: Sendable {
  func seal(_ opening: [UInt8], at address: OpeningAddress) throws -> [UInt8]

  /// - Throws: when the key is gone or the bytes are not what was sealed for `address`.
  func open(_ sealed: [UInt8], at address: OpeningAddress) throws -> [UInt8]

  /// Whether the key of `sealed` was destroyed, so that nobody can open it any more.
  ///
  /// - Throws: when that cannot be told now.
  func isErased(_ sealed: [UInt8], at address: OpeningAddress) throws -> Bool
}

/// What one opening belongs to: a field of an entry.
public struct OpeningAddress: Hashable, Sendable {
  public let entry: Identifier
  public let field: CommitField
  /// When it was sealed, from which the sealer tells the month in which the opening expires.
  public let time: Timestamp

  public init(entry: Identifier, field: CommitField, time: Timestamp) {
    self.entry = entry
    self.field = field
    self.time = time
  }
}
