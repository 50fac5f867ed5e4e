import Encoding
public import HTTP
import Threading

/// Tells the operator what happens below the routes: refusals in counts, faults one by one.
///
/// Whoever sends what is refused decides how often: so there is a line at the first of a kind and
/// then at most one a minute, and the metrics have the rest.
public final class FloorReport: Sendable {
  private let metrics: MetricsRegistry
  private let log: OperatorLog
  private let tally = Lock(RefusalTally())

  /// - Parameters:
  ///   - metrics: counts each event.
  ///   - log: gets lines without a word of the client's.
  public init(metrics: MetricsRegistry, log: OperatorLog) {
    self.metrics = metrics
    self.log = log
  }

  /// Takes an event; does not block.
  public func take(_ event: ServerConfiguration.Event) {
    switch event {
    case .refused(let error, _):
      metrics.add("callvault_refused_requests_total", [("reason", "\(error.code)")])
      guard let count = tally.withLock({ $0.count(error.code, at: .now) }) else { return }
      log.write(
        .info, "refused", ["reason": .string("\(error.code)"), "count": .integer(Int64(count))])
    case .handlerFailed(let error, _):
      // Its cause is in the log already, under the request's id; here is what never had one.
      metrics.add("callvault_cut_responses_total")
      log.write(.info, "response-cut", ["cause": .string(OperatorLog.describe(error))])
    case .cannotAccept(let error):
      log.write(.error, "cannot-accept", ["cause": .string(OperatorLog.describe(error))])
    }
  }
}

/// When refusals of a kind are told, and how many at once.
struct RefusalTally {
  static let pause = Duration.seconds(60)

  private var kinds: [HTTPError.Code: (told: ContinuousClock.Instant, untold: Int)] = [:]

  /// Counts one refusal.
  ///
  /// - Returns: how many to tell of now, this one included; nil to wait.
  mutating func count(_ code: HTTPError.Code, at now: ContinuousClock.Instant) -> Int? {
    guard let kind = kinds[code] else {
      kinds[code] = (now, 0)
      return 1
    }
    guard now - kind.told >= Self.pause else {
      kinds[code]?.untold += 1
      return nil
    }
    kinds[code] = (now, 0)
    return kind.untold + 1
  }
}
