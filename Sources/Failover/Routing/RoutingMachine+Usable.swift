import Encoding

extension RoutingMachine {
  /// Why the way that calls go now cannot go on.
  struct Trouble: Sendable {
    let cause: Cause
    /// Targets that led to it.
    let targets: [TargetMachine]
    /// When it was believed.
    let since: Moment
    /// Whether only drains and what others report speak for it: no reason to spend money.
    let isSoft: Bool

    /// Whether calls on that way reach nobody, for a reason that is no matter of hours or staff.
    var isDeath: Bool {
      switch cause {
      case .schedule, .nobodyThere, .drained: false
      default: true
      }
    }
  }

  /// Whether calls could go this way now.
  ///
  /// Everything it needs must be alive: not merely not known to be dead.
  func isUsable(_ index: Int, _ situation: Situation) -> Bool {
    if let until = failedUntil[index], situation.now < until { return false }
    for need in needs[index] where situation.beliefs[need].belief != .alive { return false }
    return fits(policy.choices[index], situation) && isStaffed(policy.choices[index], situation)
  }

  func fits(_ choice: RoutingPolicy.Choice, _ situation: Situation) -> Bool {
    switch choice.hours {
    case .always: true
    case .businessHours: policy.hours.isOpen(at: situation.time)
    case .afterHours: !policy.hours.isOpen(at: situation.time)
    }
  }

  /// Whether a human could answer; a route without groups has a machine or a place outside that always does.
  ///
  /// Outside business hours nobody is expected at a desk, so groups are not asked: a route for that time names
  /// people on call.
  func isStaffed(_ choice: RoutingPolicy.Choice, _ situation: Situation) -> Bool {
    guard !choice.route.callGroups.isEmpty, policy.hours.isOpen(at: situation.time) else {
      return true
    }
    return choice.route.callGroups.contains { group in
      guard situation.members[group] == 0 else { return true }
      // One that had people counts as empty only when it has been for a while: people change shifts.
      guard seenStaffed.contains(group) else { return false }
      guard let since = emptySince[group] else { return true }
      return situation.now.ms(since: since) < policy.switching.emptyMs
    }
  }

  /// A group without anybody in business hours is told once, until somebody is there again.
  mutating func watchGroups(_ situation: Situation, _ actions: inout [Action]) {
    guard !situation.members.isEmpty else { return }
    let isOpen = policy.hours.isOpen(at: situation.time)
    for group in policy.groups.keys.sorted() {
      if let members = situation.members[group], members > 0 { seenStaffed.insert(group) }
      guard isOpen, situation.members[group] == 0 else {
        emptySince[group] = nil
        mend("group \(group)")
        continue
      }
      let since = emptySince[group] ?? situation.now
      emptySince[group] = since
      if situation.now.ms(since: since) >= policy.switching.emptyMs {
        tell("group \(group)", .callGroupEmpty, .urgent, subject: "\(group)", &actions)
      }
    }
  }

  func trouble(_ situation: Situation) -> Trouble? {
    let now = situation.now
    if hasFailed {
      return Trouble(cause: .actuatorFailed, targets: [], since: now, isSoft: false)
    }
    let needs = needs[place]
    var down: [TargetMachine] = []
    for need in needs where situation.beliefs[need].isSilent {
      down.append(situation.beliefs[need])
    }
    if !down.isEmpty {
      let voices = Set(down.flatMap(\.downVoices))
      return Trouble(
        cause: cause(of: down, situation), targets: down,
        since: down.map { $0.silenceBelieved ?? $0.since }.max() ?? now,
        isSoft: voices.isSubset(of: [.passive]))
    }
    var draining: [TargetMachine] = []
    for need in needs where situation.beliefs[need].belief == .draining {
      draining.append(situation.beliefs[need])
    }
    if !draining.isEmpty {
      return Trouble(
        cause: .drained, targets: draining, since: draining.map(\.since).max() ?? now,
        isSoft: true)
    }
    if !fits(current, situation) {
      return Trouble(cause: .schedule, targets: [], since: now, isSoft: false)
    }
    if !isStaffed(current, situation) {
      return Trouble(cause: .nobodyThere, targets: [], since: now, isSoft: false)
    }
    return nil
  }

  /// The worst that happened: everything, the phone system, its line, the backup, the AI engine.
  private func cause(of down: [TargetMachine], _ situation: Situation) -> Cause {
    if isPanic(situation) { return .everythingLost }
    let roles = Set(down.map(\.target.role))
    if roles.contains(.pbx) { return .pbxLost }
    if roles.contains(.trunk) { return .trunkLost }
    if roles.contains(.twilio) { return .backupLost }
    return .aiFailed
  }

  /// Everything of ours seems dead at once, which is more often the fault of who looks.
  func isPanic(_ situation: Situation) -> Bool {
    let ours = situation.beliefs.filter { $0.target.role != .uplink }
    return ours.count > 1 && ours.allSatisfy { $0.belief == .down }
  }

  /// Tells people something, unless they were told and it has not ended since.
  mutating func tell(
    _ key: String, _ event: Notice.Event, _ urgency: Urgency, subject: String? = nil,
    _ actions: inout [Action]
  ) {
    if told.insert(key).inserted { actions.append(.tell(event, urgency, subject: subject)) }
  }

  /// It has ended: people are told again when it comes back.
  mutating func mend(_ key: String) { told.remove(key) }
}
