import Encoding

/// One `date` of a search: a comparison, and a date or time of FHIR with the span that it covers.
struct DateCondition: Sendable, Equatable {
  enum Comparison: String, Sendable {
    case equal = "eq"
    case before = "lt"
    case through = "le"
    case after = "gt"
    case from = "ge"
    /// FHIR's `sa` and `eb`, which for an instant are `gt` and `lt`.
    case startsAfter = "sa"
    case endsBefore = "eb"
  }

  let comparison: Comparison
  /// The value as it was written, which has one meaning.
  private let value: String
  /// The instants that the value covers: a day, a second.
  private let span: Range<Int64>

  /// Reads one value; nil for anything else.
  init?(_ text: String) {
    guard (4...40).contains(text.utf8.count) else { return nil }
    let comparison = Comparison(rawValue: String(text.prefix(2)))
    let value = comparison == nil ? text : String(text.dropFirst(2))
    guard let span = Self.span(of: value) else { return nil }
    self.comparison = comparison ?? .equal
    self.value = value
    self.span = span
  }

  var text: String { (comparison == .equal ? "" : comparison.rawValue) + value }

  /// The first instant that satisfies it; nil where there is no such bound.
  var since: Timestamp? {
    switch comparison {
    case .equal, .from: Timestamp(milliseconds: span.lowerBound)
    case .after, .startsAfter: Timestamp(milliseconds: span.upperBound)
    case .before, .endsBefore, .through: nil
    }
  }

  /// The first instant after those that satisfy it; nil where there is no such bound.
  var until: Timestamp? {
    switch comparison {
    case .equal, .through: Timestamp(milliseconds: span.upperBound)
    case .before, .endsBefore: Timestamp(milliseconds: span.lowerBound)
    case .after, .startsAfter, .from: nil
    }
  }

  private static func span(of value: String) -> Range<Int64>? {
    let bytes = Array(value.utf8)
    func start(_ text: String) -> Int64? { OffsetTime(text)?.instant.milliseconds }
    func number(_ range: Range<Int>) -> Int? { Int(String(decoding: bytes[range], as: UTF8.self)) }
    switch bytes.count {
    case 4:
      guard let from = start(value + "-01-01T00:00:00Z"), let year = number(0..<4) else {
        return nil
      }
      return
        from..<(year == 9999 ? Int64.max : start(padded(year + 1) + "-01-01T00:00:00Z") ?? .max)
    case 7:
      guard let from = start(value + "-01T00:00:00Z"), let year = number(0..<4),
        let month = number(5..<7)
      else { return nil }
      let next =
        month == 12
        ? padded(year + 1) + "-01" : padded(year) + "-" + (month < 9 ? "0" : "") + "\(month + 1)"
      return from..<(start(next + "-01T00:00:00Z") ?? .max)
    case 10:
      guard let from = start(value + "T00:00:00Z") else { return nil }
      return from..<from + 86_400_000
    default: return instant(bytes)
    }
  }

  /// A time of day with a zone, to the minute, the second or a fraction of it.
  private static func instant(_ bytes: [UInt8]) -> Range<Int64>? {
    guard bytes.count >= 17, bytes[10] == UInt8(ascii: "T") else { return nil }
    let text = String(decoding: bytes, as: UTF8.self)
    if bytes[16] == UInt8(ascii: ":") {
      guard let from = OffsetTime(text)?.instant.milliseconds else { return nil }
      let hasFraction = bytes.count > 19 && bytes[19] == UInt8(ascii: ".")
      return from..<from + (hasFraction ? 1 : 1000)
    }
    let whole = String(decoding: bytes[..<16], as: UTF8.self) + ":00"
    let zone = String(decoding: bytes[16...], as: UTF8.self)
    guard let from = OffsetTime(whole + zone)?.instant.milliseconds else { return nil }
    return from..<from + 60_000
  }

  private static func padded(_ year: Int) -> String {
    String(repeating: "0", count: max(0, 4 - String(year).count)) + String(year)
  }
}
