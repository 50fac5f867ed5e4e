/// Why a request to a server failed before it had an answer.
///
/// Programs branch on ``code``, operators read ``cause``. The description may go to a client: it
/// holds no key, no plaintext and no path.
public struct HTTPClientError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// No connection could be made.
    case unreachable
    /// The server did not answer in time.
    case timeout
    /// The server's certificate was refused.
    case tls
    /// The transfer ended early, or was cancelled.
    case interrupted
    /// The response is larger than the caller allowed.
    case tooLarge
    /// The address, a header or the file to send is not one that can be used.
    case unusable
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
