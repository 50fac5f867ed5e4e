/// Why a connection or message was refused.
///
/// Programs branch on ``code``, operators read ``cause``. The description may go to a client: it
/// holds no key, no plaintext and no path.
public struct HTTPError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// The bytes are not a message of the subset accepted here.
    case malformed
    /// The peer did not finish in time.
    case timeout
    /// A body or count is over its bound.
    case tooLarge
    /// The request line is over its bound.
    case targetTooLong
    /// The head is over its bound, in bytes or in fields.
    case headTooLarge
    /// The request asks for an HTTP version other than 1.0 and 1.1.
    case unsupportedVersion
    /// The body is in a transfer coding other than `chunked`.
    case unsupportedCoding
    /// The request expects something other than `100-continue`.
    case unsupportedExpectation
    /// The request names a host that is not served here.
    case misdirected
    /// Too many connections are open already, or too many bodies are being kept.
    case overloaded
    /// The peer went away, or the response is over.
    case closed
    /// The handshake or a record was refused.
    case tls
    /// The operating system refused a socket, an address or a file.
    case unavailable
    /// The handler broke the rules of a response: the server's fault, never the client's.
    case internalFault
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

  /// The status that tells the client, or nil where there is nobody left to tell.
  public var status: Int? {
    switch code {
    case .malformed: 400
    case .timeout: 408
    case .tooLarge: 413
    case .targetTooLong: 414
    case .unsupportedExpectation: 417
    case .misdirected: 421
    case .headTooLarge: 431
    case .internalFault, .unavailable: 500
    case .unsupportedCoding: 501
    case .overloaded: 503
    case .unsupportedVersion: 505
    case .closed, .tls: nil
    }
  }
}

/// An errno, kept as the cause of an ``HTTPError``.
struct SystemError: Error, CustomStringConvertible {
  let number: Int32

  var description: String { "errno \(number)" }
}

extension HTTPError {
  /// A sentence for the client: what it did, never what it sent.
  var detail: String {
    switch code {
    case .internalFault, .unavailable: "The server could not answer this request."
    case .overloaded: "Too much is going on at once; try again later."
    case .misdirected: "This server does not serve the host named in Host."
    default: "The request was refused while \(operation)."
    }
  }
}
