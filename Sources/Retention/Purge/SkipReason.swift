/// Why a line of a plan is not executed.
public enum SkipReason: String, CaseIterable, Sendable {
  case held
  /// Something is no longer known.
  case unknown
  /// By today's facts and policy its day has not come.
  case notEligible = "not-eligible"
  /// Its recordings are not those that were approved.
  case changed
  /// There is no such call any more.
  case gone
}

extension PurgeItem {
  /// Decides the line again when its turn comes.
  ///
  /// - Parameters:
  ///   - candidate: what is known of the call now; nil: it is gone.
  ///   - schedule: in force.
  ///   - day: as judged by outside time.
  /// - Returns: why it stays; nil: it may go.
  public func recheck(
    _ candidate: PlanCandidate?, schedule: RetentionSchedule, day: CivilDate
  ) -> SkipReason? {
    guard let candidate, candidate.call == call else { return .gone }
    guard candidate.hold.isFree else { return .held }
    guard candidate.recordings == recordings, candidate.bytes == bytes else { return .changed }
    guard let eligible = schedule.eligibility(of: candidate.facts).day else { return .unknown }
    return eligible <= day ? nil : .notEligible
  }
}
