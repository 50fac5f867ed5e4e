/// Why a conversation with Asterisk's manager could not go on.
///
/// Programs branch on ``code``, operators read ``cause``. The description may go to a client: it
/// holds no secret and nothing a caller chose.
public struct AMIError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// A name, value or secret that may not stand in an action.
    case refused
    /// The other side is no Asterisk manager, or sent what no manager sends.
    case malformed
    /// The manager does not know the user, or the secret is wrong.
    case unauthenticated
    /// The manager's user lacks the right.
    case denied
    /// There is no such channel, key or action.
    case notFound
    /// The manager refused for another reason.
    case failed
  }
  public let code: Code
  /// The operation that failed, in words for a log line.
  public let operation: StaticString
  /// What lies beneath, for the operator only.
  public let cause: (any Error)?

  public init(_ code: Code, during operation: StaticString, cause: (any Error)? = nil) {
    self.code = code
    self.operation = operation
    self.cause = cause
  }

  public var description: String { "\(code) while \(operation)" }
}
