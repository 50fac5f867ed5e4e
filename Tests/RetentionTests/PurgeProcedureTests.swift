import Cryptography
import Encoding
import Retention
import Testing

/// From plan to done, each step only from the one before it.
@Suite struct PurgeProcedureTests {
  let schedule: RetentionSchedule
  let plan: PurgePlan

  init() throws {
    schedule = try Policies.policy(rules: [Policies.rule(keep: "7y")])
    plan = try PurgePlanTests.plan(
      (1...3).map { try PurgePlanTests.candidate($0, served: "2020-01-01") }, schedule: schedule
    ).plan
  }

  func judgement(_ text: String) throws -> Judgement {
    let time = try time(text)
    let outside = OutsideTime(
      kind: .authority, name: "tsa", digest: plan.hash, time: time, received: time)
    let verdict = ClockGuard.judge(plan: plan.hash, outside: [outside], typed: [], clock: time)
    return try #require(verdict.judgement)
  }

  func approved(beyondCaps: Bool = false) throws -> PurgeProcedure {
    var procedure = PurgeProcedure(plan: plan)
    for person in 1...2 {
      try procedure.approve(
        approval(of: .plan(plan.hash), by: person, beyondCaps: beyondCaps), under: schedule.purge)
    }
    return procedure
  }

  func inGrace(beyondCaps: Bool = false) throws -> PurgeProcedure {
    var procedure = try approved(beyondCaps: beyondCaps)
    try procedure.startGrace(judgement("2033-12-02T12:00:00Z"))
    return procedure
  }

  func begin(
    _ procedure: inout PurgeProcedure, at text: String = "2033-12-16T12:00:00Z",
    standing: PolicyStanding = .inForce, schedule: RetentionSchedule? = nil,
    caps: PurgeCaps.Verdict = .within
  ) throws {
    try procedure.begin(
      judgement(text), standing: standing, schedule: schedule ?? self.schedule, caps: caps)
  }

  @Test func aPlanGoesItsWay() throws {
    var procedure = PurgeProcedure(plan: plan)
    #expect(procedure.stage == .planned)
    try procedure.approve(approval(of: .plan(plan.hash), by: 1), under: schedule.purge)
    #expect(procedure.stage == .planned)
    try procedure.approve(approval(of: .plan(plan.hash), by: 2), under: schedule.purge)
    #expect(procedure.stage == .approved)
    try procedure.startGrace(judgement("2033-12-02T12:00:00Z"))
    #expect(procedure.stage == .inGrace)
    #expect(procedure.graceEnd(under: schedule.purge) == (try time("2033-12-16T12:00:00Z")))
    try begin(&procedure)
    try procedure.notePurged()
    try procedure.noteSkipped(.held)
    #expect(procedure.remaining == 1)
    #expect(throws: RetentionError.self) { try procedure.finish() }
    try procedure.notePurged()
    #expect(throws: RetentionError.self) { try procedure.notePurged() }
    try procedure.finish()
    #expect(procedure.stage == .done)
    #expect((procedure.purged, procedure.skipped) == (2, [.held: 1]))
  }

  @Test func onePersonIsNotTwo() throws {
    var procedure = PurgeProcedure(plan: plan)
    try procedure.approve(approval(of: .plan(plan.hash), by: 1), under: schedule.purge)
    for wrong in [
      approval(of: .plan(plan.hash), by: 1), approval(of: .policy(plan.hash), by: 2),
      approval(of: .plan(SHA256.hash([])), by: 2),
      approval(of: .plan(plan.hash), by: 2, as: .administrator),
    ] {
      #expect(throws: RetentionError.self) { try procedure.approve(wrong, under: schedule.purge) }
    }
    #expect(procedure.stage == .planned)
    #expect(procedure.approvals.count == 1)
  }

  @Test func aPlanOfADayThatHasNotComeWaits() throws {
    var procedure = try approved()
    let early = try judgement("2033-11-30T11:00:00Z")
    #expect(throws: RetentionError.self) { try procedure.startGrace(early) }
    #expect(procedure.stage == .approved)
  }

