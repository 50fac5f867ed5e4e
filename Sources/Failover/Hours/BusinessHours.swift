public import Encoding

/// When the practice answers its telephone: hours of each weekday where it is, without holidays.
public struct BusinessHours: Sendable, Equatable {
  /// A day of the week; Sunday is 0, as in the names of the policy.
  public enum Weekday: Int, CaseIterable, Sendable {
    case sunday
    case monday
    case tuesday
    case wednesday
    case thursday
    case friday
    case saturday

    /// The name that the policy uses.
    public var name: String {
      ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"][rawValue]
    }
  }

  static let dayMs: Int64 = 86_400_000

  private let zone: TimeZoneRules
  /// For each weekday from Sunday, spans in minutes after midnight, ascending and apart.
  private let week: [[Range<Int>]]
  /// Days since 1970 on which nobody is there.
  private let holidays: Set<Int64>

  /// - Parameters:
  ///   - zone: the rules of its clocks.
  ///   - week: spans of each weekday; a day that is missing is closed.
  ///   - holidays: days since 1970.
  public init(
    zone: TimeZoneRules, week: [Weekday: [Range<Int>]], holidays: Set<Int64>
  ) {
    self.zone = zone
    self.week = Weekday.allCases.map { week[$0] ?? [] }
    self.holidays = holidays
  }

  /// Whether somebody should be there.
  public func isOpen(at time: Timestamp) -> Bool {
    let local = local(time)
    return spans(ofDay: local.day).contains { $0.contains(local.minute) }
  }

  /// The next opening after `time`; nil when there is none within 60 days.
  public func nextOpening(after time: Timestamp) -> Timestamp? {
    let (day, minute) = local(time)
    for later in 0..<60 {
      for span in spans(ofDay: day + Int64(later)) where later > 0 || span.lowerBound > minute {
        return instant(day: day + Int64(later), minute: span.lowerBound)
      }
    }
    return nil
  }

  /// Milliseconds of business hours between two times.
  ///
  /// - Parameters:
  ///   - start: the first.
  ///   - end: the last; an earlier one than `start` gives 0.
  /// - Returns: their sum, 0 where all was closed.
  public func openMs(from start: Timestamp, to end: Timestamp) -> Int64 {
    guard start < end else { return 0 }
    var total: Int64 = 0
    // A day before: where it is night by UTC, it may be yesterday there.
    var day = local(start).day
    let last = local(end).day
    while day <= last {
      for span in spans(ofDay: day) {
        let begins = max(instant(day: day, minute: span.lowerBound), start)
        let ends = min(instant(day: day, minute: span.upperBound), end)
        total += max(0, ends.milliseconds - begins.milliseconds)
      }
      day += 1
    }
    return total
  }

  /// The day since 1970 of `YYYY-MM-DD`; nil for another spelling or a day that is not in the calendar.
  public static func day(_ text: String) -> Int64? {
    guard text.utf8.count == 10, let time = OffsetTime(text + "T00:00:00Z") else { return nil }
    return floored(time.instant.milliseconds, by: dayMs)
  }

  private func spans(ofDay day: Int64) -> [Range<Int>] {
    if holidays.contains(day) { return [] }
    // 1970-01-01 was a Thursday.
    return week[Int(((day + 4) % 7 + 7) % 7)]
  }

  private func local(_ time: Timestamp) -> (day: Int64, minute: Int) {
    let shown = time.milliseconds + Int64(zone.secondsEast(at: time)) * 1000
    let day = Self.floored(shown, by: Self.dayMs)
    return (day, Int((shown - day * Self.dayMs) / 60_000))
  }

  /// When clocks there show a minute of a day; of an hour that comes twice, the first.
  private func instant(day: Int64, minute: Int) -> Timestamp {
    let shown = (day * Self.dayMs + Int64(minute) * 60_000) / 1000
    let east = zone.secondsEast(whenShowing: shown)
    return Timestamp(milliseconds: (shown - Int64(east)) * 1000)
  }

  static func floored(_ value: Int64, by divisor: Int64) -> Int64 {
    let quotient = value / divisor
    return value % divisor < 0 ? quotient - 1 : quotient
  }
}
