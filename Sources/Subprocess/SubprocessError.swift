/// Why a program of the operator was not run to its end.
///
/// Programs branch on ``code``. The description holds no argument and no path.
public struct SubprocessError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// The program or an argument is not one that may be used.
    case unusable
    /// The kernel would not start it.
    case unavailable
    /// It did not end in time, and was killed with all that it started.
    case timeout
    /// It ended by a signal.
    case killed
  }
  public let code: Code
  /// The operation that failed, in words for a log line.
  public let operation: StaticString

  public init(_ code: Code, during operation: StaticString) {
    self.code = code
    self.operation = operation
  }

  public var description: String { "\(code) while \(operation)" }
}
