import Adapters
import Encoding
import Failover
import Service
import Telephony
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
  var canaries: [any CanaryCaller] = []
  var groups: [CallGroupID: any CallGroupSource] = [:]
  var notifiers: [NotifierID: any Notifier] = [:]
  var linters: [any DriftLinter] = []
  var redirect: SIPRedirect?
  var voice: TwilioVoice?
  /// What runs beside: the redirect server.
  var services: [@Sendable () async -> Void] = []

  /// Makes all that the policy names.
  ///
  /// - Parameters:
  ///   - policy: read before.
  ///   - plan: the plan that is commanded now; cheap.
  /// - Throws: `YAMLError` with the place of what a part does not take.
  init(
    _ policy: RoutingPolicy, plan: @escaping @Sendable () -> RoutePlan?
  ) throws(YAMLError) {
    for declared in policy.probes {
      let probe = try Self.probe(declared)
      probes.append(probe)
      if let linter = probe as? any DriftLinter { linters.append(linter) }
    }
    for declared in policy.actuators { try add(declared) }
    for (group, source) in policy.groups {
      guard let source,
        let declared = policy.actuators.first(where: { $0.name == source.description })
      else { continue }
      let actuator = actuators.map(\.actuator).first { $0.id == source }
      // Taken without its members, the group would count as staffed for ever.
      guard let counting = actuator as? any CallGroupSource else {
        throw YAMLError(
          .wrongType, at: declared.settings.position,
          "this is the source of the group '\(group)', and cannot count who is there")
      }
      groups[group] = counting
    }
    for declared in policy.notifiers {
      guard let id = NotifierID(declared.name) else { continue }
      notifiers[id] = try Self.notifier(id, declared)
    }
    if let settings = policy.voice {
      voice = try TwilioVoice(settings: settings, safe: policy.safe.route, plan: plan)
    }
    if let settings = policy.redirect {
      let redirect = try SIPRedirect(
        settings: settings, routes: policy.choices.map(\.route),
        allowsPrivate: policy.allowsPrivateAddresses, emergencyNumbers: policy.emergencyNumbers,
        plan: plan)
      self.redirect = redirect
      services.append {
        await redirect.run { error in
          OperatorLog.onStandardError.write(
            .error, "redirect-failed", ["cause": .string(OperatorLog.describe(error))])
        }
      }
    }
  }

  private static func probe(
    _ declared: RoutingPolicy.DeclaredProbe
  ) throws(YAMLError) -> any Probe {
    let (target, settings) = (declared.target, declared.settings)
    switch declared.signal {
    case .http: return try HTTPProbe(target: target, settings: settings)
    case .uplink: return try PlaceProbe.uplink(target: target, settings: settings)
    case .dns: return try PlaceProbe.name(target: target, settings: settings)
    case .tls: return try PlaceProbe.certificate(target: target, settings: settings)
    case .registration: return try RegistrationProbe(target: target, settings: settings)
    case .ami: return try AMIProbe(target: target, settings: settings)
    case .pbxAPI: return try ThreeCXProbe(target: target, settings: settings)
    case .canary: return try CanaryProbe(target: target, settings: settings)
    case .sipOptions: return try SIPOptionsProbe(target: target, settings: settings)
    case .passive:
      throw unknown("probe", declared.signal.rawValue, settings)
    }
  }

  private mutating func add(_ declared: RoutingPolicy.Declared) throws(YAMLError) {
    guard let id = ActuatorID(declared.name) else { return }
    let settings = declared.settings
    let actuator: any Actuator
    switch declared.kind {
    case "kamailio": actuator = try KamailioActuator(id: id, settings: settings)
    case "asterisk": actuator = try AsteriskActuator(id: id, settings: settings)
    case "twilio": actuator = try TwilioActuator(id: id, settings: settings)
    case "threecx": actuator = try ThreeCXActuator(id: id, settings: settings)
    case "webhook": actuator = try WebhookActuator(id: id, settings: settings)
    case "script": actuator = try ScriptActuator(id: id, settings: settings)
    default: throw Self.unknown("actuator", declared.kind, settings)
    }
    actuators.append(NeededActuator(actuator: actuator, states: declared.states))
    if let mover = actuator as? any CallMover { movers.append(mover) }
    if let caller = actuator as? any CanaryCaller { canaries.append(caller) }
    if let linter = actuator as? any DriftLinter { linters.append(linter) }
  }

  private static func notifier(
    _ id: NotifierID, _ declared: RoutingPolicy.Declared
  ) throws(YAMLError) -> any Notifier {
    switch declared.kind {
    case "smtp": try SMTPNotifier(id: id, settings: declared.settings)
    case "webhook": try WebhookNotifier(id: id, settings: declared.settings)
    case "twilio-sms": try TwilioSMSNotifier(id: id, settings: declared.settings)
    case "pagerduty": try PagerDutyNotifier(id: id, settings: declared.settings)
    default: throw unknown("notifier", declared.kind, declared.settings)
    }
  }

  private static func unknown(_ what: String, _ kind: String, _ node: YAMLNode) -> YAMLError {
    YAMLError(.wrongType, at: node.position, "there is no \(what) of the kind '\(kind)'")
  }
}
