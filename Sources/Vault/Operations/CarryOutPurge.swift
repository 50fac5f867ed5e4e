import Audit
import Encoding
import Retention
import Threading

/// What goes on by itself: runs that were begun, graces whose time is known now, and proposals.
extension Vault {
  /// Goes on with a run, starts a grace whose time is known now, and proposes a plan when one is due; called
  /// each second by ``run()``.
  public func keepRetention() async throws(VaultError) {
    guard !keys.isSealed, let places = retentionWork.withLock({ $0.places }) else { return }
    let open = try await catalog.openPlans()
    for row in open where row.stage == .running {
      guard retentionWork.withLock({ $0.pausedUntil <= self.now }) else { continue }
      do throws(VaultError) {
        try await carryOut(row)
      } catch {
        retentionWork.withLock {
          $0.pausedUntil = Timestamp(milliseconds: self.now.milliseconds + 10_000)
        }
        throw error
      }
    }
    let looks = retentionWork.withLock { $0.looks(at: self.now) }
    guard looks else { return }
    for row in open where try await isApproved(row) {
      // Anchors take their time: a plan that is given up meanwhile must stay so.
      _ = try await gates.withGate(.plans) { () throws(VaultError) in
        try await self.startGrace(of: row.hash)
      }
    }
    if let interval = places.sweepInterval { try await sweep(every: interval, open: open) }
  }

  /// Whether two have approved a plan whose grace has not begun; ``knownPlan(_:)`` says why it may be `planned`.
  private func isApproved(_ row: PlanRow) async throws(VaultError) -> Bool {
    guard row.stage == .planned else { return row.stage == .approved }
    return try await catalog.approvals(of: row.hash).count == 2
  }

  /// Proposes a plan when the last one, or the last look, is `interval` ago and none waits; nothing is
  /// approved by it.
  private func sweep(every interval: Duration, open: [PlanRow]) async throws(VaultError) {
    guard retention.purge.sweep == .propose, open.isEmpty, clock.read().state != .stepped else {
      return
    }
    let made = try await catalog.plans(limit: 1).first?.made.milliseconds ?? 0
    // A look that found nothing left no plan.
    let last = max(made, try await timeFact(.sweep)?.milliseconds ?? 0)
    let now = now
    guard Duration.milliseconds(now.milliseconds - last) >= interval else { return }
    _ = try await planPurge(as: nil)
    try await catalog.setFact(.sweep, to: Array("\(now.milliseconds)".utf8), at: nil)
  }

  /// Carries a run out from wherever a stop left it.
  ///
  /// Asked again at each beginning, because a run that was interrupted must not go on under what has
  /// changed: where the time is not known any more, it waits.
  private func carryOut(_ row: PlanRow) async throws(VaultError) {
    let begun = try await gates.withGate(.plans) { () throws(VaultError) -> BegunRun? in
      let plan = try await self.knownPlan(row.hash)
      // It may have been taken back since it was listed.
      return plan.row.stage == .running ? try await self.begin(plan) : nil
    }
    guard var state = begun else { return }
    var waiting: [PurgeItem] = []
    // The list is read once more: what is acted on is what has the approved hash, which `knownPlan` saw.
    _ = try await readPlan(row.hash) { items throws(VaultError) in
      waiting += items
      while waiting.count >= Self.purgeBatch.upperBound {
        state = try await self.purge(Array(waiting.prefix(Self.purgeBatch.upperBound)), state)
        waiting.removeFirst(Self.purgeBatch.upperBound)
      }
    }
    if !waiting.isEmpty { state = try await purge(waiting, state) }
    try await finish(state)
  }

  /// Purges a batch behind the gate of plans: a plan that is taken back goes no further.
  private func purge(
    _ items: [PurgeItem], _ run: BegunRun
  ) async throws(VaultError) -> BegunRun {
    try await gates.withGate(.plans) { () throws(VaultError) -> BegunRun in
      var run = run
      guard try await self.isRunning(run.row) else { return run }
      try await self.purgeBehindGate(items, &run)
      return run
    }
  }

  private func isRunning(_ row: PlanRow) async throws(VaultError) -> Bool {
    try await catalog.plan(row.hash)?.stage == .running
  }

