import Encoding
import Failover
import Testing

/// Which way calls go, and what must be proved before that changes.
@Suite struct RoutingMachineTests {
  private func living(
    _ policy: String? = nil, at time: String = "2026-11-25T10:00:00-05:00"
  ) throws -> Rehearsal {
    var rehearsal = Rehearsal(try PolicyFiles.policy(policy), at: time)
    rehearsal.run(ms: 3_000)
    #expect(rehearsal.route == "ai-first")
    #expect(rehearsal.decisions.map(\.cause) == [.started])
    return rehearsal
  }

  @Test(arguments: [
    (["ai"], "desk", RoutingState.humansOnly, Cause.aiFailed),
    (["pbx"], "twilio-desk", .twilioBackup, .pbxLost),
    (["pbx", "ai"], "twilio-desk", .twilioBackup, .pbxLost),
    (["pbx", "twilio"], "pstn", .emergencyPSTN, .pbxLost),
  ])
  func whatFailsDecidesTheWay(
    dead: [String], route: String, state: RoutingState, cause: Cause
  ) throws {
    var rehearsal = try living()
    // A backup that is dead was so before: else the first of two changes would go there.
    rehearsal.dead = Set(dead.filter { $0 == "twilio" })
    rehearsal.run(ms: 10_000)
    rehearsal.dead = Set(dead)
    let next = rehearsal.untilDecision(withinMs: 5_000)
    let (decision, tookMs) = try #require(next)
    #expect(rehearsal.route == route)
    #expect(decision.plan.state == state)
    #expect(decision.cause == cause)
    #expect(decision.fromRoute.description == "ai-first")
    #expect(!decision.plan.usesAI)
    #expect(tookMs <= 1_600, "\(tookMs) ms")
    #expect(decision.plan.fencing == 7)
    let evidence = try #require(decision.evidence.first { dead.contains($0.target.description) })
    #expect(evidence.belief == .down)
    #expect(evidence.signals.contains { $0.belief == .down && ($0.silentMs ?? 0) >= 600 })
    rehearsal.run(ms: 20_000)
    #expect(rehearsal.decisions.count == 2, "one change for one outage")
  }

  @Test func everythingAtOnceIsBelievedWhenTheLineIsProved() throws {
    var rehearsal = try living()
    rehearsal.dead = ["pbx", "ai", "twilio"]
    rehearsal.run(ms: 10_000)
    #expect(rehearsal.route == "pstn")
    #expect(rehearsal.decisions.contains { $0.cause == .everythingLost })
    #expect(!rehearsal.told.contains(.uplinkSuspected))
  }

  @Test func everythingAtOnceWithTheLineIsOurFault() throws {
    var rehearsal = try living()
    rehearsal.isCut = true
    rehearsal.run(ms: 60_000)
    #expect(rehearsal.decisions.count == 1, "\(rehearsal.decisions.map(\.cause))")
    #expect(rehearsal.told.filter { $0 == .uplinkSuspected }.count == 1)
    #expect(rehearsal.told.contains(.ceilingPassed))
    rehearsal.isCut = false
    rehearsal.run(ms: 60_000)
    #expect(rehearsal.decisions.count == 1)
    #expect(rehearsal.route == "ai-first")
  }

  @Test func atNightTheCallsGoToWhoIsOnCall() throws {
    var rehearsal = try living(at: "2026-11-25T22:00:00-05:00")
    rehearsal.dead = ["ai"]
    rehearsal.run(ms: 3_000)
    #expect(rehearsal.route == "on-call")
    #expect(rehearsal.state == .humansOnly)
  }

  @Test func theHoursOfARouteEndWithoutAnOutage() throws {
    var rehearsal = try living(at: "2026-11-25T16:59:30-05:00")
    rehearsal.dead = ["ai"]
    rehearsal.run(ms: 3_000)
    #expect(rehearsal.route == "desk")
    rehearsal.run(ms: 40_000)
    #expect(rehearsal.route == "on-call")
    #expect(rehearsal.decisions.last?.cause == .schedule)
  }

  @Test func nobodyIsToldOnceAndIsNoRoute() throws {
    var rehearsal = try living()
    let policy = rehearsal.supervision.policy
    for group in policy.groups.keys { rehearsal.supervision.count(0, of: group) }
    rehearsal.run(ms: 90_000)
    #expect(rehearsal.told.filter { $0 == .callGroupEmpty }.count == 2, "once for each group")
    rehearsal.dead = ["ai"]
    rehearsal.run(ms: 3_000)
    #expect(rehearsal.route == "twilio-desk", "there is no human at the desk")
    for group in policy.groups.keys { rehearsal.supervision.count(2, of: group) }
    rehearsal.supervision.activeCalls = 0
    rehearsal.run(ms: 300_000)
    #expect(rehearsal.route == "desk")
  }

  @Test func outsideBusinessHoursAnEmptyGroupIsNoAlarm() throws {
    var rehearsal = try living(at: "2026-11-28T10:00:00-05:00")
    for group in rehearsal.supervision.policy.groups.keys {
      rehearsal.supervision.count(0, of: group)
    }
    rehearsal.run(ms: 90_000)
    #expect(!rehearsal.told.contains(.callGroupEmpty))
  }

