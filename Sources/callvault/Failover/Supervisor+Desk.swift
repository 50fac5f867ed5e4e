import Adapters
import Audit
import Cryptography
import Encoding
import Failover
import Host
import Service
import Vault

extension Supervisor: SupervisorDesk {
  func status() -> JSONObject {
    let now = Self.now
    let routing = supervision.routing
    var object: JSONObject = [
      "state": .string(routing.state.rawValue), "pending": .bool(routing.isPending),
      "latched": .bool(routing.budget.isLatched),
    ]
    if let plan = routing.plan { object["plan"] = .object(plan.json(at: now)) }
    if let override = routing.override {
      object["override"] = .object([
        "route": .string(override.route.description), "strict": .bool(override.isStrict),
        "ends_in_ms": .integer(override.until.ms(since: now)),
      ])
    }
    object["targets"] = .array(
      supervision.targets.map { machine in
        .object([
          "target": .string(machine.target.id.description),
          "role": .string(machine.target.role.rawValue),
          "belief": .string(machine.belief.rawValue),
          "for_ms": .integer(now.ms(since: machine.since)),
          "signals": .array(
            zip(machine.target.signals, machine.signals).map { signal, health in
              var object: JSONObject = [
                "kind": .string(signal.kind.rawValue), "belief": .string(health.belief.rawValue),
              ]
              if let life = health.lastLife { object["silent_ms"] = .integer(now.ms(since: life)) }
              if let miss = health.lastMiss { object["miss"] = .string(miss.rawValue) }
              return .object(object)
            }),
        ])
      })
    object["groups"] = .array(
      policy.groups.keys.sorted().map { group in
        var object: JSONObject = ["group": .string(group.description)]
        if let members = supervision.members[group] { object["members"] = .integer(Int64(members)) }
        return .object(object)
      })
    object["emergency"] = .array(
      supervision.emergency.routes.map { .string($0.id.description) })
    object["open"] = .bool(policy.hours.isOpen(at: time))
    if let next = policy.hours.nextOpening(after: time) {
      object["next_opening"] = .string(next.rfc3339)
    }
    if let since = unrecordedSince { object["unrecorded_since"] = .string(since.rfc3339) }
    let backlog = recorder.backlog
    object["log"] = .object([
      "waiting": .integer(Int64(backlog.waiting)), "failing": .bool(backlog.isFailing),
    ])
    return object
  }

  func evaluate(
    dead: Set<TargetID>, at time: Timestamp?, isEmergency: Bool
  ) throws(FailoverError) -> JSONObject {
    try checkKnown(dead)
    if isEmergency,
      let route = supervision.emergency.routes.first(where: { route in
        route.needs.allSatisfy { !dead.contains($0) }
      })
    {
      return [
        "decision": "EMERGENCY_HUMAN", "bypass_ai": true,
        "urgency": .string(Urgency.critical.rawValue), "route": .string(route.id.description),
        "provider": .string(route.provider.rawValue),
      ]
    }
    let choice = supervision.evaluate(dead: dead, at: Self.now, time: time ?? self.time)
    return [
      "decision": choice.usesAI ? "AI_AGENT" : "HUMAN", "bypass_ai": .bool(!choice.usesAI),
      "urgency": .string(Urgency.normal.rawValue), "state": .string(choice.state.rawValue),
      "route": .string(choice.route.id.description),
      "provider": .string(choice.route.provider.rawValue),
    ]
  }

  private func checkKnown(_ targets: Set<TargetID>) throws(FailoverError) {
    guard targets.isSubset(of: policy.targets.map(\.id)) else {
      throw FailoverError(.invalid, during: "looking for a target of the policy")
    }
  }

  func override(
    to route: RouteID, forMs: Int64, isStrict: Bool, by caller: SupervisorCaller
  ) throws(FailoverError) -> JSONObject {
    let override = Override(
      route: route, until: Self.now.advanced(byMs: forMs), isStrict: isStrict,
      actor: caller.actor.id)
    try change { (supervision) throws(FailoverError) in
      try supervision.set(override, at: Self.now)
    }
    recorder.record(
      asked(
        "override",
        [
          "route": .string(route.description), "for_ms": .integer(forMs),
          "strict": .bool(isStrict),
        ], id: .random(), by: caller.actor))
    return status()
  }

  func endOverride(by caller: SupervisorCaller) throws(FailoverError) -> JSONObject {
    try change { (supervision) throws(FailoverError) in
      try supervision.set(nil, at: Self.now)
    }
    recorder.record(asked("override-ended", [:], id: .random(), by: caller.actor))
    return status()
  }

