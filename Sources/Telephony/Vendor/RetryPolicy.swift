/// When a request that failed is sent again: exponential backoff with full jitter, never past a deadline.
///
/// Pure: time and dice are passed in.
struct RetryPolicy: Sendable, Equatable {
  /// What doing a request twice would do.
  enum Effect: Sendable, Equatable {
    /// Nothing: it reads.
    case reads
    /// The same as doing it once: it sets something to a value.
    case sets
    /// Something else: it sends a message or moves a call.
    case acts
  }

  /// What came of a request.
  enum Failure: Sendable, Equatable {
    /// No connection was made: nothing was done.
    case notSent
    /// Nobody knows whether it was done.
    case unknown
    /// 429: the vendor says that nothing was done.
    case notProcessed
    /// 5xx.
    case serverError
  }

  var attempts = 5
  var baseMs: Int64 = 100
  var limitMs: Int64 = 2_000
  /// What a request needs at least, so that a wait that leaves less is not begun.
  var reserveMs: Int64 = 50

  /// How long to wait before the next attempt; nil when there is none.
  ///
  /// - Parameters:
  ///   - attempt: how many were made, from 1.
  ///   - failure: what came of the last.
  ///   - effect: of doing it twice.
  ///   - retryAfterMs: what the vendor asked for, which is waited at least.
  ///   - leftMs: until the deadline.
  ///   - jitter: any number of a range.
  /// - Returns: milliseconds.
  func wait(
    after attempt: Int, failure: Failure, effect: Effect, retryAfterMs: Int64?, leftMs: Int64,
    jitter: (ClosedRange<Int64>) -> Int64 = { Int64.random(in: $0) }
  ) -> Int64? {
    guard attempt >= 1, attempt < attempts else { return nil }
    switch (failure, effect) {
    case (.unknown, .acts), (.serverError, .acts): return nil
    case (.notSent, _), (.notProcessed, _), (_, .reads), (_, .sets): break
    }
    let ceiling = min(limitMs, baseMs << Int64(min(attempt - 1, 16)))
    let wait = max(jitter(0...max(1, ceiling)), retryAfterMs ?? 0)
    let (after, overflow) = wait.addingReportingOverflow(reserveMs)
    return overflow || after > leftMs ? nil : wait
  }

  /// `Retry-After` in seconds (RFC 9110, 10.2.3), as milliseconds; nil for a date or anything else.
  static func retryAfterMs(_ text: String?) -> Int64? {
    guard let text, (1...5).contains(text.utf8.count), let seconds = Int64(text), seconds >= 0
    else { return nil }
    return seconds * 1000
  }
}