  @Test func itGoesBackAfterTheDwellWhenNoCallIsOnTheBackup() throws {
    var rehearsal = try living()
    rehearsal.dead = ["pbx"]
    rehearsal.run(ms: 3_000)
    #expect(rehearsal.state == .twilioBackup)
    rehearsal.supervision.activeCalls = 2
    rehearsal.dead = []
    rehearsal.run(ms: 125_000)
    #expect(rehearsal.state == .twilioBackup, "it has lived for 115 s after its own dwell")
    rehearsal.run(ms: 15_000)
    #expect(rehearsal.state == .failbackPending)
    #expect(rehearsal.route == "twilio-desk", "calls still go the backup's way")
    rehearsal.run(ms: 60_000)
    #expect(rehearsal.state == .failbackPending, "two calls are on it")
    rehearsal.supervision.activeCalls = 0
    let next = rehearsal.untilDecision(withinMs: 10_000)
    let (decision, tookMs) = try #require(next)
    #expect(decision.cause == .recovered)
    #expect((5_000...5_200).contains(tookMs), "idle for as long as the policy says")
    #expect(rehearsal.route == "ai-first")
  }

  @Test func itGoesBackAtTheLatestWhenThePolicySays() throws {
    var rehearsal = try living()
    rehearsal.dead = ["pbx"]
    rehearsal.run(ms: 3_000)
    rehearsal.dead = []
    rehearsal.supervision.activeCalls = 5
    rehearsal.run(ms: 1_930_000)
    #expect(rehearsal.route == "twilio-desk")
    rehearsal.run(ms: 20_000)
    #expect(rehearsal.route == "ai-first")
  }

  @Test func testCallsMustSucceedBeforeItGoesBack() throws {
    var rehearsal = try living(
      PolicyFiles.changed(
        "when: idle, dwell_ms: 120000, canaries: 0", "when: recovered, dwell_ms: 10000, canaries: 2"
      ))
    rehearsal.dead = ["pbx"]
    rehearsal.run(ms: 3_000)
    rehearsal.dead = []
    rehearsal.run(ms: 25_000)
    #expect(rehearsal.canaries.map(\.description) == ["ai-first"], "one at a time")
    let route = rehearsal.canaries[0]
    rehearsal.supervision.canaryEnded(on: route, succeeded: true, at: rehearsal.now)
    rehearsal.run(ms: 100)
    #expect(rehearsal.canaries.count == 2)
    rehearsal.supervision.canaryEnded(on: route, succeeded: false, at: rehearsal.now)
    rehearsal.run(ms: 9_000)
    #expect(rehearsal.canaries.count == 2, "it rests after a failure")
    rehearsal.run(ms: 2_000)
    for _ in 0..<2 {
      #expect(rehearsal.route == "twilio-desk")
      rehearsal.supervision.canaryEnded(on: route, succeeded: true, at: rehearsal.now)
      rehearsal.run(ms: 100)
    }
    #expect(rehearsal.route == "ai-first")
  }

  @Test func aPersonMayHaveToSaySo() throws {
    var rehearsal = try living(PolicyFiles.changed("when: idle", "when: manual"))
    rehearsal.dead = ["pbx"]
    rehearsal.run(ms: 3_000)
    rehearsal.dead = []
    rehearsal.run(ms: 3_600_000)
    #expect(rehearsal.state == .failbackPending)
    #expect(rehearsal.told.filter { $0 == .failbackReady }.count == 1)
    rehearsal.supervision.approveFailback()
    rehearsal.run(ms: 100)
    #expect(rehearsal.route == "ai-first")
  }

  @Test func aPersonNeedNotWaitForTestCalls() throws {
    var rehearsal = try living(PolicyFiles.changed("canaries: 0", "canaries: 2"))
    rehearsal.dead = ["pbx"]
    rehearsal.run(ms: 3_000)
    rehearsal.dead = []
    rehearsal.run(ms: 150_000)
    #expect(rehearsal.state == .failbackPending)
    #expect(rehearsal.route == "twilio-desk")
    rehearsal.supervision.approveFailback()
    rehearsal.run(ms: 100)
    #expect(rehearsal.route == "ai-first")
  }

  @Test func tooManyChangesLatchInTheSaferState() throws {
    var rehearsal = try living(
      PolicyFiles.changed("when: idle, dwell_ms: 120000", "when: recovered, dwell_ms: 5000"))
    for _ in 0..<12 {
      rehearsal.dead = ["pbx"]
      rehearsal.run(ms: 5_000)
      rehearsal.dead = []
      rehearsal.run(ms: 60_000)
    }
    #expect(rehearsal.route == "twilio-desk")
    #expect(rehearsal.decisions.count == 1 + 6 - 1, "the fifth change would need a sixth")
    #expect(rehearsal.told.filter { $0 == .latched }.count == 1)
    rehearsal.dead = ["twilio"]
    rehearsal.run(ms: 20_000)
    #expect(rehearsal.route == "pstn", "for the worse it may always go")
    rehearsal.dead = []
    rehearsal.supervision.release()
    rehearsal.run(ms: 60_000)
    #expect(rehearsal.route == "ai-first")
  }

