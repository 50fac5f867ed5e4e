/// What calls are to do from now on: one plan at a time is commanded.
///
/// Specified in `Documentation/formats/routing.md`. Everybody who acts on it goes by the same three things: a higher
/// ``fencing`` number replaces any lower, within one a higher ``version`` does, and nothing acts on an expired plan
/// but for the safe plan, which has no end.
public struct RoutePlan: Hashable, Sendable {
  /// Counts plans under one fencing number, from 1.
  public let version: Int64
  /// Of the lease under which it was made; a later holder has a higher one.
  public let fencing: Int64
  public let state: RoutingState
  public let route: Route
  /// After it only the safe plan is to be served; renewed while the supervisor holds its lease.
  public let expires: Moment
  /// When the decision was made, for people and for the log.
  public let decidedAtMs: Int64
  /// Whether new calls go to the AI engine first, on a route that can do that.
  public let usesAI: Bool

  public init(
    version: Int64, fencing: Int64, state: RoutingState, route: Route, expires: Moment,
    decidedAtMs: Int64, usesAI: Bool
  ) {
    self.version = version
    self.fencing = fencing
    self.state = state
    self.route = route
    self.expires = expires
    self.decidedAtMs = decidedAtMs
    self.usesAI = usesAI
  }

  /// Whether this plan takes the place of `other`.
  public func supersedes(_ other: RoutePlan) -> Bool {
    (fencing, version) > (other.fencing, other.version)
  }
}

/// Where calls go, seen from far: `Documentation/formats/routing.md` draws the edges.
public enum RoutingState: String, CaseIterable, Sendable {
  case normal = "NORMAL"
  /// The AI engine failed: all calls to people.
  case humansOnly = "HUMANS_ONLY"
  /// The phone system or its trunk is lost: calls bypass it.
  case twilioBackup = "TWILIO_BACKUP"
  /// Nothing of ours is on the path: static numbers.
  case emergencyPSTN = "EMERGENCY_PSTN"
  /// An operator decided.
  case manual = "MANUAL"
  /// Recovered; canary calls, then back when idle or by policy. Calls still go the backup's way.
  case failbackPending = "FAILBACK_PENDING"
}
