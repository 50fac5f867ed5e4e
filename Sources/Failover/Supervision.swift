public import Encoding

/// All that the supervisor decides, without a clock, a socket or a file: beliefs, the way for calls, and where
/// an emergency would go.
///
/// The simulation runs this very code.
public struct Supervision: Sendable {
  public let policy: RoutingPolicy
  public private(set) var routing: RoutingMachine
  /// As the policy's targets, in their order.
  public private(set) var targets: [TargetMachine]
  public private(set) var emergency: EmergencyDecision
  /// How many people of each group could take a call, where that is known.
  public private(set) var members: [CallGroupID: Int] = [:]
  /// Calls on the way that is commanded; nil: not known.
  public var activeCalls: Int?
  /// How often the supervisor itself stood still.
  public private(set) var stalls = 0
  private var lastLook: Moment
  private let places: [TargetID: Int]
  private let uplinks: [Int]

  public init(
    _ policy: RoutingPolicy, fencing: Int64, at start: Moment,
    makeID: @escaping @Sendable () -> Identifier
  ) {
    self.policy = policy
    routing = RoutingMachine(policy, fencing: fencing, makeID: makeID)
    targets = policy.targets.map { TargetMachine($0, at: start) }
    places = Dictionary(
      uniqueKeysWithValues: policy.targets.indices.map { (policy.targets[$0].id, $0) })
    uplinks = policy.targets.indices.filter { policy.targets[$0].role == .uplink }
    lastLook = start
    emergency = EmergencyDecision(
      routes: policy.emergency.routes.compactMap {
        policy.choice($0)?.route
      })
  }

  /// Takes what a probe did or saw.
  public mutating func observe(_ observation: ProbeObservation) {
    guard let place = places[observation.target] else { return }
    targets[place].observe(observation.signal, observation.result, at: observation.at)
  }

  /// Takes what the phone system says of who is there.
  public mutating func count(_ members: Int, of group: CallGroupID) {
    guard policy.groups.keys.contains(group) else { return }
    self.members[group] = max(0, members)
  }

  /// Brings beliefs up to now and says what is to be done.
  ///
  /// To be called often: a pause longer than ``RoutingPolicy/Switching/stallMs`` is taken for the supervisor's own
  /// standing still, in which it heard nothing.
  public mutating func look(at now: Moment, time: Timestamp) -> [RoutingMachine.Action] {
    if now.ms(since: lastLook) >= policy.switching.stallMs {
      stalls += 1
      for index in targets.indices { targets[index].resume(at: now) }
    }
    lastLook = now
    for index in targets.indices { targets[index].judge(at: now) }
    let situation = RoutingMachine.Situation(
      now: now, time: time, beliefs: targets,
      uplinkProved: uplinks.compactMap { targets[$0].provedAt }.max(),
      uplinkIsDown: uplinks.allSatisfy { targets[$0].belief == .down },
      members: members, activeCalls: activeCalls)
    let actions = routing.step(situation)
    emergency = routing.emergency(situation)
    return actions
  }

  /// All that must be done for a plan has been read back.
  public mutating func confirmed(version: Int64) {
    routing.confirmed(version: version)
  }

  /// Something that a plan needs could not be done.
  public mutating func failed(version: Int64) {
    routing.failed(version: version)
  }

  /// A test call ended.
  public mutating func canaryEnded(on route: RouteID, succeeded: Bool, at now: Moment) {
    routing.canaryEnded(on: route, succeeded: succeeded, at: now)
  }

  /// A person wants to go back now.
  public mutating func approveFailback() { routing.approveFailback() }

  /// A person has looked at what flapped.
  public mutating func release() { routing.release() }

  /// Sets a way by hand, or ends that with nil.
  ///
  /// - Throws: ``FailoverError/Code/invalid`` for a route that the policy does not have, or a time out of bounds.
  public mutating func set(_ override: Override?, at now: Moment) throws(FailoverError) {
    try routing.set(override, at: now)
  }

  /// Goes on from what was commanded before the supervisor was started again.
  public mutating func restore(
    _ remembered: RememberedRouting, at now: Moment, time: Timestamp
  ) {
    routing.restore(remembered, at: now, time: time)
  }

  /// What to keep for the next start.
  public func remembered(
    at now: Moment, time: Timestamp, unrecordedSinceMs: Int64?
  ) -> RememberedRouting {
    RememberedRouting(routing, now: now, time: time, unrecordedSinceMs: unrecordedSinceMs)
  }
}

extension Supervision {
  /// Where calls would go if these targets were dead too, at a time: nothing is changed.
  public func evaluate(dead: Set<TargetID>, at now: Moment, time: Timestamp) -> RoutingPolicy.Choice
  {
    let situation = RoutingMachine.Situation(
      now: now, time: time, beliefs: targets, uplinkProved: nil, uplinkIsDown: false,
      members: members, activeCalls: activeCalls)
    return policy.choices.first { choice in
      routing.fits(choice, situation) && routing.isStaffed(choice, situation)
        && choice.route.needs.allSatisfy { need in
          !dead.contains(need)
            && places[need].map { targets[$0].belief != .down && targets[$0].belief != .draining }
              ?? false
        }
    } ?? policy.safe
  }

  /// Rehearses the death of some targets: a copy of all beliefs is led through it as fast as it can be computed.
  ///
  /// - Returns: the first change, and how many milliseconds after the last life it came; nil when none came in
  ///   half a minute, because nothing depends on them or there is nowhere to go.
  public func rehearse(
    deathOf dead: Set<TargetID>, at start: Moment, time: Timestamp
  ) -> (decision: Decision, ms: Int64)? {
    var copy = self
    var now = start
    // Everything else is heard for as long as it takes to be believed.
    for _ in 0..<40 {
      now = now.advanced(byMs: 50)
      copy.hearAll(but: [], at: now)
      _ = copy.look(at: now, time: time)
      copy.confirmed(version: copy.routing.version)
    }
    let lastLife = now
    while now.ms(since: lastLife) < 30_000 {
      now = now.advanced(byMs: 50)
      copy.hearAll(but: dead, at: now)
      for case .command(let decision) in copy.look(at: now, time: time)
      where decision.plan.route.id != decision.fromRoute {
        return (decision, now.ms(since: lastLife))
      }
      copy.confirmed(version: copy.routing.version)
    }
    return nil
  }

  private mutating func hearAll(but dead: Set<TargetID>, at now: Moment) {
    for index in targets.indices {
      let target = targets[index].target
      for signal in target.signals where signal.kind != .passive {
        targets[index].observe(signal.kind, .sent, at: now)
        guard !dead.contains(target.id) else { continue }
        targets[index].observe(signal.kind, .alive(roundTripMs: 0), at: now)
      }
    }
  }
}