  func failBack(by caller: SupervisorCaller) throws(FailoverError) -> JSONObject {
    try change { (supervision) throws(FailoverError) in supervision.approveFailback() }
    recorder.record(asked("failback", [:], id: .random(), by: caller.actor))
    return status()
  }

  func release(by caller: SupervisorCaller) throws(FailoverError) -> JSONObject {
    try change { (supervision) throws(FailoverError) in supervision.release() }
    recorder.record(asked("release", [:], id: .random(), by: caller.actor))
    return status()
  }

  func history(limit: Int) -> JSONObject {
    let items = history.items.suffix(limit).reversed().map { item -> JSONValue in
      var object = item.details
      object["id"] = .string(item.id.description)
      object["time"] = .string(item.time.rfc3339)
      if let ms = item.commandMs { object["command_ms"] = .integer(ms) }
      if let confirmed = item.isConfirmed { object["confirmed"] = .bool(confirmed) }
      return .object(object)
    }
    return ["decisions": .array(items)]
  }

  func drill(
    dead: Set<TargetID>, by caller: SupervisorCaller
  ) async throws(FailoverError) -> JSONObject {
    try checkKnown(dead)
    guard !dead.isEmpty else {
      throw FailoverError(.invalid, during: "reading which targets are to be dead")
    }
    let id = Identifier.random()
    counters.drills += 1
    var report: JSONObject = [
      "id": .string(id.description), "time": .string(time.rfc3339),
      "dead": .array(dead.sorted().map { .string($0.description) }),
    ]
    let rehearsed = supervision.rehearse(deathOf: dead, at: Self.now, time: time)
    var isPassed = false
    if let (decision, ms) = rehearsed {
      report["decide_ms"] = .integer(ms)
      report["cause"] = .string(decision.cause.rawValue)
      report["state"] = .string(decision.plan.state.rawValue)
      report["route"] = .string(decision.plan.route.id.description)
      isPassed = ms < policy.switching.ceilingMs
      let began = Self.now
      var planned: [JSONValue] = []
      for needed in parts.actuators where needed.states.contains(decision.plan.state) {
        let (entry, isPlanned) = await Self.dryRun(needed.actuator, decision.plan)
        planned.append(entry)
        isPassed = isPassed && isPlanned
      }
      report["actuators"] = .array(planned)
      report["plan_ms"] = .integer(Self.now.ms(since: began))
    }
    let findings = await findings()
    report["drift"] = .array(findings.map { .object($0.json) })
    isPassed = isPassed && !findings.contains { $0.severity == .blocking }
    report["passed"] = .bool(isPassed)
    if drillReports.count >= 100 { drillReports.removeFirst() }
    drillReports.append(report)
    recorder.record(drilled(report, id: id, by: caller.actor))
    tell(.drillEnded, .normal, subject: isPassed ? "passed" : "failed")
    return report
  }

  private nonisolated static func dryRun(
    _ actuator: any Actuator, _ plan: RoutePlan
  ) async -> (JSONValue, Bool) {
    do throws(FailoverError) {
      let planned = try await actuator.plan(plan)
      return (
        .object([
          "actuator": .string(actuator.id.description),
          "changes": .array(
            planned.changes.map {
              .object([
                "subject": .string($0.subject), "before": .string($0.before),
                "after": .string($0.after),
              ])
            }),
        ]), true
      )
    } catch {
      return (
        .object([
          "actuator": .string(actuator.id.description), "error": .string("\(error)"),
        ]), false
      )
    }
  }

  func drills() -> JSONObject {
    ["drills": .array(drillReports.reversed().map { .object($0) })]
  }

  func report(
    target: TargetID, isAlive: Bool, by caller: SupervisorCaller
  ) throws(FailoverError) {
    try takeSignal()
    try checkKnown([target])
    let now = Self.now
    supervision.observe(
      ProbeObservation(target: target, signal: .passive, result: .sent, at: now))
    supervision.observe(
      ProbeObservation(
        target: target, signal: .passive,
        result: isAlive ? .alive(roundTripMs: 0) : .missed(.serverError), at: now))
  }

  func report(
    members: Int, of group: CallGroupID, by caller: SupervisorCaller
  ) throws(FailoverError) {
    try takeSignal()
    guard policy.groups.keys.contains(group) else {
      throw FailoverError(.invalid, during: "looking for a group of the policy")
    }
    supervision.count(members, of: group)
  }

  private func takeSignal() throws(FailoverError) {
    guard signals.take(at: Self.now) else {
      counters.signalsRefused += 1
      throw FailoverError(.busy, during: "taking a report")
    }
    counters.signals += 1
  }

