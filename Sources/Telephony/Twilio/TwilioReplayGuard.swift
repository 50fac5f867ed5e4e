import Failover

/// What was asked for calls that are going on, so that a request that somebody kept is not answered again later.
///
/// A signature has no time in it. So a request belongs to its call: for each the step that was reached never goes
/// back, the same step is answered again only soon after (Twilio repeats what got no answer), and an ended call
/// gets nothing.
struct TwilioReplayGuard: Sendable {
  /// Calls that are remembered.
  static let limit = 4_096
  /// How long the same step may be asked for again.
  static let repetitionMs: Int64 = 30_000
  /// How long a call is remembered, which is the longest that Twilio lets one last.
  static let memoryMs: Int64 = 24 * 3_600_000

  private struct Seen: Sendable {
    var step: Int
    var at: Moment
    var hasEnded: Bool
  }
  private var calls: [TwilioSid: Seen] = [:]

  var count: Int { calls.count }

  /// Notes a request.
  ///
  /// - Parameters:
  ///   - call: whose it is.
  ///   - step: 0 for the first, then as often as there was no answer.
  ///   - hasEnded: whether the request says that the call is over.
  ///   - now: the time.
  /// - Returns: whether it may be answered.
  mutating func admit(_ call: TwilioSid, step: Int, hasEnded: Bool, now: Moment) -> Bool {
    if let seen = calls[call] {
      guard !seen.hasEnded else { return false }
      if step < seen.step { return false }
      if step == seen.step, !hasEnded, now.ms(since: seen.at) > Self.repetitionMs { return false }
      let at = step == seen.step ? seen.at : now
      calls[call] = Seen(step: step, at: at, hasEnded: hasEnded)
      return true
    }
    if calls.count >= Self.limit { forget(now: now) }
    calls[call] = Seen(step: step, at: now, hasEnded: hasEnded)
    return true
  }

  /// Makes room: what is older than a call may be, or else the oldest half.
  private mutating func forget(now: Moment) {
    calls = calls.filter { now.ms(since: $0.value.at) < Self.memoryMs }
    guard calls.count >= Self.limit else { return }
    let times = calls.values.map(\.at).sorted()
    let middle = times[times.count / 2]
    calls = calls.filter { $0.value.at > middle }
  }
}
