/// What is believed of a target in one way of looking at it, by deadline and not by counts of failures.
///
/// Down: nothing valid was heard for ``Pace/silenceMs`` **and** at least ``Pace/probes`` went unanswered. So a
/// slow pace cannot be taken for an outage, nor a burst of lost packets. Up again: heard without such a silence
/// for ``Pace/dwellMs``. Time is passed in; nothing here waits.
public struct HealthMachine: Sendable {
  /// When belief changes.
  public struct Pace: Hashable, Sendable {
    /// How long nothing valid is heard before the target counts as down.
    public var silenceMs: Int64
    /// How many probes must have gone unanswered by then.
    public var probes: Int
    /// How long life must last after an outage.
    public var dwellMs: Int64
    /// After so long without any probe nothing is believed any more.
    public var staleMs: Int64

    public init(silenceMs: Int64, probes: Int, dwellMs: Int64, staleMs: Int64) {
      self.silenceMs = silenceMs
      self.probes = probes
      self.dwellMs = dwellMs
      self.staleMs = staleMs
    }
  }

  public enum Belief: String, CaseIterable, Sendable {
    case unknown
    case alive
    /// It lives and asked for no new calls.
    case draining
    case down
  }

  /// A drain longer than this is not believed: 503 is easily sent by mistake, or made to be sent.
  public static let longestDrainMs: Int64 = 300_000

  public let pace: Pace
  public private(set) var belief = Belief.unknown
  /// Since when ``belief`` holds.
  public private(set) var since: Moment
  /// The last valid answer.
  public private(set) var lastLife: Moment?
  /// When a probe left whose answer came: at that time the way there and back was whole.
  public private(set) var provedAt: Moment?
  /// The newest reason for which a probe found no life, since the last life.
  public private(set) var lastMiss: ProbeMiss?
  /// Whether it counts as down and has not been heard since.
  public var isSilent: Bool { belief == .down && livingSince == nil }

  /// When the silence there is was believed; a relapse begins a new one.
  public private(set) var silenceBelieved: Moment?
  /// Where the silence counts from.
  private var silentSince: Moment
  private var unanswered = 0
  /// While down: since when there was life without a silence.
  private var livingSince: Moment?
  private var drainedUntil: Moment?
  private var lastReport: Moment

  public init(_ pace: Pace, at start: Moment) {
    self.pace = pace
    since = start
    silentSince = start
    lastReport = start
  }

  /// Takes what a probe did or saw.
  public mutating func observe(_ result: ProbeObservation.Result, at time: Moment) {
    lastReport = max(lastReport, time)
    switch result {
    case .sent:
      // Bounded: more than is asked for makes no difference.
      unanswered = min(unanswered + 1, pace.probes)
    case .missed(let miss): lastMiss = miss
    case .alive(let roundTripMs):
      drainedUntil = nil
      let left = time.advanced(byMs: -max(0, roundTripMs))
      provedAt = max(provedAt ?? left, left)
      live(at: time)
    case .drain(let ms):
      drainedUntil = time.advanced(byMs: min(max(0, ms), Self.longestDrainMs))
      live(at: time)
    }
  }

  private mutating func live(at time: Moment) {
    lastLife = max(lastLife ?? time, time)
    silentSince = max(silentSince, time)
    unanswered = 0
    lastMiss = nil
    if belief == .down { livingSince = livingSince ?? time }
  }

  /// Brings belief up to `now`.
  public mutating func judge(at now: Moment) {
    if now.ms(since: lastReport) >= pace.staleMs {
      livingSince = nil
      return become(.unknown, at: now)
    }
    if unanswered >= pace.probes, now.ms(since: silentSince) >= pace.silenceMs {
      if belief != .down || livingSince != nil { silenceBelieved = now }
      livingSince = nil
      return become(.down, at: now)
    }
    switch belief {
    case .down:
      guard let living = livingSince, now.ms(since: living) >= pace.dwellMs else { return }
      become(isDrained(at: now) ? .draining : .alive, at: now)
    case .unknown:
      if lastLife.map({ now.ms(since: $0) < pace.staleMs }) ?? false {
        become(isDrained(at: now) ? .draining : .alive, at: now)
      }
    case .alive, .draining:
      become(isDrained(at: now) ? .draining : .alive, at: now)
    }
  }

  /// Forgets a silence in which the supervisor itself was not running: it heard nothing because it did not
  /// listen.
  public mutating func resume(at now: Moment) {
    silentSince = max(silentSince, now)
    lastReport = max(lastReport, now)
    unanswered = 0
    livingSince = nil
  }

  private func isDrained(at now: Moment) -> Bool { drainedUntil.map { now < $0 } ?? false }

  private mutating func become(_ belief: Belief, at now: Moment) {
    guard belief != self.belief else { return }
    self.belief = belief
    since = now
    if belief != .down { livingSince = nil }
  }
}
