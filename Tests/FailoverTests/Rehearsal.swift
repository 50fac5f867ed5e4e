import Encoding
import Failover

/// A supervisor with targets that a test kills and revives, in steps of 50 ms.
struct Rehearsal {
  var supervision: Supervision
  var now = Moment(milliseconds: 1_000)
  var dead: Set<String> = []
  var draining: Set<String> = []
  var isCut = false
  /// Whether commands are confirmed a step later.
  var confirms = true
  var decisions: [Decision] = []
  var told: [Notice.Event] = []
  var canaries: [RouteID] = []
  /// Milliseconds since 1970 at the beginning.
  var epochMs: Int64

  static let anID: Identifier = {
    guard let id = Identifier("00000000-0000-4000-8000-000000000001") else {
      preconditionFailure("a version 4 id")
    }
    return id
  }()

  /// A weekday at ten in the morning, in business hours.
  init(_ policy: RoutingPolicy, at text: String = "2026-11-25T10:00:00-05:00") {
    supervision = Supervision(policy, fencing: 7, at: now) { Self.anID }
    epochMs = (Timestamp(rfc3339: text)?.milliseconds ?? 0) - now.milliseconds
  }

  var time: Timestamp { Timestamp(milliseconds: epochMs + now.milliseconds) }
  var route: String { supervision.routing.current.route.id.description }
  var state: RoutingState { supervision.routing.state }

  mutating func run(ms: Int64) {
    let end = now.advanced(byMs: ms)
    while now < end {
      now = now.advanced(byMs: 50)
      probe()
      let pending = confirms ? supervision.routing.version : nil
      for action in supervision.look(at: now, time: time) {
        switch action {
        case .command(let decision): decisions.append(decision)
        case .tell(let event, _, _): told.append(event)
        case .callCanary(let route): canaries.append(route)
        }
      }
      if let pending { supervision.confirmed(version: pending) }
    }
  }

  /// Runs until a decision comes, at most so long; gives it and how long it took.
  mutating func untilDecision(withinMs limit: Int64) -> (decision: Decision, tookMs: Int64)? {
    let (count, start) = (decisions.count, now)
    while decisions.count == count, now.ms(since: start) < limit { run(ms: 50) }
    return decisions.count > count
      ? decisions.last.map { ($0, now.ms(since: start)) } : nil
  }

  private mutating func probe() {
    for target in supervision.policy.targets {
      let name = target.id.description
      for signal in target.signals where signal.kind != .passive {
        report(target, signal.kind, .sent)
        if isCut || dead.contains(name) { continue }
        report(
          target, signal.kind,
          draining.contains(name) ? .drain(forMs: 1_000) : .alive(roundTripMs: 3))
      }
    }
  }

  private mutating func report(
    _ target: Target, _ signal: SignalKind, _ result: ProbeObservation.Result
  ) {
    supervision.observe(
      ProbeObservation(target: target.id, signal: signal, result: result, at: now))
  }
}
