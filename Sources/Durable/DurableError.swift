/// Why a file operation failed, or what it could not promise.
///
/// Programs branch on ``code``, operators read ``cause``. The description may go to a client: it
/// holds no key, no plaintext and no path.
public struct DurableError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// Nothing has that name.
    case notFound
    /// Something already has that name.
    case exists
    /// The volume or quota is full.
    case noSpace
    /// The volume takes no writes.
    case readOnly
    /// Another process owns the directory.
    case locked
    /// An earlier write or fsync failed; this writer makes no promise any more.
    case poisoned
    /// The system reported another failure.
    case inputOutput
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
