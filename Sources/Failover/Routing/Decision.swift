public import Encoding

/// Why calls changed their way: a closed list, each with what the practice's own documents call it.
public enum Cause: String, CaseIterable, Sendable {
  /// AI_ENGINE_FAILURE.
  case aiFailed = "ai-engine-failure"
  /// 3CX_CONNECTION_LOST: the phone system does not answer.
  case pbxLost = "pbx-connection-lost"
  case trunkLost = "trunk-lost"
  case backupLost = "backup-lost"
  /// In the practice's documents, failure of the whole system: nothing of ours answers, and the way out of the house does.
  case everythingLost = "total-system-failure"
  /// It lives, and asked for no new calls.
  case drained
  /// Nobody is there who could answer.
  case nobodyThere = "nobody-there"
  /// What should move calls did not, or could not be read back.
  case actuatorFailed = "actuator-failed"
  /// The hours of a route began or ended.
  case schedule
  case recovered
  case operatorDecided = "operator"
  /// The supervisor started, and commands what it held before or the best that there is.
  case started
}

/// What was believed of a target when something was decided.
public struct Evidence: Hashable, Sendable {
  public let target: TargetID
  public let belief: TargetMachine.Belief
  /// How long that was believed.
  public let forMs: Int64
  /// What each way of looking said.
  public let signals: [Signal]

  public struct Signal: Hashable, Sendable {
    public let kind: SignalKind
    public let belief: HealthMachine.Belief
    /// How long ago it last heard life; nil: never.
    public let silentMs: Int64?
    public let miss: ProbeMiss?
  }

  /// What is believed of a target now.
  public init(_ machine: TargetMachine, at now: Moment) {
    target = machine.target.id
    belief = machine.belief
    forMs = now.ms(since: machine.since)
    signals = zip(machine.target.signals, machine.signals).map { signal, health in
      Signal(
        kind: signal.kind, belief: health.belief,
        silentMs: health.lastLife.map { now.ms(since: $0) }, miss: health.lastMiss)
    }
  }
}

/// A change of the way for calls, with all that led to it.
///
/// What an entry of the log commits to.
public struct Decision: Hashable, Sendable {
  public let id: Identifier
  public let at: Moment
  /// Wall-clock time, for people.
  public let time: Timestamp
  public let cause: Cause
  public let fromState: RoutingState
  public let fromRoute: RouteID
  public let plan: RoutePlan
  /// Milliseconds from the last life to the decision, where an outage led to it.
  public let detectMs: Int64?
  /// Milliseconds since the supervisor's own line proved itself; nil: not asked for.
  public let uplinkProvedMs: Int64?
  public let evidence: [Evidence]
}

/// A way that an operator set.
public struct Override: Hashable, Sendable {
  public let route: RouteID
  /// When it ends by itself; at most a day later than it was set.
  public let until: Moment
  /// Whether it holds even where the route does not work.
  public let isStrict: Bool
  /// Who set it.
  public let actor: Identifier

  public static let longestMs: Int64 = 86_400_000

  public init(route: RouteID, until: Moment, isStrict: Bool, actor: Identifier) {
    self.route = route
    self.until = until
    self.isStrict = isStrict
    self.actor = actor
  }
}
