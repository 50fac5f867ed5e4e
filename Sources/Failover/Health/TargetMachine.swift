/// What is believed of a target, by all the ways of looking at it together.
///
/// Down when `quorum` voices say so, or one that is decisive. What others report by API is one voice, however many
/// report, and is never decisive.
public struct TargetMachine: Sendable {
  public enum Belief: String, CaseIterable, Sendable {
    case unknown
    case alive
    /// A voice says down, too few for a quorum: no reason to leave, and none to go there.
    case suspect
    /// It lives and wants no new calls.
    case draining
    case down
  }

  public let target: Target
  /// As the target's signals, in their order.
  public private(set) var signals: [HealthMachine]
  public private(set) var belief = Belief.unknown
  /// Since when ``belief`` holds.
  public private(set) var since: Moment

  public init(_ target: Target, at start: Moment) {
    self.target = target
    since = start
    signals = target.signals.map { HealthMachine($0.pace, at: start) }
  }

  /// Takes what a probe did or saw; what the policy does not name is dropped.
  public mutating func observe(
    _ signal: SignalKind, _ result: ProbeObservation.Result, at time: Moment
  ) {
    for index in signals.indices where target.signals[index].kind == signal {
      signals[index].observe(result, at: time)
    }
  }

  /// Brings belief up to `now`; true when it changed.
  @discardableResult
  public mutating func judge(at now: Moment) -> Bool {
    for index in signals.indices { signals[index].judge(at: now) }
    let new = judgement
    guard new != belief else { return false }
    belief = new
    since = now
    return true
  }

  /// Forgets a silence in which the supervisor itself was not running.
  public mutating func resume(at now: Moment) {
    for index in signals.indices { signals[index].resume(at: now) }
  }

  /// The ways of looking that say down.
  public var downVoices: [SignalKind] {
    signals.indices.filter { signals[$0].belief == .down }.map { target.signals[$0].kind }
  }

  /// When a voice that now says down last heard life: the outage began then or later.
  public var onset: Moment? {
    signals.filter { $0.belief == .down }.map { $0.lastLife ?? $0.since }.max()
  }

  /// When a probe of ours left whose answer came; what others report proves nothing.
  public var provedAt: Moment? {
    var newest: Moment?
    for index in signals.indices where target.signals[index].kind != .passive {
      guard let proved = signals[index].provedAt else { continue }
      newest = max(newest ?? proved, proved)
    }
    return newest
  }

  /// Whether it counts as down and is still not heard; what is heard again is no reason to leave.
  public var isSilent: Bool {
    guard belief == .down else { return false }
    var silent = 0
    for index in signals.indices where signals[index].isSilent {
      if target.signals[index].isDecisive { return true }
      silent += 1
    }
    return silent >= target.quorum
  }

  /// When the silence there is was believed, by the voice that believed it last.
  public var silenceBelieved: Moment? {
    var newest: Moment?
    for signal in signals where signal.isSilent {
      guard let believed = signal.silenceBelieved else { continue }
      newest = max(newest ?? believed, believed)
    }
    return newest
  }

  /// After the line proved itself, how long this target must still be silent: what the fastest voice needs for
  /// two probes.
  ///
  /// When a line comes back, all that lies beyond it is heard a moment after each other.
  public var settleMs: Int64 {
    let pace = target.signals.filter { $0.kind != .passive }.map {
      2 * $0.pace.silenceMs / Int64(max(1, $0.pace.probes))
    }.min()
    return min(max(pace ?? 0, 200), 2_000)
  }

  private var judgement: Belief {
    var down = 0
    var isAlive = false
    var isDraining = false
    for index in signals.indices {
      switch signals[index].belief {
      case .unknown: break
      case .alive: isAlive = true
      case .draining: isDraining = true
      case .down:
        if target.signals[index].isDecisive { return .down }
        down += 1
      }
    }
    if down >= target.quorum { return .down }
    if isDraining { return .draining }
    if down > 0 { return .suspect }
    return isAlive ? .alive : .unknown
  }
}
