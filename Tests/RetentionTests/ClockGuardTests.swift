import Cryptography
import Encoding
import Retention
import Testing

/// What goes is judged by a time that is not ours.
@Suite struct ClockGuardTests {
  static let hash = SHA256.hash(Array("plan".utf8))
  static let hour: Int64 = 3_600_000
  static let now: Int64 = 2_016_000_000_000

  static func outside(
    _ age: Int64, ahead: Int64 = 0, over hash: SHA256Digest = hash
  ) -> OutsideTime {
    OutsideTime(
      kind: .authority, name: "tsa", digest: hash, time: Timestamp(milliseconds: now - age),
      received: Timestamp(milliseconds: now - age + ahead))
  }

  static func judge(_ outside: [OutsideTime], typed: [String] = [], clock: Int64 = now)
    throws -> ClockVerdict
  {
    ClockGuard.judge(
      plan: hash, outside: outside, typed: try typed.map(day),
      clock: Timestamp(milliseconds: clock))
  }

  @Test func freshOutsideTimeDecides() throws {
    for age in [0, Self.hour, 24 * Self.hour] {
      let verdict = try Self.judge([Self.outside(age)])
      #expect(verdict.judgement?.latest.milliseconds == Self.now - age)
      #expect(verdict.leap == nil)
    }
    for age in [24 * Self.hour + 1, -300_001] {
      #expect(try Self.judge([Self.outside(age)]).refusal == .notFresh)
    }
  }

  @Test func theEarliestOfSeveralCounts() throws {
    let verdict = try Self.judge([Self.outside(Self.hour), Self.outside(5 * Self.hour)])
    #expect(verdict.judgement?.earliest.milliseconds == Self.now - 5 * Self.hour)
  }

  /// With our own clock as wrong as the liar's.
  @Test func aLiarGainsNothingBesideAnHonestSource() throws {
    let years: Int64 = 10 * 365 * 24 * Self.hour
    let liar = OutsideTime(
      kind: .witness, name: "w", digest: Self.hash, time: Timestamp(milliseconds: Self.now + years),
      received: Timestamp(milliseconds: Self.now + years))
    let verdict = try Self.judge([Self.outside(0, ahead: years), liar], clock: Self.now + years)
    #expect(verdict.refusal == .notFresh)
    #expect(verdict.leap?.aheadMilliseconds == years)
    // What came long ago is not asked any more.
    let old = Self.outside(20 * 24 * Self.hour)
    #expect(try Self.judge([old, Self.outside(Self.hour)]).judgement?.day != nil)
  }

  @Test func aTimeOverAnotherHashIsNone() throws {
    let other = Self.outside(0, over: SHA256.hash([]))
    #expect(try Self.judge([other]).refusal == .noOutsideTime)
  }

  @Test func theDayIsThatOfTheLastPlaceOnEarth() throws {
    let noon = try time("2033-12-01T11:59:59.999Z")
    let early = OutsideTime(
      kind: .witness, name: "w", digest: Self.hash, time: noon, received: noon)
    #expect(
      try Self.judge([early], clock: noon.milliseconds).judgement?.day == (try day("2033-11-30")))
    #expect(ClockGuard.day(at: try time("2033-12-01T12:00:00Z")) == (try day("2033-12-01")))
  }

  @Test func aClockThatDiffersWhenTimeCameIsALeap() throws {
    let verdict = try Self.judge([Self.outside(Self.hour, ahead: Self.hour)])
    #expect(verdict.judgement != nil)
    #expect(verdict.leap?.aheadMilliseconds == Self.hour)
    #expect(try Self.judge([Self.outside(0, ahead: -300_001)]).leap?.aheadMilliseconds == -300_001)
    #expect(try Self.judge([Self.outside(0, ahead: 300_000)]).leap == nil)
  }

  @Test func aClockTenYearsAheadGainsNothingAndIsRungFor() throws {
    let years: Int64 = 10 * 365 * 24 * Self.hour
    let verdict = try Self.judge([Self.outside(0, ahead: years)], clock: Self.now + years)
    #expect(verdict.refusal == .notFresh)
    #expect(verdict.leap?.aheadMilliseconds == years)
    let stamp = OutsideTime(
      kind: .authority, name: "", digest: Self.hash, time: Timestamp(milliseconds: .min),
      received: Timestamp(milliseconds: .max))
    #expect(try Self.judge([stamp], clock: .max).refusal == .notFresh)
  }

  @Test func withoutOutsideTimeBothTypeToday() throws {
    let clock = try time("2033-12-01T18:00:00Z").milliseconds
    let verdict = try Self.judge([], typed: ["2033-12-01", "2033-12-01"], clock: clock)
    #expect(verdict.judgement?.day == (try day("2033-12-01")))
    #expect(verdict.judgement?.earliest == (try time("2033-11-30T10:00:00Z")))
    #expect(verdict.judgement?.latest == (try time("2033-12-02T11:59:59.999Z")))
    #expect(try Self.judge([], clock: clock).refusal == .noOutsideTime)
    #expect(try Self.judge([], typed: ["2033-12-01"], clock: clock).refusal == .noOutsideTime)
    let differ = try Self.judge([], typed: ["2033-12-01", "2033-12-02"], clock: clock)
    #expect(differ.refusal == .typedDaysDiffer)
    for wrong in ["2033-12-03", "2033-11-29", "2043-12-01"] {
      let verdict = try Self.judge([], typed: [wrong, wrong], clock: clock)
      #expect(verdict.refusal == .typedDayIsNotToday)
      #expect(verdict.leap != nil)
    }
  }

  @Test func outsideTimeGoesBeforeWhatIsTyped() throws {
    let verdict = try Self.judge(
      [Self.outside(25 * Self.hour)], typed: ["2033-11-19", "2033-11-19"])
    #expect(verdict.refusal == .notFresh)
  }
}
