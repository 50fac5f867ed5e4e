/// How one anchor stands: what it confirms, since when, and what is in the way.
///
/// A value: times are passed in, in milliseconds since 1970.
public struct AnchorRecord: Sendable {
  /// `witness-1`, `timestamp` or `copy`.
  public let name: String
  /// The age from which on it is an alarm, in milliseconds.
  public let limit: Int64
  /// Entries that the anchor confirms.
  public private(set) var size: Int64 = 0
  /// When it last did; nil if it never did, as far as is known.
  public private(set) var confirmedAt: Int64?
  /// Why the last attempt failed; nil if it did not.
  public private(set) var failure: (any Error)?
  /// What else there is to say, such as `write-once: proven`.
  public var remark: String?
  /// Since when it is asked: an anchor that never answered is as old as that.
  private let since: Int64

  public init(name: String, limit: Int64, since: Int64) {
    self.name = name
    self.limit = limit
    self.since = since
  }

  /// Takes up what was kept before this start.
  public mutating func resume(size: Int64, at time: Int64) {
    self.size = max(self.size, size)
    confirmedAt = max(confirmedAt ?? time, time)
  }

  public mutating func succeeded(size: Int64, at time: Int64) {
    resume(size: size, at: time)
    failure = nil
  }

  public mutating func failed(_ error: any Error) { failure = error }

  /// Milliseconds since the last success, or since it is asked; never negative.
  public func age(at now: Int64) -> Int64 { max(0, now - (confirmedAt ?? since)) }

  /// Entries that the log has and the anchor does not confirm.
  public func lag(of logSize: Int64) -> Int64 { max(0, logSize - size) }

  /// Whether somebody must look: too old, while there is something to confirm, or ahead of the log.
  public func isAlarming(logSize: Int64, at now: Int64) -> Bool {
    age(at: now) > limit && lag(of: logSize) > 0 || isAhead
  }

  /// Whether the anchor claims to know of more than the log has.
  public var isAhead: Bool {
    (failure as? AuditError)?.code == .behindAnchor
  }
}
