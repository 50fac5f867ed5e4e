import CLinux
import Glibc
import Threading

/// The signals that ask the program to end, SIGTERM and SIGINT, as something a task can await, and
/// SIGHUP, which may ask a service for something less.
///
/// They are blocked in every thread and taken by the main thread alone, which does nothing else:
/// no code ever runs inside a signal handler.
public enum StopSignals {
  private struct State {
    var arrived: Int32?
    var waiting: CheckedContinuation<Int32, Never>?
    var isAwaited = false
    var onHangUp: (@Sendable () -> Void)?
  }

  private static let state = Lock(State())

  /// Blocks the signals; called first of all, before there is a second thread.
  public static func block() {
    var set = signals()
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    // A peer that hangs up is an error of the write, not the end of the program.
    signal(SIGPIPE, SIG_IGN)
  }

  /// Takes signals for as long as the process lives, on the main thread.
  ///
  /// Where nobody awaits a signal, and at the second one, the process ends as it would have without
  /// this type.
  public static func deliver() -> Never {
    var set = signals()
    while true {
      var number: Int32 = 0
      guard unsafe sigwait(&set, &number) == 0 else { continue }
      if number == SIGHUP, let action = state.withLock({ $0.onHangUp }) {
        action()
        continue
      }
      let (taker, isKept) = state.withLock { state in
        guard state.arrived == nil, state.isAwaited else {
          return (CheckedContinuation<Int32, Never>?.none, false)
        }
        state.arrived = number
        defer { state.waiting = nil }
        return (state.waiting, true)
      }
      taker?.resume(returning: number)
      if isKept { continue }
      signal(number, SIG_DFL)
      unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
      raise(number)
      _exit(128 + number)
    }
  }

  /// Says that a task will wait: from now on a signal no longer ends the process by itself.
  public static func expect() { state.withLock { $0.isAwaited = true } }

  /// Does `action` at each SIGHUP from now on, on the main thread; before, SIGHUP is one more signal
  /// that ends the program.
  public static func onHangUp(_ action: @escaping @Sendable () -> Void) {
    state.withLock { $0.onHangUp = action }
  }

  /// The signal that came after ``expect()``, for code that looks now and then.
  public static var arrived: Int32? { state.withLock { $0.arrived } }

  /// Waits for the first of the signals after ``expect()``; one task, once.
  public static func wait() async -> Int32 {
    await withCheckedContinuation { continuation in
      let arrived = state.withLock { state -> Int32? in
        if state.arrived == nil { state.waiting = continuation }
        return state.arrived
      }
      if let arrived { continuation.resume(returning: arrived) }
    }
  }

  private static func signals() -> sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    unsafe sigaddset(&set, SIGTERM)
    unsafe sigaddset(&set, SIGINT)
    unsafe sigaddset(&set, SIGHUP)
    return set
  }
}
