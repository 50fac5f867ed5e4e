/// Why the supervisor, a probe or an actuator refused or failed something.
///
/// Programs branch on ``code``, operators read ``cause``. The description may go to a client: it holds no
/// address, no secret and nothing that a caller sent.
public struct FailoverError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// The request or the text is not of the form that is specified.
    case invalid
    /// The other side did not answer in time, or not at all.
    case unreachable
    /// The other side answered, and says no: doing it again gives the same answer.
    case refused
    /// The other side is busy and did nothing (429): it may be asked again later.
    case busy
    /// What was read back is not what was commanded.
    case notConfirmed
    /// A newer plan or another supervisor has the say; nothing was changed.
    case fenced
    /// The deadline passed before anything was done.
    case tooLate
    /// It would touch an emergency number: never done, whoever asks.
    case emergencyNumber
    /// There is nobody or nothing to route to.
    case noRoute
    /// The supervisor's own log or disk cannot take what must be recorded.
    case unavailable
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
