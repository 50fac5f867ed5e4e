/// An instant in milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
public struct Timestamp: Hashable, Sendable {
  public let milliseconds: Int64

  public init(milliseconds: Int64) {
    self.milliseconds = milliseconds
  }

  /// Reads RFC 3339 in any offset and forgets the offset; nil for any text that
  /// ``OffsetTime/init(_:)`` refuses.
  public init?(rfc3339 text: String) {
    guard let time = OffsetTime(text) else { return nil }
    self = time.instant
  }

  /// The year and the month, in UTC.
  public var yearAndMonth: (year: Int, month: Int) {
    let civil = CivilTime(millisecondsSince1970: milliseconds)
    return (civil.year, civil.month)
  }

  /// `2026-11-20T15:42:00.123Z`: UTC, always with three decimals, so that texts sort as instants do.
  public var rfc3339: String {
    CivilTime(millisecondsSince1970: milliseconds).text(decimals: .always) + "Z"
  }
}

extension Timestamp: Comparable {
  public static func < (left: Timestamp, right: Timestamp) -> Bool {
    left.milliseconds < right.milliseconds
  }
}

extension Timestamp: CustomStringConvertible {
  public var description: String { rfc3339 }
}
