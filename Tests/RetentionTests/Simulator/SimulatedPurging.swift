import Cryptography
import Encoding
import Mutation
import Retention

// The service's side: what it does once a day, driven by the decisions of the module.
extension Simulation {
  mutating func workOnPurges() throws {
    if memory == nil {
      // A start: what a crash left goes on before anything else does.
      for purge in storage.pending { storage.finish(purge) }
    }
    guard let row = storage.plan else {
      if isHealing || chance(14) { try sweep() }
      return
    }
    let kept = memory == nil || chance(8) ? try row.procedure() : nil
    if let memory, let kept, memory != kept {
      throw Failure(description: "what was kept of a plan is not what it was")
    }
    guard var procedure = memory ?? kept else { return }
    hasCrashed = !isHealing && chance(30)
    switch procedure.stage {
    case .planned: try approve(&procedure)
    case .approved:
      guard let judgement = judge(procedure) else { return }
      do {
        try procedure.startGrace(judgement)
      } catch {
        count("plans of days to come")
        if chance(10) { try procedure.withdraw() }
      }
    // Nobody asks on every day of the grace period, and some ask too early.
    case .inGrace where !isHealing && !chance(4): break
    case .inGrace, .running:
      // Every day is a start, which asks again.
      if let judgement = try begin(&procedure) { try proceed(&procedure, judgement) }
    case .done, .void: throw Failure(description: "a plan that has ended is kept")
    }
    if !isHealing, chance(300), !procedure.stage.isFinal {
      try procedure.withdraw()
      count("withdrawn plans")
    }
    keep(procedure)
  }

  /// Makes the procedure's stage durable.
  private mutating func keep(_ procedure: PurgeProcedure) {
    guard storage.plan?.plan.head.id == procedure.plan.head.id else { return }
    memory = hasCrashed ? nil : procedure
    storage.plan?.approvals = procedure.approvals.map(\.encoded)
    storage.plan?.graceSince = procedure.graceSince
    storage.plan?.stage = procedure.stage
    if procedure.stage.isFinal {
      count("plans \(procedure.stage.rawValue)")
      storage.plan = nil
      memory = nil
    }
  }

  private var register: HoldRegister {
    canReadHolds ? HoldRegister(holds.map(\.hold), tokens: SimulatedCall.tokens) : .unreadable
  }

  private func candidate(_ call: SimulatedCall, _ register: HoldRegister) -> PlanCandidate {
    PlanCandidate(
      call: call.id, facts: call.facts, hold: register.verdict(on: call.holdFacts),
      recordings: call.recordings, bytes: call.bytes)
  }

  private mutating func sweep() throws {
    guard PolicyStanding(approved: approved?.schedule, loaded: loaded.schedule).allowsPurge else {
      return
    }
    serial += 1
    let limit = isHealing || chance(3) ? Int.max : Int.random(in: 1...Self.cap, using: &dice)
    var writer = try PurgePlanWriter(
      plan: id(100_000 + serial), tenant: id(3), made: clock, schedule: loaded.schedule,
      limit: limit)
    let register = register
    var bytes: [UInt8] = []
    let day = ClockGuard.day(at: clock)
    for call in storage.calls {
      // Holds are asked about what may go only: there may be many of both.
      let eligible = loaded.schedule.eligibility(of: call.facts).day
      let isDue = eligible.flatMap { eligible in day.map { eligible <= $0 } } ?? false
      try writer.consider(
        PlanCandidate(
          call: call.id, facts: call.facts,
          hold: isDue ? register.verdict(on: call.holdFacts) : .free,
          recordings: call.recordings, bytes: call.bytes))
    }
    bytes += writer.drain()
    let (plan, rest) = writer.finish()
    guard plan.totals.calls > 0 else { return }
    storage.plan = SimulatedStorage.PlanRow(plan: plan, bytes: bytes + rest)
    count("plans")
  }

  private mutating func approve(_ procedure: inout PurgeProcedure) throws {
    guard isHealing || chance(3) else { return }
    let person = Int.random(in: 1...3, using: &dice)
    let hash = chance(10) ? SHA256.hash([1]) : procedure.plan.hash
    let allows = isHealing || chance(5)
    let role: ApproverRole = chance(10) ? .administrator : .recordsManager
    let day = hasAuthority ? nil : today
    do {
      try procedure.approve(
        approval(of: .plan(hash), by: person, as: role, typed: day, beyondCaps: allows),
        under: loaded.schedule.purge)
    } catch {
      count("refused approvals")
    }
  }

  /// What time it is for the plan, by an authority or by what the approvers type.
  private mutating func judge(_ procedure: PurgeProcedure) -> Judgement? {
    let hash = procedure.plan.hash
    var outside: [OutsideTime] = []
    if hasAuthority {
      let time = Timestamp(milliseconds: now)
      outside = [
        OutsideTime(kind: .authority, name: "a", digest: hash, time: time, received: clock)
      ]
      // An authority that lies does no harm beside one that does not.
      if chance(10) {
        let lie = Timestamp(milliseconds: clock.milliseconds - 1000)
        outside.append(
          OutsideTime(kind: .witness, name: "b", digest: hash, time: lie, received: clock))
      }
    }
    let typed = hasAuthority ? [] : [today, today].compactMap(\.self)
    let verdict = ClockGuard.judge(plan: hash, outside: outside, typed: typed, clock: clock)
    if verdict.leap != nil {
      storage.alarms += 1
      count("alarms")
    } else if hasAuthority, abs(clockAhead) > 5 * 60_000 {
      count("leaps without an alarm")
    }
    return verdict.judgement
  }

