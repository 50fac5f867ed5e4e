/// Why the embedded database refused a statement.
///
/// Programs branch on ``code``, operators read ``cause``. The description may go to a client: it
/// holds no key, no plaintext and no path.
public struct DatabaseError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// Another connection holds the lock.
    case busy
    /// A uniqueness or check rule forbids the change.
    case constraint
    /// The volume is full.
    case full
    /// The file is not a database or its pages are inconsistent.
    case damaged
    /// The database cannot be written.
    case readOnly
    /// The statement does not match its parameters or columns.
    case misuse
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
