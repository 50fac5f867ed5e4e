/// Why sockets for SIP could not be had or set up.
///
/// Programs branch on ``code``, operators read ``cause``. The description holds no key and no path.
public struct SIPTransportError: Error, CustomStringConvertible {
  public enum Code: Sendable {
    /// The settings contradict themselves or the rules of `Documentation/formats/sip.md`.
    case invalidSettings
    /// The certificate files cannot be used.
    case tls
    /// The operating system refused a socket, an address or a thread.
    case unavailable
  }
  public let code: Code
  /// The operation that failed, in words for a log line.
  public let operation: StaticString
  /// What lies beneath, for the operator only.
  public let cause: (any Error)?

  init(_ code: Code, during operation: StaticString, cause: (any Error)? = nil) {
    self.code = code
    self.operation = operation
    self.cause = cause
  }

  public var description: String { "\(code) while \(operation)" }
}

/// An errno as the cause of a ``SIPTransportError``.
struct SystemFault: Error, CustomStringConvertible {
  let description: String

  init(number: Int32) { description = "errno \(number)" }
}
