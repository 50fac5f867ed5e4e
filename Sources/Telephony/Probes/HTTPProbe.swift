public import Failover
import HTTPClient
public import YAML

/// An HTTP health check: 2xx is life.
public final class HTTPProbe: Probe {
  public let target: TargetID
  public let signal = SignalKind.http
  private let pool: ClientPool
  private let path: String
  private let pace: ProbePace

  /// Keys: `url`, `ca`, `path`, `interval_ms`, `limit_ms`.
  public init(target: TargetID, settings: YAMLNode) throws(YAMLError) {
    self.target = target
    let fields = try settings.mapping(of: ["url", "ca", "path"] + ProbePace.keys)
    pool = ClientPool(
      try VendorSettings.endpoint(fields.required("url"), ca: fields["ca"]).endpoint)
    path = try VendorSettings.path(fields.required("path"))
    pace = try ProbePace(fields, intervalMs: 250, limitMs: 2_000)
  }

  public func run(report: @escaping @Sendable (ProbeObservation) -> Void) async {
    await pace.run(target: target, signal: signal, report: report) { deadline in
      let sent = Moment.now
      do throws(HTTPClientError) {
        let response = try await self.pool.send(
          ClientRequest("GET", self.path), urgency: .normal, by: deadline.instant)
        return .unsuccessful(response) ?? .alive(roundTripMs: Moment.now.ms(since: sent))
      } catch {
        return .missed(ProbeMiss(error))
      }
    }
  }
}
