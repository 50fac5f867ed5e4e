public import Encoding

extension Decision {
  /// What the entry of a decision commits to (`Documentation/formats/routing.md`, 6.3): no address, no number.
  public var details: JSONObject {
    var object = JSONObject()
    object["cause"] = .string(cause.rawValue)
    object["from"] = Self.place(fromRoute, fromState)
    object["to"] = Self.place(plan.route.id, plan.state)
    object["plan"] = .object([
      "fencing": .integer(plan.fencing), "version": .integer(plan.version),
    ])
    if let detectMs { object["detect_ms"] = .integer(detectMs) }
    if let uplinkProvedMs { object["proved_ms"] = .integer(uplinkProvedMs) }
    object["evidence"] = .array(evidence.map { .object($0.json) })
    return object
  }

  private static func place(_ route: RouteID, _ state: RoutingState) -> JSONValue {
    .object(["route": .string(route.description), "state": .string(state.rawValue)])
  }
}

extension Evidence {
  public var json: JSONObject {
    [
      "target": .string(target.description), "belief": .string(belief.rawValue),
      "for_ms": .integer(forMs),
      "signals": .array(
        signals.map { signal in
          var object: JSONObject = [
            "kind": .string(signal.kind.rawValue), "belief": .string(signal.belief.rawValue),
          ]
          if let silent = signal.silentMs { object["silent_ms"] = .integer(silent) }
          if let miss = signal.miss { object["miss"] = .string(miss.rawValue) }
          return .object(object)
        }),
    ]
  }
}

extension RoutePlan {
  /// The plan as the API shows it and adapters print it.
  public func json(at now: Moment) -> JSONObject {
    [
      "fencing": .integer(fencing), "version": .integer(version),
      "state": .string(state.rawValue), "route": .string(route.id.description),
      "provider": .string(route.provider.rawValue), "ai": .bool(usesAI),
      "records": .bool(route.records),
      "contacts": .array(
        route.contacts.map { .object(["uri": .string($0.uri), "q": .string($0.q)]) }),
      "decided": .string(Timestamp(milliseconds: decidedAtMs).rfc3339),
      "expires_in_ms": .integer(max(0, expires.ms(since: now))),
    ]
  }
}
