/// Why bytes are not a SIP message that can be answered, or a configured value cannot be used.
///
/// Programs branch on ``code``. The description holds nothing of what was read.
public struct SIPError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// Nothing but line ends: a peer that keeps its connection open.
    case empty
    /// The bytes are no message, or none whose answer would find its way.
    case malformed
    /// A head, body or count is over its bound.
    case tooLarge
    /// A contact, a number or a network is not written as the format page says.
    case invalid
    /// An address that is not reachable from the internet, where one must be.
    case privateAddress
    /// An emergency number where none may stand.
    case emergency
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