  func emergency(
    call: CallReference?, id: Identifier?, by caller: SupervisorCaller
  ) async throws(FailoverError) -> JSONObject {
    let began = Self.now
    let routes = supervision.emergency.routes
    let emergency = id ?? .random()
    counters.emergencies += 1
    // People are told while the call is moved, not after.
    tell(
      .emergencyTransfer, .critical, subject: routes.first.map { "\($0.id)" }, call: emergency,
      besides: policy.emergency.notifiers)
    var transferred: Route?
    if let call {
      transfers: for route in routes {
        for mover in parts.movers {
          if await Self.moves(call, by: mover, to: route, before: began.advanced(byMs: 4_500)) {
            transferred = route
            break transfers
          }
        }
      }
    }
    let ms = Self.now.ms(since: began)
    if transferred != nil { history.addEmergency(ms: ms) }
    recorder.record(
      asked(
        "emergency",
        [
          "transferred": .bool(transferred != nil), "ms": .integer(ms),
          "route": .string((transferred ?? routes.first)?.id.description ?? ""),
        ], id: emergency, by: caller.actor))
    if let call, transferred != nil {
      begin { await self.ensureRecording(of: call, emergency) }
    }
    var answer: JSONObject = [
      "id": .string(emergency.description), "decision": "EMERGENCY_HUMAN", "bypass_ai": true,
      "transferred": .bool(transferred != nil), "ms": .integer(ms),
    ]
    // Whoever asked moves the call itself where nothing of ours could: by these, in this order.
    answer["routes"] = .array(
      routes.map { route in
        .object([
          "route": .string(route.id.description), "provider": .string(route.provider.rawValue),
          "records": .bool(route.records),
          "contacts": .array(route.contacts.map { .string($0.uri) }),
        ])
      })
    return answer
  }

  private nonisolated static func moves(
    _ call: CallReference, by mover: any CallMover, to route: Route, before deadline: Moment
  ) async -> Bool {
    do {
      try await mover.move(call, to: route, before: deadline)
      return true
    } catch {
      // The next mover and the next route follow at once; what failed is seen by what was taken.
      return false
    }
  }

  private func ensureRecording(of call: CallReference, _ emergency: Identifier) async {
    for mover in parts.movers {
      do {
        try await mover.ensureRecording(of: call, before: Self.now.advanced(byMs: 5_000))
        return
      } catch {
        operatorLog.write(
          .warning, "recording-not-ensured",
          [
            "actuator": .string(mover.id.description),
            "cause": .string(OperatorLog.describe(error)),
          ])
      }
    }
    tell(.recordingMissing, .critical, subject: nil, call: emergency)
  }

  func notices() -> JSONObject {
    [
      "notices": .array(
        ledger.open.map { open in
          .object([
            "id": .string(open.notice.id.description),
            "notice": .string(open.notice.event.rawValue),
            "urgency": .string(open.notice.urgency.rawValue),
            "level": .integer(Int64(open.notice.level)),
            "subject": .string(open.notice.subject ?? ""),
            "time": .string(Timestamp(milliseconds: open.notice.atMs).rfc3339),
          ])
        })
    ]
  }

  func acknowledge(_ notice: Identifier, by caller: SupervisorCaller) throws(FailoverError) {
    guard ledger.acknowledge(notice) else {
      throw FailoverError(.invalid, during: "looking for an open notice of this id")
    }
    recorder.record(asked("acknowledged", [:], id: notice, by: caller.actor))
  }

  func serviceLevel(from: Timestamp?, to: Timestamp?) -> JSONObject {
    let end = to ?? time
    let start = from ?? Timestamp(milliseconds: end.milliseconds - 30 * 86_400_000)
    var unrecorded: [(from: Timestamp, to: Timestamp?)] = history.unrecorded.map {
      ($0.from, $0.to)
    }
    if let since = unrecordedSince { unrecorded.append((since, nil)) }
    return ServiceLevel(
      hours: policy.hours, from: start, to: end, outages: history.outages,
      unrecorded: unrecorded, emergenciesMs: history.emergenciesMs
    ).json
  }

  func lint() async -> JSONObject {
    ["findings": .array(await findings().map { .object($0.json) })]
  }

