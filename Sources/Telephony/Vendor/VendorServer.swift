import Encoding
import Failover
import HTTPClient
import Threading

/// What a vendor said that was not what was asked for: numbers only, because its sentences may repeat what
/// was sent.
struct VendorAnswer: Error, CustomStringConvertible {
  let status: Int
  /// The vendor's own number of the error, where it gives one.
  var code: Int64?

  var description: String { code.map { "status \(status), code \($0)" } ?? "status \(status)" }
}

/// A vendor's HTTP interface: retries inside the deadline, the most urgent first, answers told apart.
final class VendorServer: Sendable {
  private let pool: ClientPool
  private let policy: RetryPolicy

  init(_ endpoint: Endpoint, policy: RetryPolicy = RetryPolicy()) {
    pool = ClientPool(endpoint)
    self.policy = policy
  }

  /// Sends a request, again where that is right, and returns the first answer that is not a failure of the moment.
  ///
  /// - Parameters:
  ///   - request: what is asked.
  ///   - effect: of doing it twice.
  ///   - urgency: whose request it is.
  ///   - deadline: nothing is sent after it.
  /// - Returns: an answer that is neither 429 nor 5xx.
  /// - Throws: ``FailoverError/Code/tooLate``, ``FailoverError/Code/busy`` for 429 to the end,
  ///   ``FailoverError/Code/unreachable`` for everything else.
  func answer(
    to request: ClientRequest, effect: RetryPolicy.Effect, urgency: Urgency = .normal,
    before deadline: Moment
  ) async throws(FailoverError) -> ClientResponse {
    var attempt = 0
    while true {
      attempt += 1
      guard deadline.ms(since: .now) > 0 else {
        throw FailoverError(.tooLate, during: "asking a vendor")
      }
      let outcome = await attemptOnce(request, urgency: urgency, before: deadline)
      let (failure, error, retryAfterMs): (RetryPolicy.Failure, FailoverError, Int64?)
      switch outcome {
      case .answered(let response): return response
      case .failed(let what, let why, let after):
        (failure, error, retryAfterMs) = (what, why, after)
      }
      guard
        let wait = policy.wait(
          after: attempt, failure: failure, effect: effect, retryAfterMs: retryAfterMs,
          leftMs: deadline.ms(since: .now))
      else { throw error }
      do {
        try await Task.sleep(for: .milliseconds(wait))
      } catch {
        throw FailoverError(.tooLate, during: "waiting to ask a vendor again", cause: error)
      }
    }
  }

  private enum Outcome {
    case answered(ClientResponse)
    case failed(RetryPolicy.Failure, FailoverError, retryAfterMs: Int64?)
  }

  private func attemptOnce(
    _ request: ClientRequest, urgency: Urgency, before deadline: Moment
  ) async -> Outcome {
    do throws(HTTPClientError) {
      let response = try await pool.send(request, urgency: urgency, by: deadline.instant)
      let cause = VendorAnswer(status: response.status)
      let retryAfterMs = RetryPolicy.retryAfterMs(response["Retry-After"])
      switch response.status {
      case 429:
        let error = FailoverError(.busy, during: "asking a vendor", cause: cause)
        return .failed(.notProcessed, error, retryAfterMs: retryAfterMs)
      case 500...599:
        let error = FailoverError(.unreachable, during: "asking a vendor", cause: cause)
        return .failed(.serverError, error, retryAfterMs: retryAfterMs)
      default: return .answered(response)
      }
    } catch {
      let isUnsent = error.code == .unreachable || error.code == .tls
      return .failed(
        isUnsent ? .notSent : .unknown,
        FailoverError(.unreachable, during: "asking a vendor", cause: error), retryAfterMs: nil)
    }
  }
}

extension Moment {
  static var now: Moment { Moment(milliseconds: MonotonicClock.milliseconds) }

  /// The same moment for what counts by Swift's own clock.
  var instant: ContinuousClock.Instant {
    ContinuousClock.now + .milliseconds(min(max(0, ms(since: .now)), 86_400_000))
  }
}
