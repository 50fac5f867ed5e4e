import Encoding

extension RoutingMachine {
  /// The first command: what was held before, or the way that the policy prefers.
  mutating func begin(_ situation: Situation, _ actions: inout [Action]) {
    // What is not known yet is no reason to start elsewhere; hours and people are known at once.
    let first = policy.choices.firstIndex { fits($0, situation) && isStaffed($0, situation) }
    let start = fits(current, situation) ? place : first ?? policy.choices.count - 1
    command(start, because: .started, trouble: nil, proved: nil, situation, &actions)
  }

  /// A command that was not confirmed: given up at the ceiling, told to people when the outage is older.
  mutating func watchCommand(_ situation: Situation, _ actions: inout [Action]) {
    guard var command = pending else { return }
    let switching = policy.switching
    if situation.now.ms(since: command.since) >= switching.ceilingMs { hasFailed = true }
    if !command.isPaged, situation.now.ms(since: command.outageSince) >= switching.pageMs {
      command.isPaged = true
      actions.append(.tell(.ceilingPassed, .critical, subject: "\(current.route.id)"))
    }
    pending = command
  }

  /// Keeps to what an operator set.
  ///
  /// - Returns: false when it has ended.
  mutating func obey(
    _ override: Override, _ situation: Situation, _ actions: inout [Action]
  ) -> Bool {
    guard let choice = policy.choices.firstIndex(where: { $0.route.id == override.route }) else {
      self.override = nil
      return false
    }
    if situation.now >= override.until {
      self.override = nil
      state = current.state
      return false
    }
    if state != .manual || choice != place {
      command(
        choice, because: .operatorDecided, trouble: nil, proved: nil, situation, &actions,
        as: .manual)
    } else if let trouble = trouble(situation), trouble.isDeath {
      // A way that an operator chose and that is dead now serves nobody, unless that was the wish.
      if override.isStrict {
        tell("strict", .noRoute, .critical, subject: "\(override.route)", &actions)
        retryIfFailed(situation, &actions)
      } else {
        self.override = nil
        state = current.state
        return false
      }
    } else {
      mend("strict")
    }
    renew(situation)
    return true
  }

  /// Leaves a way that cannot go on.
  mutating func leave(
    because trouble: Trouble, _ situation: Situation, _ actions: inout [Action]
  ) {
    if trouble.cause == .actuatorFailed {
      failedUntil[place] = situation.now.advanced(byMs: policy.switching.retryMs)
    }
    let isScheduled = trouble.cause == .schedule
    // For the better only with what is left of the budget; a schedule is no flapping.
    let mayRise = isScheduled || budget.hasRoomForReturn(at: situation.now)
    let next = policy.choices.indices.first { index in
      index != place && (index > place || mayRise) && isUsable(index, situation)
        && !(trouble.isSoft && policy.choices[index].route.isPaid)
    }
    guard let next else {
      tell("no-route", .noRoute, .critical, subject: "\(current.route.id)", &actions)
      retryIfFailed(situation, &actions)
      return
    }
    mend("no-route")
    if let proof = proof(for: next, trouble, situation) {
      mend("uplink")
      command(
        next, because: trouble.cause, trouble: trouble, proved: proof, situation, &actions)
      return
    }
    if situation.uplinkIsDown { tell("uplink", .uplinkSuspected, .critical, &actions) }
    if situation.now.ms(since: troubleSince ?? trouble.since) >= policy.switching.pageMs {
      tell("late", .ceilingPassed, .critical, subject: "\(current.route.id)", &actions)
    }
  }

  /// When something proved that it is the targets that are silent and not we who are deaf: a probe that left after the
  /// trouble was believed, and was answered.
  ///
  /// To stay within the phone system, by all that the way needs there; to leave it, by a place in the internet,
  /// because the backup's own probes may be slow. What rests on nothing that we heard needs no proof.
  private mutating func proof(
    for choice: Int, _ trouble: Trouble, _ situation: Situation
  ) -> Moment? {
    guard !trouble.targets.isEmpty else { return situation.now }
    let proved: Moment?
    if policy.choices[choice].route.provider == .threeCX, !needs[choice].isEmpty {
      let proofs = needs[choice].map { situation.beliefs[$0].provedAt }
      proved = proofs.contains(nil) ? nil : proofs.compactMap(\.self).min()
    } else {
      proved = situation.uplinkProved
    }
    guard let proved, proved >= trouble.since else { return nil }
    let first = provedSince ?? proved
    provedSince = first
    let settleMs = trouble.targets.map(\.settleMs).max() ?? 0
    return situation.now.ms(since: first) >= settleMs ? proved : nil
  }

