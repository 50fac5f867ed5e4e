import Cryptography
import Encoding
import YAML

extension BusinessHours {
  init(_ node: YAMLNode, zoneFile: (String) -> [UInt8]?) throws(YAMLError) {
    let fields = try node.mapping(of: ["time_zone", "week", "holidays"])
    let zone = try fields.required("time_zone")
    guard let bytes = zoneFile(try zone.string()), let rules = TimeZoneRules(parsing: bytes) else {
      throw YAMLError(
        .wrongType, at: zone.position, "a time zone like America/Detroit is expected here")
    }
    let days = try fields.required("week")
    let mapping = try days.mapping(of: Weekday.allCases.map(\.name))
    var week: [Weekday: [Range<Int>]] = [:]
    for day in Weekday.allCases {
      if let node = mapping[day.name], !node.isNull { week[day] = try Self.spans(node) }
    }
    guard week.values.contains(where: { !$0.isEmpty }) else {
      throw YAMLError(.wrongType, at: days.position, "a week with some hours is expected here")
    }
    var holidays: Set<Int64> = []
    for item in try fields["holidays"]?.sequence() ?? [] {
      guard let day = Self.day(try item.string()) else {
        throw YAMLError(.wrongType, at: item.position, "a day like 2026-12-25 is expected here")
      }
      guard holidays.insert(day).inserted else {
        throw YAMLError(.duplicateKey, at: item.position, "this day is listed twice")
      }
    }
    self.init(zone: rules, week: week, holidays: holidays)
  }

  /// `["08:00-12:00", "13:00-17:00"]`, ascending and apart; 24:00 is the end of a day.
  private static func spans(_ node: YAMLNode) throws(YAMLError) -> [Range<Int>] {
    var spans: [Range<Int>] = []
    for item in try node.sequence() {
      let ends = try item.string().split(separator: "-", omittingEmptySubsequences: false)
      guard ends.count == 2, let start = minute(ends[0]), let end = minute(ends[1]), start < end,
        (spans.last?.upperBound ?? 0) <= start
      else {
        throw YAMLError(
          .wrongType, at: item.position,
          "hours like \"08:00-17:00\" are expected here, one after the other")
      }
      spans.append(start..<end)
    }
    return spans
  }

  private static func minute(_ text: Substring) -> Int? {
    let bytes = Array(text.utf8)
    guard bytes.count == 5, bytes[2] == 0x3a,
      [0, 1, 3, 4].allSatisfy({ (0x30...0x39).contains(bytes[$0]) })
    else { return nil }
    let hour = Int(bytes[0] - 0x30) * 10 + Int(bytes[1] - 0x30)
    let minute = Int(bytes[3] - 0x30) * 10 + Int(bytes[4] - 0x30)
    guard minute < 60, hour * 60 + minute <= 1440 else { return nil }
    return hour * 60 + minute
  }
}

extension RoutingPolicy.Switching {
  init(_ node: YAMLNode?) throws(YAMLError) {
    self.init()
    guard let node, !node.isNull else { return }
    let fields = try node.mapping(of: [
      "ceiling_ms", "page_ms", "hold_down_ms", "flap_limit", "flap_window_ms", "stall_ms",
      "empty_ms", "retry_ms", "plan_ms",
    ])
    // The practice's own documents name both: a target below 10 s, and 30 s as the most there may be.
    ceilingMs = try fields["ceiling_ms"]?.integer(in: 1000...10_000) ?? ceilingMs
    pageMs = try fields["page_ms"]?.integer(in: 1000...30_000) ?? pageMs
    holdDownMs = try fields["hold_down_ms"]?.integer(in: 0...3_600_000) ?? holdDownMs
    flapLimit = Int(try fields["flap_limit"]?.integer(in: 2...100) ?? Int64(flapLimit))
    flapWindowMs = try fields["flap_window_ms"]?.integer(in: 1000...86_400_000) ?? flapWindowMs
    stallMs = try fields["stall_ms"]?.integer(in: 200...60_000) ?? stallMs
    emptyMs = try fields["empty_ms"]?.integer(in: 0...3_600_000) ?? emptyMs
    retryMs = try fields["retry_ms"]?.integer(in: 1000...3_600_000) ?? retryMs
    planMs = try fields["plan_ms"]?.integer(in: 5000...3_600_000) ?? planMs
  }
}

