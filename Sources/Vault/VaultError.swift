public import Audit
public import Encoding

/// Why the vault refused or failed an operation.
///
/// Programs branch on ``code``, operators read ``cause``. The description may go to a client: it
/// holds no key, no plaintext and no path.
public struct VaultError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// No such object, or the caller may not know of it.
    case notFound
    /// Nobody we know: no credential, or one that is wrong, revoked or past its time.
    case unauthenticated
    /// The caller may not do this.
    case denied
    /// The object exists already, or changed meanwhile; ``VaultError/existing`` names it.
    case conflict
    /// The request breaks a rule of the field.
    case invalid
    /// The request is larger than a bound of the field.
    case tooLarge
    /// No root key is in memory.
    case sealed
    /// A legal hold forbids the change until it is lifted.
    case held
    /// The stored bytes are not those that were written; never retried, always alarmed.
    case tampered
    /// The catalog lacks what the log says was stored: it is older than the log.
    case behindLog
    /// Storage or the log cannot take the operation now.
    case unavailable
    /// The volume is full: nothing was stored, and nothing released, because the log comes first.
    case noSpace
  }
  public let code: Code
  /// The operation that failed, in words for a log line.
  public let operation: StaticString
  /// What to do about it, for whoever asked: names of fields and limits, never their values.
  public let detail: String?
  /// The object that stands in the way of a ``Code/conflict``.
  public let existing: Identifier?
  /// What lies beneath, for the operator only.
  public let cause: (any Error)?
  /// What the log says of it, where the code alone does not tell.
  public let reason: Reason?
  /// Whether the attempt's account is closed: its outcome is in the log, or the log cannot take one.
  let isAccounted: Bool

  public init(
    _ code: Code, during operation: StaticString, detail: String? = nil,
    existing: Identifier? = nil, cause: (any Error)? = nil
  ) {
    self.init(
      code, during: operation, because: nil, detail: detail, existing: existing, cause: cause)
  }

  init(
    _ code: Code, during operation: StaticString, because reason: Reason?, detail: String? = nil,
    existing: Identifier? = nil, cause: (any Error)? = nil, isAccounted: Bool = false
  ) {
    self.code = code
    self.operation = operation
    self.detail = detail
    self.existing = existing
    self.cause = cause
    self.reason = reason
    self.isAccounted = isAccounted
  }

  public var description: String {
    detail.map { "\(code) while \(operation): \($0)" } ?? "\(code) while \(operation)"
  }
}