  /// Decides about lines anew, and purges those that may go.
  private func purgeBehindGate(
    _ items: [PurgeItem], _ run: inout BegunRun
  ) async throws(VaultError) {
    let gone = try await catalog.purged(among: items.map(\.call))
    var rest: [PurgeItem] = []
    for item in items {
      if gone.contains(item.call) {
        // By this run, before it was interrupted, or by another plan.
        let evidence = try await catalog.purgeEvidence(item.call)
        try run.note(evidence?.plan == run.row.id ? nil : .gone)
      } else {
        rest.append(item)
      }
    }
    // A hold may come between the look here and the purge, which then refuses all: look again.
    for attempt in 0..<3 where !rest.isEmpty {
      let candidates = try await candidates(rest.map(\.call))
      var orders: [PurgeOrder] = []
      var skipped: [SkipReason] = []
      for item in rest {
        let reason = item.recheck(
          candidates[item.call], schedule: retention, day: run.judgement.day)
        if let reason {
          skipped.append(reason)
          continue
        }
        let rule = run.procedure.plan.rule(item.rule)
        orders.append(
          PurgeOrder(
            call: item.call, evidence: run.row.hash, rule: rule?.label ?? "", plan: run.row.id,
            ruleNumber: item.rule, eligible: item.eligible.description,
            judged: run.judgement.latest))
      }
      do throws(VaultError) {
        if !orders.isEmpty { _ = try await purge(orders, holds: NoHolds(), by: systemActor) }
        for _ in orders { try run.note(nil) }
        for reason in skipped { try run.note(reason) }
        rest = []
      } catch {
        if error.code == .conflict, try isRingFull(for: orders.count) {
          // A ratchet makes room; the run goes on after it.
          _ = try beginRatchet()
          throw error
        }
        guard attempt < 2, error.code == .held || error.code == .notFound else { throw error }
      }
    }
    let done = Int64(run.procedure.plan.totals.calls - run.procedure.remaining)
    retentionWork.withLock { $0.done = done }
  }

  private func isRingFull(for count: Int) throws(VaultError) -> Bool {
    do throws(VaultError) {
      try keys.checkRoom(forTombstones: count)
      return false
    } catch {
      guard error.code == .conflict else { throw error }
      return true
    }
  }

  /// What is known of calls now, holds included.
  private func candidates(
    _ calls: [Identifier]
  ) async throws(VaultError) -> [Identifier: PlanCandidate] {
    let register = try await holds.register()
    let verdicts = try await holds.verdicts(register, on: calls)
    var found: [Identifier: PlanCandidate] = [:]
    for (call, recordings) in try await catalog.callsAndRecordings(calls) {
      found[call.id] = PlanCandidate(
        call: call.id, facts: try await retentionFacts(of: call),
        hold: verdicts[call.id] ?? .unreadable,
        recordings: recordings.count,
        bytes: recordings.reduce(0) { $0 + $1.ciphertextLength })
    }
    return found
  }

  /// Ends a run whose lines are all done with, if nobody took the plan back.
  private func finish(_ run: BegunRun) async throws(VaultError) {
    try await gates.withGate(.plans) { () throws(VaultError) in
      guard try await self.isRunning(run.row) else { return }
      var (procedure, document) = (run.procedure, run.document)
      do throws(RetentionError) {
        try procedure.finish()
      } catch {
        throw VaultError(
          .tampered, during: "ending a run", detail: "lines of the plan are missing",
          cause: error)
      }
      document.purged = Int64(procedure.purged)
      document.skipped = [:]
      for (reason, count) in procedure.skipped { document.skipped[reason.rawValue] = Int64(count) }
      try await self.end(
        run.row, document, as: procedure.stage, procedure.skipped.isEmpty ? .success : .partial)
    }
  }
}

extension BegunRun {
  /// Notes that a line is purged, or why it is not.
  fileprivate mutating func note(_ skipped: SkipReason?) throws(VaultError) {
    do throws(RetentionError) {
      if let skipped { try procedure.noteSkipped(skipped) } else { try procedure.notePurged() }
    } catch {
      throw VaultError(
        .tampered, during: "carrying a run out", detail: "the plan has more lines than it says",
        cause: error)
    }
  }
}
