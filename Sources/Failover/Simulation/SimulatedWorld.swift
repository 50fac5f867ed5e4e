import Encoding

/// One scenario while it runs.
///
/// A class, because a value of this size is copied by each closure that looks at it.
final class SimulatedWorld {
  private let policy: RoutingPolicy
  private let groups: [CallGroupID]
  private let faults: [SimulatedFault]
  private let sabotage: OutageSimulation.Sabotage
  private let seed: UInt64
  private var numbers: SeededNumbers
  private(set) var outcome = OutageSimulation.Outcome()

  private var now = Moment(milliseconds: 0)
  private var supervision: Supervision
  private var isRunning = true
  /// A second one that believes it has the lease; only where the test wants that.
  private var double: Supervision?
  /// What the last command that reached anything says, as everybody who obeys fencing sees it.
  private var active: RoutePlan?
  /// Whether what is commanded was done.
  private var isConfirmed = false
  private var changes: [(at: Moment, isRise: Bool)] = []
  private var deadSince: Moment?
  /// Confirmations on their way: when, of which version, and whether it is one.
  private var answers: [(at: Moment, version: Int64, isConfirmed: Bool)] = []
  private var canaries: [(at: Moment, route: RouteID)] = []

  // A weekday at ten in the morning where the policy's practice is, so that people should be there.
  private static let epochMs: Int64 = 1_795_618_800_000

  init(
    policy: RoutingPolicy, groups: [CallGroupID], faults: [SimulatedFault], numbers: SeededNumbers,
    sabotage: OutageSimulation.Sabotage, seed: UInt64
  ) {
    self.policy = policy
    self.groups = groups
    self.faults = faults
    self.numbers = numbers
    self.sabotage = sabotage
    self.seed = seed
    supervision = Self.supervision(policy, fencing: 1, at: Moment(milliseconds: 0))
    if sabotage.isDoubled { double = supervision }
    outcome.faults = faults
  }

  private static func supervision(
    _ policy: RoutingPolicy, fencing: Int64, at now: Moment
  ) -> Supervision {
    // Scenarios tell decisions apart by their versions.
    let bytes: [UInt8] = [0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1]
    guard let id = Identifier(bytes: bytes) else {
      preconditionFailure("the bytes carry version 4 and the RFC's variant")
    }
    return Supervision(policy, fencing: fencing, at: now) { id }
  }

  /// Lives until all faults have ended and everything had time to settle.
  func live() {
    let ends = faults.map { $0.to < SimulatedFault.never ? $0.to : $0.from.advanced(byMs: 10_000) }
    let end = (ends.max() ?? now).advanced(byMs: 12_000)
    // A command that is under way has its ceiling to be confirmed or given up.
    let last = end.advanced(byMs: 2 * policy.switching.ceilingMs)
    while now < end || supervision.routing.isPending && now < last {
      let step = isEventful ? OutageSimulation.stepMs : OutageSimulation.restMs
      let next = now.advanced(byMs: step)
      probe(from: now, to: next)
      now = next
      takeOver()
      look()
      watch()
    }
    // Behind a line that is cut nobody can know.
    let isServed = isConfirmed && supervision.routing.current.route.needs.allSatisfy(lives)
    if isRunning, !isCut, !isServed || !hasPeople(supervision.routing.current) {
      fail(.endsOnLiveRoute)
    }
  }

  /// Whether anything begins, ends or is being found out: then every tenth of a second is lived through.
  private var isEventful: Bool {
    supervision.routing.isPending || deadSince != nil
      || faults.contains { fault in
        fault.from.ms(since: now) < 1_000 && now.ms(since: fault.from) < 2_500
          || abs(now.ms(since: fault.to)) < 1_500
          || fault.holds(at: now) && fault.isRestless
      }
  }

  private func holds(_ isMeant: (SimulatedFault.Kind) -> Bool) -> Bool {
    faults.contains { $0.holds(at: now) && isMeant($0.kind) }
  }

