/// Why a message was not handed over to a mail server.
///
/// Programs branch on ``code``, operators read ``cause``. The description may go to a client: it
/// holds no address and no secret.
public struct SMTPError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// An address, header or text that may not stand in a message.
    case unusable
    /// No connection could be made, or it broke.
    case unreachable
    /// The server did not answer in time.
    case timeout
    /// The server's certificate was refused, or it offers no TLS.
    case tls
    /// The server refused the user, the sender, a recipient or the message.
    case refused
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
