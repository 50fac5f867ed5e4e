import Encoding
public import Failover
public import YAML

/// 3CX: where inbound rules send new calls, and live calls of route points: section 8 of
/// `Documentation/formats/failover-actuators.md`.
public final class ThreeCXActuator: SettingsActuator, CallMover, CallGroupSource, DriftLinter {
  public let id: ActuatorID
  public let fence = PlanFence()
  public let readLimitMs: Int64
  let rules: [(id: Int64, destinations: RouteChoice<ThreeCXDestination>)]
  private let client: ThreeCXClient
  /// Route points and extensions whose calls may be moved.
  private let points: [String]
  private let moves: RouteChoice<ThreeCXDestination>
  private let groups: [CallGroupID: Group]

  private enum Group: Sendable {
    case queue(String)
    case ringGroup(String)
  }

  /// Keys: those of a PBX, `rules`, `points`, `moves`, `groups`, `limit_ms`.
  public init(id: ActuatorID, settings: YAMLNode) throws(YAMLError) {
    self.id = id
    let fields = try settings.mapping(
      of: ThreeCXClient.keys + ["rules", "points", "moves", "groups", "limit_ms"])
    client = try ThreeCXClient.shared(fields)
    readLimitMs = try VendorSettings.milliseconds(
      fields["limit_ms"], in: 100...20_000, otherwise: 3_000)
    var rules: [(id: Int64, destinations: RouteChoice<ThreeCXDestination>)] = []
    for entry in try fields["rules"]?.entries() ?? [] {
      guard let number = Int64(entry.key), Int32(exactly: number) != nil,
        String(number) == entry.key
      else { throw VendorSettings.refuse(entry.value, "the Id of an inbound rule is expected") }
      rules.append(
        (
          number,
          try RouteChoice(entry.value) { node throws(YAMLError) in try Self.destination(node) }
        ))
    }
    self.rules = rules
    var points: [String] = []
    for node in try fields["points"]?.sequence() ?? [] {
      points.append(try Self.number(node))
    }
    self.points = points
    moves = try RouteChoice(optional: fields["moves"]) { node throws(YAMLError) in
      try Self.destination(node)
    }
    var groups: [CallGroupID: Group] = [:]
    for entry in try fields["groups"]?.entries() ?? [] {
      guard let group = CallGroupID(entry.key) else {
        throw VendorSettings.refuse(entry.value, "a call group's name is expected")
      }
      let kind = try entry.value.mapping(of: ["queue", "ring_group"])
      switch (kind["queue"], kind["ring_group"]) {
      case (let node?, nil): groups[group] = .queue(try Self.number(node))
      case (nil, let node?): groups[group] = .ringGroup(try Self.number(node))
      default: throw VendorSettings.refuse(entry.value, "one of queue and ring_group is expected")
      }
    }
    self.groups = groups
  }

  private static func destination(_ node: YAMLNode) throws(YAMLError) -> ThreeCXDestination {
    guard let destination = ThreeCXDestination(try node.string()) else {
      throw VendorSettings.refuse(
        node, "a destination such as Queue 800 is expected here, no emergency number")
    }
    return destination
  }

  private static func number(_ node: YAMLNode) throws(YAMLError) -> String {
    let text = try node.string()
    guard (1...10).contains(text.utf8.count),
      text.utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else { throw VendorSettings.refuse(node, "an extension's digits are expected here") }
    return text
  }

  // MARK: New calls

  public func wanted(for plan: RoutePlan) -> [WantedSetting] {
    rules.compactMap { rule in
      rule.destinations.value(for: plan).map { destination in
        let times = ThreeCXRule.times.map { _ in destination.description }
        return WantedSetting("rule \(rule.id)", times.joined(separator: "; "))
      }
    }
  }

  public func read(
    _ subjects: [String], before deadline: Moment
  ) async throws(FailoverError) -> [String: String] {
    var values: [String: String] = [:]
    for (id, _) in rules where subjects.contains("rule \(id)") {
      let rule = try await rule(id, before: deadline)
      guard !rule.touchesEmergency else {
        throw FailoverError(.emergencyNumber, during: "reading an inbound rule")
      }
      values["rule \(id)"] = ThreeCXRule.times.map { time in
        (rule.destinations[time] ?? nil)?.description ?? "other"
      }.joined(separator: "; ")
    }
    return values
  }

  private func rule(_ id: Int64, before deadline: Moment) async throws(FailoverError)
    -> ThreeCXRule
  {
    let body = try await client.get("/xapi/v1/InboundRules(\(id))", before: deadline)
    guard let rule = VendorJSON.object(body).flatMap(ThreeCXRule.init), rule.id == id else {
      throw FailoverError(.refused, during: "reading an inbound rule of 3CX")
    }
    return rule
  }

  public func write(
    _ setting: WantedSetting, of mark: PlanMark, before deadline: Moment
  ) async throws(FailoverError) {
    let parts = setting.subject.split(separator: " ").map(String.init)
    let values = setting.value.split(separator: "; ").map { ThreeCXDestination(String($0)) }
    guard parts.count == 2, parts[0] == "rule", let id = Int64(parts[1]),
      rules.contains(where: { $0.id == id }), values.count == ThreeCXRule.times.count
    else { throw FailoverError(.invalid, during: "writing an inbound rule that is not ours") }
    var change = JSONObject()
    for (time, value) in zip(ThreeCXRule.times, values) {
      // What was no destination that a plan may want cannot be put back.
      guard let value else {
        throw FailoverError(.refused, during: "putting back a destination that is not the policy's")
      }
      change[time] = value.object
    }
    // All times of day at once: between two requests calls would follow two plans.
    _ = try await client.send(
      "PATCH", "/xapi/v1/InboundRules(\(id))", .object(change), effect: .sets, urgency: .urgent,
      before: deadline)
  }

