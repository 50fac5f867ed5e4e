import CLinux
import Threading

// Events, deadlines and waiting.
extension Connection {
  nonisolated func ready(_ events: UInt32) {
    assumeIsolated { $0.take(events) }
  }

  nonisolated func expire(now: UInt64) -> UInt64 {
    assumeIsolated { $0.expireWaiters(now: now) }
  }

  nonisolated func stop(by deadline: UInt64) {
    assumeIsolated { $0.beginStop(by: deadline) }
  }

  func take(_ events: UInt32) {
    if events & EPOLLRDHUP.rawValue != 0 { peerIsDone = true }
    if events & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue) != 0 {
      isReadable = true
      wake(.read)
    }
    if events & EPOLLOUT.rawValue != 0 {
      isWritable = true
      wake(.write)
    }
    // Once both sides have sent their last byte there is a hang-up, too. The kernel may still be
    // delivering our response then, and a cut would take it back.
    let isBroken =
      events & EPOLLERR.rawValue != 0 || (events & EPOLLHUP.rawValue != 0 && !isClosing)
    if isBroken || clientLeft { abort() }
  }

  /// Whether the client has closed while its request is in hand.
  ///
  /// In clear, a client may have merely finished sending, and still gets its response. Under TLS
  /// no client does that, and an end is all that is seen of one that leaves.
  private var clientLeft: Bool {
    guard isSecure, peerIsDone, head != nil, case .done = body else { return false }
    if case .finished = response { return false }
    return true
  }

  func expireWaiters(now: UInt64) -> UInt64 {
    if min(requestDeadline, stopDeadline) <= now { abort() }
    let overdue = waiters.filter { $0.deadline <= now }
    waiters.removeAll { $0.deadline <= now }
    for waiter in overdue { waiter.continuation.resume(returning: .timedOut) }
    return waiters.reduce(min(requestDeadline, stopDeadline)) { min($0, $1.deadline) }
  }

  func beginStop(by deadline: UInt64) {
    isStopping = true
    stopDeadline = deadline
    loop.note(deadline: deadline)
    if isIdle { wake(.read) }
  }

  func wake(_ side: Side) {
    let woken = waiters.filter { $0.side == side }
    waiters.removeAll { $0.side == side }
    for waiter in woken { waiter.continuation.resume(returning: .ready) }
  }

  /// Ends the connection at once, with what runs on it.
  func abort() {
    guard !isAborted else { return }
    isAborted = true
    requestDeadline = .max
    stopDeadline = .max
    loop.detach(transport.socket, token: token)
    transport.cut()
    let woken = waiters
    waiters = []
    for waiter in woken { waiter.continuation.resume(returning: .aborted) }
    end()
  }

  func wait(_ side: Side, _ patience: Patience) async throws(HTTPError) {
    if isAborted { throw HTTPError(.closed, during: "waiting for the client") }
    transfers = 0
    let begin = Monotonic.now
    let deadline = deadline(of: side, patience, from: begin)
    loop.note(deadline: deadline)
    let wake = await withCheckedContinuation { continuation in
      waiters.append(Waiter(side: side, deadline: deadline, continuation: continuation))
    }
    if case .atRate = patience {
      let waited = Monotonic.now - begin
      if side == .read { reading.waited(waited) } else { writing.waited(waited) }
    }
    switch wake {
    case .ready: return
    case .timedOut: throw HTTPError(.timeout, during: "waiting for the client")
    case .aborted: throw HTTPError(.closed, during: "waiting for the client")
    }
  }

  func deadline(of side: Side, _ patience: Patience, from begin: UInt64) -> UInt64 {
    guard case .atRate = patience else {
      if case .until(let deadline) = patience { return deadline }
      return .max
    }
    let (deadline, overflow) = begin.addingReportingOverflow(
      side == .read ? reading.credit : writing.credit)
    return overflow ? .max : deadline
  }

  /// Lets the loop's other connections have a turn after a run of transfers that never waited.
  func takeTurns() async {
    transfers += 1
    guard transfers >= Self.transfersPerTurn else { return }
    transfers = 0
    await Task.yield()
  }
}