  private var isCut: Bool { holds { $0 == .uplinkCut } }

  /// Whether a target is truly there.
  private func lives(_ id: TargetID) -> Bool {
    !faults.contains { fault in
      guard fault.holds(at: now) else { return false }
      switch fault.kind {
      case .dead(id): return true
      case .flapping(id, let period): return now.ms(since: fault.from) / period % 2 == 0
      default: return false
      }
    }
  }

  private func isLive(_ choice: RoutingPolicy.Choice) -> Bool {
    choice.route.needs.allSatisfy(lives) && hasPeople(choice)
      && !holds { if case .actuator(choice.route.id, _) = $0 { true } else { false } }
  }

  private func hasPeople(_ choice: RoutingPolicy.Choice) -> Bool {
    choice.route.callGroups.isEmpty
      || choice.route.callGroups.contains { group in !holds { $0 == .empty(group) } }
  }

  /// Sends each way of looking a probe in every step and lets the truth answer.
  private func probe(from: Moment, to: Moment) {
    guard isRunning, !holds({ $0 == .stall }) else { return }
    let isCut = isCut
    for target in policy.targets {
      let isThere = !isCut && (target.role == .uplink || lives(target.id))
      for signal in target.signals {
        if signal.kind == .passive {
          if holds({ $0 == .flood(target.id) }) {
            for _ in 0..<8 { report(target.id, signal.kind, .sent, at: to) }
            report(target.id, signal.kind, .missed(.serverError), at: to)
          }
          continue
        }
        let rtt = numbers.number(1...40)
        report(target.id, signal.kind, .sent, at: from)
        if !isThere {
          if numbers.happens(300) { report(target.id, signal.kind, .missed(.refused), at: to) }
        } else if holds({
          if case .lossy(target.id, let loss) = $0 { numbers.happens(loss) } else { false }
        }) {
          continue
        } else if holds({ $0 == .draining(target.id) }) {
          report(target.id, signal.kind, .drain(forMs: 2_000), at: from.advanced(byMs: rtt))
        } else {
          report(
            target.id, signal.kind, .alive(roundTripMs: rtt), at: from.advanced(byMs: rtt))
        }
      }
    }
    for group in groups {
      supervision.count(holds { $0 == .empty(group) } ? 0 : 2, of: group)
    }
  }

  private func report(
    _ target: TargetID, _ signal: SignalKind, _ result: ProbeObservation.Result, at time: Moment
  ) {
    let observation = ProbeObservation(target: target, signal: signal, result: result, at: time)
    if let told = sabotage.observation(observation, isCut) {
      supervision.observe(told)
      double?.observe(told)
    }
  }

  /// The supervisor dies; when the fault ends another has the lease, with a higher number.
  private func takeOver() {
    let isDead = holds { $0 == .takeover }
    if isDead { isRunning = false }
    guard !isDead, !isRunning else { return }
    isRunning = true
    let time = Timestamp(milliseconds: Self.epochMs + now.milliseconds)
    let remembered = supervision.remembered(at: now, time: time, unrecordedSinceMs: nil)
    supervision = Self.supervision(policy, fencing: supervision.routing.fencing + 1, at: now)
    // One in three finds no state: another machine.
    if !numbers.happens(333) { supervision.restore(remembered, at: now, time: time) }
    answers = []
  }

  private func look() {
    guard isRunning, !holds({ $0 == .stall }) else { return }
    outcome.looks += 1
    for answer in answers where answer.at <= now {
      if answer.isConfirmed {
        isConfirmed = isConfirmed || answer.version == active?.version
        supervision.confirmed(version: answer.version)
      } else {
        supervision.failed(version: answer.version)
      }
    }
    answers.removeAll { $0.at <= now }
    for canary in canaries where canary.at <= now {
      let succeeded = policy.choice(canary.route).map(isLive) ?? false
      supervision.canaryEnded(on: canary.route, succeeded: succeeded, at: now)
    }
    canaries.removeAll { $0.at <= now }
    supervision.activeCalls = numbers.happens(700) ? 0 : 3
    let time = Timestamp(milliseconds: Self.epochMs + now.milliseconds)
    var actions = supervision.look(at: now, time: time)
    actions += double?.look(at: now, time: time) ?? []
    for action in actions {
      switch action {
      case .command(let decision): obey(decision)
      case .callCanary(let route):
        canaries.append((now.advanced(byMs: numbers.number(100...800)), route))
      case .tell: break
      }
    }
    sabotage.afterLook(&supervision)
  }

