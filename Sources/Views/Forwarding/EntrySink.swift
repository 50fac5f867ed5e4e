/// Something outside that entries are delivered to, in sessions.
///
/// A session is begun, takes entries in order, and is ended by a receipt; without one nothing in it
/// counts as delivered, and all of it comes again in a later session. Calls come one at a time and end
/// soon, also when the other side does not answer.
public protocol EntrySink: Sendable {
  var pace: SinkPace { get }

  /// Reaches the receiver.
  func begin() async throws

  /// Hands entries over; they need not have arrived when it returns.
  func send(_ entries: [EntryView]) async throws

  /// Fails if it is known by now that the session cannot be ended by a receipt.
  func check() async throws

  /// Ends the session; returns when the receiver has taken everything sent in it.
  ///
  /// - Throws: ``SinkError/Code/unconfirmed`` or whatever kept the receipt from coming.
  func end() async throws

  /// Gives the session up, whatever state it is in; without one it does nothing.
  func abandon() async
}

/// How much one session carries at most.
public struct SinkPace: Sendable, Equatable {
  public let entries: Int
  public let span: Duration

  public init(entries: Int, span: Duration) {
    self.entries = entries
    self.span = span
  }
}

/// Where a sink's position is kept.
public protocol SinkPositionStore: Sendable {
  /// The bytes stored last; nil where there are none yet.
  func load() async throws -> [UInt8]?

  /// Replaces them, durably and as a whole.
  func store(_ bytes: [UInt8]) async throws
}

/// Why entries do not reach a sink.
///
/// Programs branch on ``code``, operators read ``cause``. The description holds no entry and no path.
public struct SinkError: Error, CustomStringConvertible {
  public enum Code: Sendable {
    /// The receiver cannot be reached, or refuses the connection.
    case unreachable
    /// The session broke.
    case interrupted
    /// The receiver ended without saying that it had read everything.
    case unconfirmed
    /// The stored position cannot be read.
    case malformed
    /// The stored position is not of this log.
    case foreign
    /// A file or the log cannot be read or written.
    case unavailable
    /// Entries have waited longer than the sink's age limit.
    case late
  }
  public let code: Code
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
