import Failover

/// Drift of a PBX from what its actuator needs: pure, over what was read.
struct ThreeCXLint: Sendable {
  let actuator: ActuatorID
  let rules: [(id: Int64, destinations: RouteChoice<ThreeCXDestination>)]

  func findings(
    in found: [ThreeCXRule], ownNumbers: Set<String>, hasEmergencyRule: Bool
  ) -> [DriftFinding] {
    var findings: [DriftFinding] = []
    func add(_ code: String, _ severity: DriftFinding.Severity, _ advice: String) {
      findings.append(
        DriftFinding(code: code, actuator: actuator, severity: severity, advice: advice))
    }
    for (id, wanted) in rules {
      guard let rule = found.first(where: { $0.id == id }) else {
        add("rule-missing", .blocking, "3CX has no inbound rule \(id)")
        continue
      }
      if rule.touchesEmergency {
        add("emergency-touched", .blocking, "inbound rule \(id) is for an emergency number")
      }
      let current = ThreeCXRule.times.map { rule.destinations[$0] ?? nil }
      if !current.allSatisfy({ $0.map(wanted.all.contains) == true }) {
        add("destination-foreign", .warning, "inbound rule \(id) leads where no route does")
      } else if Set(current).count > 1 {
        add(
          "several-routes-active", .warning,
          "the times of inbound rule \(id) follow different routes")
      }
      if wanted.all.contains(where: { $0.kind == .external && ownNumbers.contains($0.number) }) {
        add("route-loops", .blocking, "inbound rule \(id) would lead to a number of 3CX itself")
      }
    }
    if !hasEmergencyRule {
      add(
        "emergency-rule-missing", .warning,
        "3CX has no emergency outbound rule: people at its telephones may not reach 911")
    }
    return findings
  }
}