  /// Commands once more what is not confirmed, when there is no other way.
  private mutating func retryIfFailed(_ situation: Situation, _ actions: inout [Action]) {
    guard hasFailed, let since = pending?.since,
      situation.now.ms(since: since) >= policy.switching.ceilingMs
    else { return }
    command(
      place, because: .actuatorFailed, trouble: nil, proved: nil, situation, &actions,
      as: state)
  }

  /// Goes back to a better way, when it has proved itself.
  mutating func improve(_ situation: Situation, _ actions: inout [Action]) {
    let now = situation.now
    if state == .manual { state = current.state }
    guard let index = usableSince[..<place].firstIndex(where: { $0 != nil }),
      let since = usableSince[index]
    else { return stay() }
    let better = policy.choices[index]
    // The same state by another hour of the day: no outage, so nothing to prove.
    if cause == .schedule, better.state == current.state {
      command(index, because: .schedule, trouble: nil, proved: nil, situation, &actions)
      return
    }
    let isHeld = changedAt.map { now.ms(since: $0) < policy.switching.holdDownMs } ?? false
    guard !isHeld, pending == nil, now.ms(since: since) >= policy.failback.dwellMs else {
      return stay()
    }
    guard budget.allowsReturn(at: now) else {
      tell("latched", .latched, .critical, subject: "\(current.route.id)", &actions)
      return stay()
    }
    state = .failbackPending
    switch failback.step(to: better.route.id, activeCalls: situation.activeCalls, at: now) {
    case .wait: break
    case .canary: actions.append(.callCanary(better.route.id))
    case .ready:
      tell("ready", .failbackReady, .normal, subject: "\(better.route.id)", &actions)
    case .go:
      command(index, because: .recovered, trouble: nil, proved: nil, situation, &actions)
    }
  }

  private mutating func stay() {
    failback.reset()
    mend("ready")
    if state == .failbackPending { state = current.state }
  }

  /// Makes the next plan and says so.
  mutating func command(
    _ index: Int, because cause: Cause, trouble: Trouble?, proved: Moment?,
    _ situation: Situation, _ actions: inout [Action], as state: RoutingState? = nil
  ) {
    let now = situation.now
    let choice = policy.choices[index]
    let isSame = index == place
    let from = (self.state, current.route.id)
    version += 1
    self.state = state ?? choice.state
    place = index
    let plan = RoutePlan(
      version: version, fencing: fencing, state: self.state, route: choice.route,
      expires: now.advanced(byMs: policy.switching.planMs),
      decidedAtMs: situation.time.milliseconds, usesAI: choice.usesAI)
    self.plan = plan
    let onset = trouble?.targets.compactMap(\.onset).max()
    pending = Command(
      since: now, outageSince: pending?.outageSince ?? onset ?? now,
      isPaged: pending?.isPaged ?? false)
    hasFailed = false
    self.cause = cause
    provedSince = nil
    if !isSame {
      changedAt = now
      if cause != .schedule, cause != .started, cause != .operatorDecided {
        budget.spend(at: now)
      }
      failback.reset()
      mend("ready")
    }
    let decision = Decision(
      id: makeID(), at: now, time: situation.time, cause: cause, fromState: from.0,
      fromRoute: from.1, plan: plan, detectMs: onset.map { now.ms(since: $0) },
      uplinkProvedMs: proved.map { now.ms(since: $0) },
      evidence: situation.beliefs.map { Evidence($0, at: now) })
    actions.append(.command(decision))
    if !isSame || cause == .actuatorFailed {
      actions.append(
        .tell(.routeChanged, urgency(of: cause), subject: "\(choice.route.id)"))
    }
  }

  /// Lets the plan hold for longer; it is still the same plan.
  mutating func renew(_ situation: Situation) {
    guard let plan, plan.expires.ms(since: situation.now) < policy.switching.planMs / 2 else {
      return
    }
    self.plan = RoutePlan(
      version: plan.version, fencing: plan.fencing, state: plan.state, route: plan.route,
      expires: situation.now.advanced(byMs: policy.switching.planMs),
      decidedAtMs: plan.decidedAtMs, usesAI: plan.usesAI)
  }

  private func urgency(of cause: Cause) -> Urgency {
    switch cause {
    case .schedule, .started: .normal
    case .recovered, .operatorDecided, .aiFailed, .drained, .nobodyThere: .urgent
    case .pbxLost, .trunkLost, .backupLost, .everythingLost, .actuatorFailed: .critical
    }
  }
}
