import CLinux

/// A clock that never steps, for deadlines, leases and beliefs.
public enum MonotonicClock {
  /// Milliseconds since the machine started, without the time that it slept.
  public static var milliseconds: Int64 { Int64(Monotonic.now / 1_000_000) }
}

/// Nanoseconds on the same clock, as deadlines need.
package enum Monotonic {
  package static var now: UInt64 {
    var time = timespec()
    let result = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    precondition(result == 0, "Linux has always had this clock")
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// `now` and that much more; never wraps.
  package static func after(_ duration: Duration) -> UInt64 {
    let (sum, overflow) = now.addingReportingOverflow(nanoseconds(duration))
    return overflow ? .max : sum
  }

  /// Zero for negative durations, about 584 years for endless ones.
  package static func nanoseconds(_ duration: Duration) -> UInt64 {
    let (seconds, attoseconds) = duration.components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, carry) = product.addingReportingOverflow(UInt64(attoseconds) / 1_000_000_000)
    return overflow || carry ? .max : sum
  }
}
