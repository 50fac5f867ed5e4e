public import Cryptography

/// How long things are kept at least: `Policies/retention.yaml`, loaded strictly.
///
/// A thing may go from the latest day on that any rule gives which applies to it. What is not known
/// keeps. `Documentation/formats/retention.md`, section 1.
public struct RetentionSchedule: Sendable {
  /// At which age people are no minors any more, in a country or state.
  public struct Majority: Hashable, Sendable {
    /// Within ``RetentionSchedule/agesOfMajority``.
    public let age: Int
    public let citation: String
    /// Whether a person has checked the citation against the primary text.
    public let isConfirmed: Bool
  }

  public struct Class: Hashable, Sendable {
    public let name: String
    public let owner: String
    /// Where its rules are among ``RetentionSchedule/rules``; not empty.
    public let rules: Range<Int>
  }

  /// What a jurisdiction may say; whoever has the greatest is a minor nowhere.
  public static let agesOfMajority = 18...21

  public let version: String
  /// SHA-256 of the file.
  public let hash: SHA256Digest
  public let owner: String
  /// The class of a call that nobody gave one.
  public let defaultClass: String
  /// Where calls are of which no state is known; nil: unknown.
  public let state: Jurisdiction?
  public let jurisdictions: [Jurisdiction: Majority]
  public let classes: [String: Class]
  /// Of all classes, in the order of the file.
  public let rules: [RetentionRule]
  public let purge: PurgeSettings
  public let quarantines: [String: QuarantineRule]

  /// The age of majority in a state, or in its country where the state has none of its own; nil: neither is listed.
  public func majority(in place: Jurisdiction) -> Majority? {
    jurisdictions[place] ?? jurisdictions[place.country]
  }

  /// The rules of a class, in the order of the file; none for a class that there is not.
  public func rules(of className: String) -> ArraySlice<RetentionRule> {
    classes[className].map { rules[$0.rules] } ?? []
  }
}
