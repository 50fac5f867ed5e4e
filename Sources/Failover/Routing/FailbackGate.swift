/// Whether calls may go back to a better route, and what must still be proved.
///
/// New calls go back; those that are going on stay where they are, so nothing is stampeded.
struct FailbackGate: Sendable {
  enum Step: Equatable {
    case wait
    /// A test call is to be made on the route.
    case canary
    /// It waits for a person.
    case ready
    case go
  }

  let rules: RoutingPolicy.Failback
  /// The route that calls may go back to, since it has proved itself.
  private(set) var target: RouteID?
  private var since: Moment?
  private var succeeded = 0
  private var isCalling = false
  private var idleSince: Moment?
  private var isApproved = false
  /// No test call before, after one that failed.
  private var restUntil: Moment?

  init(_ rules: RoutingPolicy.Failback) { self.rules = rules }

  /// Forgets everything: the route failed again, or another one is better.
  mutating func reset() { self = FailbackGate(rules) }

  /// A test call ended.
  mutating func canaryEnded(on route: RouteID, succeeded: Bool, at now: Moment) {
    guard route == target, isCalling else { return }
    isCalling = false
    if succeeded {
      self.succeeded += 1
    } else {
      self.succeeded = 0
      restUntil = now.advanced(byMs: rules.dwellMs)
    }
  }

  /// A person wants to go back.
  mutating func approve() { if target != nil { isApproved = true } }

  /// Looks at what is proved.
  ///
  /// - Parameters:
  ///   - route: the better route, usable for the dwell.
  ///   - activeCalls: on the backup; nil: not known.
  ///   - now: the time.
  /// - Returns: what follows.
  mutating func step(to route: RouteID, activeCalls: Int?, at now: Moment) -> Step {
    if target != route {
      reset()
      target = route
      since = now
    }
    // A person who says so answers for what no test call has proved.
    if isApproved { return .go }
    if succeeded < rules.canaries {
      if isCalling { return .wait }
      if let restUntil, now < restUntil { return .wait }
      isCalling = true
      return .canary
    }
    switch rules.condition {
    case .recovered: return .go
    case .manual: return .ready
    case .idle:
      if activeCalls == 0 {
        idleSince = idleSince ?? now
      } else {
        idleSince = nil
      }
      if let idleSince, now.ms(since: idleSince) >= rules.idleMs { return .go }
      if let since, now.ms(since: since) >= rules.latestMs { return .go }
      return .wait
    }
  }
}
