import CLinux

/// A value that one thread at a time may touch.
///
/// A POSIX mutex rather than `Synchronization.Mutex`, because the thread sanitizer understands it.
/// Hold it for a few instructions only; what waits for a disk or a peer belongs to an actor.
@safe
public final class Lock<State: ~Copyable>: @unchecked Sendable {
  // At a fixed address: a mutex must not move once a thread has seen it.
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private var state: State

  public init(_ state: consuming sending State) {
    self.state = state
    unsafe mutex = .allocate(capacity: 1)
    unsafe mutex.initialize(to: pthread_mutex_t())
    let result = unsafe pthread_mutex_init(mutex, nil)
    precondition(result == 0, "a default mutex needs no resource")
  }

  deinit {
    unsafe pthread_mutex_destroy(mutex)
    unsafe mutex.deallocate()
  }

  /// Runs `body` alone with the value.
  ///
  /// Not reentrant: a second `withLock` inside `body` deadlocks.
  public func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout sending State) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return try body(&state)
  }
}