  func metrics() -> String {
    let metrics = MetricsRegistry()
    func set(_ name: String, _ help: String, _ value: Double, _ labels: [(String, String)] = []) {
      metrics.declare(name, .gauge, help: help)
      metrics.set(name, labels, to: value)
    }
    for state in RoutingState.allCases {
      set(
        "callvault_failover_state", "1 for the state that calls are in.",
        state == supervision.routing.state ? 1 : 0, [("state", state.rawValue)])
    }
    for machine in supervision.targets {
      set(
        "callvault_failover_target_down", "1 where a target counts as down.",
        machine.belief == .down ? 1 : 0, [("target", machine.target.id.description)])
    }
    set(
      "callvault_failover_plan_version", "Of the plan that is commanded.",
      Double(supervision.routing.version))
    set(
      "callvault_failover_latched", "1 while a person must look.",
      supervision.routing.budget.isLatched ? 1 : 0)
    set(
      "callvault_failover_log_waiting", "Entries that the log has not taken yet.",
      Double(recorder.backlog.waiting))
    var totals: [(String, String, Int64)] = [
      ("decisions", "Plans that were commanded.", counters.decisions),
      ("signals", "Reports that were taken.", counters.signals),
      ("signals_refused", "Reports beyond the limit.", counters.signalsRefused),
      ("emergencies", "Emergency alerts.", counters.emergencies),
      ("notices_failed", "Notices that reached nobody.", counters.noticesFailed),
      ("stalls", "Times that the supervisor itself stood still.", Int64(supervision.stalls)),
    ]
    if let redirect = parts.redirect { totals += redirect.totals }
    for (name, help, value) in totals {
      metrics.declare("callvault_failover_\(name)_total", .counter, help: help)
      metrics.add("callvault_failover_\(name)_total", by: Double(value))
    }
    return metrics.exposition()
  }

  func events(after number: Int64?) -> AsyncStream<(number: Int64, event: JSONObject)> {
    events.subscribe(after: number)
  }

  func caller(token: String?, peer: SupervisorPeer) -> SupervisorCaller? {
    if let token {
      guard let digest = AccessToken(token)?.digest,
        let known = policy.tokens.first(where: { $0.digest == digest }),
        let id = Self.identifier(of: digest)
      else { return refused(peer, .credentialUnknown) }
      return SupervisorCaller(
        actor: Actor(id: id, kind: .service, method: .token, strength: 1), scopes: known.scopes)
    }
    if case .local(let uid) = peer, uid == MachineFacts.user {
      return SupervisorCaller(
        actor: Actor(
          id: recorder.log.configuration.tenant, kind: .process, method: .peer, strength: 1),
        scopes: Set(SupervisorScope.allCases))
    }
    return refused(peer, .credentialMissing)
  }

  private func refused(_ peer: SupervisorPeer, _ reason: Reason) -> SupervisorCaller? {
    var draft = EntryDraft(
      .authRefused, .single,
      by: Actor(
        id: recorder.log.configuration.tenant, kind: .unknown, method: .none, strength: 0))
    draft.outcome = .refused
    draft.reason = reason
    let address =
      switch peer {
      case .local(let uid): "uid \(uid)"
      case .internet(let address): address
      }
    begin { [recorder, operatorLog, draft] in
      do {
        try await recorder.log.recordRefusal(Refusal(draft, from: address, namesKnown: false))
      } catch {
        operatorLog.write(
          .error, "refusal-not-recorded", ["cause": .string(OperatorLog.describe(error))])
      }
    }
    return nil
  }

  /// The id of a token that only the policy knows: the first bytes of its digest, as a version 4 UUID.
  static func identifier(of digest: SHA256Digest) -> Identifier? {
    var bytes = Array(digest.bytes[..<16])
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    return Identifier(bytes: bytes)
  }
}

extension DriftFinding {
  var json: JSONObject {
    [
      "code": .string(code), "actuator": .string(actuator.description),
      "severity": .string(severity.rawValue), "advice": .string(advice),
    ]
  }
}

extension ServiceLevel {
  var json: JSONObject {
    var object: JSONObject = [
      "from": .string(from.rfc3339), "to": .string(to.rfc3339),
      "business_ms": .integer(businessMs), "outage_ms": .integer(outageMs),
      "outage_all_hours_ms": .integer(outageAllMs), "budget_ms": .integer(budgetMs),
    ]
    if let availability { object["availability_ppm"] = .integer(availability) }
    object["outages"] = .array(
      outages.map {
        .object([
          "from": .string($0.from.rfc3339), "to": .string($0.to.rfc3339),
          "cause": .string($0.cause.rawValue),
        ])
      })
    object["unrecorded"] = .array(
      unrecorded.map { interval in
        var object: JSONObject = ["from": .string(interval.from.rfc3339)]
        if let to = interval.to { object["to"] = .string(to.rfc3339) }
        return .object(object)
      })
    object["targets"] = .array(
      rows.map { row in
        var object: JSONObject = ["name": .string(row.name), "target": .string(row.target)]
        object["measured"] = .string(row.measured ?? "not measured here")
        if let isMet = row.isMet { object["met"] = .bool(isMet) }
        return .object(object)
      })
    return object
  }
}
