/// From which day a period counts.
public enum RetentionTrigger: String, CaseIterable, Sendable {
  /// The local day of the call.
  case dateOfService = "date-of-service"
  case lastEncounter = "last-encounter"
  /// The birthday on which the patient comes of age, where the call belongs.
  case majority
  case contractEnd = "contract-end"
  /// What the practice names, such as the end of a case.
  case event
  /// Of a document.
  case lastInEffect = "last-in-effect"
  case entry
  case lastEventOfCall = "last-event-of-call"
}

/// A whole number of years or days.
public enum RetentionPeriod: Hashable, Sendable, CustomStringConvertible {
  /// 1…1000.
  case years(Int)
  /// 1…3650.
  case days(Int)

  /// The first day after the period; nil beyond the year 9999.
  public func end(from day: CivilDate) -> CivilDate? {
    switch self {
    case .years(let count): day.adding(years: count)
    case .days(let count): day.adding(days: count)
    }
  }

  /// Whether this is never shorter than `other`, from whichever day both count.
  func covers(_ other: RetentionPeriod) -> Bool {
    switch (self, other) {
    case (.years(let own), .years(let other)), (.days(let own), .days(let other)): own >= other
    case (.days(let own), .years(let other)): own >= 366 * other
    case (.years(let own), .days(let other)): 365 * own >= other
    }
  }

  public var description: String {
    switch self {
    case .years(let count): "\(count)y"
    case .days(let count): "\(count)d"
    }
  }
}

/// One version of one rule of a class: how long, from when, where, and where that is written.
public struct RetentionRule: Hashable, Sendable {
  public let className: String
  public let name: String
  public let version: String
  public let after: RetentionTrigger
  public let keep: RetentionPeriod
  /// Where it applies; nil: everywhere.
  public let jurisdictions: [Jurisdiction]?
  /// Where the period comes from.
  public let citation: String
  /// Whether a person has checked the citation against the primary text.
  public let isConfirmed: Bool
  /// Who answers for the class.
  public let owner: String
  public let effective: CivilDate
  /// The last day of service to which it applies; nil: open.
  public let until: CivilDate?

  /// `recording/service@1`, as people and entries of the log name it.
  public var label: String { "\(className)/\(name)@\(version)" }
}
