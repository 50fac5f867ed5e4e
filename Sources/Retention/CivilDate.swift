public import Encoding

/// A day of the Gregorian calendar, without a time: retention counts days, where the call was.
public struct CivilDate: Hashable, Sendable {
  /// `YYYYMMDD` as a number, so that a million of them are small and compare as days do.
  private let digits: Int32

  /// 1…9999.
  public var year: Int { Int(digits) / 10_000 }
  public var month: Int { Int(digits) / 100 % 100 }
  public var day: Int { Int(digits) % 100 }

  /// Nil if there is no such day.
  public init?(year: Int, month: Int, day: Int) {
    guard (1...9999).contains(year), (1...12).contains(month),
      (1...Self.days(in: month, of: year)).contains(day)
    else { return nil }
    digits = Int32(year * 10_000 + month * 100 + day)
  }

  /// The day a source's clock showed at `time`: the date of service is local.
  public init?(_ time: OffsetTime) {
    self.init(time.instant, minutesEast: time.offsetMinutes)
  }

  /// The day at `instant` where clocks are `minutesEast` of UTC; nil outside of the years 1…9999.
  public init?(_ instant: Timestamp, minutesEast: Int) {
    let (local, overflow) = instant.milliseconds.addingReportingOverflow(
      Int64(minutesEast) * 60_000)
    guard !overflow else { return nil }
    let (days, rest) = local.quotientAndRemainder(dividingBy: 86_400_000)
    self.init(number: Int(days) - (rest < 0 ? 1 : 0))
  }

  /// Days since 1970-01-01; less than 0 before.
  ///
  /// Counted from 1 March, so that the leap day is the last of its year, in the calendar's period of 400
  /// years.
  var number: Int {
    let marchYear = year - (month <= 2 ? 1 : 0)
    let era = marchYear / 400
    let ofEra = marchYear % 400
    let ofYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + ofYear - 719_468
  }

  /// The day that is `number` days after 1970-01-01; nil outside of the years 1…9999.
  init?(number: Int) {
    // From 0000-03-01; years before 1 are refused at the end.
    guard (-719_468...2_932_896).contains(number) else { return nil }
    let fromMarch = number + 719_468
    let ofEra = fromMarch % 146_097
    let yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
    let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * ofYear + 2) / 153
    self.init(
      year: fromMarch / 146_097 * 400 + yearOfEra + (month >= 10 ? 1 : 0),
      month: month < 10 ? month + 3 : month - 9, day: ofYear - (153 * month + 2) / 5 + 1)
  }

  /// The same day `years` later, 0…1000; nil beyond the year 9999.
  ///
  /// 29 February becomes 1 March where there is none: a day longer, never shorter.
  public func adding(years: Int) -> CivilDate? {
    let later = year + min(max(years, 0), 1000)
    return CivilDate(year: later, month: month, day: day)
      ?? CivilDate(year: later, month: 3, day: 1)
  }

  /// The day `count` days later, earlier for less than 0; nil outside of the years 1…9999.
  public func adding(days count: Int) -> CivilDate? {
    let (sum, overflow) = number.addingReportingOverflow(count)
    return overflow ? nil : CivilDate(number: sum)
  }

  private static func days(in month: Int, of year: Int) -> Int {
    switch month {
    case 2:
      year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400)) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }
}

extension CivilDate: Comparable {
  public static func < (left: Self, right: Self) -> Bool { left.digits < right.digits }
}

extension CivilDate: LosslessStringConvertible {
  /// Reads `YYYY-MM-DD`; nil for any other spelling.
  public init?(_ text: String) {
    self.init(utf8: Array(text.utf8)[...])
  }

  /// The same for the bytes of a text.
  init?(utf8 bytes: ArraySlice<UInt8>) {
    guard bytes.count == 10 else { return nil }
    let start = bytes.startIndex
    let hyphen = UInt8(ascii: "-")
    guard bytes[start + 4] == hyphen, bytes[start + 7] == hyphen,
      let year = Self.number(bytes[start..<(start + 4)]),
      let month = Self.number(bytes[(start + 5)..<(start + 7)]),
      let day = Self.number(bytes[(start + 8)...])
    else { return nil }
    self.init(year: year, month: month, day: day)
  }

  public var description: String {
    var text: [UInt8] = []
    write(to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  /// Appends the ten characters of the text.
  func write(to text: inout [UInt8]) {
    var divisor: Int32 = 10_000_000
    for place in 0..<8 {
      if place == 4 || place == 6 { text.append(UInt8(ascii: "-")) }
      text.append(UInt8(ascii: "0") + UInt8(digits / divisor % 10))
      divisor /= 10
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
