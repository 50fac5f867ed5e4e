public import Encoding

/// Decides which way calls go.
///
/// Pure: beliefs and times are passed in, what is to be done comes out.
///
/// One plan at a time is commanded; a later one has a higher version. `Documentation/formats/routing.md` has the
/// rules by number.
public struct RoutingMachine: Sendable {
  /// What the outside says at one moment.
  public struct Situation: Sendable {
    public var now: Moment
    public var time: Timestamp
    /// As the policy's targets, in their order.
    public var beliefs: [TargetMachine]
    /// When a probe left that proved the supervisor's own line; nil: none yet.
    public var uplinkProved: Moment?
    public var uplinkIsDown: Bool
    /// How many people of a group could take a call; a group that is missing is taken as staffed.
    public var members: [CallGroupID: Int]
    /// Calls on the way that is commanded now; nil: not known.
    public var activeCalls: Int?

    public init(
      now: Moment, time: Timestamp, beliefs: [TargetMachine], uplinkProved: Moment?,
      uplinkIsDown: Bool, members: [CallGroupID: Int], activeCalls: Int?
    ) {
      self.now = now
      self.time = time
      self.beliefs = beliefs
      self.uplinkProved = uplinkProved
      self.uplinkIsDown = uplinkIsDown
      self.members = members
      self.activeCalls = activeCalls
    }
  }

  /// What is to be done; in this order.
  public enum Action: Sendable {
    /// Calls go another way from now on.
    case command(Decision)
    /// A test call on a route that may be gone back to.
    case callCanary(RouteID)
    case tell(Notice.Event, Urgency, subject: String?)
  }

  /// A command that has not been confirmed yet.
  struct Command: Sendable {
    let since: Moment
    /// When the outage began that led to it, through however many routes.
    let outageSince: Moment
    var isPaged = false
  }

  public let policy: RoutingPolicy
  /// Of the lease; commands carry it.
  public internal(set) var fencing: Int64
  public internal(set) var version: Int64 = 0
  public internal(set) var state: RoutingState
  /// The place among the policy's choices of the way that calls go.
  var place = 0
  /// What is commanded; nil before the first look.
  public internal(set) var plan: RoutePlan?
  public internal(set) var budget: FlapBudget
  public internal(set) var override: Override?
  var failback: FailbackGate
  /// Nil once confirmed.
  var pending: Command?
  /// Whether what is commanded has failed to be applied.
  var hasFailed = false
  var changedAt: Moment?
  /// Why calls go the way they go.
  var cause = Cause.started
  /// When the first probe left that proved the line in the trouble there is.
  var provedSince: Moment?
  /// Since when the way that is commanded is in trouble.
  var troubleSince: Moment?
  /// For each choice: since when it could be used without interruption.
  var usableSince: [Moment?]
  /// For each choice: until when it is not tried again, because its actuator failed.
  var failedUntil: [Moment?]
  /// The places of the choices of an emergency.
  let emergencyPlaces: [Int]
  /// For each choice: the places of what it needs among the policy's targets.
  let needs: [[Int]]
  var emptySince: [CallGroupID: Moment] = [:]
  /// Groups that somebody was seen in: only those may be between two shifts.
  var seenStaffed: Set<CallGroupID> = []
  /// What people were told and has not ended: nobody is told twice.
  var told: Set<String> = []
  /// Ids of decisions; a simulation gives its own.
  let makeID: @Sendable () -> Identifier

  public init(
    _ policy: RoutingPolicy, fencing: Int64, makeID: @escaping @Sendable () -> Identifier
  ) {
    self.policy = policy
    self.fencing = fencing
    self.makeID = makeID
    state = policy.choices[0].state
    usableSince = policy.choices.map { _ in nil }
    failedUntil = policy.choices.map { _ in nil }
    needs = policy.choices.map { choice in
      choice.route.needs.compactMap { need in policy.targets.firstIndex { $0.id == need } }
    }
    emergencyPlaces = policy.emergency.routes.compactMap { route in
      policy.choices.firstIndex { $0.route.id == route }
    }
    budget = FlapBudget(
      limit: policy.switching.flapLimit, windowMs: policy.switching.flapWindowMs)
    failback = FailbackGate(policy.failback)
  }

  /// The way that calls go.
  public var current: RoutingPolicy.Choice { policy.choices[place] }

  /// Whether calls wait for a command to be confirmed.
  public var isPending: Bool { pending != nil }

  /// Looks at the situation and says what is to be done.
  public mutating func step(_ situation: Situation) -> [Action] {
    var actions: [Action] = []
    watchGroups(situation, &actions)
    for index in policy.choices.indices {
      usableSince[index] =
        isUsable(index, situation) ? usableSince[index] ?? situation.now : nil
    }
    if plan == nil { begin(situation, &actions) }
    watchCommand(situation, &actions)
    if let override, obey(override, situation, &actions) { return actions }
    if let trouble = trouble(situation) {
      failback.reset()
      if state == .failbackPending { state = current.state }
      troubleSince = troubleSince ?? trouble.since
      leave(because: trouble, situation, &actions)
    } else {
      troubleSince = nil
      provedSince = nil
      for key in ["no-route", "uplink", "late"] { mend(key) }
      improve(situation, &actions)
    }
    renew(situation)
    return actions
  }

  /// Everything that an actuator must do has been read back.
  public mutating func confirmed(version: Int64) {
    guard version == self.version, plan != nil else { return }
    pending = nil
    hasFailed = false
  }

  /// An actuator that is needed could not do it: the next route is taken.
  public mutating func failed(version: Int64) {
    guard version == self.version, pending != nil else { return }
    hasFailed = true
  }

  public mutating func canaryEnded(on route: RouteID, succeeded: Bool, at now: Moment) {
    failback.canaryEnded(on: route, succeeded: succeeded, at: now)
  }

  /// A person wants to go back now.
  public mutating func approveFailback() { failback.approve() }

  /// A person has looked: the latch is open again.
  public mutating func release() {
    budget.release()
    told.remove("latched")
  }

  /// Sets a way by hand, or ends that with nil.
  ///
  /// - Throws: ``FailoverError/Code/invalid`` for a route that the policy does not have, or a time that is
  ///   past or more than a day away.
  public mutating func set(_ override: Override?, at now: Moment) throws(FailoverError) {
    if let override {
      guard policy.choice(override.route) != nil else {
        throw FailoverError(.invalid, during: "looking for the route")
      }
      guard (1...Override.longestMs).contains(override.until.ms(since: now)) else {
        throw FailoverError(.invalid, during: "reading when the override ends")
      }
    }
    self.override = override
    failback.reset()
  }
}
