import CLinux

/// The machine's clock.
///
/// A jump is seen by comparing how far the wall clock and the time since boot (which counts sleep)
/// moved between two readings. Slewing, which moves it slowly on purpose, is not a jump.
///
/// Set back, it would revive what has expired. So a time once told goes on from there, by the time
/// since boot, for as long as the machine's clock lies behind it and no time service vouches for it:
/// the kernel calls a clock that was set by hand unsynchronised.
public final class SystemClock: WallClock {
  /// What the last reading leaves for the next to compare with.
  struct History: Sendable {
    private var last: (wall: Int64, boot: Int64)?
    private var steppedAt: Int64?
    /// A time that has passed, and when since boot that was known.
    private var floor: (wall: Int64, boot: Int64)?

    init() {}

    /// Notes a time that has passed, in ms.
    mutating func hasPassed(_ time: Int64, boot: Int64) {
      if let floor, floor.wall + boot - floor.boot >= time { return }
      floor = (time, boot)
    }

    /// The time to go by at one reading, in ms.
    mutating func believed(wall: Int64, boot: Int64, isSynced: Bool) -> Int64 {
      if !isSynced, let floor, floor.wall + boot - floor.boot > wall {
        return floor.wall + boot - floor.boot
      }
      floor = (wall, boot)
      return wall
    }

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
      // All inside the lock: readings must be compared in the order in which they were made.
      let wall = milliseconds(of: CLOCK_REALTIME)
      let boot = milliseconds(of: CLOCK_BOOTTIME)
      // The kernel's answer costs more than the time, and says what has been so for seconds.
      if boot - 1000 >= state.synchronization.asked {
        state.synchronization = Synchronization(isSynced: self.isSynced, asked: boot)
      }
      let vouched = state.synchronization.isSynced
      let hasJumped = state.history.isStepped(wall: wall, boot: boot)
      let told = state.history.believed(
        wall: wall, boot: boot, isSynced: vouched && !hasJumped)
      let isStepped = hasJumped || told - wall > 1000
      return ClockReading(
        milliseconds: told, state: isStepped ? .stepped : (vouched ? .synced : .unsynced))
    }
  }

  public func hasPassed(_ milliseconds: Int64) {
    state.withLock { state in
      state.history.hasPassed(milliseconds, boot: self.milliseconds(of: CLOCK_BOOTTIME))
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
