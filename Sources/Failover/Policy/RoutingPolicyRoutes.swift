import YAML

extension RoutingPolicy.Choice {
  /// The routes of the policy, in its order, which must be that of the states.
  static func list(
    _ node: YAMLNode, targets: [Target], groups: Set<String>, allowsPrivateAddresses: Bool
  ) throws(YAMLError) -> [Self] {
    var all: [Self] = []
    let order: [RoutingState] = [.normal, .humansOnly, .twilioBackup, .emergencyPSTN]
    for item in try node.sequence() {
      let choice = try Self(
        item, targets: targets, groups: groups, allowsPrivateAddresses: allowsPrivateAddresses)
      guard !all.contains(where: { $0.route.id == choice.route.id }) else {
        throw YAMLError(.duplicateKey, at: item.position, "two routes have one name")
      }
      guard let place = order.firstIndex(of: choice.state) else {
        throw YAMLError(
          .wrongType, at: item.position,
          "a route's state is NORMAL, HUMANS_ONLY, TWILIO_BACKUP or EMERGENCY_PSTN")
      }
      if let last = all.last, let before = order.firstIndex(of: last.state), before > place {
        throw YAMLError(
          .wrongType, at: item.position,
          "routes stand in the order of their states: NORMAL, HUMANS_ONLY, TWILIO_BACKUP, EMERGENCY_PSTN"
        )
      }
      all.append(choice)
    }
    guard all.count <= 32 else {
      throw YAMLError(.wrongType, at: node.position, "at most 32 routes are expected here")
    }
    guard let last = all.last, last.state == .emergencyPSTN, last.route.needs.isEmpty,
      last.route.callGroups.isEmpty, last.hours == .always
    else {
      throw YAMLError(
        .wrongType, at: node.position,
        "the last route must be of EMERGENCY_PSTN, at all hours, without needs and groups: it is the way when nothing else is left"
      )
    }
    return all
  }

  private init(
    _ node: YAMLNode, targets: [Target], groups: Set<String>, allowsPrivateAddresses: Bool
  ) throws(YAMLError) {
    let fields = try node.mapping(of: [
      "name", "state", "provider", "ai", "hours", "needs", "groups", "contacts", "paid", "records",
    ])
    let id = try RouteID(policyName: fields.required("name"))
    let state = try fields.required("state").word(RoutingState.self)
    let usesAI = try fields["ai"]?.boolean() ?? false
    let needsNode = fields["needs"]
    let known = Set(targets.map { $0.id.description })
    let needs: [TargetID] = try RoutingPolicy.names(needsNode, in: known, "target")
    let roles = Set(targets.filter { needs.contains($0.id) }.map(\.role))
    guard !roles.contains(.uplink) else {
      throw YAMLError(
        .wrongType, at: needsNode?.position ?? node.position,
        "an uplink says whether we can hear; no route needs it")
    }
    guard usesAI == roles.contains(.ai) else {
      throw YAMLError(
        .wrongType, at: needsNode?.position ?? node.position,
        "a route with `ai: true` needs a target of the role ai, and no other route does")
    }
    if state != .normal, usesAI {
      throw YAMLError(
        .wrongType, at: node.position, "only routes of NORMAL have an AI engine on them")
    }
    let list = try fields.required("contacts")
    var contacts: [RouteContact] = []
    for item in try list.sequence() {
      let contact = try Self.contact(item, allowsPrivateAddresses: allowsPrivateAddresses)
      guard !contacts.contains(where: { $0.uri == contact.uri }) else {
        throw YAMLError(.duplicateKey, at: item.position, "this contact is listed twice")
      }
      contacts.append(contact)
    }
    guard (1...16).contains(contacts.count) else {
      throw YAMLError(.wrongType, at: list.position, "1 to 16 contacts are expected here")
    }
    self.init(
      route: Route(
        id: id, provider: try fields.required("provider").word(Provider.self),
        contacts: contacts.enumerated().sorted {
          ($1.element.preference, $0.offset) < ($0.element.preference, $1.offset)
        }.map(\.element),
        isPaid: try fields["paid"]?.boolean() ?? false, needs: needs,
        callGroups: try RoutingPolicy.names(fields["groups"], in: groups, "group"),
        records: try fields.required("records").boolean()),
      state: state, usesAI: usesAI,
      hours: try fields["hours"]?.word(RoutingPolicy.Hours.self) ?? .always)
  }

  /// A URI or number by itself, or with how much it is preferred.
  private static func contact(
    _ node: YAMLNode, allowsPrivateAddresses: Bool
  ) throws(YAMLError) -> RouteContact {
    var uri = node
    var preference: Int64 = 1000
    if case .mapping = node.content {
      let fields = try node.mapping(of: ["uri", "preference"])
      uri = try fields.required("uri")
      preference = try fields["preference"]?.integer(in: 0...1000) ?? 1000
    }
    guard let contact = RouteContact(try uri.string(), preference: Int(preference)) else {
      throw YAMLError(
        .wrongType, at: uri.position,
        "a contact is sip:user@host, sips:user@host or a number like \"+13125550123\"")
    }
    if !allowsPrivateAddresses, let host = contact.host, PrivateAddress.isOne(host) {
      throw YAMLError(
        .wrongType, at: uri.position,
        "this address is of this machine or a private network; say `private_addresses: true` if that is meant"
      )
    }
    return contact
  }
}

extension RoutingPolicy.Emergency {
  init(
    _ node: YAMLNode, choices: [RoutingPolicy.Choice], notifiers: Set<String>
  ) throws(YAMLError) {
    let fields = try node.mapping(of: ["routes", "notify"])
    let list = try fields.required("routes")
    let names: [RouteID] = try RoutingPolicy.names(
      list, in: Set(choices.map { $0.route.id.description }), "route")
    for (item, name) in zip(try list.sequence(), names) {
      if let choice = choices.first(where: { $0.route.id == name }), choice.usesAI {
        throw YAMLError(
          .wrongType, at: item.position, "an emergency call never goes through the AI engine")
      }
    }
    guard let last = names.last, choices.first(where: { $0.route.id == last })?.route.needs == []
    else {
      throw YAMLError(
        .wrongType, at: list.position,
        "the last route of an emergency must need nothing: it is tried when all others failed")
    }
    self.init(
      routes: names,
      notifiers: try RoutingPolicy.names(fields["notify"], in: notifiers, "notifier"))
  }
}

/// Addresses that no carrier reaches.
enum PrivateAddress {
  /// Whether a host is an address of this machine, of a private network or of a link; names are not looked up.
  static func isOne(_ host: String) -> Bool {
    let lower = host.lowercased()
    if lower == "localhost" || lower.hasSuffix(".localhost") { return true }
    let parts = lower.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
    if parts.count == 4, let a = parts[0], let b = parts[1], parts[2] != nil, parts[3] != nil {
      return a == 0 || a == 10 || a == 127 || a == 192 && b == 168 || a == 169 && b == 254
        || a == 172 && (16...31).contains(b) || a == 100 && (64...127).contains(b)
    }
    guard lower.utf8.contains(0x3a) else { return false }
    return lower == "::1" || lower == "::" || lower.hasPrefix("fe8") || lower.hasPrefix("fe9")
      || lower.hasPrefix("fea") || lower.hasPrefix("feb") || lower.hasPrefix("fc")
      || lower.hasPrefix("fd") || lower.hasPrefix("::ffff:")
  }
}
