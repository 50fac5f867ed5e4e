import AMI
import Cryptography
import Encoding
public import Failover
import Threading
public import YAML

/// Asterisk, by its manager: a mode that the dialplan reads for new calls, and live channels moved: section 4 of
/// `Documentation/formats/failover-actuators.md`.
public final class AsteriskActuator: SettingsActuator, CallMover, CallGroupSource, DriftLinter {
  public let id: ActuatorID
  public let fence = PlanFence()
  public let readLimitMs: Int64
  private let manager: AsteriskConversation
  /// For emergencies alone: a conversation asks one thing at a time, and a rescue may hang in the other.
  private let urgent: AsteriskConversation
  private let mode: AMISwitch
  private let modes: RouteChoice<String>
  private let places: RouteChoice<AMIPlace>
  private let emergencyContexts: Set<String>
  private let queues: [CallGroupID: AMIQueue]

  /// Keys: those of a manager, `mode`, `routes`, `places`, `emergency_contexts`, `queues`, `limit_ms`.
  public init(id: ActuatorID, settings: YAMLNode) throws(YAMLError) {
    self.id = id
    let fields = try settings.mapping(
      of: AsteriskConversation.keys
        + ["mode", "routes", "places", "emergency_contexts", "queues", "limit_ms"])
    manager = try .opened(fields, at: settings)
    urgent = try .opened(fields, at: settings)
    readLimitMs = try VendorSettings.milliseconds(
      fields["limit_ms"], in: 50...10_000, otherwise: 1_000)
    modes = try RouteChoice(fields.required("routes")) { node throws(YAMLError) in
      try node.string()
    }
    let modeNode = try fields.required("mode")
    let key = try modeNode.mapping(of: ["family", "key"])
    guard
      let mode = AMISwitch(
        family: try key.required("family").string(), key: try key.required("key").string(),
        values: Set(modes.all))
    else {
      throw VendorSettings.refuse(
        modeNode, "family, key and modes are 1 to 64 letters, digits, - and _")
    }
    self.mode = mode
    places = try RouteChoice(optional: fields["places"]) { node throws(YAMLError) in
      try Self.place(node)
    }
    emergencyContexts = Set(
      try fields["emergency_contexts"].map { node throws(YAMLError) in try node.strings() } ?? [])
    var queues: [CallGroupID: AMIQueue] = [:]
    for entry in try fields["queues"]?.entries() ?? [] {
      guard let group = CallGroupID(entry.key), let queue = AMIQueue(try entry.value.string())
      else { throw VendorSettings.refuse(entry.value, "a call group and its queue are expected") }
      queues[group] = queue
    }
    self.queues = queues
  }

  private static func place(_ node: YAMLNode) throws(YAMLError) -> AMIPlace {
    let fields = try node.mapping(of: ["context", "extension"])
    let name = try fields.required("extension").string()
    guard !EmergencyNumbers.isTouched(by: name),
      let place = AMIPlace(
        context: try fields.required("context").string(), extensionName: name)
    else {
      throw VendorSettings.refuse(
        node, "a context and an extension of the dialplan are expected, no emergency number")
    }
    return place
  }

  // MARK: New calls

  public func wanted(for plan: RoutePlan) -> [WantedSetting] {
    modes.value(for: plan).map { [WantedSetting(subject, $0)] } ?? []
  }

  public func read(
    _ subjects: [String], before deadline: Moment
  ) async throws(FailoverError) -> [String: String] {
    let value: String
    do throws(FailoverError) {
      let answer = try await manager.ask(.get(mode), before: deadline)
      value = answer.list.first?["Val"] ?? ""
    } catch {
      guard (error.cause as? AMIError)?.code == .notFound else { throw error }
      value = ""
    }
    // Nobody's own words go on from here: what is not a mode is only that.
    return [subject: mode.values.contains(value) ? value : value.isEmpty ? "unset" : "unknown"]
  }

