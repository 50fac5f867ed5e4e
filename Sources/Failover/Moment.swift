/// A point on a clock that never steps, in milliseconds since the machine started.
///
/// Beliefs, deadlines and leases go by it; only what is shown or recorded has a wall-clock time.
public struct Moment: Hashable, Comparable, Sendable {
  public let milliseconds: Int64

  public init(milliseconds: Int64) {
    self.milliseconds = milliseconds
  }

  /// The moment `ms` milliseconds later; earlier for a negative number.
  public func advanced(byMs ms: Int64) -> Moment {
    let (sum, overflow) = milliseconds.addingReportingOverflow(ms)
    return Moment(milliseconds: overflow ? (ms < 0 ? .min : .max) : sum)
  }

  /// Milliseconds from `earlier` to this moment; negative if it is later.
  public func ms(since earlier: Moment) -> Int64 {
    let (difference, overflow) = milliseconds.subtractingReportingOverflow(earlier.milliseconds)
    return overflow ? (milliseconds < earlier.milliseconds ? .min : .max) : difference
  }

  public static func < (left: Moment, right: Moment) -> Bool {
    left.milliseconds < right.milliseconds
  }
}
