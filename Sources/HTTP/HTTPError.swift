/// Why a connection or message was refused.
///
/// Programs branch on ``code``, operators read ``cause``. The description may go to a client: it
/// holds no key, no plaintext and no path.
public struct HTTPError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// The bytes are not a message of the subset accepted here.
    case malformed
    /// The peer did not finish in time.
    case timeout
    /// A head, body or count is over its bound.
    case tooLarge
    /// The peer went away.
    case closed
    /// The handshake or a record was refused.
    case tls
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
