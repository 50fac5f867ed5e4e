public import Cryptography

/// How long things are kept at least: `Policies/retention.yaml`, loaded strictly.
///
/// The earliest day on which deleting may be asked for is the latest over all periods of a class. What is not
/// known keeps: an unknown class, or a period that counts from a day nobody has told us.
public struct RetentionSchedule: Sendable {
  /// From which day a period counts.
  public enum Trigger: String, CaseIterable, Sendable {
    case dateOfService = "date-of-service"
    case eighteenthBirthday = "eighteenth-birthday"
    case lastEncounter = "last-encounter"
    case contractEnd = "contract-end"
    case lastInEffect = "last-in-effect"
    case entry
    case lastEventOfCall = "last-event-of-call"
  }

  /// A whole number of years or days.
  public struct Period: Hashable, Sendable {
    public enum Length: Hashable, Sendable {
      /// 1…1000.
      case years(Int)
      /// 1…3650.
      case days(Int)
    }
    public let after: Trigger
    public let keep: Length
  }

  public struct Class: Hashable, Sendable {
    public let name: String
    public let periods: [Period]
    public let jurisdictions: [String]
    /// Where the period comes from.
    public let citation: String
    /// Whether a person has checked the citation against the primary text.
    public let isConfirmed: Bool
    public let owner: String
    public let version: String
    public let effective: CivilDate
    /// The last day on which the class may be given; nil: open.
    public let until: CivilDate?
  }

  /// Why something is still here, and when it may go.
  public struct Decision: Hashable, Sendable {
    public let className: String
    public let version: String
    public let citation: String
    /// Nil: kept until the day named by ``unknown`` is known.
    public let earliest: CivilDate?
    /// What the schedule needs and was not told.
    public let unknown: [Trigger]
  }

  public let version: String
  /// SHA-256 of the file.
  public let hash: SHA256Digest
  public let defaultClass: String
  public let classes: [String: Class]

  /// Decides for a thing whose days are `known`; nil only if the schedule has no default class.
  ///
  /// Its class is `name`; with none, or one that is not in the schedule, the default class decides.
  public func decide(class name: String?, known days: [Trigger: CivilDate]) -> Decision? {
    guard let rule = name.flatMap({ classes[$0] }) ?? classes[defaultClass] else { return nil }
    var earliest: CivilDate?
    var unknown: [Trigger] = []
    for period in rule.periods {
      guard let start = days[period.after] else {
        unknown.append(period.after)
        continue
      }
      let end =
        switch period.keep {
        case .years(let count): start.adding(years: count)
        case .days(let count): start.adding(days: count)
        }
      guard let end else {
        unknown.append(period.after)
        continue
      }
      earliest = max(earliest ?? end, end)
    }
    return Decision(
      className: rule.name, version: rule.version, citation: rule.citation,
      earliest: unknown.isEmpty ? earliest : nil, unknown: unknown)
  }
}
