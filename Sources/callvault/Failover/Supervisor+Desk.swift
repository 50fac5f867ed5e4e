import Audit
import Cryptography
import Encoding
import Failover
import Service
import Telephony

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
        var object = Evidence(machine, at: now).json
        object["role"] = .string(machine.target.role.rawValue)
        return .object(object)
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
      "lost": .integer(backlog.lost),
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

  func checkKnown(_ targets: Set<TargetID>) throws(FailoverError) {
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

  func report(
    target: TargetID, isAlive: Bool, by caller: SupervisorCaller
  ) throws(FailoverError) {
    try takeSignal()
    try checkKnown([target])
    observe(target, isAlive: isAlive)
  }

  /// What Twilio saw of a route's contact: a report about each target that the route needs, one voice with all others.
  func report(_ leg: TwilioVoice.Leg) {
    guard let route = policy.choice(leg.route)?.route else { return }
    let reported = policy.targets.filter { target in
      route.needs.contains(target.id) && target.signals.contains { $0.kind == .passive }
    }
    guard !reported.isEmpty, countSignal() else { return }
    for target in reported { observe(target.id, isAlive: leg.isAlive) }
  }

  private func observe(_ target: TargetID, isAlive: Bool) {
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
    guard countSignal() else { throw FailoverError(.busy, during: "taking a report") }
  }

  /// - Returns: whether one more report may be taken.
  private func countSignal() -> Bool {
    guard signals.take(at: Self.now) else {
      counters.signalsRefused += 1
      return false
    }
    counters.signals += 1
    return true
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

  func serviceLevel(
    from: Timestamp?, to: Timestamp?
  ) throws(FailoverError) -> JSONObject {
    let end = to ?? time
    let start = from ?? Timestamp(milliseconds: end.milliseconds - 30 * 86_400_000)
    guard start < end, end.milliseconds - start.milliseconds <= ServiceLevel.longestMs else {
      throw FailoverError(.invalid, during: "reporting on no time, or on more than 400 days")
    }
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

  func events(after number: Int64?) -> AsyncStream<(number: Int64, event: JSONObject)> {
    events.subscribe(after: number)
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
