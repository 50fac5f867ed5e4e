import Audit
import Cryptography
import Encoding
import Failover
import Service

/// Drills: what would happen if something died, looked at or, for a time, really done.
extension Supervisor {
  private static let keptReports = 100
  /// Between two looks at a drill that is going on.
  private static let drillPace: Duration = .milliseconds(50)

  func drills() -> JSONObject {
    ["drills": .array(drillReports.reversed().map { .object($0) })]
  }

  func drill(
    dead: Set<TargetID>, live: LiveDrill?, by caller: SupervisorCaller
  ) async throws(FailoverError) -> JSONObject {
    try checkKnown(dead)
    guard !dead.isEmpty else {
      throw FailoverError(.invalid, during: "reading which targets are to be dead")
    }
    let id = Identifier.random()
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
    let findings = await lookForDrift()
    report["drift"] = .array(findings.map { .object($0.json) })
    isPassed = isPassed && !findings.contains { $0.severity == .blocking }
    report["passed"] = .bool(isPassed)
    // What would not pass is not tried on callers.
    guard let live, isPassed, let route = rehearsed?.decision.plan.route.id else {
      ended(report, id: id, isPassed: isPassed, by: caller.actor)
      return report
    }
    guard route == live.route else {
      throw FailoverError(.noRoute, during: "comparing the route with the one that was confirmed")
    }
    report["passed"] = nil
    report["running"] = true
    try begin(live, report, id: id, by: caller.actor)
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

  private func ended(_ report: JSONObject, id: Identifier, isPassed: Bool, by actor: Actor) {
    keep(report)
    recorder.record(drilled(report, id: id, by: actor))
    tell(.drillEnded, isPassed ? .normal : .urgent, subject: isPassed ? "passed" : "failed")
  }

  /// Keeps a report, in the place of an earlier one of the same drill.
  private func keep(_ report: JSONObject) {
    if let place = drillReports.firstIndex(where: { $0["id"] == report["id"] }) {
      drillReports[place] = report
      return
    }
    if drillReports.count >= Self.keptReports { drillReports.removeFirst() }
    drillReports.append(report)
  }

  // MARK: For a time, with callers

  /// Sends calls the other way as an override does: it is in the state that a start goes on from, so that it ends on time
  /// whatever becomes of the supervisor, and is given up when that way dies.
  private func begin(
    _ live: LiveDrill, _ report: JSONObject, id: Identifier, by actor: Actor
  ) throws(FailoverError) {
    let routing = supervision.routing
    guard isUsual, routing.current.route.id != live.route else {
      throw FailoverError(.noRoute, during: "looking whether calls go their usual way")
    }
    let before = routing.current.route.id
    let began = Self.now
    let until = began.advanced(byMs: live.forMs)
    try change { (supervision) throws(FailoverError) in
      try supervision.set(
        Override(route: live.route, until: until, isStrict: false, actor: actor.id), at: began)
    }
    keep(report)
    recorder.record(
      asked(
        "drill-begun",
        ["route": .string(live.route.description), "for_ms": .integer(live.forMs)], id: id,
        by: actor))
    begin { [report] in
      await self.watch(
        live.route, from: before, since: began, until: until, report, id: id, by: actor)
    }
  }

  private func watch(
    _ route: RouteID, from before: RouteID, since began: Moment, until: Moment,
    _ report: JSONObject, id: Identifier, by actor: Actor
  ) async {
    var report = report
    let switching = policy.switching
    let isConfirmed = await waits(began.advanced(byMs: switching.ceilingMs)) {
      $0.plan?.route.id == route && !$0.isPending
    }
    if isConfirmed { report["confirm_ms"] = .integer(Self.now.ms(since: began)) }
    // Until its time is over; sooner where a person ends it, or that way died.
    let hasGone = await waits(until) { $0.override?.until != until }
    let isCutShort = hasGone && Self.now < until
    report["cut_short"] = .bool(isCutShort)
    let ended = Self.now
    report["live_ms"] = .integer(ended.ms(since: began))
    if supervision.routing.override?.until == until {
      do throws(FailoverError) {
        try change { (supervision) throws(FailoverError) in try supervision.set(nil, at: ended) }
      } catch {
        operatorLog.write(
          .error, "drill-not-ended", ["cause": .string(OperatorLog.describe(error))])
      }
    }
    // Whoever confirmed the drill wanted calls back where they were.
    let limit = ended.advanced(
      byMs: switching.holdDownMs + policy.failback.dwellMs + switching.ceilingMs)
    var isBack = false
    while !isBack, Self.now < limit {
      isBack = await waits(Self.now.advanced(byMs: 200)) {
        $0.override != nil || $0.plan?.route.id == before && !$0.isPending
      }
      if supervision.routing.state == .failbackPending { supervision.approveFailback() }
      if Task.isCancelled { return }
    }
    isBack = isBack && supervision.routing.plan?.route.id == before
    report["reverted"] = .bool(isBack)
    if isBack { report["revert_ms"] = .integer(Self.now.ms(since: ended)) }
    report["running"] = nil
    let isPassed = isConfirmed && isBack && !isCutShort
    report["passed"] = .bool(isPassed)
    self.ended(report, id: id, isPassed: isPassed, by: actor)
  }

  /// Waits until something is so.
  ///
  /// - Returns: whether it is; false when the moment has come, or the supervisor ends.
  private func waits(
    _ moment: Moment, until isSo: (RoutingMachine) -> Bool
  ) async -> Bool {
    while !isSo(supervision.routing) {
      guard Self.now < moment else { return false }
      do { try await Task.sleep(for: Self.drillPace) } catch { return false }
    }
    return true
  }

  // MARK: By the calendar

  /// Whether calls go their way because of nobody's wish and no outage.
  private var isUsual: Bool {
    let routing = supervision.routing
    return routing.override == nil && !routing.isPending && routing.state == routing.current.state
  }

  /// Whether nothing is out of order that a rehearsal would take for its own doing.
  private func isQuiet(for dead: Set<TargetID>) -> Bool {
    isUsual
      && supervision.targets.allSatisfy { !dead.contains($0.target.id) || $0.belief == .alive }
  }

  /// Rehearses what the policy names, again and again, first a little after a start.
  func drillByCalendar() async {
    guard !policy.drills.isEmpty else { return }
    let began = Self.now
    let caller = SupervisorCaller(actor: recorder.log.system, scopes: [.routeWrite])
    var due = policy.drills.map { min($0.everyMs, RoutingPolicy.Drill.firstMs) }
    while !Task.isCancelled {
      for (place, drill) in policy.drills.enumerated()
      where Self.now.ms(since: began) >= due[place] && isQuiet(for: drill.dead) {
        // From now: drills that an override kept waiting are not made up for.
        due[place] = Self.now.ms(since: began) + drill.everyMs
        do throws(FailoverError) {
          _ = try await self.drill(dead: drill.dead, live: nil, by: caller)
        } catch {
          operatorLog.write(.error, "no-drill", ["cause": .string(OperatorLog.describe(error))])
        }
      }
      do { try await Task.sleep(for: .seconds(1)) } catch { return }
    }
  }
}