  public func write(
    _ setting: WantedSetting, of mark: PlanMark, before deadline: Moment
  ) async throws(FailoverError) {
    guard setting.subject == subject, mode.values.contains(setting.value) else {
      throw FailoverError(.invalid, during: "setting a mode that the policy does not have")
    }
    _ = try await manager.ask(.put(mode, value: setting.value), before: deadline)
  }

  private var subject: String { "mode \(mode.family)/\(mode.key)" }

  public func findings(for routes: [Route]) async -> [DriftFinding] {
    do throws(FailoverError) {
      let current = try await read([subject], before: .now.advanced(byMs: readLimitMs))
      guard let value = current[subject], !mode.values.contains(value) else { return [] }
      return [
        DriftFinding(
          code: "mode-unknown", actuator: id, severity: .warning,
          advice: "\(mode.family)/\(mode.key) of Asterisk's database holds no mode of the policy")
      ]
    } catch {
      return [.settingsUnreadable(by: id, "Asterisk's manager could not be asked: \(error)")]
    }
  }

  // MARK: Live calls

  public func liveCalls() async throws(FailoverError) -> [LiveCall] {
    let answer = try await manager.ask(
      .listChannels, before: .now.advanced(byMs: readLimitMs))
    let now = Moment.now
    return Self.callers(among: answer.channels).prefix(1_000).compactMap { channel in
      guard let reference = CallReference(channel.channel.name) else { return nil }
      let urgency: Urgency = emergencyContexts.contains(channel.context) ? .critical : .normal
      return LiveCall(reference, urgency: urgency, began: now.advanced(byMs: -channel.durationMs))
    }
  }

  /// The caller's channel of each call, which is the one that the call began with.
  ///
  /// Moving it leaves the other side, which is what failed, behind.
  static func callers(among channels: [AMILiveChannel]) -> [AMILiveChannel] {
    var byCall: [String: AMILiveChannel] = [:]
    for channel in channels where channel.isUp && !channel.call.isEmpty {
      // A call's id is that of its first channel.
      if channel.unique == channel.call || byCall[channel.call] == nil {
        byCall[channel.call] = channel
      }
    }
    return byCall.values.sorted { ($0.durationMs, $1.call) > ($1.durationMs, $0.call) }
  }

  public func move(
    _ call: CallReference, to route: Route, urgency: Urgency, before deadline: Moment
  ) async throws(FailoverError) {
    let place = places.value(for: route.id, usesAI: false)
    guard let place, let channel = AMIChannel(call.description) else {
      throw FailoverError(.invalid, during: "moving a call that Asterisk cannot move there")
    }
    let redirect = AMIAction.redirect(channel, to: place)
    if urgency == .critical {
      _ = try await urgent.ask(redirect, before: deadline)
    } else {
      // One call whose answer does not come must not take the time of all that are behind it.
      let limit = Moment.now.advanced(byMs: readLimitMs)
      _ = try await manager.ask(redirect, before: min(deadline, limit))
    }
  }

  public func ensureRecording(
    of call: CallReference, before deadline: Moment
  ) async throws(FailoverError) {
    guard let channel = AMIChannel(call.description),
      let file = AMIRecordingFile("callvault-\(Identifier.random()).wav")
    else { throw FailoverError(.invalid, during: "recording a call that is not Asterisk's") }
    let running = try await urgent.ask(.recordingName(channel), before: deadline)
    guard running.response["Value"]?.isEmpty != false else { return }
    _ = try await urgent.ask(.record(channel, file: file), before: deadline)
  }

  public func members(of group: CallGroupID) async throws(FailoverError) -> Int {
    guard let queue = queues[group] else {
      throw FailoverError(.invalid, during: "counting a group that is no queue of Asterisk's")
    }
    return try await manager.ask(.queue(queue), before: .now.advanced(byMs: readLimitMs))
      .availableMembers
  }
}
