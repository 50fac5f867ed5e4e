import Cryptography
import Encoding
import Failover
import HTTPClient
import Threading
import YAML

@testable import Telephony

/// What a line of the driver's input means.
struct Desk {
  private var actuators: [String: any Actuator] = [:]
  private var plans: [String: ActuatorPlan] = [:]
  private var receipts: [String: ActuatorReceipt] = [:]

  struct Mistake: Error, CustomStringConvertible {
    let description: String
  }

  mutating func carryOut(_ command: JSONObject) async throws -> JSONObject {
    let name = command["name"]?.string ?? ""
    let deadline = Moment.now.advanced(byMs: command["limit_ms"]?.integer ?? 5_000)
    switch command["do"]?.string {
    case "make":
      actuators[name] = try Self.actuator(name, command)
      return [:]
    case "plan":
      let plan = try await actuator(name).plan(try Self.plan(command))
      plans[name] = plan
      return ["changes": Self.changes(plan.changes)]
    case "apply":
      guard let plan = plans[name] else { throw Mistake(description: "no plan") }
      return try remember(try await actuator(name).apply(plan, before: deadline), name)
    case "verify":
      guard let receipt = receipts[name] else { throw Mistake(description: "no receipt") }
      return ["is": .bool(try await actuator(name).verify(receipt))]
    case "revert":
      guard let receipt = receipts[name] else { throw Mistake(description: "no receipt") }
      return try remember(try await actuator(name).revert(receipt, before: deadline), name)
    case "lint":
      guard let linter = actuators[name] as? any DriftLinter else {
        throw Mistake(description: "no linter")
      }
      let findings = await linter.findings(for: [try Self.plan(command).route])
      return ["codes": .array(findings.map { .string($0.code) })]
    case "rescue": return try await rescue(name, command, before: deadline)
    case "record":
      guard let mover = actuators[name] as? any CallMover,
        let call = command["call"]?.string.flatMap(CallReference.init)
      else { throw Mistake(description: "no mover") }
      try await mover.ensureRecording(of: call, before: deadline)
      return [:]
    case "members":
      guard let source = actuators[name] as? any CallGroupSource,
        let group = command["group"]?.string.flatMap({ CallGroupID($0) })
      else { throw Mistake(description: "no groups") }
      return ["members": .integer(Int64(try await source.members(of: group)))]
    case "notify": return try await notify(command, before: deadline)
    case "probe": return try await probe(command)
    case "certificate":
      let probe = try PlaceProbe.certificate(
        target: try Self.named("target"), settings: try Self.settings(command))
      return ["codes": .array(await probe.findings(for: []).map { .string($0.code) })]
    case "signature": return try signature(command)
    default: throw Mistake(description: "unknown command")
    }
  }

  private func actuator(_ name: String) throws -> any Actuator {
    guard let actuator = actuators[name] else { throw Mistake(description: "no actuator") }
    return actuator
  }

  private mutating func remember(_ receipt: ActuatorReceipt, _ name: String) throws -> JSONObject {
    // What was so already is nothing to put back.
    if !receipt.changes.isEmpty { receipts[name] = receipt }
    return [
      "changes": Self.changes(receipt.changes), "confirmed": .bool(receipt.confirmed != nil),
      "ms": .integer(receipt.applied.ms(since: receipt.began)),
    ]
  }

  private static func settings(_ command: JSONObject) throws -> YAMLNode {
    try YAMLNode(parsing: Array((command["settings"]?.string ?? "").utf8), file: "settings")
  }

  private static func named<Tag>(_ name: String) throws -> PolicyName<Tag> {
    guard let name = PolicyName<Tag>(name) else { throw Mistake(description: "no name") }
    return name
  }

  private static func actuator(_ name: String, _ command: JSONObject) throws -> any Actuator {
    let settings = try settings(command)
    let id: ActuatorID = try named(name)
    switch command["kind"]?.string {
    case "kamailio": return try KamailioActuator(id: id, settings: settings)
    case "asterisk": return try AsteriskActuator(id: id, settings: settings)
    case "twilio": return try TwilioActuator(id: id, settings: settings)
    case "threecx": return try ThreeCXActuator(id: id, settings: settings)
    case "webhook": return try WebhookActuator(id: id, settings: settings)
    case "script": return try ScriptActuator(id: id, settings: settings)
    default: throw Mistake(description: "unknown kind")
    }
  }

  private static func plan(_ command: JSONObject) throws -> RoutePlan {
    let contacts = command["contacts"]?.array?.compactMap(\.string) ?? ["sip:desk@192.0.2.10"]
    let route = Route(
      id: try named(command["route"]?.string ?? "main"), provider: .twilio,
      contacts: try contacts.map { text in
        guard let contact = RouteContact(text) else { throw Mistake(description: "no contact") }
        return contact
      })
    return RoutePlan(
      version: command["version"]?.integer ?? 1, fencing: command["fencing"]?.integer ?? 1,
      state: .normal, route: route, expires: Moment(milliseconds: .max), decidedAtMs: 0,
      usesAI: command["ai"]?.bool ?? false)
  }