  @Test func anUnconfirmedWayIsGivenUpAtTheCeiling() throws {
    var rehearsal = try living()
    rehearsal.confirms = false
    rehearsal.dead = ["pbx"]
    rehearsal.run(ms: 3_000)
    #expect(rehearsal.route == "twilio-desk")
    let next = rehearsal.untilDecision(withinMs: 12_000)
    let (decision, tookMs) = try #require(next)
    #expect(decision.cause == .actuatorFailed)
    #expect(rehearsal.route == "pstn")
    #expect(tookMs <= 10_000)
    rehearsal.run(ms: 40_000)
    #expect(rehearsal.told.filter { $0 == .ceilingPassed }.count == 1)
    let versions = rehearsal.decisions.map(\.plan.version)
    #expect(versions == Array(1...Int64(versions.count)), "tried again, each time as a new plan")
  }

  @Test func aFailureThatIsToldNeedsNoCeiling() throws {
    var rehearsal = try living()
    rehearsal.confirms = false
    rehearsal.dead = ["pbx"]
    rehearsal.run(ms: 3_000)
    rehearsal.supervision.failed(version: rehearsal.supervision.routing.version)
    rehearsal.run(ms: 50)
    #expect(rehearsal.route == "pstn")
  }

  @Test func aDrainOpensNoPaidRoute() throws {
    var rehearsal = try living(
      PolicyFiles.changed(
        "contacts: [\"+13135550142\"", "paid: true\n    contacts: [\"+13135550142\""))
    rehearsal.draining = ["pbx"]
    rehearsal.run(ms: 20_000)
    #expect(rehearsal.route == "ai-first", "a flood of calls would make us pay")
    rehearsal.dead = ["pbx"]
    rehearsal.run(ms: 3_000)
    #expect(rehearsal.route == "twilio-desk")
  }

  @Test func anOperatorsWayHoldsUntilItEndsOrDies() throws {
    var rehearsal = try living()
    let desk = try #require(RouteID("desk"))
    func set(_ ms: Int64, isStrict: Bool) throws {
      try rehearsal.supervision.set(
        Override(
          route: desk, until: rehearsal.now.advanced(byMs: ms), isStrict: isStrict,
          actor: Rehearsal.anID), at: rehearsal.now)
    }
    #expect(throws: FailoverError.self) { try set(Override.longestMs + 1, isStrict: false) }
    try set(60_000, isStrict: false)
    rehearsal.run(ms: 1_000)
    #expect(rehearsal.route == "desk")
    #expect(rehearsal.state == .manual)
    rehearsal.dead = ["pbx"]
    rehearsal.run(ms: 3_000)
    #expect(rehearsal.route == "twilio-desk", "a dead way serves nobody")
    rehearsal.dead = []
    try set(60_000, isStrict: true)
    rehearsal.run(ms: 30_000)
    rehearsal.dead = ["pbx"]
    rehearsal.run(ms: 3_000)
    #expect(rehearsal.route == "desk", "that was the wish")
    #expect(rehearsal.told.contains(.noRoute))
    rehearsal.run(ms: 40_000)
    #expect(rehearsal.route == "twilio-desk", "it ended")
  }

  @Test func aPlanIsRenewedWithoutANewVersion() throws {
    var rehearsal = try living()
    let first = try #require(rehearsal.supervision.routing.plan)
    rehearsal.run(ms: 300_000)
    let later = try #require(rehearsal.supervision.routing.plan)
    #expect(later.version == first.version)
    #expect(rehearsal.now < later.expires)
  }

  @Test func anEmergencyNeverGoesThroughTheAI() throws {
    var rehearsal = try living()
    func routes() -> [String] { rehearsal.supervision.emergency.routes.map(\.id.description) }
    #expect(routes() == ["desk", "twilio-desk", "pstn"])
    rehearsal.dead = ["pbx"]
    rehearsal.run(ms: 3_000)
    #expect(routes() == ["twilio-desk", "pstn"])
    rehearsal.dead = ["pbx", "ai", "twilio"]
    rehearsal.run(ms: 10_000)
    #expect(routes() == ["pstn"])
  }

  @Test func aRestartGoesOnWhereItWas() throws {
    var rehearsal = try living()
    rehearsal.dead = ["pbx"]
    rehearsal.run(ms: 3_000)
    let kept = rehearsal.supervision.remembered(
      at: rehearsal.now, time: rehearsal.time, unrecordedSinceMs: 12)
    let read = try #require(RememberedRouting(parsing: kept.encoded))
    #expect(read == kept)
    var second = Rehearsal(rehearsal.supervision.policy)
    second.supervision.restore(read, at: second.now, time: rehearsal.time)
    second.dead = ["pbx"]
    second.run(ms: 1_000)
    #expect(second.route == "twilio-desk")
    #expect(RememberedRouting(parsing: []) == nil)
    #expect(RememberedRouting(parsing: Array(kept.encoded.dropLast(9))) == nil)
  }
}
