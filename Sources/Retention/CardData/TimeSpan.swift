/// A stretch of a recording, in whole milliseconds from its start.
public struct TimeSpan: Hashable, Sendable {
  /// A day; no call is longer.
  public static let limit: Int64 = 86_400_000

  public let from: Int64
  /// At or after ``from``.
  public let to: Int64

  /// Nil outside of 0…``limit``, or for an end before the start.
  public init?(_ from: Int64, _ to: Int64) {
    guard from >= 0, from <= to, to <= Self.limit else { return nil }
    self.from = from
    self.to = to
  }

  init(clamping from: Int64, _ to: Int64) {
    self.from = min(max(from, 0), Self.limit)
    self.to = min(max(to, self.from), Self.limit)
  }

  /// Whether the two have an instant in common.
  public func touches(_ other: TimeSpan) -> Bool { from <= other.to && other.from <= to }
}
