public import Failover
import SIP
import SIPTransport
public import YAML

/// Asks one target by SIP OPTIONS whether it lives: `kind: sip-options` of the routing policy.
///
/// Keys: `address` (numeric), `port`, `transport` (udp, tcp, tls), `interval_ms`, `timeout_ms`, and for tls
/// `server_name`, `ca_file`, and `certificate` with `key`.
public struct SIPOptionsProbe: Probe {
  public let target: TargetID
  public var signal: SignalKind { .sipOptions }
  private let asked: OptionsTarget

  /// Reads the settings of a probe, and the certificates that they name.
  ///
  /// - Throws: `YAMLError` at what cannot be used.
  public init(target: TargetID, settings: YAMLNode) throws(YAMLError) {
    self.target = target
    let fields = try settings.mapping(of: [
      "address", "port", "transport", "interval_ms", "timeout_ms", "server_name", "ca_file",
      "certificate", "key",
    ])
    let transport = try SIPSettings.transport(fields)
    let secrets = ["server_name", "ca_file", "certificate", "key"].filter { fields[$0] != nil }
    if transport != .tls, let first = secrets.first, let node = fields[first] {
      throw YAMLError(.wrongType, at: node.position, "\(first) is for `transport: tls`")
    }
    asked = OptionsTarget(
      try SIPSettings.endpoint(fields, transport),
      over: try Self.way(transport, fields),
      every: .milliseconds(try fields["interval_ms"]?.integer(in: 10...60_000) ?? 50),
      timeout: .milliseconds(try fields["timeout_ms"]?.integer(in: 10...10_000) ?? 200))
  }

  private static func way(
    _ transport: SIPSettings.Transport, _ fields: YAMLMapping
  ) throws(YAMLError) -> OptionsTarget.Transport {
    switch transport {
    case .udp: return .udp
    case .tcp: return .tcp
    case .tls:
      let authorities = try fields.required("ca_file")
      let certificate = try fields["certificate"]?.string()
      let key = try fields["key"]?.string()
      guard (certificate == nil) == (key == nil) else {
        throw YAMLError(
          .missingKey, at: fields.position, "`certificate` and `key` are given together")
      }
      let name = try fields.required("server_name").string()
      let file = try authorities.string()
      do throws(SIPTransportError) {
        return .tls(
          try TLSContext(
            serverName: name, authorities: file, certificateFile: certificate, keyFile: key))
      } catch {
        throw YAMLError(.wrongType, at: authorities.position, "\(error)")
      }
    }
  }

  public func run(report: @escaping @Sendable (ProbeObservation) -> Void) async {
    let (target, signal) = (target, signal)
    while !Task.isCancelled {
      do {
        let probe = try OptionsProbe(asked) { event in
          report(
            ProbeObservation(
              target: target, signal: signal, result: Self.result(of: event),
              at: Moment(milliseconds: Int64(event.at / 1_000_000))))
        }
        await probe.run()
      } catch {
        // No thread or no descriptor to be had: nothing was sent, so nothing is said of the target.
        do { try await Task.sleep(for: .seconds(1)) } catch { return }
      }
    }
  }

  /// What an event means for belief; a late answer is life as well.
  static func result(of event: ProbeEvent) -> ProbeObservation.Result {
    switch event.result {
    case .sent: .sent
    case .answered:
      .alive(roundTripMs: Int64((event.at - min(event.at, event.sent)) / 1_000_000))
    case .draining(let seconds): .drain(forMs: Int64(seconds) * 1000)
    case .missed(.timeout): .missed(.timeout)
    case .missed(.refused): .missed(.refused)
    case .missed(.unreachable): .missed(.unreachable)
    case .missed(.tls): .missed(.tlsFailed)
    case .missed(.serverError): .missed(.serverError)
    }
  }
}
