import CLinux
import Glibc

/// The kernel's list of sockets to wait for, and a way for other threads to end a wait.
final class Poller: Sendable {
  /// What a socket became.
  struct Readiness {
    let token: UInt64
    let events: UInt32

    var isReadable: Bool {
      events & (EPOLLIN.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue | EPOLLRDHUP.rawValue) != 0
    }
    var isWritable: Bool {
      events & (EPOLLOUT.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0
    }
  }

  static let readable: UInt32 = EPOLLIN.rawValue | EPOLLRDHUP.rawValue
  /// Once for each arrival: where the kernel has no room for another socket, waiting goes on.
  static let arriving: UInt32 = EPOLLIN.rawValue | 1 << 31
  static let writable: UInt32 = EPOLLOUT.rawValue

  private let poll: Int32
  private let wakeUp: Int32

  init() throws(SIPTransportError) {
    poll = epoll_create1(Int32(EPOLL_CLOEXEC))
    wakeUp = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    var event = unsafe epoll_event()
    unsafe event.events = EPOLLIN.rawValue
    unsafe event.data.u64 = .max
    guard poll >= 0, wakeUp >= 0, unsafe epoll_ctl(poll, EPOLL_CTL_ADD, wakeUp, &event) == 0 else {
      throw Socket.fault("making a list of sockets")
    }
  }

  deinit {
    if poll >= 0 { close(poll) }
    if wakeUp >= 0 { close(wakeUp) }
  }

  /// Watches a socket; `token` comes back with what it became, and must not be `UInt64.max`.
  func add(_ socket: Int32, token: UInt64, for events: UInt32) throws(SIPTransportError) {
    guard control(EPOLL_CTL_ADD, socket, token, events) else {
      throw Socket.fault("watching a socket")
    }
  }

  /// Changes what a watched socket is watched for.
  func change(_ socket: Int32, token: UInt64, for events: UInt32) {
    let isChanged = control(EPOLL_CTL_MOD, socket, token, events)
    precondition(isChanged, "only a watched socket is changed")
  }

  private func control(_ operation: Int32, _ socket: Int32, _ token: UInt64, _ events: UInt32)
    -> Bool
  {
    var event = unsafe epoll_event()
    unsafe event.events = events
    unsafe event.data.u64 = token
    return unsafe epoll_ctl(poll, operation, socket, &event) == 0
  }

  /// Waits until a socket is ready, ``wake()`` was called or the time is over; blocks its thread.
  func wait(nanoseconds: UInt64) -> [Readiness] {
    let milliseconds = min(nanoseconds, 1_000_000_000)
    // Up, so that a deadline has passed when the wait for it ends.
    let timeout = Int32((milliseconds + 999_999) / 1_000_000)
    return unsafe withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: 64) { events in
      let count = unsafe epoll_wait(poll, events.baseAddress, Int32(events.count), timeout)
      var ready: [Readiness] = []
      for index in 0..<max(0, Int(count)) {
        let token = unsafe events[index].data.u64
        if token == .max {
          var counter: UInt64 = 0
          _ = unsafe read(wakeUp, &counter, 8)
        } else {
          unsafe ready.append(Readiness(token: token, events: events[index].events))
        }
      }
      return ready
    }
  }

  func wake() {
    var one: UInt64 = 1
    // A counter that is full wakes as well, and a wait lasts a second at most.
    _ = unsafe write(wakeUp, &one, 8)
  }
}
