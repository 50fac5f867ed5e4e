import Audit
import Cryptography
public import Encoding
public import Retention
import Threading

/// Plans: what would go, and why the rest stays. Nothing goes here.
extension Vault {
  /// Calls whose holds are looked up at once.
  private static let planPage = 512

  /// Tells the vault where plans lie and times come from.
  public func keep(_ places: RetentionPlaces) {
    retentionWork.withLock { $0.places = places }
  }

  func retentionPlaces() throws(VaultError) -> RetentionPlaces {
    guard let places = retentionWork.withLock({ $0.places }) else {
      throw VaultError(
        .unavailable, during: "looking for plans", detail: "this service keeps no plans")
    }
    return places
  }

  /// Makes a plan: a list of all that may go today, a file whose hash people approve.
  ///
  /// - Parameters:
  ///   - withinCaps: whether it stops at what the policy lets go in its window.
  ///   - caller: needs ``Right/planRetention``; nil: the program itself.
  /// - Returns: the plan; without a call in it the program's own is neither kept nor in the log, since a plan
  ///   that nobody needs to approve would keep the next one from being proposed.
  /// - Throws: ``VaultError/Code/unavailable`` when holds cannot be read: then nothing is planned.
  public func planPurge(
    withinCaps: Bool = true, as caller: Caller?
  ) async throws(VaultError) -> KnownPlan {
    var draft =
      caller.map { self.draft(.retentionPlanned, .single, by: $0) }
      ?? EntryDraft(.retentionPlanned, .single, by: systemActor)
    try await checked(&draft) { _ throws(VaultError) in
      if let caller { try self.allow(.planRetention, caller) }
      _ = try self.retentionPlaces()
    }
    let start = draft
    return try await gates.withGate(.plans) { () throws(VaultError) -> KnownPlan in
      var draft = start
      let id = Identifier.random()
      draft.objects = [id]
      let (row, plan) = try await self.checked(&draft) {
        _ throws(VaultError) -> (PlanRow, PurgePlan) in
        let plan = try await self.write(
          plan: id, withinCaps: withinCaps, keepsEmpty: caller != nil)
        let row = PlanRow(
          id: id, hash: plan.hash, made: plan.head.made,
          madeBy: caller?.actor.id ?? self.systemActor.id, calls: Int64(plan.totals.calls),
          recordings: Int64(plan.totals.recordings), bytes: plan.totals.bytes)
        guard caller != nil || plan.totals.calls > 0 else { return (row, plan) }
        try await self.settleLate()
        try await self.catalog.insert(row, since: await self.logSize)
        return (row, plan)
      }
      guard caller != nil || plan.totals.calls > 0 else {
        return KnownPlan(row: row, plan: plan, approvals: [])
      }
      draft.policy = self.retention.hash
      draft.evidence = plan.hash
      draft.run = id
      draft.outcome = .success
      let position = try await self.record(draft, of: RowReference(.plan, id)).position
      try await self.confirm(RowReference(.plan, id), at: position)
      var known = row
      known.logIndex = position.index
      return KnownPlan(row: known, plan: plan, approvals: [])
    }
  }

