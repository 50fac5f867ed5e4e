public import Cryptography
public import Encoding

/// A time that is not ours, over a plan's hash, which was verified before it comes here.
public struct OutsideTime: Hashable, Sendable {
  public enum Kind: String, Sendable {
    /// An RFC 3161 stamp of the hash.
    case authority
    /// A witness's cosignature of a head of the log that covers the entry with the hash.
    case witness
  }
  public let kind: Kind
  /// Who says so, for certificates.
  public let name: String
  /// The plan's hash.
  public let digest: SHA256Digest
  public let time: Timestamp
  /// What our clock showed when it came: the two should be the same.
  public let received: Timestamp

  public init(
    kind: Kind, name: String, digest: SHA256Digest, time: Timestamp, received: Timestamp
  ) {
    self.kind = kind
    self.name = name
    self.digest = digest
    self.time = time
    self.received = received
  }
}

/// That our clock and a better one differ: an entry and an alarm.
public struct ClockLeap: Hashable, Sendable {
  /// How far ours is ahead, in milliseconds; less than 0: behind.
  public let aheadMilliseconds: Int64
}

/// What time it is for a plan.
public struct Judgement: Hashable, Sendable {
  public enum Source: Hashable, Sendable {
    case outside(OutsideTime)
    /// Both approvers typed the day.
    case typed(CivilDate)
  }
  /// The day that has come: what is eligible on a later one stays.
  public let day: CivilDate
  /// The instant it is at least, and at most.
  public let earliest: Timestamp
  public let latest: Timestamp
  public let source: Source
}

/// What a clock guard says.
public struct ClockVerdict: Hashable, Sendable {
  public enum Refusal: String, Hashable, Sendable, CustomStringConvertible {
    /// Nothing from outside that is fresh, and not two typed days.
    case noOutsideTime = "no-outside-time"
    /// Outside time is older than a day by our clock, or ahead of it.
    case notFresh = "not-fresh"
    /// The typed days differ from each other.
    case typedDaysDiffer = "typed-days-differ"
    /// The typed day is not today by our clock.
    case typedDayIsNotToday = "typed-day-is-not-today"

    public var description: String { rawValue }
  }
  public let result: Result
  /// Set also where a judgement was reached.
  public let leap: ClockLeap?

  public enum Result: Hashable, Sendable {
    case judged(Judgement)
    case refused(Refusal)
  }

  public var judgement: Judgement? {
    if case .judged(let judgement) = result { judgement } else { nil }
  }
  public var refusal: Refusal? {
    if case .refused(let refusal) = result { refusal } else { nil }
  }
}

/// Tells the time for a plan without believing our own clock.
///
/// Monotonic time starts again at boot, and an hour a day moves any baseline that is kept here, so the
/// time comes from outside, or two people type the day. `Documentation/formats/retention.md`, section 4.
public enum ClockGuard {
  /// How old outside time may be, by our clock.
  static let freshness: Int64 = 24 * 3_600_000
  /// How far clocks may differ.
  static let tolerance: Int64 = 5 * 60_000
  /// Where the day begins last and first, in minutes east of UTC.
  static let lastZone = -12 * 60
  static let firstZone = 14 * 60

  /// The day that has come everywhere on Earth at `time`; nil outside of the years 1…9999.
  public static func day(at time: Timestamp) -> CivilDate? {
    CivilDate(time, minutesEast: lastZone)
  }

  /// Says what time it is for a plan.
  ///
  /// - Parameters:
  ///   - plan: the hash that is judged; times over another count for nothing.
  ///   - outside: what was verified.
  ///   - typed: the days that the two approvers typed.
  ///   - clock: our own.
  /// - Returns: a judgement or why there is none, and the leap, which is rung for in either case.
  public static func judge(
    plan: SHA256Digest, outside: [OutsideTime], typed: [CivilDate], clock: Timestamp
  ) -> ClockVerdict {
    let times = outside.filter { $0.digest == plan }
    guard !times.isEmpty else { return judge(typed: typed, clock: clock) }
    let leap = times.map { difference($0.received, $0.time) }
      .max { $0.magnitude < $1.magnitude }
      .flatMap { $0.magnitude > tolerance.magnitude ? ClockLeap(aheadMilliseconds: $0) : nil }
    // The earliest of all that came lately, fresh or not: beside an honest source a lying one must gain nothing
    // from our clock being wrong too.
    let fresh = -tolerance...freshness
    let first = times.filter { fresh.contains(difference(clock, $0.received)) }
      .min { $0.time < $1.time }
    guard let first, fresh.contains(difference(clock, first.time)), let day = day(at: first.time)
    else { return ClockVerdict(result: .refused(.notFresh), leap: leap) }
    return ClockVerdict(
      result: .judged(
        Judgement(day: day, earliest: first.time, latest: first.time, source: .outside(first))),
      leap: leap)
  }

  private static func judge(typed: [CivilDate], clock: Timestamp) -> ClockVerdict {
    guard typed.count == 2 else {
      return ClockVerdict(result: .refused(.noOutsideTime), leap: nil)
    }
    guard let day = typed.first, typed.allSatisfy({ $0 == day }) else {
      return ClockVerdict(result: .refused(.typedDaysDiffer), leap: nil)
    }
    let midnight = Int64(day.number) * 86_400_000
    let earliest = midnight - Int64(firstZone) * 60_000
    let latest = midnight + 86_400_000 - Int64(lastZone) * 60_000 - 1
    guard (earliest...latest).contains(clock.milliseconds) else {
      let ahead =
        clock.milliseconds < earliest
        ? difference(clock, Timestamp(milliseconds: earliest))
        : difference(clock, Timestamp(milliseconds: latest))
      return ClockVerdict(
        result: .refused(.typedDayIsNotToday), leap: ClockLeap(aheadMilliseconds: ahead))
    }
    return ClockVerdict(
      result: .judged(
        Judgement(
          day: day, earliest: Timestamp(milliseconds: earliest),
          latest: Timestamp(milliseconds: latest), source: .typed(day))),
      leap: nil)
  }

  /// How far `left` is ahead, bounded where it would overflow.
  private static func difference(_ left: Timestamp, _ right: Timestamp) -> Int64 {
    let (difference, overflow) = left.milliseconds.subtractingReportingOverflow(right.milliseconds)
    guard overflow else { return difference }
    return left > right ? .max : .min + 1
  }
}
