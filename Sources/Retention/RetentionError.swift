/// Why something about keeping or destroying was refused.
public struct RetentionError: Error, Hashable, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// Bytes that are not of the format they should be.
    case malformed
    /// Lines that do not ascend, or one that is there twice.
    case outOfOrder
    /// The step is not one from this state.
    case wrongState
    /// An approval that does not count: another subject, a person who approved already, a role that may not.
    case notApproved
    /// The time that is known is not late enough, or none is known.
    case tooEarly
    /// The policy in force is not the plan's, or must be approved first.
    case policy
    /// More would go than the caps allow.
    case beyondCaps
  }
  public let code: Code
  /// One sentence without a full stop; names no person and no call.
  public let detail: String

  public init(_ code: Code, _ detail: String) {
    self.code = code
    self.detail = detail
  }

  public var description: String { detail }
}
