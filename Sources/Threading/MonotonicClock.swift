import CLinux

/// A clock that never steps, for deadlines, leases and beliefs.
public enum MonotonicClock {
  /// Milliseconds since the machine started, without the time that it slept.
  public static var milliseconds: Int64 {
    var time = timespec()
    let result = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    precondition(result == 0, "Linux has always had this clock")
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }
}
