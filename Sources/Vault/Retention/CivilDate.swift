public import Encoding

/// A day of the Gregorian calendar, without a time: retention counts days, where the call was.
public struct CivilDate: Hashable, Comparable, Sendable, LosslessStringConvertible {
  /// 1…9999.
  public let year: Int
  public let month: Int
  public let day: Int

  /// Nil if there is no such day.
  public init?(year: Int, month: Int, day: Int) {
    guard (1...9999).contains(year), (1...12).contains(month),
      (1...Self.days(in: month, of: year)).contains(day)
    else { return nil }
    self.year = year
    self.month = month
    self.day = day
  }

  /// Reads `YYYY-MM-DD`; nil for any other spelling.
  public init?(_ text: String) {
    let bytes = Array(text.utf8)
    guard bytes.count == 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
      let year = Self.number(bytes[..<4]), let month = Self.number(bytes[5..<7]),
      let day = Self.number(bytes[8...])
    else { return nil }
    self.init(year: year, month: month, day: day)
  }

  /// The day a source's clock showed at `time`: the date of service is local.
  public init?(_ time: OffsetTime) {
    self.init(String(time.description.prefix(10)))
  }

  public var description: String {
    func padded(_ number: Int, _ width: Int) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
    return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
  }

  public static func < (left: Self, right: Self) -> Bool {
    (left.year, left.month, left.day) < (right.year, right.month, right.day)
  }

  /// The same day `years` later, 0…1000; nil beyond the year 9999.
  ///
  /// 29 February becomes 1 March where there is none: a day longer, never shorter.
  func adding(years: Int) -> CivilDate? {
    let later = year + min(max(years, 0), 1000)
    return CivilDate(year: later, month: month, day: day)
      ?? CivilDate(year: later, month: 3, day: 1)
  }

  /// The next day, and so on; at most a few thousand, counted one by one.
  func adding(days count: Int) -> CivilDate? {
    var date = self
    for _ in 0..<min(max(count, 0), 4000) {
      guard
        let next = CivilDate(year: date.year, month: date.month, day: date.day + 1)
          ?? CivilDate(year: date.year, month: date.month + 1, day: 1)
          ?? CivilDate(year: date.year + 1, month: 1, day: 1)
      else { return nil }
      date = next
    }
    return date
  }

  private static func days(in month: Int, of year: Int) -> Int {
    switch month {
    case 2:
      year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400)) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
    var value = 0
    for digit in digits {
      guard (0x30...0x39).contains(digit) else { return nil }
      value = value * 10 + Int(digit - 0x30)
    }
    return value
  }
}
