import Audit
import Cryptography
import Database
import Drivers
import Encoding
import FaultInjection
import Foundation
import Retention
import Testing
import Threading

@testable import Vault

/// From a plan to its certificates: nothing goes early, nothing half, and everything that went is proven.
@Suite struct RetentionRunTests {
  @Test func whatTwoApprovedGoesAndIsCertified() async throws {
    let forgetting = try await Forgetting()
    forgetting.anchors()
    try await forgetting.approvePolicy()
    let old = try await forgetting.call()
    let older = try await forgetting.call(yearsAgo: 9)
    let young = try await forgetting.call(yearsAgo: 1)
    let plan = try await forgetting.approvedPlan()
    #expect(plan.plan.totals.calls == 2 && plan.plan.totals.young == 1)
    #expect(try await forgetting.stage(plan) == .inGrace)
    await refuses(.conflict) {
      _ = try await forgetting.vault.runPurge(plan.row.hash, as: forgetting.manager())
    }
    try await forgetting.vault.keepRetention()
    #expect(try await forgetting.isThere(old))
    forgetting.clock.move(days: 4)
    let entries = try await forgetting.practice.entriesOf {
      _ = try await forgetting.vault.runPurge(plan.row.hash, as: forgetting.manager())
      try await forgetting.vault.keepRetention()
    }
    #expect(try await forgetting.stage(plan) == .done)
    #expect(try await !forgetting.isThere(old))
    #expect(try await !forgetting.isThere(older))
    #expect(try await forgetting.isThere(young))
    let purges = entries.filter { $0.action == .recordingPurged }
    #expect(purges.count == 2 && purges.allSatisfy { $0.evidence == plan.row.hash })
    let runs = entries.filter { $0.action == .retentionRun }
    #expect(runs.map(\.phase) == [.intent, .outcome] && runs[1].outcome == .success)

    var certificate = try await forgetting.certificate(.call(old.call))
    #expect(certificate["rule"]?.string == "service" && certificate["class"]?.string == "recording")
    #expect(certificate["plan"]?.string == plan.row.hash.hex)
    #expect(certificate["approvals"]?.array?.count == 2)
    #expect(certificate["t0"]?.object?["state"]?.string == "access removed")
    #expect(certificate["t1"] == nil)
    #expect(certificate["time_source"]?.string?.hasPrefix("RFC 3161") == true)
    let remains = try #require(certificate["remains"]?.object?["recordings"]?.array?.first?.object)
    #expect(remains["id"]?.string == old.recording.description)
    let index = try #require(certificate["log_entries"]?.object?["index"]?.integer)
    #expect(purges.contains { $0.index == index && $0.objects.first == old.call })
    let run = try await forgetting.certificate(.run(plan.row.hash))
    #expect(run["purged"]?.integer == 2)
    // The head that it names covers all of the run.
    let note = try #require(run["log"]?.object?["checkpoint"]?.string)
    let head = try VerifiedCheckpoint(
      SignedNote(parsing: Array(note.utf8)), key: forgetting.practice.log.verifierKey)
    #expect(head.checkpoint.size > run["log"]?.object?["end_index"]?.integer ?? .max)

    _ = try await forgetting.vault.ratchet(run: .random(), by: forgetting.practice.log.system)
    certificate = try await forgetting.certificate(.call(old.call))
    #expect(certificate["t1"]?.object?["time"] != nil)
    #expect(certificate["log_entries"]?.object?["erased_index"]?.integer ?? 0 > index)
    await refuses(.notFound) { _ = try await forgetting.certificate(.call(young.call)) }
  }

