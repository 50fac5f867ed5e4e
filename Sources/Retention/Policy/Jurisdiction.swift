/// A country or a state of one, by its ISO 3166 code: `US`, `US-MI`.
public struct Jurisdiction: Hashable, Sendable, LosslessStringConvertible {
  public let description: String

  /// Nil for another spelling; of the United States also for a state that is none, because a misspelt
  /// state would be taken for one without rules of its own.
  public init?(_ description: String) {
    let parts = description.utf8.split(
      separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), parts[0].count == 2,
      parts[0].allSatisfy({ (0x41...0x5A).contains($0) })
    else { return nil }
    if parts.count == 2 {
      guard (1...3).contains(parts[1].count),
        parts[1].allSatisfy({ (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) })
      else { return nil }
      guard !description.hasPrefix("US-") || Self.states.contains(description.dropFirst(3)) else {
        return nil
      }
    }
    self.description = description
  }

  /// Itself if it is a country.
  public var country: Jurisdiction {
    description.utf8.count == 2 ? self : Jurisdiction(country: String(description.prefix(2)))
  }

  private init(country: String) {
    description = country
  }

  /// Whether everything that is in `other` is in this one.
  public func contains(_ other: Jurisdiction) -> Bool {
    self == other || self == other.country
  }

  /// ISO 3166-2:US.
  private static let states = Set(
    """
    AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY \
    NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY AS GU MP PR UM VI
    """.split(separator: " "))
}
