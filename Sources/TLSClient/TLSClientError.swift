/// Why a TLS connection to a server could not be made or used.
///
/// Programs branch on ``code``, operators read ``cause``. The description holds no key and no path.
public struct TLSClientError: Error, CustomStringConvertible {
  public enum Code: Sendable {
    /// No connection could be made.
    case unreachable
    /// The certificate files cannot be used.
    case unusable
    /// The server is not who it should be, or does not speak TLS as wanted.
    case refused
    /// The other side did not do its part in time.
    case timeout
    /// The connection broke, or the other side ended it first.
    case interrupted
    /// The task was cancelled.
    case cancelled
  }
  public let code: Code
  let operation: StaticString
  /// What lies beneath, for the operator only.
  public let cause: (any Error)?

  init(_ code: Code, during operation: StaticString, cause: (any Error)? = nil) {
    self.code = code
    self.operation = operation
    self.cause = cause
  }

  public var description: String { "\(code) while \(operation)" }
}

/// What the system, the resolver or OpenSSL said.
struct TLSClientFault: Error, CustomStringConvertible {
  let description: String
}