  // MARK: Live calls

  public func liveCalls() async throws(FailoverError) -> [LiveCall] {
    let now = Moment.now
    var calls: [LiveCall] = []
    for point in points {
      let body = try await client.get(
        "/callcontrol/\(point)/participants", before: now.advanced(byMs: readLimitMs))
      guard let participants = VendorJSON.array(body) else {
        throw FailoverError(.refused, during: "reading the participants of a route point")
      }
      for participant in participants {
        guard let id = participant.object?["id"]?.integer, id >= 0,
          let reference = CallReference("\(point)/\(id)")
        else { continue }
        // Ids grow, so the order of ids is that of beginnings.
        calls.append(
          LiveCall(
            reference, urgency: .normal, began: now.advanced(byMs: min(id, 1 << 40) - (1 << 40))))
      }
    }
    return Array(calls.prefix(1_000))
  }

  public func move(
    _ call: CallReference, to route: Route, urgency: Urgency, before deadline: Moment
  ) async throws(FailoverError) {
    let parts = call.description.split(separator: "/").map(String.init)
    guard parts.count == 2, points.contains(parts[0]), let id = Int64(parts[1]), id >= 0,
      let destination = moves.value(for: route.id, usesAI: false)
    else { throw FailoverError(.invalid, during: "moving a call that 3CX cannot move there") }
    // The destination alone: a reason or attached data could carry what a caller said.
    let body = try await client.send(
      "POST", "/callcontrol/\(parts[0])/participants/\(id)/routeto",
      ["destination": .string(destination.number)], effect: .acts, urgency: urgency,
      before: deadline)
    if let answer = VendorJSON.object(body), let outcome = answer["finalstatus"]?.string,
      outcome.lowercased() != "success"
    {
      throw FailoverError(.refused, during: "moving a call of 3CX")
    }
  }

  /// Never works: whether a call is recorded is a setting of 3CX's extensions, which its interfaces do not change
  /// for one call.
  public func ensureRecording(
    of call: CallReference, before deadline: Moment
  ) async throws(FailoverError) {
    throw FailoverError(.refused, during: "recording a single call of 3CX")
  }

  // MARK: People

  public func members(of group: CallGroupID) async throws(FailoverError) -> Int {
    guard let group = groups[group] else {
      throw FailoverError(.invalid, during: "counting a group that is none of 3CX's")
    }
    let deadline = Moment.now.advanced(byMs: readLimitMs)
    let (target, key, needsLogin) =
      switch group {
      case .queue(let number):
        ("/xapi/v1/Queues(Number='\(number)')?$select=Id&$expand=Agents", "Agents", true)
      case .ringGroup(let number):
        ("/xapi/v1/RingGroups(Number='\(number)')?$select=Id&$expand=Members", "Members", false)
      }
    guard
      let members = VendorJSON.object(try await client.get(target, before: deadline))?[key]?.array
    else { throw FailoverError(.refused, during: "reading the members of a group") }
    let numbers = Set(members.compactMap { $0.object?["Number"]?.string })
    let users = try await collection(
      "Users", select: "Number,IsRegistered,QueueStatus", before: deadline)
    return users.count { user in
      numbers.contains(user["Number"]?.string ?? "") && user["IsRegistered"]?.bool == true
        && (!needsLogin || user["QueueStatus"]?.string == "LoggedIn")
    }
  }

  /// All of a collection, 100 at a time and 50 times at most.
  func collection(
    _ name: String, select: String, before deadline: Moment
  ) async throws(FailoverError) -> [JSONObject] {
    var items: [JSONObject] = []
    for page in 0..<50 {
      let body = try await client.get(
        "/xapi/v1/\(name)?$top=100&$skip=\(page * 100)&$select=\(select)", before: deadline)
      guard let values = VendorJSON.object(body)?["value"]?.array else {
        throw FailoverError(.refused, during: "reading a collection of 3CX")
      }
      items += values.compactMap(\.object)
      if values.count < 100 { return items }
    }
    throw FailoverError(.refused, during: "reading a collection of 3CX that does not end")
  }

  // MARK: Drift

  public func findings(for routes: [Route]) async -> [DriftFinding] {
    let deadline = Moment.now.advanced(byMs: readLimitMs)
    do throws(FailoverError) {
      let found = try await collection(
        "InboundRules",
        select: "Id,Condition,Data,\(ThreeCXRule.times.joined(separator: ","))",
        before: deadline
      ).compactMap(ThreeCXRule.init)
      let trunks = try await collection("Trunks", select: "Id,Number,DidNumbers", before: deadline)
      let ours = Set(
        trunks.flatMap { trunk in
          trunk["DidNumbers"]?.array?.compactMap(\.string) ?? []
        })
      let emergency = VendorJSON.object(
        try await client.get(
          "/xapi/v1/OutboundRules/Pbx.GetEmergencyOutboundRules()?$top=1&$select=Id",
          before: deadline))?["value"]?.array
      return ThreeCXLint(actuator: id, rules: rules).findings(
        in: found, ownNumbers: ours, hasEmergencyRule: emergency?.isEmpty == false)
    } catch {
      return [.settingsUnreadable(by: id, "3CX's settings could not be read: \(error)")]
    }
  }
}
