/// Why a policy or configuration file was refused.
///
/// Programs branch on ``code``, operators read ``cause``. The description may go to a client: it
/// holds no key, no plaintext and no path.
public struct YAMLError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// The text is not the YAML subset accepted here.
    case syntax
    /// A key that the schema does not name.
    case unknownKey
    /// A key given twice in one mapping.
    case duplicateKey
    /// A required key is absent.
    case missingKey
    /// A value is not what the schema asks for.
    case wrongType
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
