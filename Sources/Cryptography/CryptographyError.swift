/// Why a cryptographic operation was refused.
///
/// Programs branch on ``code``, operators read ``cause``. The description may go to a client: it
/// holds no key, no plaintext and no path.
public struct CryptographyError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// The tag, signature or MAC does not match; the input must not be used.
    case notAuthentic
    /// A length or encoding is outside what the algorithm takes.
    case invalidInput
    /// Memory could not be locked, so the secret was not created.
    case lockedMemoryUnavailable
    /// The library failed for another reason; nothing was produced.
    case libraryFailure
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
