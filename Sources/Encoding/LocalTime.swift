/// A date and a time of day as a clock on the wall shows them, in the years 1900…2199.
///
/// It is no instant before ``TimeZoneRules`` say which one: phone systems write such times into the names of
/// files.
public struct LocalTime: Hashable, Sendable, LosslessStringConvertible {
  let civil: CivilTime

  /// Reads `YYYYMMDDhhmmss`, fourteen digits of a time that exists in the calendar; nil for anything else.
  public init?(_ description: String) {
    let digits = Array(description.utf8)
    guard digits.count == 14, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    func number(_ range: Range<Int>) -> Int {
      digits[range].reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
    guard (1900...2199).contains(number(0..<4)),
      let civil = CivilTime(
        year: number(0..<4), month: number(4..<6), day: number(6..<8), hour: number(8..<10),
        minute: number(10..<12), second: number(12..<14), millisecond: 0)
    else { return nil }
    self.civil = civil
  }

  /// The fourteen digits.
  public var description: String {
    String(civil.text(decimals: .whenNotZero).filter(\.isNumber))
  }
}
