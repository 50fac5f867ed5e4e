/// Why the operating system refused something a process asked for itself.
///
/// Programs branch on ``code``, operators read ``number``.
public struct HostError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// The system's rules forbid it to this process.
    case denied
    /// The name leads nowhere.
    case unavailable
    /// Any other failure.
    case failed
  }
  public let code: Code
  /// The operation that failed, in words for a log line.
  public let operation: StaticString
  /// The system's error number.
  public let number: Int32

  init(_ code: Code, during operation: StaticString, number: Int32) {
    self.code = code
    self.operation = operation
    self.number = number
  }

  public var description: String { "\(code) while \(operation) (error \(number))" }
}