  /// Writes the list of what may go today.
  private func write(
    plan id: Identifier, withinCaps: Bool, keepsEmpty: Bool
  ) async throws(VaultError) -> PurgePlan {
    let store = try retentionPlaces().plans
    let now = now
    let register = try await holds.register()
    let limit = withinCaps ? try await allowedByCaps(at: now) : .max
    let calls = try await retainedCalls()
    let known = try await knownFacts()
    guard let day = ClockGuard.day(at: now) else {
      throw VaultError(.unavailable, during: "reading the clock")
    }
    do {
      var writer = try PurgePlanWriter(
        plan: id, tenant: configuration.tenant, made: now, schedule: retention, limit: limit)
      try await store.begin()
      for start in stride(from: 0, to: calls.count, by: Self.planPage) {
        let page = calls[start..<min(start + Self.planPage, calls.count)]
        let facts = page.map { self.facts(of: $0, known) }
        // Only of what would go otherwise.
        let due = zip(page, facts).filter { retention.lets($0.1, goOn: day) }.map(\.0.call)
        let verdicts = try await holds.verdicts(register, on: due)
        for (call, facts) in zip(page, facts) {
          try writer.consider(
            PlanCandidate(
              call: call.call, facts: facts, hold: verdicts[call.call] ?? .unreadable,
              recordings: Int(call.recordings), bytes: call.bytes))
        }
        if writer.buffered >= 1 << 16 { try await store.append(writer.drain()) }
      }
      let (plan, rest) = writer.finish()
      try await store.append(rest)
      if keepsEmpty || plan.totals.calls > 0 { try await store.commit(as: plan.hash) }
      return plan
    } catch {
      throw VaultError(retention: error, during: "making a plan")
    }
  }

  /// What planning holds of a call: a million of them are in memory at once.
  private struct PlannedCall {
    let call: Identifier
    let started: OffsetTime
    let patient: Identifier?
    var recordings: Int32 = 0
    var bytes: Int64 = 0
  }

  /// All live calls in ascending order of ids, with what their recordings take.
  private func retainedCalls() async throws(VaultError) -> [PlannedCall] {
    var calls: [PlannedCall] = []
    calls.reserveCapacity(Int(clamping: try await catalog.counts().calls))
    var place: Int64? = 0
    while let after = place {
      let (page, next) = try await catalog.retainedCalls(after: after, limit: 4096)
      for row in page {
        calls.append(PlannedCall(call: row.call, started: row.started, patient: row.patient))
      }
      place = next
    }
    calls.sort { $0.call < $1.call }
    place = 0
    while let after = place {
      let (page, next) = try await catalog.recordingSizes(after: after, limit: 4096)
      for (call, bytes) in page {
        // Stored since the calls were read: another plan's.
        guard let index = Self.index(of: call, in: calls) else { continue }
        calls[index].recordings += 1
        calls[index].bytes += bytes
      }
      place = next
    }
    return calls
  }

  private static func index(of call: Identifier, in calls: [PlannedCall]) -> Int? {
    var (low, high) = (0, calls.count)
    while low < high {
      let middle = (low + high) / 2
      if calls[middle].call < call { low = middle + 1 } else { high = middle }
    }
    return low < calls.count && calls[low].call == call ? low : nil
  }

  private struct AllKnownFacts {
    var calls: [Identifier: KnownFacts] = [:]
    var patients: [Identifier: KnownFacts] = [:]
  }

  private func knownFacts() async throws(VaultError) -> AllKnownFacts {
    var all = AllKnownFacts()
    var cursor: Identifier?
    while true {
      let page = try await catalog.callFacts(after: cursor, limit: 1000)
      guard let last = page.last else { break }
      cursor = last.id
      for (id, sealed) in page {
        all.calls[id] = try KnownFacts(parsing: keys.open(sealed, as: .callFacts, of: id))
      }
    }
    cursor = nil
    while true {
      let page = try await catalog.patientFacts(after: cursor, limit: 1000)
      guard let last = page.last else { return all }
      cursor = last.id
      for (id, sealed) in page {
        all.patients[id] = try KnownFacts(parsing: keys.open(sealed, as: .patientFacts, of: id))
      }
    }
  }

  private func facts(of call: PlannedCall, _ known: AllKnownFacts) -> RetentionFacts {
    RetentionFacts(
      of: RetainedCallRow(call: call.call, started: call.started, patient: call.patient),
      known: known.calls.isEmpty ? nil : known.calls[call.call],
      patient: call.patient.flatMap { known.patients[$0] })
  }

  /// How many recordings may go now.
  private func allowedByCaps(at time: Timestamp) async throws(VaultError) -> Int {
    switch try await capsVerdict(planned: .max, at: time) {
    case .within: .max
    case .beyond(let allowed): allowed
    }
  }

