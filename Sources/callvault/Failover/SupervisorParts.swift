import Failover
import YAML

/// What a supervisor probes with, moves calls with and tells people with: made from the policy's sections.
struct SupervisorParts: Sendable {
  /// An actuator with the states in which it must have confirmed.
  struct NeededActuator: Sendable {
    let actuator: any Actuator
    let states: Set<RoutingState>
  }

  var probes: [any Probe] = []
  var actuators: [NeededActuator] = []
  var movers: [any CallMover] = []
  var groups: [CallGroupID: any CallGroupSource] = [:]
  var notifiers: [NotifierID: any Notifier] = [:]
  var linters: [any DriftLinter] = []
  /// What runs beside: the redirect server.
  var services: [@Sendable () async -> Void] = []

  /// - Parameters:
  ///   - policy: read before.
  ///   - plan: the plan that is commanded now; cheap.
  /// - Throws: `YAMLError` with the place of what a part does not take.
  init(_ policy: RoutingPolicy, plan: @escaping @Sendable () -> RoutePlan?) throws {
    for declared in policy.probes {
      throw Self.unknown("probe", declared.signal.rawValue, declared.settings)
    }
    for declared in policy.actuators {
      throw Self.unknown("actuator", declared.kind, declared.settings)
    }
    for declared in policy.notifiers {
      throw Self.unknown("notifier", declared.kind, declared.settings)
    }
    if let redirect = policy.redirect { throw Self.unknown("part", "redirect", redirect) }
  }

  private static func unknown(_ what: String, _ kind: String, _ node: YAMLNode) -> YAMLError {
    YAMLError(.wrongType, at: node.position, "there is no \(what) of the kind '\(kind)'")
  }
}
