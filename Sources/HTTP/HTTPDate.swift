/// The fixed form of dates in HTTP (RFC 9110, 5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
public enum HTTPDate {
  private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// The date of a time between 1970 and the end of the year 9999, in UTC.
  public static func format(secondsSince1970 seconds: Int64) -> String {
    let clamped = min(max(seconds, 0), 253_402_300_799)
    let day = clamped / 86_400
    let second = clamped % 86_400
    // Days since 0000-03-01 in eras of 400 years (Howard Hinnant, "chrono-compatible low-level
    // date algorithms", civil_from_days).
    let shifted = day + 719_468
    let era = shifted / 146_097
    let ofEra = shifted % 146_097
    let yearOfEra = (ofEra - ofEra / 1_460 + ofEra / 36_524 - ofEra / 146_096) / 365
    let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * ofYear + 2) / 153
    let dayOfMonth = ofYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 2 : monthFromMarch - 10  // from 0
    let year = yearOfEra + era * 400 + (month <= 1 ? 1 : 0)
    let clock = "\(two(second / 3_600)):\(two(second / 60 % 60)):\(two(second % 60))"
    return
      "\(days[Int(day % 7)]), \(two(dayOfMonth)) \(months[Int(month)]) \(four(year)) \(clock) GMT"
  }

  private static func two(_ number: Int64) -> String {
    number < 10 ? "0\(number)" : "\(number)"
  }

  private static func four(_ number: Int64) -> String {
    let text = "\(number)"
    return String(repeating: "0", count: max(0, 4 - text.count)) + text
  }
}