  /// The time that was judged; nil if the run may not begin or go on.
  private mutating func begin(_ procedure: inout PurgeProcedure) throws -> Judgement? {
    guard let row = storage.plan, let judgement = judge(procedure) else { return nil }
    var reader = try PurgePlanReader()
    let items = try reader.read(row.bytes)
    guard try reader.finish() == procedure.plan else {
      throw Failure(description: "a plan changed")
    }
    let rest = items.filter { row.handled[$0.call] == nil }
      .reduce(0) { $0 + PurgeCaps.weight(of: $1.recordings) }
    let caps = loaded.schedule.purge.caps.verdict(
      planned: rest, stored: storage.weight, purged: storage.history, at: judgement.earliest)
    do {
      try procedure.begin(
        judgement,
        standing: PolicyStanding(approved: approved?.schedule, loaded: loaded.schedule),
        schedule: loaded.schedule, caps: caps)
      if procedure.pair?.allowsBeyondCaps == true { beyondCaps.insert(procedure.plan.head.id) }
      return judgement
    } catch  where error.code == .beyondCaps {
      // People take the plan back and make one that is less.
      count("plans beyond the caps")
      try procedure.withdraw()
    } catch {
      count("refused runs")
    }
    return nil
  }

  /// Executes some lines, between which anything may happen.
  private mutating func proceed(
    _ procedure: inout PurgeProcedure, _ judgement: Judgement
  ) throws {
    guard let row = storage.plan, let pair = procedure.pair else { return }
    var reader = try PurgePlanReader()
    let items = try reader.read(row.bytes).filter { row.handled[$0.call] == nil }
    for item in items.prefix(Int.random(in: 1...40, using: &dice)) {
      if !isHealing {
        // A hold that is placed now wins.
        if chance(60) { setHold() }
        if chance(25) {
          count("crashes")
          hasCrashed = true
          return
        }
      }
      let call = storage.place(of: item.call).map { storage.calls[$0] }
      let register = register
      let reason = item.recheck(
        call.map { candidate($0, register) }, schedule: loaded.schedule, day: judgement.day)
      if let reason {
        storage.plan?.handled[item.call] = .some(reason)
        try procedure.noteSkipped(reason)
        count("skipped \(reason.rawValue)")
        continue
      }
      guard let call else { throw Failure(description: "a call that is gone may go") }
      // Storage may refuse; the line waits for another day.
      if !isHealing, chance(20) {
        count("failed deletes")
        continue
      }
      try judge(call, for: procedure, pair)
      let label = procedure.plan.rule(item.rule)?.label ?? ""
      let certificate = SimulatedStorage.Certificate(
        call: call.id, plan: procedure.plan.head.id, rule: label, approvals: pair)
      let weight = PurgeCaps.weight(of: call.recordings)
      storage.enter(certificate, weight: weight, at: judgement.latest)
      purges.append((now, weight, procedure.plan.head.id))
      count("purged")
      if !isHealing, chance(25) {
        count("crashes")
        hasCrashed = true
        return
      }
      storage.finish((call.id, certificate))
      try procedure.notePurged()
    }
    if procedure.remaining == 0 { try procedure.finish() }
  }

  // MARK: What must never be

  private func judge(
    _ call: SimulatedCall, for procedure: PurgeProcedure, _ pair: ApprovalPair
  ) throws {
    guard let inForce else {
      throw Failure(description: "purged under a policy that nobody approved")
    }
    guard let today = CivilDate(Timestamp(milliseconds: now), minutesEast: 0) else {
      throw Failure(description: "no calendar")
    }
    let earliest = call.earliest(under: inForce)
    guard earliest <= SimulatedCall.fields(today) else {
      throw Failure(description: "purged on \(today), before \(earliest)")
    }
    if let hold = holds.first(where: { $0.covers(call) }) {
      throw Failure(description: "purged under a hold, \(hold.about)")
    }
    guard canReadHolds else { throw Failure(description: "purged without seeing holds") }
    guard pair.first.person != pair.second.person, pair.subject == .plan(procedure.plan.hash) else {
      throw Failure(description: "purged without two people")
    }
  }

  /// What holds over all the years.
  func judgeTheWhole() throws {
    guard Set(storage.entries.map(\.call)).count == storage.entries.count,
      storage.entries.count == purges.count
    else { throw Failure(description: "a purge has not just one entry") }
    guard storage.certificates.map(\.call).sorted() == storage.entries.map(\.call).sorted(),
      storage.certificates.allSatisfy({ !$0.rule.isEmpty })
    else { throw Failure(description: "a purge has not just one certificate") }
    guard counts["leaps without an alarm"] == nil, counts["releases by one person"] == nil else {
      throw Failure(description: "\(counts)")
    }
    // Every thirty days, where nobody allowed more.
    for (place, last) in purges.enumerated() where !beyondCaps.contains(last.plan) {
      let window = purges[...place].reversed().prefix {
        $0.time > last.time - 30 * Self.dayLength
      }
      guard window.allSatisfy({ !beyondCaps.contains($0.plan) }) else { continue }
      guard window.reduce(0, { $0 + $1.weight }) <= Self.cap else {
        throw Failure(description: "more went in thirty days than the caps allow")
      }
    }
  }
}
