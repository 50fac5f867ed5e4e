import CLinux
import Glibc
import Threading

/// What an event loop watches: a listening or a connected socket.
///
/// Each call comes on the loop's thread.
protocol EventReceiver: AnyObject, Sendable {
  /// The socket has become ready; edge-triggered, so this comes once.
  func ready(_ events: UInt32)
  /// Acts on what is overdue, and returns the next deadline, or `UInt64.max`.
  func expire(now: UInt64) -> UInt64
  /// The server is to stop, and what still runs at `deadline` is cut.
  func stop(by deadline: UInt64)
}

/// A thread that waits for sockets, and runs the tasks and actors that live on it.
///
/// Jobs, sockets and deadlines take turns: jobs that came while others ran wait until the sockets
/// have been looked at. What runs here must not block.
@safe
final class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
  private enum Work {
    case job(UnownedJob)
    case call(@Sendable () -> Void)
  }

  private struct Queue {
    var work: [Work] = []
    /// The thread is in `epoll_wait` or about to be, and must be woken.
    var isWaiting = false
    var isEnding = false
    /// The thread is gone; whoever comes late runs its own job.
    var isOver = false
  }

  /// Deadlines are looked at no more often than this, however many connections set one.
  private static let sweepInterval: UInt64 = 5_000_000

  /// Milliseconds after which the thread looks for work even if nobody woke it: a wake-up that the
  /// kernel denied must not hold a request up for good.
  private static let longestWait: Int32 = 1000

  private let queue = Lock(Queue())
  private let poll: Int32
  private let wakeUp: Int32
  private var thread = pthread_t()

  // The rest is the loop thread's alone.
  private var receivers: [UInt64: any EventReceiver] = [:]
  private var lastToken: UInt64 = 0
  private var earliest = UInt64.max
  /// Set once the server is to stop; receivers that attach later must look at it.
  private(set) var stopDeadline: UInt64?
  private var date: (second: Int, text: String) = (-1, "")

  init() throws(HTTPError) {
    poll = epoll_create1(Int32(EPOLL_CLOEXEC))
    wakeUp = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    var event = unsafe epoll_event()
    unsafe event.events = EPOLLIN.rawValue | 1 << 31
    unsafe event.data.u64 = 0
    guard poll >= 0, wakeUp >= 0, unsafe epoll_ctl(poll, EPOLL_CTL_ADD, wakeUp, &event) == 0 else {
      throw HTTPError(
        .unavailable, during: "making an event loop", cause: SystemError(number: errno))
    }
  }

  deinit {
    if poll >= 0 { close(poll) }
    if wakeUp >= 0 { close(wakeUp) }
  }

  /// Starts the thread, which holds the loop until ``end()``.
  func start(label: String) throws(HTTPError) {
    let argument = unsafe Unmanaged.passRetained(self)
    let result = queue.withLock { _ in  // The thread must not look at `thread` before it is set.
      unsafe pthread_create(
        &thread, nil,
        { argument in
          if let argument = unsafe argument {
            unsafe Unmanaged<EventLoop>.fromOpaque(argument).takeRetainedValue().run()
          }
          return nil
        }, argument.toOpaque())
    }
    guard result == 0 else {
      unsafe argument.release()
      throw HTTPError(
        .unavailable, during: "starting an event loop", cause: SystemError(number: result))
    }
    _ = unsafe pthread_setname_np(thread, label)
  }

  /// Ends the thread after its jobs, and waits for that.
  func end() {
    let mustWake = queue.withLock { queue in
      queue.isEnding = true
      return queue.isWaiting
    }
    if mustWake { wake() }
    pthread_join(thread, nil)
  }

  var isCurrent: Bool { pthread_equal(thread, pthread_self()) != 0 }

  private func run() {
    var events = unsafe [epoll_event](repeating: epoll_event(), count: 256)
    while let work = takeWork() {
      for item in work { perform(item) }
      let timeout = work.isEmpty ? timeoutMilliseconds() : 0
      let count = unsafe epoll_wait(poll, &events, Int32(events.count), timeout)
      queue.withLock { $0.isWaiting = false }
      for index in 0..<max(0, Int(count)) {
        unsafe receivers[events[index].data.u64]?.ready(events[index].events)
      }
      sweep()
    }
  }

  /// What came since the last time; empty to wait for sockets, nil to end.
  private func takeWork() -> [Work]? {
    queue.withLock { queue in
      if queue.work.isEmpty {
        if queue.isEnding {
          queue.isOver = true
          return nil
        }
        queue.isWaiting = true
        return []
      }
      var work: [Work] = []
      swap(&work, &queue.work)
      return work
    }
  }

  private func perform(_ work: Work) {
    switch work {
    case .job(let job):
      unsafe job.runSynchronously(
        isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
    case .call(let body): body()
    }
  }

  func enqueue(_ job: consuming ExecutorJob) {
    add(.job(UnownedJob(job)))
  }

  func asUnownedSerialExecutor() -> UnownedSerialExecutor {
    unsafe UnownedSerialExecutor(ordinary: self)
  }

  func asUnownedTaskExecutor() -> UnownedTaskExecutor {
    unsafe UnownedTaskExecutor(ordinary: self)
  }

  func checkIsolated() {
    precondition(isCurrent, "not on this event loop's thread")
  }

  func isIsolatingCurrentContext() -> Bool? { isCurrent }

  /// Runs `body` on the loop's thread, soon.
  func post(_ body: @escaping @Sendable () -> Void) {
    add(.call(body))
  }

  private func add(_ work: Work) {
    let (mustWake, isOver) = queue.withLock { queue in
      if queue.isOver { return (false, true) }
      queue.work.append(work)
      defer { queue.isWaiting = false }
      return (queue.isWaiting, false)
    }
    if mustWake { wake() }
    // A handler kept a response beyond the server's life: its calls find everything closed, and
    // must come to an end somewhere.
    if isOver { perform(work) }
  }

  private func wake() {
    var one: UInt64 = 1
    while unsafe write(wakeUp, &one, 8) < 0 {
      // A counter that is full wakes as well.
      if errno == EAGAIN { return }
      guard errno == EINTR else {
        // Whoever comes next tries again, and the thread looks by itself before long.
        queue.withLock { $0.isWaiting = true }
        return
      }
    }
  }

  // What follows is called on the loop's thread only.

  /// Watches a socket for reading and writing, edge-triggered, until ``detach(_:token:)``.
  func attach(_ socket: Int32, to receiver: any EventReceiver) throws(HTTPError) -> UInt64 {
    lastToken += 1
    var event = unsafe epoll_event()
    unsafe event.events = EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | 1 << 31
    unsafe event.data.u64 = lastToken
    guard unsafe epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event) == 0 else {
      throw HTTPError(.unavailable, during: "watching a socket", cause: SystemError(number: errno))
    }
    receivers[lastToken] = receiver
    return lastToken
  }

  /// Forgets the receiver; closing the socket is the caller's next step.
  func detach(_ socket: Int32, token: UInt64) {
    receivers[token] = nil
    if socket >= 0 { _ = epoll_ctl(poll, EPOLL_CTL_DEL, socket, nil) }
  }

  /// Sees to it that ``EventReceiver/expire(now:)`` is called at that time or a little later.
  func note(deadline: UInt64) {
    earliest = min(earliest, deadline)
  }

  /// Tells every receiver to stop.
  func stopReceivers(by deadline: UInt64) {
    stopDeadline = deadline
    for receiver in receivers.values { receiver.stop(by: deadline) }
  }

  private func timeoutMilliseconds() -> Int32 {
    guard earliest != .max else { return Self.longestWait }
    let now = Monotonic.now
    guard earliest > now else { return 0 }
    return Int32(min((earliest - now) / 1_000_000 + 1, UInt64(Self.longestWait)))
  }

  private func sweep() {
    guard earliest != .max else { return }
    let now = Monotonic.now
    guard now >= earliest else { return }
    earliest = .max
    var next = UInt64.max
    for receiver in receivers.values { next = min(next, receiver.expire(now: now)) }
    // A deadline already noted by a receiver above counts too.
    earliest = min(earliest, next)
    if earliest != .max { earliest = max(earliest, now + Self.sweepInterval) }
  }

  /// The value of `Date`, made once a second.
  func dateText() -> String {
    let second = time(nil)
    if second != date.second {
      date = (second, HTTPDate.format(secondsSince1970: Int64(second)))
    }
    return date.text
  }
}
