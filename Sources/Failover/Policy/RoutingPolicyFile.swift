import Cryptography
public import YAML

extension RoutingPolicy {
  /// Reads `Policies/routing.yaml`.
  ///
  /// Every key must be known, every name that is used must be there, the last route must need nothing, and no
  /// address or number in it may be an emergency number or a pattern that could match one.
  ///
  /// - Parameters:
  ///   - bytes: the file; at most a MiB.
  ///   - file: its name in errors.
  ///   - zoneFile: the TZif file of a zone of the IANA database, nil where there is none of that name.
  /// - Throws: a ``YAMLError`` with file, line and column of the first thing that is wrong.
  public init(
    parsing bytes: [UInt8], file: String, zoneFile: (String) -> [UInt8]?
  ) throws(YAMLError) {
    let document = try YAMLNode(parsing: bytes, file: file)
    let top = try document.mapping(of: [
      "v", "version", "owner", "private_addresses", "emergency_numbers", "hours", "groups",
      "targets", "routes",
      "switching", "failback", "emergency", "actuators", "notifiers", "escalation", "redirect",
      "voice", "drills", "spend", "tokens",
    ])
    _ = try top.required("v").integer(in: 1...1)
    version = try top.required("version").text(atMost: 64)
    _ = try top.required("owner").text(atMost: 128)
    hash = SHA256.hash(bytes)
    allowsPrivateAddresses = try top["private_addresses"]?.boolean() ?? false
    let emergencies = try EmergencyGuard(adding: top["emergency_numbers"])
    try emergencies.check(document)
    emergencyNumbers = emergencies.further

    hours = try BusinessHours(top.required("hours"), zoneFile: zoneFile)
    let actuators = try Declared.actuators(top["actuators"])
    self.actuators = actuators
    let notifiers = try Declared.section(top["notifiers"])
    self.notifiers = notifiers
    let groups = try Self.groups(top["groups"], actuators: Set(actuators.map(\.name)))
    self.groups = groups
    let declared = try Target.declared(top.required("targets"))
    targets = declared.map(\.target)
    probes = declared.flatMap(\.probes)
    let choices = try Choice.list(
      top.required("routes"), targets: declared.map(\.target),
      groups: Set(groups.keys.map(\.description)), allowsPrivateAddresses: allowsPrivateAddresses)
    self.choices = choices
    switching = try Switching(top["switching"])
    failback = try Failback(top["failback"])
    let names = Set(notifiers.map(\.name))
    emergency = try Emergency(top.required("emergency"), choices: choices, notifiers: names)
    (escalation, escalationMs) = try Self.escalation(top["escalation"], notifiers: names)
    redirect = top["redirect"].flatMap { $0.isNull ? nil : $0 }
    drills = try Drill.list(top["drills"], targets: Set(declared.map(\.target.id.description)))
    spend = try SpendWatch.Cap(top["spend"])
    voice = top["voice"].flatMap { $0.isNull ? nil : $0 }
    tokens = try Token.list(top["tokens"])
  }

  private static func groups(
    _ node: YAMLNode?, actuators: Set<String>
  ) throws(YAMLError) -> [CallGroupID: ActuatorID?] {
    var groups: [CallGroupID: ActuatorID?] = [:]
    guard let node, !node.isNull else { return groups }
    for entry in try node.entries() {
      let id = try CallGroupID(policyName: entry)
      let fields = try entry.value.mapping(of: ["source"])
      guard let source = fields["source"] else {
        groups[id] = .some(nil)
        continue
      }
      guard actuators.contains(try source.string()), let name = ActuatorID(try source.string())
      else {
        throw YAMLError(.missingKey, at: source.position, "there is no actuator of this name")
      }
      groups[id] = .some(name)
    }
    return groups
  }

  private static func escalation(
    _ node: YAMLNode?, notifiers: Set<String>
  ) throws(YAMLError) -> ([[NotifierID]], Int64) {
    guard let node, !node.isNull else {
      return (notifiers.isEmpty ? [] : [notifiers.compactMap(NotifierID.init).sorted()], 300_000)
    }
    let fields = try node.mapping(of: ["after_ms", "levels"])
    var levels: [[NotifierID]] = []
    for level in try fields.required("levels").sequence() {
      levels.append(try names(level, in: notifiers, "notifier"))
    }
    return (levels, try fields["after_ms"]?.integer(in: 1000...86_400_000) ?? 300_000)
  }

