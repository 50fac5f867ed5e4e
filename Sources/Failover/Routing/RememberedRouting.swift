public import Encoding

/// What a supervisor that starts again must know: which way is commanded, and how often that changed.
///
/// Kept in `state` beside its log (`Documentation/formats/routing.md`). Moments do not outlive the machine's start, so
/// they are kept as wall-clock times.
public struct RememberedRouting: Hashable, Sendable {
  public var route: RouteID
  public var state: RoutingState
  public var isLatched: Bool
  /// Wall-clock times of changes, in ms.
  public var changes: [Int64]
  public var overrideRoute: RouteID?
  public var overrideUntilMs: Int64?
  public var isOverrideStrict: Bool
  public var overrideActor: Identifier?
  /// When recording became impossible on the way that is commanded; nil: it is possible.
  public var unrecordedSinceMs: Int64?

  /// One line of canonical JSON.
  public var encoded: [UInt8] {
    var object = JSONObject()
    object["v"] = 1
    object["route"] = .string(route.description)
    object["state"] = .string(state.rawValue)
    object["latched"] = .bool(isLatched)
    object["changes"] = .array(changes.map { .integer($0) })
    if let overrideRoute, let overrideUntilMs, let overrideActor {
      object["override"] = .object([
        "route": .string(overrideRoute.description), "until": .integer(overrideUntilMs),
        "strict": .bool(isOverrideStrict), "actor": .string(overrideActor.description),
      ])
    }
    if let unrecordedSinceMs { object["unrecorded_since"] = .integer(unrecordedSinceMs) }
    return JSONValue.object(object).encoded() + [0x0A]
  }

  /// Reads what ``encoded`` wrote; nil for anything else: the supervisor then begins as if it were new.
  public init?(parsing bytes: [UInt8]) {
    guard bytes.count <= 1 << 16, bytes.last == 0x0A,
      // Why it cannot be read does not matter: there is one file, which this program alone writes.
      let object = try? JSONValue(parsing: Array(bytes.dropLast())).object,
      object["v"]?.integer == 1,
      let route = object["route"]?.string.flatMap(RouteID.init),
      let state = object["state"]?.string.flatMap(RoutingState.init),
      let isLatched = object["latched"]?.bool, let changes = object["changes"]?.array,
      changes.count <= 1000
    else { return nil }
    self.route = route
    self.state = state
    self.isLatched = isLatched
    self.changes = changes.compactMap(\.integer)
    isOverrideStrict = false
    if let override = object["override"]?.object {
      guard let route = override["route"]?.string.flatMap(RouteID.init),
        let until = override["until"]?.integer, let strict = override["strict"]?.bool,
        let actor = override["actor"]?.string.flatMap(Identifier.init)
      else { return nil }
      overrideRoute = route
      overrideUntilMs = until
      isOverrideStrict = strict
      overrideActor = actor
    }
    unrecordedSinceMs = object["unrecorded_since"]?.integer
  }

  init(_ machine: RoutingMachine, now: Moment, time: Timestamp, unrecordedSinceMs: Int64?) {
    func wall(_ moment: Moment) -> Int64 { time.milliseconds + moment.ms(since: now) }
    route = machine.current.route.id
    state = machine.state
    isLatched = machine.budget.isLatched
    changes = machine.budget.remembered.map(wall)
    overrideRoute = machine.override?.route
    overrideUntilMs = machine.override.map { wall($0.until) }
    isOverrideStrict = machine.override?.isStrict ?? false
    overrideActor = machine.override?.actor
    self.unrecordedSinceMs = unrecordedSinceMs
  }
}

extension RoutingMachine {
  /// Goes on from what was commanded before; a route that the policy no longer has is forgotten.
  mutating func restore(_ remembered: RememberedRouting, at now: Moment, time: Timestamp) {
    func moment(_ wall: Int64) -> Moment { now.advanced(byMs: wall - time.milliseconds) }
    if let index = policy.choices.firstIndex(where: { $0.route.id == remembered.route }) {
      place = index
      state = policy.choices[index].state
      cause = .started
    }
    budget.restore(
      changes: remembered.changes.map { min(moment($0), now) }, isLatched: remembered.isLatched)
    if let route = remembered.overrideRoute, let until = remembered.overrideUntilMs,
      let actor = remembered.overrideActor, policy.choice(route) != nil,
      (1...Override.longestMs).contains(moment(until).ms(since: now))
    {
      override = Override(
        route: route, until: moment(until), isStrict: remembered.isOverrideStrict, actor: actor)
    }
  }
}
