/// What time it is, and how far that can be believed.
public protocol WallClock: Sendable {
  /// Reads the clock; never fails, never blocks.
  func read() -> ClockReading

  /// Tells the clock a time that has certainly passed, such as that of the log's last entry.
  ///
  /// A clock for which nothing vouches does not tell an earlier one from then on.
  func hasPassed(_ milliseconds: Int64)
}

/// A wall-clock time with the state of the clock that gave it.
public struct ClockReading: Hashable, Sendable {
  /// What the kernel says of its clock; the words an audit entry uses.
  public enum State: String, Hashable, Sendable {
    /// A time service disciplines the clock.
    case synced
    /// Nothing vouches for the clock.
    case unsynced
    /// The clock jumped within the last minute, or lies behind a time that has passed.
    case stepped
  }
  /// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
  public let milliseconds: Int64
  public let state: State

  public init(milliseconds: Int64, state: State) {
    self.milliseconds = milliseconds
    self.state = state
  }
}