  private func obey(_ decision: Decision) {
    let plan = decision.plan
    if let active, !plan.supersedes(active) { fail(.oneActiveRoute) }
    let isChange = active.map { $0.route.id != plan.route.id } ?? false
    let places = policy.choices.map(\.route.id)
    if isChange, decision.cause != .started {
      outcome.switches += 1
      let isRise =
        (places.firstIndex(of: plan.route.id) ?? 0)
        < (places.firstIndex(of: decision.fromRoute) ?? 0)
      changes.append((now, isRise))
      judge(decision, isRise: isRise)
    }
    active = plan
    isConfirmed = false
    answers.removeAll()
    let isDead = holds {
      if case .actuator(plan.route.id, _) = $0 { true } else { false }
    }
    let isSilent = holds { $0 == .actuator(plan.route.id, isSilent: true) }
    if !isSilent {
      answers.append((now.advanced(byMs: numbers.number(2...900)), plan.version, !isDead))
    }
  }

  private func judge(_ decision: Decision, isRise: Bool) {
    let window = policy.switching.flapWindowMs
    let recent = changes.filter { now.ms(since: $0.at) < window }
    if recent.count > policy.switching.flapLimit + policy.choices.count {
      fail(.noFlapBeyondBudget)
    }
    if let choice = policy.choice(decision.plan.route.id), !hasPeople(choice),
      faults.contains(where: { fault in
        if case .empty = fault.kind {
          fault.holds(at: now) && now.ms(since: fault.from) > 3_000
        } else {
          false
        }
      })
    {
      fail(.nobodyIsNotARoute)
    }
    switch decision.cause {
    case .aiFailed, .pbxLost, .trunkLost, .backupLost, .everythingLost:
      // Nothing was wrong in the last seconds but the line, or but what somebody reports.
      let recently = faults.filter {
        $0.from <= now && now.ms(since: $0.to) < 4_000
      }.map(\.kind)
      if !recently.isEmpty, recently.allSatisfy({ $0 == .uplinkCut }) { fail(.noSwitchOnPanic) }
      if !recently.isEmpty,
        recently.allSatisfy({ if case .flood = $0 { true } else { false } })
      {
        fail(.noSwitchOnHearsay)
      }
    default: break
    }
  }

  /// Watches for how long calls go a dead way although the supervisor could know.
  private func watch() {
    let isExcused =
      !isRunning || isCut || holds { $0 == .stall } || supervision.routing.isPending
    let isDead =
      active?.route.needs.contains { need in holds { $0 == .dead(need) } } ?? false
    guard isDead, !isExcused else {
      deadSince = nil
      return
    }
    let since = deadSince ?? now
    deadSince = since
    outcome.worstDeadMs = max(outcome.worstDeadMs, now.ms(since: since))
    // Something that flaps is rightly believed late: the bound is for what stays dead.
    if now.ms(since: since) > OutageSimulation.leaveBoundMs { fail(.leavesDeadRoute) }
  }

  private func fail(_ promise: BrokenPromise.Promise) {
    guard !outcome.broken.contains(where: { $0.promise == promise }) else { return }
    outcome.broken.append(BrokenPromise(seed: seed, promise: promise, at: now))
  }
}

extension SimulatedFault {
  /// Whether it changes what is seen all the time that it lasts.
  fileprivate var isRestless: Bool {
    switch kind {
    case .flapping, .lossy: true
    default: false
    }
  }
}