  /// The same person never counts twice, nor one token, nor a role that the policy does not name.
  @Test func approvalsAreOfTwoPeople() async throws {
    let forgetting = try await Forgetting()
    try await forgetting.approvePolicy()
    try await forgetting.call()
    let plan = try await forgetting.vault.planPurge(as: forgetting.manager())
    let hash = plan.row.hash
    let manager = try await forgetting.manager()
    _ = try await forgetting.vault.approveRetention(hash, as: manager)
    for who in [manager, try await forgetting.manager()] {
      await refuses(.denied) { _ = try await forgetting.vault.approveRetention(hash, as: who) }
    }
    let administrator = try await forgetting.practice.administrator()
    let clinician = try await forgetting.practice.caller(.clinician)
    for who in [administrator, clinician] {
      await refuses(.denied) { _ = try await forgetting.vault.approveRetention(hash, as: who) }
    }
    await refuses(.notFound) {
      _ = try await forgetting.vault.approveRetention(SHA256.hash([1]), as: manager)
    }
    #expect(try await forgetting.stage(plan) == .planned)
    _ = try await forgetting.vault.approveRetention(hash, as: forgetting.officer())
    // Without a time from outside the grace does not begin.
    #expect(try await forgetting.stage(plan) == .approved)
  }

  @Test func aHoldPlacedASecondBeforeTheRunWins() async throws {
    let forgetting = try await Forgetting()
    forgetting.anchors()
    try await forgetting.approvePolicy()
    let kept = try await forgetting.call(callExtension: "204")
    let gone = try await forgetting.call(callExtension: "205")
    let plan = try await forgetting.approvedPlan()
    forgetting.clock.move(days: 4)
    let manager = try await forgetting.manager()
    _ = try await forgetting.vault.runPurge(plan.row.hash, as: manager)
    var scope = HoldScope()
    scope.extensions = ["204"]
    _ = try await forgetting.vault.setHold(
      HoldRequest(matter: "m", reason: "r", custodian: "c", scope: scope), as: manager)
    try await forgetting.vault.keepRetention()
    #expect(try await forgetting.isThere(kept))
    #expect(try await !forgetting.isThere(gone))
    let row = try #require(try await forgetting.practice.catalog.plan(plan.row.hash))
    let document = try RunDocument(parsing: row.document)
    #expect(document.purged == 1 && document.skipped == ["held": 1])
    // Whatever was decided before: the purge itself looks again.
    await refuses(.held) {
      _ = try await forgetting.vault.purge(
        [PurgeOrder(call: kept.call, evidence: plan.row.hash, rule: "x")], holds: NoHolds(),
        by: forgetting.practice.log.system)
    }
  }

  /// A clock that is ahead purges nothing and rings, with and without somebody outside.
  @Test(arguments: [false, true], [false, true])
  func aClockThatIsAheadPurgesNothing(anchored: Bool, typed: Bool) async throws {
    let forgetting = try await Forgetting()
    try await forgetting.approvePolicy()
    let young = try await forgetting.call(yearsAgo: 1)
    if anchored { forgetting.anchors(trueTime: true) }
    let today = try #require(ClockGuard.day(at: SystemClock().read().time))
    forgetting.clock.move(days: 3653)
    let plan = try await forgetting.approvedPlan(typed: typed ? today : nil)
    #expect(plan.plan.totals.calls == 1)
    for _ in 0..<3 {
      forgetting.clock.move(days: 30)
      await refuses(.conflict) {
        _ = try await forgetting.vault.runPurge(plan.row.hash, as: forgetting.manager())
      }
      try await forgetting.vault.keepRetention()
    }
    #expect(try await forgetting.isThere(young))
    #expect(try await forgetting.practice.catalog.purgeCounts().waiting == 0)
    let health = await forgetting.vault.health()
    #expect(health.clockAlarm != nil && health.alarms.contains { $0.contains("nothing is purged") })
    let rung = try await forgetting.practice.entries().filter {
      $0.action == .retentionRun && $0.reason == .clockUnsound && $0.actor.kind == .system
    }
    #expect(rung.count == 1)
    if anchored {
      // The true time is known: the plan was made for a day that has not come.
      #expect(try await forgetting.stage(plan) != .running)
    }
  }

