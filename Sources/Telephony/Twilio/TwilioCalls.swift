import Failover

/// Calls that Twilio has asked about: whom each rings next, and that no request counts twice.
///
/// A signature has no time, so what was signed once would be believed for ever: a call's steps go forward, the same
/// step is given again for a short time only, what a leg came to counts once, and a call that has ended gets nothing.
struct TwilioCalls: Sendable {
  /// Calls that are remembered.
  static let limit = 4_096
  /// How long the same step may be asked for again.
  static let repetitionMs: Int64 = 30_000
  /// How long a call is remembered, which is the longest that Twilio lets one last.
  static let memoryMs: Int64 = 24 * 3_600_000

  /// A contact with the route that it is of.
  struct Way: Sendable {
    let route: RouteID
    let contact: RouteContact
    var isPaid = false
  }

  /// What a call gets.
  enum Next: Sendable {
    /// Rings a contact; `isLast`: nobody is left after it.
    case ring(Way, isLast: Bool)
    /// Everybody was tried.
    case nobody
    /// An old request, or one of a call that is over.
    case refused
  }

  /// What news of a call's leg are worth.
  enum Leg: Sendable {
    /// It rang a contact of this route.
    case of(RouteID)
    /// Of a call that is not remembered: a supervisor before this one served it.
    case unknown
    /// It was told before.
    case refused
  }

  private struct Known: Sendable {
    var step: Int
    var at: Moment
    /// The route that held, and the step at which its first contact was rung.
    var route: RouteID
    var first: Int
    var hasEnded = false
    var isEndTold = false
    var served: [Int: RouteID] = [:]
    var answered: Set<Int> = []
    var ended: Set<Int> = []
  }
  private var calls: [TwilioSid: Known] = [:]

  var count: Int { calls.count }

  /// Notes a request for what to do, and says whom the call rings.
  ///
  /// Where the route has changed since the step before, its contacts are rung from the first on: none is passed over
  /// because another route's was tried.
  ///
  /// - Parameters:
  ///   - call: whose request it is.
  ///   - step: 0 for the first, then as often as there was no answer.
  ///   - hasEnded: whether the request says that the call is over.
  ///   - ways: in the order in which they are rung.
  ///   - route: the one that holds.
  ///   - now: the time.
  /// - Returns: whom it rings, or that it gets nothing.
  mutating func next(
    for call: TwilioSid, step: Int, hasEnded: Bool, among ways: [Way], of route: RouteID,
    now: Moment
  ) -> Next {
    var known: Known
    if let seen = calls[call] {
      guard !seen.hasEnded, step >= seen.step,
        step > seen.step || hasEnded || now.ms(since: seen.at) <= Self.repetitionMs
      else { return .refused }
      known = seen
      if step > seen.step { known.at = now }
      if route != seen.route { known.first = step }
    } else {
      if calls.count >= Self.limit { forget(now: now) }
      known = Known(step: step, at: now, route: route, first: step < ways.count ? 0 : step)
    }
    known.step = step
    known.route = route
    known.hasEnded = hasEnded
    let place = step - known.first
    defer { calls[call] = known }
    guard !hasEnded, ways.indices.contains(place) else { return .nobody }
    known.served[step] = ways[place].route
    return .ring(ways[place], isLast: place + 1 == ways.count)
  }

  /// Takes what became of the leg of a step, once for its answer and once for its end.
  mutating func leg(of call: TwilioSid, step: Int, isAnswer: Bool) -> Leg {
    guard var known = calls[call], let route = known.served[step] else { return .unknown }
    let isNew =
      isAnswer ? known.answered.insert(step).inserted : known.ended.insert(step).inserted
    calls[call] = known
    return isNew ? .of(route) : .refused
  }

  /// Takes that a call is over.
  ///
  /// - Returns: whether nobody had said so yet.
  mutating func end(_ call: TwilioSid) -> Bool {
    guard var known = calls[call] else { return true }
    guard !known.isEndTold else { return false }
    known.hasEnded = true
    known.isEndTold = true
    calls[call] = known
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
