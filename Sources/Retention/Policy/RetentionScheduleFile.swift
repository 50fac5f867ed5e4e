import Cryptography
public import YAML

extension RetentionSchedule {
  /// The form of the file that this program reads.
  static let formVersion: Int64 = 2

  /// Reads `Policies/retention.yaml`.
  ///
  /// Strictly: unknown keys, missing citations, overlapping dates and everything else that
  /// `Documentation/formats/retention.md`, section 1, does not allow is refused.
  ///
  /// - Parameters:
  ///   - bytes: the file; at most a MiB.
  ///   - file: its name in errors.
  /// - Throws: a ``YAMLError`` with file, line and column of the first thing that is wrong.
  public init(parsing bytes: [UInt8], file: String) throws(YAMLError) {
    let root = try YAMLNode(parsing: bytes, file: file)
    try Self.checkForm(of: root)
    let top = try root.mapping(of: [
      "v", "version", "owner", "default", "state", "jurisdictions", "classes", "purge",
      "quarantines",
    ])
    version = try top.required("version").token()
    owner = try top.required("owner").line()
    hash = SHA256.hash(bytes)
    let jurisdictions = try Self.jurisdictions(try top.required("jurisdictions"))
    self.jurisdictions = jurisdictions
    var rules: [RetentionRule] = []
    var classes: [String: Class] = [:]
    for entry in try top.required("classes").entries() {
      let name = try entry.name("a class")
      let reader = RuleReader(className: name, jurisdictions: jurisdictions)
      let (owner, added) = try reader.read(entry.value)
      classes[name] = Class(
        name: name, owner: owner, rules: rules.count..<(rules.count + added.count))
      rules += added
    }
    self.rules = rules
    self.classes = classes
    let fallback = try top.required("default")
    defaultClass = try fallback.string()
    guard classes[defaultClass] != nil else {
      throw YAMLError(.missingKey, at: fallback.position, "there is no class of this name")
    }
    state = try top["state"].map { (node) throws(YAMLError) in
      try node.jurisdiction(among: jurisdictions)
    }
    purge = try PurgeSettings(try top.required("purge"))
    var quarantines: [String: QuarantineRule] = [:]
    for entry in try top.required("quarantines").entries() {
      let name = try entry.name("a quarantine")
      quarantines[name] = try QuarantineRule(entry.value, name: name)
    }
    self.quarantines = quarantines
  }

  /// A file of the first form has other keys, each of which would be reported instead of what is wrong.
  private static func checkForm(of root: YAMLNode) throws(YAMLError) {
    guard let form = try root.entries().first(where: { $0.key == "v" }) else {
      throw YAMLError(.missingKey, at: root.position, "the key 'v' is missing here")
    }
    guard try form.value.integer() == formVersion else {
      throw YAMLError(
        .wrongType, at: form.value.position,
        "retention.yaml is read in form \(formVersion) (Documentation/formats/retention.md)")
    }
  }

  private static func jurisdictions(
    _ node: YAMLNode
  ) throws(YAMLError) -> [Jurisdiction: Majority] {
    var jurisdictions: [Jurisdiction: Majority] = [:]
    for entry in try node.entries() {
      guard let place = Jurisdiction(entry.key) else {
        throw YAMLError(.wrongType, at: entry.position, Jurisdiction.expectation)
      }
      let mapping = try entry.value.mapping(of: ["majority", "cite", "confirmed"])
      jurisdictions[place] = Majority(
        age: Int(
          try mapping.required("majority").integer(
            in: Int64(agesOfMajority.lowerBound)...Int64(agesOfMajority.upperBound))),
        citation: try mapping.required("cite").line(),
        isConfirmed: try mapping.required("confirmed").boolean())
    }
    return jurisdictions
  }
}

/// Reads the rules of one class.
private struct RuleReader {
  let className: String
  let jurisdictions: [Jurisdiction: RetentionSchedule.Majority]