  /// An hour a day: each day the clock agrees with itself, and after a year it is 15 days ahead.
  @Test func aClockThatCreepsPurgesNothing() async throws {
    let forgetting = try await Forgetting()
    try await forgetting.approvePolicy()
    forgetting.anchors(trueTime: true)
    // Eligible ten days from now by the true time.
    let system = try await forgetting.practice.phoneSystem()
    let now = SystemClock().read().milliseconds
    let started = OffsetTime(
      instant: Timestamp(milliseconds: now - (7 * 365 + 2) * 86_400_000 + 10 * 86_400_000),
      offsetMinutes: 0)
    let call = try await forgetting.vault.createCall(
      NewCall(source: "3cx", sourceID: "x", started: started, from: "+13135550142"), as: system)
    for _ in 0..<365 { forgetting.clock.move(days: 1.0 / 24) }
    let plan = try await forgetting.approvedPlan()
    #expect(plan.plan.totals.calls == 1)
    try await forgetting.vault.keepRetention()
    await refuses(.conflict) {
      _ = try await forgetting.vault.runPurge(plan.row.hash, as: forgetting.manager())
    }
    #expect(try await forgetting.practice.catalog.call(call.call) != nil)
    #expect(await forgetting.vault.health().clockAlarm != nil)
    #expect(try await forgetting.stage(plan) == .approved)
  }