  private static func changes(_ changes: [ActuatorChange]) -> JSONValue {
    .array(changes.map { [.string($0.subject), .string($0.before), .string($0.after)] })
  }

  /// Moves all live calls; the first `critical` of them as emergencies.
  private func rescue(
    _ name: String, _ command: JSONObject, before deadline: Moment
  ) async throws -> JSONObject {
    guard let mover = actuators[name] as? any CallMover else {
      throw Mistake(description: "no mover")
    }
    let critical = Set(command["critical"]?.array?.compactMap(\.string) ?? [])
    let calls = try await mover.liveCalls().map { call in
      critical.contains(call.reference.description)
        ? LiveCall(call.reference, urgency: .critical, began: call.began) : call
    }
    let outcomes = await CallRescue(mover: mover, now: { .now }).move(
      calls, to: try Self.plan(command).route, before: deadline)
    let failures = outcomes.compactMap(\.failure).map { JSONValue.string("\($0.code)") }
    return [
      "calls": .integer(Int64(calls.count)), "failures": .array(failures),
      "ms": .integer(outcomes.map(\.afterMs).max() ?? 0),
    ]
  }

  private func notify(_ command: JSONObject, before deadline: Moment) async throws -> JSONObject {
    let id: NotifierID = try Self.named("n")
    let settings = try Self.settings(command)
    let notifier: any Notifier
    switch command["kind"]?.string {
    case "smtp": notifier = try SMTPNotifier(id: id, settings: settings)
    case "webhook": notifier = try WebhookNotifier(id: id, settings: settings)
    case "twilio-sms": notifier = try TwilioSMSNotifier(id: id, settings: settings)
    case "pagerduty": notifier = try PagerDutyNotifier(id: id, settings: settings)
    default: throw Mistake(description: "unknown kind")
    }
    let notice = Notice(
      id: .random(), event: .emergencyTransfer, urgency: .critical, state: .emergencyPSTN,
      subject: command["subject"]?.string, call: .random(), atMs: 1_795_185_321_000)
    try await notifier.send(notice, before: deadline)
    return ["notice": .string("\(notice.id)")]
  }

  /// Runs a probe until it has reported the words of `until`, ten seconds at most, and lists what it reported.
  private func probe(_ command: JSONObject) async throws -> JSONObject {
    let target: TargetID = try Self.named("target")
    let settings = try Self.settings(command)
    let probe: any Probe
    switch command["kind"]?.string {
    case "ami": probe = try AMIProbe(target: target, settings: settings)
    case "pbx-api": probe = try ThreeCXProbe(target: target, settings: settings)
    case "http": probe = try HTTPProbe(target: target, settings: settings)
    case "canary": probe = try CanaryProbe(target: target, settings: settings)
    case "uplink": probe = try PlaceProbe.uplink(target: target, settings: settings)
    case "dns": probe = try PlaceProbe.name(target: target, settings: settings)
    case "tls": probe = try PlaceProbe.certificate(target: target, settings: settings)
    case "registration": probe = try RegistrationProbe(target: target, settings: settings)
    default: throw Mistake(description: "unknown kind")
    }
    let seen = Lock<[String]>([])
    let running = Task {
      await probe.run { observation in
        let word =
          switch observation.result {
          case .sent: "sent"
          case .alive: "alive"
          case .missed(let miss): miss.rawValue
          case .drain(let ms): "drain \(ms)"
          }
        seen.withLock { $0.append(word) }
      }
    }
    let wanted = Set(command["until"]?.array?.compactMap(\.string) ?? [])
    let end = Moment.now.advanced(byMs: 10_000)
    while !wanted.isSubset(of: seen.withLock { $0 }), Moment.now < end {
      try await Task.sleep(for: .milliseconds(20))
    }
    running.cancel()
    await running.value
    return ["seen": .array(seen.withLock { $0 }.map { .string($0) })]
  }

  private func headers(_ command: JSONObject) -> [ClientRequest.Header] {
    (command["headers"]?.object?.members ?? []).map {
      ClientRequest.Header($0.key, $0.value.string ?? "")
    }
  }

  private func signature(_ command: JSONObject) throws -> JSONObject {
    func secret(_ key: String) throws -> SharedSecret {
      SharedSecret(try SecretBytes(copying: Array((command[key]?.string ?? "-").utf8)))
    }
    let signature = TwilioSignature(
      origin: command["origin"]?.string ?? "", token: try secret("token"),
      sharedKey: ("key1", try secret("shared")))
    do throws(TwilioSignature.Refusal) {
      let fields = try signature.check(
        target: command["target"]?.string ?? "", headers: headers(command),
        body: Array((command["body"]?.string ?? "").utf8))
      return ["fields": .integer(Int64(fields.count))]
    } catch {
      return ["refused": .string("\(error)")]
    }
  }
}
