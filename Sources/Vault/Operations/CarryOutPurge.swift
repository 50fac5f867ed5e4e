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
    for row in open where row.stage == .approved {
      // Anchors take their time: a plan that is given up meanwhile must stay so.
      _ = try await gates.withGate(.plans) { () throws(VaultError) in
        try await self.startGrace(of: row.hash)
      }
    }
    if let interval = places.sweepInterval { try await sweep(every: interval, open: open) }
  }

  /// Proposes a plan when the last one, or the last look, is `interval` ago and none waits; nothing is
  /// approved by it.
  private func sweep(every interval: Duration, open: [PlanRow]) async throws(VaultError) {
    guard retention.purge.sweep == .propose, open.isEmpty, clock.read().state != .stepped else {
      return
    }
    let made = try await catalog.plans(limit: 1).first?.made.milliseconds ?? 0
    // A look that found nothing left no plan.
    let last = max(made, retentionWork.withLock { $0.swept }.milliseconds)
    let now = now
    guard Duration.milliseconds(now.milliseconds - last) >= interval else { return }
    _ = try await planPurge(as: nil)
    retentionWork.withLock { $0.swept = now }
  }

  /// Carries a run out from wherever a stop left it.
  ///
  /// Asked again at each beginning, because a run that was interrupted must not go on under what has
  /// changed: where the time is not known any more, it waits.
  private func carryOut(_ row: PlanRow) async throws(VaultError) {
    let plan = try await knownPlan(row.hash)
    let (begun, document) = try await begin(plan)
    guard let day = document.day.flatMap({ CivilDate($0) }) else {
      throw VaultError(.tampered, during: "reading how a run went")
    }
    var state = PurgeRun(plan: plan.plan, row: begun, document: document, day: day)
    state.document.purged = 0
    state.document.skipped = [:]
    var waiting: [PurgeItem] = []
    // The list is read once more: what is acted on is what has the approved hash, which `knownPlan` saw.
    _ = try await readPlan(row.hash) { items throws(VaultError) in
      waiting += items
      while waiting.count >= Self.purgeBatch.upperBound {
        try await self.purge(Array(waiting.prefix(Self.purgeBatch.upperBound)), &state)
        waiting.removeFirst(Self.purgeBatch.upperBound)
      }
    }
    if !waiting.isEmpty { try await purge(waiting, &state) }
    try await finish(state)
  }

  private struct PurgeRun {
    let plan: PurgePlan
    let row: PlanRow
    var document: RunDocument
    let day: CivilDate

    mutating func skip(_ reason: SkipReason) {
      document.skipped[reason.rawValue, default: 0] += 1
    }
  }

  /// Decides about lines anew, and purges those that may go.
  private func purge(_ items: [PurgeItem], _ run: inout PurgeRun) async throws(VaultError) {
    let gone = try await catalog.purged(among: items.map(\.call))
    var rest: [PurgeItem] = []
    for item in items {
      if gone.contains(item.call) {
        // By this run, before it was interrupted, or by another plan.
        let evidence = try await catalog.purgeEvidence(item.call)
        if evidence?.plan == run.row.id { run.document.purged += 1 } else { run.skip(.gone) }
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
        if let reason = item.recheck(candidates[item.call], schedule: retention, day: run.day) {
          skipped.append(reason)
          continue
        }
        let rule = run.plan.rule(item.rule)
        orders.append(
          PurgeOrder(
            call: item.call, evidence: run.row.hash, rule: rule?.label ?? "", plan: run.row.id,
            ruleNumber: item.rule, eligible: item.eligible.description))
      }
      do throws(VaultError) {
        if !orders.isEmpty { _ = try await purge(orders, holds: NoHolds(), by: systemActor) }
        run.document.purged += Int64(orders.count)
        for reason in skipped { run.skip(reason) }
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
    let done = run.document.purged + run.document.skipped.values.reduce(0, +)
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

  /// Says that a run is done, and keeps a head that covers all of it for the certificates.
  ///
  /// A crash before the last step does it again: another entry, and nothing else.
  private func finish(_ run: PurgeRun) async throws(VaultError) {
    var document = run.document
    let handled = document.purged + document.skipped.values.reduce(0, +)
    guard handled == Int64(run.plan.totals.calls) else {
      throw VaultError(.tampered, during: "ending a run", detail: "lines of the plan are missing")
    }
    var outcome: EntryDraft
    let announced = retentionWork.withLock { $0.intent }
    let code: OutcomeCode = document.skipped.isEmpty ? .success : .partial
    if let announced, announced.plan == run.row.id {
      outcome = announced.draft.closing(code)
    } else {
      outcome = EntryDraft(.retentionRun, .single, by: systemActor, on: [run.row.id])
      outcome.outcome = code
      outcome.flags = [.recovered]
      outcome.evidence = run.row.hash
      outcome.run = run.row.id
      outcome.policy = retention.hash
    }
    outcome.commits[.rule] = Array(
      "purged \(document.purged) of \(run.plan.totals.calls) calls".utf8)
    let position = try await record(outcome).position
    retentionWork.withLock { $0.intent = nil }
    document.ended = now
    document.endIndex = position.index
    document.checkpoint = String(decoding: await log.durableHead.note, as: UTF8.self)
    var row = run.row
    row.stage = .done
    row.document = document.encoded
    try await catalog.update(row)
    try await catalog.advance(to: position)
  }
}