  func read(_ node: YAMLNode) throws(YAMLError) -> (owner: String, rules: [RetentionRule]) {
    let mapping = try node.mapping(of: ["owner", "rules"])
    let owner = try mapping.required("owner").line()
    let list = try mapping.required("rules")
    var rules: [RetentionRule] = []
    for item in try list.sequence() {
      let rule = try rule(item, owner: owner)
      for other in rules where other.name == rule.name {
        guard other.version != rule.version else {
          throw YAMLError(
            .duplicateKey, at: item.position, "this version of the rule is given twice")
        }
        guard !Self.overlap(rule, other) else {
          throw YAMLError(
            .duplicateKey, at: item.position, "two versions of the rule are in effect on one day")
        }
      }
      rules.append(rule)
    }
    // Without one, a call to which no rule applies would be kept until a rule is added that lets it go.
    guard
      rules.contains(where: {
        $0.jurisdictions == nil && $0.until == nil && $0.after != .majority
      })
    else {
      throw YAMLError(
        .missingKey, at: list.position,
        "a rule for everybody is expected here: without `in` and `until`, and not after majority")
    }
    return (owner, rules)
  }

  private static func overlap(_ left: RetentionRule, _ right: RetentionRule) -> Bool {
    (left.until.map { right.effective <= $0 } ?? true)
      && (right.until.map { left.effective <= $0 } ?? true)
  }

  private func rule(_ node: YAMLNode, owner: String) throws(YAMLError) -> RetentionRule {
    let mapping = try node.mapping(of: [
      "rule", "version", "after", "keep", "in", "cite", "confirmed", "effective", "until",
    ])
    let effective = try mapping.required("effective").date()
    let until = try mapping["until"]?.date()
    if let until, let node = mapping["until"], until < effective {
      throw YAMLError(.wrongType, at: node.position, "a rule ends on or after its first day")
    }
    var places: [Jurisdiction]?
    if let node = mapping["in"] {
      places = []
      for item in try node.sequence() {
        let place = try item.jurisdiction(among: jurisdictions)
        guard places?.contains(place) != true else {
          throw YAMLError(.duplicateKey, at: item.position, "a jurisdiction is listed twice")
        }
        places?.append(place)
      }
      guard places?.isEmpty != true else {
        throw YAMLError(.wrongType, at: node.position, "at least one jurisdiction is expected here")
      }
    }
    return RetentionRule(
      className: className, name: try mapping.required("rule").name(),
      version: try mapping.required("version").token(),
      after: try mapping.required("after").choice(RetentionTrigger.self, "day"),
      keep: try mapping.required("keep").period(), jurisdictions: places,
      citation: try mapping.required("cite").line(),
      isConfirmed: try mapping.required("confirmed").boolean(), owner: owner, effective: effective,
      until: until)
  }
}

extension PurgeSettings {
  fileprivate init(_ node: YAMLNode) throws(YAMLError) {
    let mapping = try node.mapping(of: [
      "cite", "owner", "grace", "percent", "recordings", "window", "sweep", "approvers",
    ])
    citation = try mapping.required("cite").line()
    owner = try mapping.required("owner").line()
    graceDays = try mapping.required("grace").count(of: "d", in: 1...365)
    caps = PurgeCaps(
      percent: Int(try mapping.required("percent").integer(in: 0...100)),
      recordings: Int(try mapping.required("recordings").integer(in: 0...1_000_000_000)),
      windowDays: try mapping.required("window").count(of: "d", in: 1...365))
    sweep = try mapping.required("sweep").choice(Sweep.self, "sweep")
    let list = try mapping.required("approvers")
    var approvers: Set<ApproverRole> = []
    for item in try list.sequence() {
      guard approvers.insert(try item.choice(ApproverRole.self, "role")).inserted else {
        throw YAMLError(.duplicateKey, at: item.position, "a role is listed twice")
      }
    }
    guard !approvers.isEmpty else {
      throw YAMLError(.wrongType, at: list.position, "at least one role is expected here")
    }
    self.approvers = approvers
  }
}

extension QuarantineRule {
  fileprivate init(_ node: YAMLNode, name: String) throws(YAMLError) {
    let mapping = try node.mapping(of: [
      "keep", "within", "cite", "confirmed", "owner", "version", "effective",
    ])
    self.name = name
    keepHours = try mapping.required("keep").count(of: "h", in: 1...720)
    let within = try mapping.required("within")
    withinHours = try within.count(of: "h", in: 1...720)
    guard keepHours <= withinHours else {
      throw YAMLError(.wrongType, at: within.position, "`within` is not less than `keep`")
    }
    citation = try mapping.required("cite").line()
    isConfirmed = try mapping.required("confirmed").boolean()
    owner = try mapping.required("owner").line()
    version = try mapping.required("version").token()
    effective = try mapping.required("effective").date()
  }
}
