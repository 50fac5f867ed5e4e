/// A date and time of day in the proleptic Gregorian calendar, without an offset.
///
/// The day arithmetic counts from 1 March so that the leap day is the last of its year, in eras of
/// 400 years (146 097 days), the calendar's period.
struct CivilTime: Hashable, Sendable {
  private(set) var year: Int
  private(set) var month: Int
  private(set) var day: Int
  private(set) var hour: Int
  private(set) var minute: Int
  private(set) var second: Int
  private(set) var millisecond: Int

  /// Nil unless each field is in its range and the day exists in its month; years 0…9999.
  init?(
    year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int, millisecond: Int
  ) {
    guard
      (0...9999).contains(year), (1...12).contains(month),
      (1...CivilTime.days(inMonth: month, of: year)).contains(day),
      (0...23).contains(hour), (0...59).contains(minute), (0...59).contains(second),
      (0...999).contains(millisecond)
    else { return nil }
    self.year = year
    self.month = month
    self.day = day
    self.hour = hour
    self.minute = minute
    self.second = second
    self.millisecond = millisecond
  }

  init(millisecondsSince1970 milliseconds: Int64) {
    let day = CivilTime.floored(Int(milliseconds), by: 86_400_000)
    let remainder = Int(milliseconds % 86_400_000)
    let ofDay = remainder < 0 ? remainder + 86_400_000 : remainder
    hour = ofDay / 3_600_000
    minute = ofDay / 60_000 % 60
    second = ofDay / 1000 % 60
    millisecond = ofDay % 1000

    let fromMarch = day + 719_468  // Days from 0000-03-01 to 1970-01-01.
    let era = CivilTime.floored(fromMarch, by: 146_097)
    let ofEra = fromMarch - era * 146_097
    let yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
    let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * ofYear + 2) / 153
    self.day = ofYear - (153 * monthFromMarch + 2) / 5 + 1
    month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  var millisecondsSince1970: Int64 {
    let marchYear = year - (month <= 2 ? 1 : 0)
    let era = CivilTime.floored(marchYear, by: 400)
    let yearOfEra = marchYear - era * 400
    let ofYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let ofEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + ofYear
    let days = era * 146_097 + ofEra - 719_468
    return Int64(days * 86_400_000 + hour * 3_600_000 + minute * 60_000 + second * 1000)
      + Int64(millisecond)
  }

  enum Decimals {
    case always, whenNotZero
  }

  /// The date and time as `YYYY-MM-DDThh:mm:ss[.fff]`.
  ///
  /// A year outside 0…9999, which no parser here accepts, is written with as many digits as it has.
  func text(decimals: Decimals) -> String {
    let digits = String(year.magnitude)
    let yearText =
      (year < 0 ? "-" : "") + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    var text =
      yearText + "-" + CivilTime.twoDigits(month) + "-" + CivilTime.twoDigits(day)
      + "T" + CivilTime.twoDigits(hour) + ":" + CivilTime.twoDigits(minute) + ":"
      + CivilTime.twoDigits(second)
    if decimals == .always || millisecond != 0 {
      text += "." + String(millisecond / 100) + CivilTime.twoDigits(millisecond % 100)
    }
    return text
  }

  static func twoDigits(_ value: Int) -> String {
    value < 10 ? "0" + String(value) : String(value)
  }

  private static func days(inMonth month: Int, of year: Int) -> Int {
    switch month {
    case 2:
      year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
        ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Division that rounds toward minus infinity, for instants before 1970.
  private static func floored(_ value: Int, by divisor: Int) -> Int {
    let quotient = value / divisor
    return value % divisor < 0 ? quotient - 1 : quotient
  }
}
