import Failover
import HTTPClient
import YAML

/// How often a probe leaves, how long one is waited for, and how many are under way.
struct ProbePace: Sendable {
  /// Probes that are waited for at once; while there are as many, none leaves.
  static let outstandingLimit = 4

  let intervalMs: Int64
  let limitMs: Int64

  /// Keys of a pace in settings.
  static let keys = ["interval_ms", "limit_ms"]

  init(_ fields: YAMLMapping, intervalMs: Int64, limitMs: Int64) throws(YAMLError) {
    self.intervalMs = try VendorSettings.milliseconds(
      fields["interval_ms"], in: 50...600_000, otherwise: intervalMs)
    self.limitMs = try VendorSettings.milliseconds(
      fields["limit_ms"], in: 50...60_000, otherwise: limitMs)
  }

  /// Sends probes at this pace until the task is cancelled.
  ///
  /// A late answer is life all the same, so that slow is not taken for dead: the next probe does not wait for it.
  func run(
    target: TargetID, signal: SignalKind,
    report: @escaping @Sendable (ProbeObservation) -> Void,
    once: @escaping @Sendable (Moment) async -> ProbeObservation.Result
  ) async {
    await withDiscardingTaskGroup { group in
      let underWay = ProbesUnderWay()
      while !Task.isCancelled {
        if await underWay.begin() {
          let sent = Moment.now
          report(ProbeObservation(target: target, signal: signal, result: .sent, at: sent))
          group.addTask {
            let result = await once(sent.advanced(byMs: limitMs))
            await underWay.end()
            // A probe that was cut off by our own stop says nothing about the target.
            guard !Task.isCancelled else { return }
            report(ProbeObservation(target: target, signal: signal, result: result, at: .now))
          }
        }
        do {
          try await Task.sleep(for: .milliseconds(intervalMs))
        } catch {
          return
        }
      }
    }
  }
}

/// Counts the probes that are waited for.
private actor ProbesUnderWay {
  private var count = 0

  func begin() -> Bool {
    guard count < ProbePace.outstandingLimit else { return false }
    count += 1
    return true
  }

  func end() { count -= 1 }
}

extension ProbeMiss {
  /// Why a request had no answer.
  init(_ error: HTTPClientError) {
    switch error.code {
    case .timeout: self = .timeout
    case .tls: self = .tlsFailed
    case .unreachable, .interrupted: self = .unreachable
    case .tooLarge, .unusable: self = .wrongAnswer
    }
  }
}

extension ProbeMiss {
  /// Why a vendor's interface did not say what was asked.
  init(vendor error: FailoverError) {
    switch error.code {
    case .tooLate: self = .timeout
    case .busy: self = .serverError
    case .refused: self = .wrongAnswer
    default: self = .unreachable
    }
  }
}

extension ProbeObservation.Result {
  /// What an answer over HTTP says; nil for 2xx, whose body may say more.
  static func unsuccessful(_ response: ClientResponse) -> Self? {
    switch response.status {
    case 200...299: nil
    case 503:
      RetryPolicy.retryAfterMs(response["Retry-After"]).map { .drain(forMs: min($0, 600_000)) }
        ?? .missed(.serverError)
    case 500...599: .missed(.serverError)
    default: .missed(.wrongAnswer)
    }
  }
}
