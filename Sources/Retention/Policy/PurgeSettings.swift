public import Encoding

/// Whose approval may let something go: the roles a policy can name.
public enum ApproverRole: String, CaseIterable, Sendable {
  case administrator
  case privacyOfficer = "privacy-officer"
  case recordsManager = "records-manager"
}

/// How purging goes: the part `purge` of the policy.
public struct PurgeSettings: Hashable, Sendable {
  /// What happens without a person asking.
  public enum Sweep: String, CaseIterable, Sendable {
    /// A plan is made and waits; nothing goes by itself.
    case propose
    case never
  }
  public let citation: String
  public let owner: String
  /// Days between approval and run, 1…365, in which a plan may be withdrawn.
  public let graceDays: Int
  public let caps: PurgeCaps
  public let sweep: Sweep
  /// Not empty.
  public let approvers: Set<ApproverRole>
}

/// How long something is put aside that must not be kept: hours, not years.
public struct QuarantineRule: Hashable, Sendable {
  public let name: String
  /// Kept for review at least so long, 1…720.
  public let keepHours: Int
  /// Decided on within this, not less than ``keepHours``; later is an alarm.
  public let withinHours: Int
  public let citation: String
  public let isConfirmed: Bool
  public let owner: String
  public let version: String
  public let effective: CivilDate

  /// When what was put aside at `start` may go, and until when it must have been decided on.
  public func window(from start: Timestamp) -> (from: Timestamp, until: Timestamp) {
    func after(_ hours: Int) -> Timestamp {
      let (end, overflow) = start.milliseconds.addingReportingOverflow(Int64(hours) * 3_600_000)
      return Timestamp(milliseconds: overflow ? .max : end)
    }
    return (after(keepHours), after(withinHours))
  }
}