  /// Names of a list, each of them known.
  static func names<Tag>(
    _ node: YAMLNode?, in known: Set<String>, _ what: String
  ) throws(YAMLError) -> [PolicyName<Tag>] {
    var names: [PolicyName<Tag>] = []
    guard let node, !node.isNull else { return names }
    for item in try node.sequence() {
      guard let name = PolicyName<Tag>(try item.string()), known.contains(name.description) else {
        throw YAMLError(.missingKey, at: item.position, "there is no \(what) of this name")
      }
      guard !names.contains(name) else {
        throw YAMLError(.duplicateKey, at: item.position, "this \(what) is listed twice")
      }
      names.append(name)
    }
    return names
  }
}

extension PolicyName {
  init(policyName entry: YAMLEntry) throws(YAMLError) {
    guard let name = Self(entry.key) else {
      throw YAMLError(
        .wrongType, at: entry.position,
        "a name has 1 to 32 of a-z, 0-9 and inner hyphens, and begins with a letter")
    }
    self = name
  }

  init(policyName node: YAMLNode) throws(YAMLError) {
    guard let name = Self(try node.string()) else {
      throw YAMLError(
        .wrongType, at: node.position,
        "a name has 1 to 32 of a-z, 0-9 and inner hyphens, and begins with a letter")
    }
    self = name
  }
}

extension YAMLNode {
  /// A word of a closed list.
  func word<Word: RawRepresentable & CaseIterable>(
    _: Word.Type = Word.self
  ) throws(YAMLError) -> Word where Word.RawValue == String {
    guard let word = Word(rawValue: try string()) else {
      throw YAMLError(
        .wrongType, at: position,
        "unknown word; known here: "
          + Word.allCases.map(\.rawValue).sorted().joined(separator: ", "))
    }
    return word
  }
}

/// Looks through all of a policy, what only an adapter understands included, for emergency numbers.
private struct EmergencyGuard {
  /// Keys under which an adapter takes a number that is dialled, also one without quotes.
  private static let dialled: Set<String> = ["extension", "points", "queue", "ring_group"]

  let further: Set<String>

  /// - Parameter node: numbers of the place besides 911: digits, at least two.
  /// - Throws: ``YAMLError`` for anything else.
  init(adding node: YAMLNode?) throws(YAMLError) {
    var further: Set<String> = []
    for item in try node?.sequence() ?? [] {
      let number = try item.string()
      guard (2...8).contains(number.utf8.count),
        number.utf8.allSatisfy({ (0x30...0x39).contains($0) })
      else {
        throw YAMLError(.wrongType, at: item.position, "2 to 8 digits in quotes are expected here")
      }
      further.insert(number)
    }
    self.further = further
  }

  func check(_ document: YAMLNode) throws(YAMLError) {
    // Elsewhere stand versions and times, and the list of such numbers itself.
    let sections = [
      "targets", "routes", "emergency", "actuators", "notifiers", "redirect", "voice",
    ]
    for entry in try document.entries() where sections.contains(entry.key) {
      try look(at: entry.value)
    }
  }

  private func look(at node: YAMLNode, isDialled: Bool = false) throws(YAMLError) {
    switch node.content {
    case .sequence(let nodes): for node in nodes { try look(at: node, isDialled: isDialled) }
    case .mapping(let entries):
      for entry in entries {
        if isTouched(entry.key) { throw refusal(entry.position) }
        try look(at: entry.value, isDialled: isDialled || Self.dialled.contains(entry.key))
      }
    case .scalar(let text, let isPlain):
      // An unquoted number elsewhere counts milliseconds or people.
      if isPlain, !isDialled, Int64(text) != nil { return }
      if isTouched(text) { throw refusal(node.position) }
    }
  }

  /// By itself or in one of its words: `Extension 911` is dialled by its second.
  private func isTouched(_ text: String) -> Bool {
    dials(text) || text.split(separator: " ").contains { dials(String($0)) }
  }

  private func dials(_ text: String) -> Bool {
    EmergencyNumbers.isTouched(by: text)
      || further.contains { EmergencyNumbers.dials(text, $0) }
  }

  private func refusal(_ position: YAMLPosition) -> YAMLError {
    YAMLError(
      .wrongType, at: position,
      "this is an emergency number or could match one; such calls are never routed here")
  }
}