  func capsVerdict(planned: Int, at time: Timestamp) async throws(VaultError) -> PurgeCaps.Verdict {
    let caps = retention.purge.caps
    let window = Int64(caps.windowDays) * 86_400_000
    let purged = try await catalog.purgedRecordings(
      since: Timestamp(milliseconds: time.milliseconds - window))
    let stored = try await catalog.counts()
    return caps.verdict(
      planned: planned, stored: Int(clamping: max(stored.recordings, stored.calls)),
      purged: purged.map { (time: $0.time, recordings: Int(clamping: $0.recordings)) }, at: time)
  }

  /// Replays a proposed policy over all calls beside the one in force.
  ///
  /// - Parameters:
  ///   - bytes: the proposed file.
  ///   - day: the day to count for; nil: today.
  ///   - caller: needs ``Right/planRetention``.
  /// - Returns: how many calls would go sooner or later, and could be destroyed.
  /// - Throws: ``VaultError/Code/invalid`` with the place of what is wrong in the file.
  public func simulate(
    _ bytes: [UInt8], on day: CivilDate?, as caller: Caller
  ) async throws(VaultError) -> JSONObject {
    var draft = draft(.retentionPlanned, .single, by: caller)
    draft.commits[.file] = Array("simulated".utf8) + SHA256.hash(bytes).bytes
    let proposed = try await checked(&draft) { _ throws(VaultError) -> RetentionSchedule in
      try self.allow(.planRetention, caller)
      do {
        return try RetentionSchedule(parsing: bytes, file: "the proposed policy")
      } catch {
        throw VaultError(
          .invalid, during: "reading a proposed policy", detail: "\(error)", cause: error)
      }
    }
    guard let today = day ?? ClockGuard.day(at: now) else {
      throw VaultError(.unavailable, during: "reading the clock")
    }
    draft.outcome = .success
    discard(try await record(draft))
    let register = try await holds.register()
    let calls = try await retainedCalls()
    let known = try await knownFacts()
    var simulation = RetentionSimulation(from: retention, to: proposed, on: today)
    for start in stride(from: 0, to: calls.count, by: Self.planPage) {
      let page = calls[start..<min(start + Self.planPage, calls.count)]
      let facts = page.map { self.facts(of: $0, known) }
      // Holds are counted only of what would go.
      let due = zip(page, facts).filter { proposed.lets($0.1, goOn: today) }.map(\.0.call)
      let verdicts = try await holds.verdicts(register, on: due)
      for (call, facts) in zip(page, facts) {
        simulation.add(
          facts, isHeld: !(verdicts[call.call] ?? .unreadable).isFree,
          recordings: Int(call.recordings))
      }
    }
    return simulation.object
  }
}

/// A plan, as far as it is.
public struct KnownPlan: Sendable {
  public let row: PlanRow
  public let plan: PurgePlan
  /// What was approved, oldest first.
  public let approvals: [Approval]
}

extension RetentionSchedule {
  /// Whether a call may go on a day, as far as no hold keeps it.
  fileprivate func lets(_ facts: RetentionFacts, goOn day: CivilDate) -> Bool {
    eligibility(of: facts).day.map { $0 <= day } ?? false
  }
}

extension VaultError {
  /// What a refusal of the rules means to whoever asked.
  init(retention error: any Error, during operation: StaticString) {
    switch error {
    case let error as VaultError: self = error
    case let error as RetentionError:
      let code: Code
      var reason: Reason?
      switch error.code {
      case .malformed, .outOfOrder: code = .tampered
      case .wrongState: code = .conflict
      case .notApproved: (code, reason) = (.denied, .approvalMissing)
      case .tooEarly: (code, reason) = (.conflict, .notDue)
      case .policy, .beyondCaps: (code, reason) = (.conflict, .approvalMissing)
      }
      self.init(code, during: operation, because: reason, detail: error.detail, cause: error)
    default: self.init(.unavailable, during: operation, cause: error)
    }
  }
}