  @Test func bothApproversMayTypeTheDay() async throws {
    let forgetting = try await Forgetting()
    try await forgetting.approvePolicy()
    let old = try await forgetting.call()
    func today() throws -> CivilDate {
      try #require(CivilDate(forgetting.clock.read().time, minutesEast: 0))
    }
    let plan = try await forgetting.approvedPlan(typed: try today())
    #expect(try await forgetting.stage(plan) == .inGrace)
    forgetting.clock.move(days: 5)
    // What they typed was another day.
    await refuses(.conflict) {
      _ = try await forgetting.vault.runPurge(plan.row.hash, as: forgetting.manager())
    }
    let hash = plan.row.hash
    _ = try await forgetting.vault.approveRetention(hash, typed: today(), as: forgetting.manager())
    await refuses(.conflict) {
      _ = try await forgetting.vault.runPurge(hash, as: forgetting.manager())
    }
    _ = try await forgetting.vault.approveRetention(hash, typed: today(), as: forgetting.officer())
    _ = try await forgetting.vault.runPurge(hash, as: forgetting.manager())
    try await forgetting.vault.keepRetention()
    #expect(try await !forgetting.isThere(old))
    #expect(
      try await forgetting.certificate(.call(old.call))["time_source"]?.string?
        .hasPrefix("typed by both") == true)
  }

  @Test func aPolicyMustBeApprovedAndAShorterOneAgain() async throws {
    let forgetting = try await Forgetting()
    forgetting.anchors()
    try await forgetting.call()
    let plan = try await forgetting.approvedPlan()
    forgetting.clock.move(days: 4)
    await refuses(.conflict) {
      _ = try await forgetting.vault.runPurge(plan.row.hash, as: forgetting.manager())
    }
    try await forgetting.approvePolicy()
    #expect(try await forgetting.vault.policyStanding().allowsPurge)
    let shorter = try Forgetting.schedule(
      Forgetting.policy.replacing("keep: 7y", with: "keep: 6y"))
    #expect(
      !PolicyStanding(approved: forgetting.vault.retention, loaded: shorter).allowsPurge)
    _ = try await forgetting.vault.runPurge(plan.row.hash, as: forgetting.manager())
  }

  @Test func capsBoundWhatGoesUnlessBothSaySo() async throws {
    let text = Forgetting.policy.replacing("recordings: 1000", with: "recordings: 2")
    let forgetting = try await Forgetting(text)
    forgetting.anchors()
    try await forgetting.vault.keepPolicies([Array(text.utf8)])
    _ = try await forgetting.vault.approveRetention(
      forgetting.vault.retention.hash, as: forgetting.manager())
    _ = try await forgetting.vault.approveRetention(
      forgetting.vault.retention.hash, as: forgetting.officer())
    for _ in 0..<5 { try await forgetting.call() }
    let small = try await forgetting.vault.planPurge(as: forgetting.manager())
    #expect(small.plan.totals.calls == 2 && small.plan.totals.later == 3)
    let large = try await forgetting.vault.planPurge(withinCaps: false, as: forgetting.manager())
    #expect(large.plan.totals.calls == 5)
    for (who, beyond) in [
      (try await forgetting.manager(), true), (try await forgetting.officer(), false),
    ] {
      _ = try await forgetting.vault.approveRetention(large.row.hash, beyondCaps: beyond, as: who)
    }
    forgetting.clock.move(days: 4)
    await refuses(.conflict) {
      _ = try await forgetting.vault.runPurge(large.row.hash, as: forgetting.manager())
    }
    let index = try await forgetting.vault.voidPlan(
      large.row.hash, reason: "too many", as: forgetting.manager())
    #expect(index > 0)
    #expect(try await forgetting.stage(large) == .void)
    await refuses(.conflict) {
      _ = try await forgetting.vault.runPurge(large.row.hash, as: forgetting.manager())
    }
  }

  @Test func theSweepProposesAndNothingMore() async throws {
    let forgetting = try await Forgetting()
    forgetting.anchors()
    try await forgetting.approvePolicy()
    let old = try await forgetting.call()
    forgetting.vault.keep(
      RetentionPlaces(
        plans: try FilePlanStore(
          forgetting.practice.folder.path + "/plans", below: forgetting.practice.folder.path),
        times: forgetting.times, software: "callvault 0.0.0", sweepInterval: .seconds(3600)))
    try await forgetting.vault.keepRetention()
    forgetting.clock.move(days: 30)
    try await forgetting.vault.keepRetention()
    let plans = try await forgetting.practice.catalog.plans(limit: 10)
    #expect(plans.count == 1 && plans[0].stage == .planned && plans[0].calls == 1)
    #expect(plans.first?.madeBy == forgetting.practice.log.system.id)
    #expect(try await forgetting.isThere(old))
  }

  @Test func whatIsToldOfCallsAndPatientsDecides() async throws {
    let forgetting = try await Forgetting()
    let manager = try await forgetting.manager()
    let clinician = try await forgetting.practice.caller(.clinician)
    let patient = try await forgetting.vault.createPatient(reference: "MRN-1", as: clinician)
    let call = try await forgetting.call()
    _ = try await forgetting.vault.link(call.call, to: patient.id, as: clinician)
    func planned() async throws -> Int {
      try await forgetting.vault.planPurge(as: manager).plan.totals.calls
    }
    #expect(try await planned() == 1)
    var facts = KnownFacts()
    facts.classes = ["minor"]
    _ = try await forgetting.vault.setRetentionFacts(ofCall: call.call, to: facts, as: manager)
    // A birth date that is not known keeps, and says so.
    #expect(try await planned() == 0)
    var why = try await forgetting.vault.whyKept(call.recording, as: manager)
    #expect(why.decision.eligible == nil && why.decision.unknown == [.birthDate])
    var age = KnownFacts()
    age.patient = .born(try #require(CivilDate("2015-02-28")))
    _ = try await forgetting.vault.setRetentionFacts(ofPatient: patient.id, to: age, as: manager)
    why = try await forgetting.vault.whyKept(call.recording, as: manager)
    #expect(why.decision.eligible == CivilDate("2040-02-28"))
    #expect(try await planned() == 0)
    age.patient = .ofAge
    _ = try await forgetting.vault.setRetentionFacts(ofPatient: patient.id, to: age, as: manager)
    #expect(try await planned() == 1)
    facts.classes = ["no-such-class"]
    await refuses(.invalid) {
      _ = try await forgetting.vault.setRetentionFacts(ofCall: call.call, to: facts, as: manager)
    }
    let simulated = try await forgetting.vault.simulate(
      Array(Forgetting.policy.replacing("keep: 7y", with: "keep: 30y").utf8), on: nil, as: manager)
    #expect(simulated["total"]?.object?["later"]?.integer == 1)
  }

  // MARK: Faults

  /// The log fails at its n-th append, in every step from the plan to the end of the run; after a start
  /// nothing has gone early or half, and what has gone has its entry and its certificate.
  @Test(arguments: 0..<10)
  func aLogThatFailsLeavesNothingHalf(appends: Int) async throws {
    let forgetting = try await Forgetting()
    forgetting.anchors()
    try await forgetting.approvePolicy()
    var calls: [RecordingReceipt] = []
    for _ in 0..<3 { calls.append(try await forgetting.call()) }
    let early = appends % 2 == 0
    var plan: KnownPlan?
    if early {
      forgetting.practice.store.fail(after: appends)
      plan = try? await forgetting.approvedPlan()
    } else {
      plan = try await forgetting.approvedPlan()
      forgetting.clock.move(days: 4)
      let manager = try await forgetting.manager()
      forgetting.practice.store.fail(after: appends - 1)
      let hash = try #require(plan?.row.hash)
      _ = try? await forgetting.vault.runPurge(hash, as: manager)
      try? await forgetting.vault.keepRetention()
    }
    let after = try await forgetting.restarted()
    if early {
      for call in calls { #expect(try await after.isThere(call)) }
    }
    try await consistent(after, calls)
    // It goes on where it was, or is begun again.
    after.clock.move(days: early ? 0 : 0.1)
    let open = try await after.practice.catalog.plans(limit: 10)
    if !early, let row = open.first {
      if row.stage == .inGrace {
        _ = try await after.vault.runPurge(row.hash, as: after.manager())
      }
      try await after.vault.keepRetention()
      #expect(try await after.practice.catalog.plan(row.hash)?.stage == .done)
      for call in calls { #expect(try await !after.isThere(call)) }
      try await consistent(after, calls)
    }
  }

  /// The catalog stops before each of its commits of a second approval: whatever it kept, the plan goes on.
  @Test func aSecondApprovalIsKeptWithWhatItBrings() async throws {
    let forgetting = try await Forgetting()
    let practice = forgetting.practice
    forgetting.anchors()
    try await forgetting.call()
    let plan = try await forgetting.vault.planPurge(as: forgetting.manager())
    _ = try await forgetting.vault.approveRetention(plan.row.hash, as: forgetting.manager())
    let officer = try await forgetting.officer()
    let before = try practice.catalogCommits().count
    _ = try await forgetting.vault.approveRetention(plan.row.hash, as: officer)
    let commits = try practice.catalogCommits()
    // The approval with its stage, and the grace.
    #expect(commits.count == before + 2)
    for (commit, kept) in zip(
      commits[(before - 1)...], [PurgeProcedure.Stage.planned, .approved, .inGrace])
    {
      let after = try await forgetting.reopened(practice.stopped(after: commit))
      #expect(try await after.stage(plan) == kept)
      if kept == .planned {
        _ = try await after.vault.approveRetention(plan.row.hash, as: after.officer())
      }
      try await after.vault.keepRetention()
      #expect(try await after.stage(plan) == .inGrace)
    }
  }

  /// Nothing lies between the second approval of a policy and its force.
  @Test func aPolicyIsInForceWithItsSecondApproval() async throws {
    let forgetting = try await Forgetting()
    let hash = forgetting.vault.retention.hash
    _ = try await forgetting.vault.approveRetention(hash, as: forgetting.manager())
    let officer = try await forgetting.officer()
    let before = try forgetting.practice.catalogCommits().count
    _ = try await forgetting.vault.approveRetention(hash, as: officer)
    #expect(try forgetting.practice.catalogCommits().count == before + 1)
    #expect(try await forgetting.vault.policyStanding().allowsPurge)
  }

  /// A plan that an earlier version left without the stage that its two approvals brought.
  @Test func aPlanThatTwoApprovedIsNotStuck() async throws {
    let forgetting = try await Forgetting()
    try await forgetting.call()
    let plan = try await forgetting.approvedPlan()
    #expect(try await forgetting.stage(plan) == .approved)
    try Connection(forgetting.practice.folder.path + "/catalog.sqlite", for: .writing).execute(
      "UPDATE purge_plan SET stage = 'planned'")
    let manager = try await forgetting.manager()
    await refuses(.conflict) {
      _ = try await forgetting.vault.approveRetention(plan.row.hash, as: manager)
    }
    forgetting.anchors()
    try await forgetting.vault.keepRetention()
    #expect(try await forgetting.stage(plan) == .inGrace)
  }

  /// The disk of objects fails while calls go: nobody reads them any more, and a later sweep unlinks.
  @Test func anObjectThatCannotBeUnlinkedIsOutOfReach() async throws {
    let files = FailingFileSystem(FailingFileSystem.Fault(call: nil, number: EIO))
    let forgetting = try await Forgetting(objectsOn: files)
    forgetting.anchors()
    try await forgetting.approvePolicy()
    let old = try await forgetting.call()
    let plan = try await forgetting.approvedPlan()
    forgetting.clock.move(days: 4)
    _ = try await forgetting.vault.runPurge(plan.row.hash, as: forgetting.manager())
    files.fail(["remove", "unlink"], with: EIO)
    try? await forgetting.vault.keepRetention()
    let after = try await forgetting.restarted()
    #expect(try await !after.isThere(old))
    try await after.vault.keepRetention()
    #expect(try await after.stage(plan) == .done)
    try await consistent(after, [old])
  }

  private func consistent(_ forgetting: Forgetting, _ calls: [RecordingReceipt]) async throws {
    let entries = try await forgetting.practice.entries()
    for call in calls {
      let isThere = try await forgetting.isThere(call)
      let says = entries.contains {
        $0.action == .recordingPurged && $0.outcome == .success && $0.objects.first == call.call
      }
      #expect(isThere != says)
      if says {
        let certificate = try await forgetting.certificate(.call(call.call))
        #expect(certificate["call"]?.string == call.call.description)
      }
    }
    try await forgetting.practice.catalog.checkIntegrity()
    #expect(try await forgetting.practice.catalog.pendingRows(limit: 10).isEmpty)
  }

  @Test func aRunThatIsInterruptedGoesOn() async throws {
    let forgetting = try await Forgetting()
    forgetting.anchors()
    try await forgetting.approvePolicy()
    let first = try await forgetting.call()
    let second = try await forgetting.call()
    let plan = try await forgetting.approvedPlan()
    forgetting.clock.move(days: 4)
    _ = try await forgetting.vault.runPurge(plan.row.hash, as: forgetting.manager())
    // One line is done when the machine stops.
    _ = try await forgetting.vault.purge(
      [PurgeOrder(call: first.call, evidence: plan.row.hash, rule: "x", plan: plan.row.id)],
      holds: NoHolds(), by: forgetting.practice.log.system)
    let after = try await forgetting.restarted()
    try await after.vault.keepRetention()
    #expect(try await after.stage(plan) == .done)
    #expect(try await !after.isThere(second))
    let row = try #require(try await after.practice.catalog.plan(plan.row.hash))
    #expect(try RunDocument(parsing: row.document).purged == 2)
    let run = try await after.certificate(.run(plan.row.hash))
    #expect(run["purged"]?.integer == 2)
    // What the caps count by is the time that was judged.
    let counted = try await after.practice.catalog.purgedRecordings(
      since: Timestamp(milliseconds: 0))
    let judged = try #require(after.times.answered)
    #expect(counted.contains { $0.time == judged })
    // A list that was changed is not what was approved.
    let path = after.practice.folder.path + "/plans/\(plan.row.hash.hex).plan"
    var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    bytes[bytes.count / 2] ^= 1
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    await refuses(.tampered) {
      _ = try await after.vault.approveRetention(plan.row.hash, as: after.manager())
    }
  }
}

/// Who takes a plan back while it runs, and a policy that changes meanwhile.
@Suite struct StoppedRunTests {
  /// A run that one line of two is behind.
  private func running() async throws -> (Forgetting, KnownPlan, [RecordingReceipt]) {
    let forgetting = try await Forgetting()
    forgetting.anchors()
    try await forgetting.approvePolicy()
    let calls = [try await forgetting.call(), try await forgetting.call()]
    let plan = try await forgetting.approvedPlan()
    forgetting.clock.move(days: 4)
    _ = try await forgetting.vault.runPurge(plan.row.hash, as: forgetting.manager())
    _ = try await forgetting.vault.purge(
      [PurgeOrder(call: calls[0].call, evidence: plan.row.hash, rule: "x", plan: plan.row.id)],
      holds: NoHolds(), by: forgetting.practice.log.system)
    return (forgetting, plan, calls)
  }

  private func isStopped(
    _ forgetting: Forgetting, _ plan: KnownPlan, _ calls: [RecordingReceipt]
  ) async throws {
    try await forgetting.vault.keepRetention()
    #expect(try await forgetting.stage(plan) == .void)
    #expect(try await !forgetting.isThere(calls[0]))
    #expect(try await forgetting.isThere(calls[1]))
    // What went is certified, and so is that the rest did not.
    let run = try await forgetting.certificate(.run(plan.row.hash))
    #expect(run["purged"]?.integer == 1 && run["stopped"]?.string?.isEmpty == false)
    #expect(run["planned"]?.object?["calls"]?.integer == 2)
    #expect(try await forgetting.certificate(.call(calls[0].call))["plan"] != nil)
  }

  @Test(arguments: [false, true]) func aPlanIsTakenBackWhileItRuns(restarts: Bool) async throws {
    let (before, plan, calls) = try await running()
    let forgetting = restarts ? try await before.restarted() : before
    // Whichever goes first takes the folder along.
    defer { withExtendedLifetime(before) {} }
    let entries = try await forgetting.practice.entriesOf {
      _ = try await forgetting.vault.voidPlan(
        plan.row.hash, reason: "a child", as: forgetting.officer())
    }.filter { $0.action == .retentionRun }
    // Who stopped it, and how the run that somebody else began has ended.
    #expect(entries.map(\.reason) == [.cancelled, .cancelled])
    #expect(entries.map(\.outcome) == [.refused, .partial])
    #expect(entries.map(\.phase) == [.single, restarts ? .single : .outcome])
    try await isStopped(forgetting, plan, calls)
    await #expect(throws: VaultError.self) {
      _ = try await forgetting.vault.voidPlan(
        plan.row.hash, reason: "again", as: forgetting.officer())
    }
  }

  /// The log cannot say so, so the plan is not taken back.
  @Test func aPlanIsTakenBackOnlyOnRecord() async throws {
    let forgetting = try await Forgetting()
    let old = try await forgetting.call()
    let plan = try await forgetting.approvedPlan()
    let officer = try await forgetting.officer()
    forgetting.practice.store.fail(after: 0)
    await #expect(throws: VaultError.self) {
      _ = try await forgetting.vault.voidPlan(plan.row.hash, reason: "wrong", as: officer)
    }
    #expect(try await forgetting.stage(plan) == .approved)
    #expect(try await forgetting.isThere(old))
  }

  @Test func anotherPolicyStopsARun() async throws {
    let (before, plan, calls) = try await running()
    defer { withExtendedLifetime(before) {} }
    let longer = try Forgetting.schedule(
      Forgetting.policy.replacing("keep: 7y", with: "keep: 9y"))
    let after = try await before.restarted(under: longer)
    let entries = try await after.practice.entriesOf {
      await #expect(throws: VaultError.self) { try await after.vault.keepRetention() }
    }.filter { $0.action == .retentionRun }
    #expect(entries.map(\.outcome) == [.refused, .partial])
    #expect(entries.allSatisfy { $0.actor.kind == .system && $0.reason == .cancelled })
    try await isStopped(after, plan, calls)
  }
}

extension ClockReading {
  fileprivate var time: Timestamp { Timestamp(milliseconds: milliseconds) }
}
