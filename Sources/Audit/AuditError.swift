/// Why the audit log refused or failed an operation.
///
/// Programs branch on ``code``, operators read ``cause``. The description may go to a client: it
/// holds no key, no plaintext and no path.
public struct AuditError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// The bytes are not an entry, note, tile or proof of this log.
    case malformed
    /// A signature or proof does not hold.
    case notAuthentic
    /// The log cannot commit; nothing may be released.
    case unavailable
    /// The volume is full: the entry was not recorded, and the log goes on when there is room.
    case noSpace
    /// No such entry.
    case notFound
    /// A receipt was spent on something it does not name.
    case mismatch
    /// The draft breaks a rule of the entry format.
    case invalidDraft
    /// What is stored is not what was written; nothing is changed until a person decides.
    case damaged
    /// A place in the log that something outside relies on is not in this log: one of the two was
    /// brought back from an older copy.
    case inconsistent
    /// An anchor knows of more entries than the log has: it was brought back from an older copy.
    case behindAnchor
    /// An anchor holds a head that we signed and that this log contradicts.
    case forked
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
