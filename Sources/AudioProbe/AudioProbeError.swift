/// Why a recording could not be examined.
///
/// Unknown and damaged audio is no error but an ``AudioFinding``. Programs branch on ``code``,
/// operators read ``cause``. The description may go to a client: it holds no key, no plaintext and
/// no path.
public struct AudioProbeError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// The child process could not be started.
    case unavailable
    /// The child process ended without an answer, or broke the rules of the conversation: the
    /// recording may hold an attack on the decoder.
    case probeDied
    /// The child process did not answer in time.
    case timeout
    /// The caller's source of bytes failed; ``AudioProbeError/cause`` is its error.
    case sourceFailed
    /// The caller's task was cancelled.
    case cancelled
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
