/// An instant together with the offset from UTC at which its source wrote it.
///
/// The date of service is local: a call at 23:30 in Chicago must not become tomorrow's.
public struct OffsetTime: Hashable, Sendable {
  public let instant: Timestamp
  /// Minutes east of UTC, −1439…1439.
  public let offsetMinutes: Int

  /// Instants whose year is 0…9999 in UTC.
  ///
  /// A text may say a year in bounds and an offset that takes its instant out of them; what were kept
  /// of it could not be written as a time again.
  static let instants: ClosedRange<Int64> = -62_167_219_200_000...253_402_300_799_999

  /// Pairs an instant with an offset, or nil if the offset is a day or more, or the instant lies outside
  /// of the years 0…9999 in UTC.
  public init?(instant: Timestamp, offsetMinutes: Int) {
    guard (-1439...1439).contains(offsetMinutes),
      OffsetTime.instants.contains(instant.milliseconds)
    else { return nil }
    self.instant = instant
    self.offsetMinutes = offsetMinutes
  }
}

extension OffsetTime: LosslessStringConvertible {
  /// Reads `YYYY-MM-DDThh:mm:ss[.f…](Z|±hh:mm)` (RFC 3339).
  ///
  /// Stricter than the RFC: capital `T` and `Z`, at most nine decimals (those after the third are
  /// dropped), no leap second, no `-00:00`, which would mean that the offset is unknown, and no instant
  /// outside of the years 0…9999 in UTC.
  public init?(_ description: String) {
    var reader = DigitReader(description)
    guard
      let year = reader.number(digits: 4), reader.skip("-"),
      let month = reader.number(digits: 2), reader.skip("-"),
      let day = reader.number(digits: 2), reader.skip("T"),
      let hour = reader.number(digits: 2), reader.skip(":"),
      let minute = reader.number(digits: 2), reader.skip(":"),
      let second = reader.number(digits: 2)
    else { return nil }
    var millisecond = 0
    if reader.skip(".") {
      guard let decimals = reader.decimals(atMost: 9) else { return nil }
      millisecond = decimals
    }
    guard
      let civil = CivilTime(
        year: year, month: month, day: day, hour: hour, minute: minute, second: second,
        millisecond: millisecond)
    else { return nil }

    let offset: Int
    if reader.skip("Z") {
      offset = 0
    } else {
      let east = reader.skip("+")
      guard
        east || reader.skip("-"),
        let hours = reader.number(digits: 2), hours < 24, reader.skip(":"),
        let minutes = reader.number(digits: 2), minutes < 60
      else { return nil }
      guard east || hours + minutes > 0 else { return nil }
      offset = (hours * 60 + minutes) * (east ? 1 : -1)
    }
    guard reader.isAtEnd else { return nil }
    self.init(
      instant: Timestamp(milliseconds: civil.millisecondsSince1970 - Int64(offset) * 60_000),
      offsetMinutes: offset)
  }

  /// RFC 3339 at the source's offset; decimals only where the millisecond is not zero.
  public var description: String {
    let (local, overflow) = instant.milliseconds.addingReportingOverflow(
      Int64(offsetMinutes) * 60_000)
    guard !overflow else { return instant.rfc3339 }
    let text = CivilTime(millisecondsSince1970: local).text(decimals: .whenNotZero)
    if offsetMinutes == 0 { return text + "Z" }
    let minutes = abs(offsetMinutes)
    return text + (offsetMinutes < 0 ? "-" : "+") + CivilTime.twoDigits(minutes / 60) + ":"
      + CivilTime.twoDigits(minutes % 60)
  }
}

/// Reads fixed-width decimal fields from the front of a text.
private struct DigitReader {
  private var rest: ArraySlice<UInt8>

  init(_ text: String) {
    rest = Array(text.utf8)[...]
  }

  var isAtEnd: Bool { rest.isEmpty }

  mutating func number(digits: Int) -> Int? {
    guard rest.count >= digits else { return nil }
    var value = 0
    for character in rest.prefix(digits) {
      guard (0x30...0x39).contains(character) else { return nil }
      value = value * 10 + Int(character - 0x30)
    }
    rest = rest.dropFirst(digits)
    return value
  }

  /// Thousandths from one or more decimals; those after the third are read and dropped.
  mutating func decimals(atMost limit: Int) -> Int? {
    let digits = rest.prefix { (0x30...0x39).contains($0) }
    guard !digits.isEmpty, digits.count <= limit else { return nil }
    rest = rest.dropFirst(digits.count)
    let thousandths = digits.map { Int($0 - 0x30) } + [0, 0, 0]
    return thousandths[0] * 100 + thousandths[1] * 10 + thousandths[2]
  }

  mutating func skip(_ character: Character) -> Bool {
    guard rest.first == character.asciiValue else { return false }
    rest = rest.dropFirst()
    return true
  }
}
