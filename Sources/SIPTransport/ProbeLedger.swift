import SIP

/// What one probe did or found.
public struct ProbeEvent: Sendable, Equatable {
  public enum Result: Sendable, Equatable {
    /// A request left.
    case sent
    /// A final answer that is no server's failure: 2xx to 6xx but 408 and 5xx. `isLate`: its probe was
    /// already missed.
    case answered(status: Int, isLate: Bool)
    /// 503 with Retry-After: it lives, and wants no new calls for so many seconds.
    case draining(seconds: Int)
    case missed(ProbeMiss)
  }

  /// Counts the requests to this target from 0.
  public let number: UInt64
  public let result: Result
  /// When the request left, and when this became known: nanoseconds of `CLOCK_MONOTONIC`.
  public let sent: UInt64
  public let at: UInt64

  public init(number: UInt64, result: Result, sent: UInt64, at: UInt64) {
    self.number = number
    self.result = result
    self.sent = sent
    self.at = at
  }
}

/// Why a probe found no life.
public enum ProbeMiss: Sendable, Equatable {
  /// Nothing came in the probe's time.
  case timeout
  /// ICMP, or a reset. Anyone can send one, so it counts as a miss and no more.
  case refused
  /// No way there, or the connection broke.
  case unreachable
  /// The handshake failed, or the certificate is not the expected one.
  case tls
  /// 408 or 5xx.
  case serverError(status: Int)
}

/// Which requests are out, and what an answer, an error or time means for them.
///
/// Pure: time is passed in.
struct ProbeLedger {
  private struct Outstanding {
    let number: UInt64
    let secrets: ProbeSecrets
    let sent: UInt64
    /// Reported already; an answer that still comes is life all the same.
    var isMissed = false
  }

  /// How long a missed request is remembered.
  private static let memory: UInt64 = 5_000_000_000
  private static let count = 1_024

  private let timeout: UInt64
  /// In the order in which they left.
  private var outstanding: [Outstanding] = []
  /// Timeouts since something valid came, or a connection was last made because of them.
  private var timeoutsInARow = 0

  init(timeout: UInt64) {
    self.timeout = timeout
  }

  /// When the next request is overdue; nil while none is out.
  var deadline: UInt64? { outstanding.first { !$0.isMissed }.map { $0.sent + timeout } }

  /// Whether so many requests in a row had no answer that a connection is to be made anew; once for each nine.
  mutating func isConnectionDoubtful() -> Bool {
    guard timeoutsInARow >= 9 else { return false }
    timeoutsInARow = 0
    return true
  }

  mutating func sent(_ number: UInt64, _ secrets: ProbeSecrets, at now: UInt64) -> ProbeEvent {
    if outstanding.count == Self.count { outstanding.removeFirst() }
    outstanding.append(Outstanding(number: number, secrets: secrets, sent: now))
    return ProbeEvent(number: number, result: .sent, sent: now, at: now)
  }

  /// What a response means; nil for a provisional one, one that was not asked for, and one that came twice.
  mutating func answered(_ response: SIPResponse, at now: UInt64) -> ProbeEvent? {
    guard response.status >= 200,
      let index = outstanding.firstIndex(where: { $0.secrets.isAnswered(by: response) })
    else { return nil }
    let probe = outstanding.remove(at: index)
    timeoutsInARow = 0
    let result: ProbeEvent.Result
    switch response.status {
    case 503 where (response.retryAfter ?? 0) > 0:
      result = .draining(seconds: response.retryAfter ?? 0)
    case 408, 500..<600:
      // A probe has one miss.
      guard !probe.isMissed else { return nil }
      result = .missed(.serverError(status: response.status))
    default: result = .answered(status: response.status, isLate: probe.isMissed)
    }
    return ProbeEvent(number: probe.number, result: result, sent: probe.sent, at: now)
  }

  /// An error of the network, which does not say which request it is about: the oldest one misses.
  mutating func failed(_ miss: ProbeMiss, at now: UInt64) -> ProbeEvent? {
    guard let index = outstanding.firstIndex(where: { !$0.isMissed }) else { return nil }
    return self.miss(index, miss, at: now)
  }

  /// A connection is gone with everything on it.
  mutating func failedAll(_ miss: ProbeMiss, at now: UInt64) -> [ProbeEvent] {
    outstanding.indices.filter { !outstanding[$0].isMissed }.map { self.miss($0, miss, at: now) }
  }

  /// Misses what is overdue, and forgets what nobody will answer any more.
  mutating func expire(at now: UInt64) -> [ProbeEvent] {
    outstanding.removeAll { $0.isMissed && now >= $0.sent + Self.memory }
    let overdue = outstanding.indices.filter {
      !outstanding[$0].isMissed && now >= outstanding[$0].sent + timeout
    }
    timeoutsInARow += overdue.count
    return overdue.map { miss($0, .timeout, at: now) }
  }

  private mutating func miss(_ index: Int, _ miss: ProbeMiss, at now: UInt64) -> ProbeEvent {
    outstanding[index].isMissed = true
    let probe = outstanding[index]
    return ProbeEvent(number: probe.number, result: .missed(miss), sent: probe.sent, at: now)
  }
}
