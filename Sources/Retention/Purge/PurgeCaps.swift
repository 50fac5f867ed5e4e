public import Encoding

/// How much may be destroyed in any span of days, so that a wrong policy does little before somebody
/// notices.
public struct PurgeCaps: Hashable, Sendable {
  /// Of what was there, 0…100.
  public let percent: Int
  /// At most so many recordings, 0…10⁹; the lesser bound counts.
  public let recordings: Int
  /// 1…365.
  public let windowDays: Int

  public init(percent: Int, recordings: Int, windowDays: Int) {
    self.percent = percent
    self.recordings = recordings
    self.windowDays = windowDays
  }

  public enum Verdict: Hashable, Sendable {
    case within
    /// More than this many would be destroyed.
    case beyond(allowed: Int)
  }

  /// How many recordings a call counts as: one that has none is still a call that goes.
  public static func weight(of recordings: Int) -> Int { max(1, recordings) }

  /// Says whether `planned` recordings may go at `time`.
  ///
  /// - Parameters:
  ///   - planned: the weights of what is to go.
  ///   - stored: the weights of what is there now, the planned included.
  ///   - purged: earlier purges with their weights, in any order; those later than `time` count too, because
  ///     a clock that is behind must not give room.
  ///   - time: outside time.
  /// - Returns: whether they may, or how many.
  public func verdict(
    planned: Int, stored: Int, purged: some Sequence<(time: Timestamp, recordings: Int)>,
    at time: Timestamp
  ) -> Verdict {
    let window = Int64(windowDays) * 86_400_000
    var gone = 0
    for purge in purged
    where time.milliseconds.subtractingReportingOverflow(window).partialValue
      < purge.time.milliseconds
    {
      gone += purge.recordings
    }
    let share = (stored + gone) / 100 * percent + (stored + gone) % 100 * percent / 100
    let allowed = max(0, min(recordings, share) - gone)
    return planned <= allowed ? .within : .beyond(allowed: allowed)
  }
}
