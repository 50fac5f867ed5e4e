public import Encoding

/// What must not be destroyed, for another reason than its age: legal holds.
///
/// Whoever cannot tell throws, and then nothing goes.
public protocol DestructionHolds: Sendable {
  /// Returns the first of these calls that a hold keeps; nil if all may be purged.
  func heldCall(among calls: [Identifier]) async throws -> Identifier?

  /// Returns a hold that was placed after one of these purged calls lost access, and about which no
  /// person has decided since; nil if there is none.
  ///
  /// What a hold covers cannot be told of a call that is gone, so whoever keeps holds answers with any
  /// that could have covered one.
  func undecidedHold(on purged: [PurgedCallRow]) async throws -> Identifier?
}

/// A practice in which nothing is held yet.
public struct NoHolds: DestructionHolds {
  public init() {}

  public func heldCall(among calls: [Identifier]) async throws -> Identifier? { nil }

  public func undecidedHold(on purged: [PurgedCallRow]) async throws -> Identifier? { nil }
}
