import CLinux

/// The machine's clock.
///
/// A jump is seen by comparing how far the wall clock and the time since boot (which counts sleep)
/// moved between two readings. Slewing, which moves it slowly on purpose, is not a jump.
public final class SystemClock: WallClock {
  /// What the last reading leaves for the next to compare with.
  struct History: Sendable {
    private var last: (wall: Int64, boot: Int64)?
    private var steppedAt: Int64?

    init() {}

    /// Notes one reading, in ms; true while a jump seen lies less than a minute back.
    ///
    /// Allowed between two readings: 1 s, and 500 ppm of the time between them, which is the
    /// fastest the kernel slews.
    mutating func isStepped(wall: Int64, boot: Int64) -> Bool {
      if let last {
        let elapsed = boot - last.boot
        let drift = (wall - last.wall - elapsed).magnitude
        if drift > 1000 + elapsed.magnitude / 2000 { steppedAt = boot }
      }
      last = (wall, boot)
      guard let steppedAt else { return false }
      return boot - steppedAt < 60_000
    }
  }

  /// What the kernel said of its synchronisation, and when, in ms since boot.
  private struct Synchronization: Sendable {
    var isSynced = false
    var asked = Int64.min
  }

  private let state = Lock((history: History(), synchronization: Synchronization()))

  public init() {}

  public func read() -> ClockReading {
    state.withLock { state in
      // Both inside the lock: readings must be compared in the order in which they were made.
      let wall = milliseconds(of: CLOCK_REALTIME)
      let boot = milliseconds(of: CLOCK_BOOTTIME)
      // The kernel's answer costs more than the time, and says what has been so for seconds.
      if boot - 1000 >= state.synchronization.asked {
        state.synchronization = Synchronization(isSynced: isSynced, asked: boot)
      }
      let isStepped = state.history.isStepped(wall: wall, boot: boot)
      return ClockReading(
        milliseconds: wall,
        state: isStepped ? .stepped : (state.synchronization.isSynced ? .synced : .unsynced))
    }
  }

  private var isSynced: Bool {
    var state = timex()
    // `modes` is zero: asks, changes nothing.
    let result = unsafe adjtimex(&state)
    return result >= 0 && result != TIME_ERROR && state.status & STA_UNSYNC == 0
  }

  private func milliseconds(of clock: clockid_t) -> Int64 {
    var time = timespec()
    let result = unsafe clock_gettime(clock, &time)
    precondition(result == 0, "Linux has had both clocks since 2.6.39")
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }
}