  @Test func graceIsWholeByOutsideTime() throws {
    var procedure = try inGrace()
    #expect(throws: RetentionError.self) {
      try begin(&procedure, at: "2033-12-16T11:59:59.999Z")
    }
    #expect(procedure.stage == .inGrace)
    try begin(&procedure, at: "2033-12-16T12:00:00Z")
  }

  @Test func typedDaysAreTakenAtTheirWorst() throws {
    func typed(_ text: String) throws -> Judgement {
      let clock = try time("\(text)T12:00:00Z")
      return try #require(
        ClockGuard.judge(plan: plan.hash, outside: [], typed: [day(text), day(text)], clock: clock)
          .judgement)
    }
    var procedure = try approved()
    try procedure.startGrace(typed("2033-12-02"))
    for (text, begins) in [("2033-12-18", false), ("2033-12-19", true)] {
      let now = try typed(text)
      let error = { () -> RetentionError? in
        do throws(RetentionError) {
          try procedure.begin(now, standing: .inForce, schedule: schedule, caps: .within)
          return nil
        } catch { return error }
      }()
      #expect((error == nil) == begins, "\(text): \(String(describing: error))")
    }
  }

  @Test func whatIsBeyondTheCapsNeedsBothToSaySo() throws {
    var procedure = try inGrace()
    #expect(throws: RetentionError.self) { try begin(&procedure, caps: .beyond(allowed: 2)) }
    #expect(procedure.stage == .inGrace)
    var allowed = try inGrace(beyondCaps: true)
    try begin(&allowed, caps: .beyond(allowed: 2))
    var halfway = PurgeProcedure(plan: plan)
    try halfway.approve(
      approval(of: .plan(plan.hash), by: 1, beyondCaps: true), under: schedule.purge)
    try halfway.approve(approval(of: .plan(plan.hash), by: 2), under: schedule.purge)
    try halfway.startGrace(judgement("2033-12-02T12:00:00Z"))
    #expect(throws: RetentionError.self) { try begin(&halfway, caps: .beyond(allowed: 2)) }
  }

  @Test func anotherPolicyEndsThePlan() throws {
    let other = try Policies.policy(rules: [Policies.rule(keep: "8y")])
    var procedure = try inGrace()
    #expect(throws: RetentionError.self) {
      try begin(&procedure, standing: .awaitsApproval(nil), schedule: other)
    }
    #expect(procedure.stage == .inGrace)
    #expect(throws: RetentionError.self) { try begin(&procedure, schedule: other) }
    #expect(procedure.stage == .void)
    var running = try inGrace()
    try begin(&running)
    try running.notePurged()
    #expect(throws: RetentionError.self) { try begin(&running, schedule: other) }
    #expect(running.stage == .void)
    #expect(running.purged == 1)
  }

  @Test func aPlanIsTakenBackUntilItIsDone() throws {
    for var procedure in [PurgeProcedure(plan: plan), try approved(), try inGrace()] {
      try procedure.withdraw()
      #expect(procedure.stage == .void)
      #expect(throws: RetentionError.self) { try procedure.withdraw() }
      #expect(throws: RetentionError.self) { try begin(&procedure) }
      #expect(throws: RetentionError.self) { try procedure.notePurged() }
    }
  }

  @Test func everyStageComesBackAsItWas() throws {
    var running = try inGrace()
    try begin(&running)
    try running.noteSkipped(.changed)
    for procedure in [PurgeProcedure(plan: plan), try approved(), try inGrace(), running] {
      #expect(
        try PurgeProcedure(
          restoring: plan, approvals: procedure.approvals, graceSince: procedure.graceSince,
          stage: procedure.stage, purged: procedure.purged, skipped: procedure.skipped) == procedure
      )
    }
  }

  @Test func aStageThatCannotBeIsRefused() throws {
    let pair = try approved().approvals
    let one = Array(pair.prefix(1))
    let since = try time("2033-12-02T12:00:00Z")
    func restore(
      _ stage: PurgeProcedure.Stage, _ approvals: [Approval], _ since: Timestamp?, _ purged: Int
    ) throws {
      _ = try PurgeProcedure(
        restoring: plan, approvals: approvals, graceSince: since, stage: stage, purged: purged,
        skipped: [:])
    }
    #expect(throws: RetentionError.self) { try restore(.approved, one, nil, 0) }
    #expect(throws: RetentionError.self) { try restore(.running, one, since, 0) }
    #expect(throws: RetentionError.self) { try restore(.running, pair, nil, 0) }
    #expect(throws: RetentionError.self) { try restore(.running, pair, since, 4) }
    #expect(throws: RetentionError.self) { try restore(.running, [one[0], one[0]], since, 0) }
    #expect(throws: RetentionError.self) { try restore(.done, pair, since, 2) }
    #expect(throws: RetentionError.self) { try restore(.planned, pair, nil, 0) }
    #expect(throws: RetentionError.self) { try restore(.inGrace, pair, since, 1) }
    try restore(.done, pair, since, 3)
  }
}

@Suite struct RetentionSimulationTests {
  @Test func aProposedPolicyIsCountedBeforeItIsAdopted() throws {
    let current = try Policies.policy(
      rules: [Policies.rule(keep: "7y")], others: ["d": [Policies.rule(keep: "2y")]])
    let proposed = try Policies.policy(
      rules: [Policies.rule(keep: "5y")],
      others: ["d": [Policies.rule(keep: "3y"), Policies.rule("m", after: "majority", keep: "7y")]])
    var simulation = RetentionSimulation(from: current, to: proposed, on: try day("2033-12-01"))
    // Under both; newly, free and held; not yet.
    simulation.add(try served("2020-01-01"), isHeld: false, recordings: 1)
    simulation.add(try served("2028-01-01"), isHeld: false, recordings: 4)
    simulation.add(try served("2028-06-01"), isHeld: true, recordings: 2)
    simulation.add(try served("2033-01-01"), isHeld: false, recordings: 1)
    var other = try served("2020-01-01")
    other.classes = ["d"]
    simulation.add(other, isHeld: false, recordings: 1)
    other.patient = .ofAge
    simulation.add(other, isHeld: false, recordings: 1)
    simulation.add(RetentionFacts(), isHeld: false, recordings: 1)
    let total = simulation.total
    #expect((total.calls, total.same, total.sooner, total.later) == (7, 1, 4, 1))
    #expect((total.unlimited, total.limited) == (1, 0))
    #expect((total.destroyableNow, total.destroyableThen) == (3, 4))
    #expect(
      (total.newlyDestroyable, total.destroyableButHeld, total.recordingsAtStake) == (2, 1, 4))
    #expect(simulation.byClass["c"]?.calls == 5)
    #expect(simulation.byClass["d"]?.later == 1)
    #expect(simulation.object["total"]?.object?["recordings_at_stake"] == 4)
  }
}