extension RoutingPolicy.Failback {
  init(_ node: YAMLNode?) throws(YAMLError) {
    self.init()
    guard let node, !node.isNull else { return }
    let fields = try node.mapping(of: ["when", "dwell_ms", "canaries", "idle_ms", "latest_ms"])
    condition = try fields["when"]?.word(Condition.self) ?? condition
    dwellMs = try fields["dwell_ms"]?.integer(in: 0...86_400_000) ?? dwellMs
    canaries = Int(try fields["canaries"]?.integer(in: 0...100) ?? Int64(canaries))
    idleMs = try fields["idle_ms"]?.integer(in: 0...3_600_000) ?? idleMs
    latestMs = try fields["latest_ms"]?.integer(in: 0...86_400_000) ?? latestMs
  }
}

extension RoutingPolicy.Declared {
  /// Actuators: each says in which states it must have confirmed; in all, where it says nothing.
  static func actuators(_ node: YAMLNode?) throws(YAMLError) -> [Self] {
    try section(node, own: ["kind", "states"])
  }

  static func section(
    _ node: YAMLNode?, own: [String] = ["kind"]
  ) throws(YAMLError) -> [Self] {
    var all: [Self] = []
    guard let node, !node.isNull else { return all }
    for entry in try node.entries() {
      let name = try PolicyName<Self>(policyName: entry)
      let fields = try entry.value.selecting(own).mapping(of: own)
      var states: Set<RoutingState> = []
      if let node = fields["states"] {
        for item in try node.sequence() { states.insert(try item.word(RoutingState.self)) }
      } else {
        states = Set(RoutingState.allCases)
      }
      all.append(
        Self(
          name: name.description, kind: try fields.required("kind").text(atMost: 32),
          settings: entry.value.removing(own), states: states))
    }
    guard all.count <= 16 else {
      throw YAMLError(.wrongType, at: node.position, "at most 16 are expected here")
    }
    return all
  }
}

extension RoutingPolicy.Drill {
  static func list(_ node: YAMLNode?, targets: Set<String>) throws(YAMLError) -> [Self] {
    var all: [Self] = []
    guard let node, !node.isNull else { return all }
    for item in try node.sequence() {
      let fields = try item.mapping(of: ["dead", "every_ms"])
      let dead = try fields.required("dead")
      let names: [TargetID] = try RoutingPolicy.names(dead, in: targets, "target")
      guard !names.isEmpty else {
        throw YAMLError(.wrongType, at: dead.position, "a drill needs a target that is to be dead")
      }
      all.append(
        Self(
          dead: Set(names),
          everyMs: try fields.required("every_ms").integer(in: 1_000...31_536_000_000)))
    }
    guard all.count <= 16 else {
      throw YAMLError(.wrongType, at: node.position, "at most 16 drills are expected here")
    }
    return all
  }
}

extension SpendWatch.Cap {
  init?(_ node: YAMLNode?) throws(YAMLError) {
    guard let node, !node.isNull else { return nil }
    let fields = try node.mapping(of: ["calls", "window_ms"])
    self.init(
      calls: try fields.required("calls").integer(in: 1...1_000_000),
      windowMs: try fields.required("window_ms").integer(in: 1_000...86_400_000))
  }
}

extension RoutingPolicy.Token {
  static func list(_ node: YAMLNode?) throws(YAMLError) -> [Self] {
    var all: [Self] = []
    guard let node, !node.isNull else { return all }
    for item in try node.sequence() {
      let fields = try item.mapping(of: ["name", "sha256", "scopes"])
      let digest = try fields.required("sha256")
      guard let value = SHA256Digest(hex: try digest.string()) else {
        throw YAMLError(
          .wrongType, at: digest.position,
          "the SHA-256 of a token is expected here, in 64 lower-case digits")
      }
      var scopes: Set<SupervisorScope> = []
      for scope in try fields.required("scopes").sequence() { scopes.insert(try scope.word()) }
      all.append(
        Self(name: try fields.required("name").text(atMost: 64), digest: value, scopes: scopes))
    }
    return all
  }
}
