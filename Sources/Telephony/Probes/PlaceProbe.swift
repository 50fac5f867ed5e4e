public import Failover
import TLSClient
import Threading
public import YAML

/// Places of which any that answers is life: ways into the internet (`uplink`), a name (`dns`), a certificate (`tls`).
///
/// When everything seems dead at once, the uplink says whether it is the supervisor's own line. Each place is looked
/// at by itself, so that a resolver that hangs holds up nobody.
public final class PlaceProbe: Probe, DriftLinter {
  /// A certificate that ends within so many days is told.
  static let warningDays: Int64 = 14

  public let target: TargetID
  public let signal: SignalKind
  private let places: [PlaceWatch]
  private let pace: ProbePace

  private init(
    _ target: TargetID, _ signal: SignalKind, _ places: [Place], at node: YAMLNode, pace: ProbePace
  ) throws(YAMLError) {
    guard (1...8).contains(places.count) else {
      throw VendorSettings.refuse(node, "1 to 8 places are expected")
    }
    self.target = target
    self.signal = signal
    self.pace = pace
    var watches: [PlaceWatch] = []
    for place in places {
      do {
        watches.append(try PlaceWatch(place))
      } catch {
        throw VendorSettings.refuse(node, "there is no thread for another place")
      }
    }
    self.places = watches
  }

  /// Whether the internet can be reached from here.
  ///
  /// Keys: `places` (each one of `dns`, `tcp`, `tls`; `resolvers` beside `dns`, `ca` beside `tls`), `interval_ms`,
  /// `limit_ms`.
  public static func uplink(
    target: TargetID, settings: YAMLNode
  ) throws(YAMLError) -> PlaceProbe {
    let fields = try settings.mapping(of: ["places"] + ProbePace.keys)
    let node = try fields.required("places")
    var places: [Place] = []
    for item in try node.sequence() { places += try Place.read(item) }
    return try PlaceProbe(
      target, .uplink, places, at: node,
      pace: ProbePace(fields, intervalMs: 1_000, limitMs: 2_000))
  }

  /// Whether a name that calls depend on has an address.
  ///
  /// Keys: `name`, `resolvers`, `interval_ms`, `limit_ms`.
  public static func name(target: TargetID, settings: YAMLNode) throws(YAMLError) -> PlaceProbe {
    let fields = try settings.mapping(of: ["name", "resolvers"] + ProbePace.keys)
    let list = try fields.required("resolvers")
    return try PlaceProbe(
      target, .dns, Place.resolved(fields.required("name"), by: list), at: list,
      pace: ProbePace(fields, intervalMs: 500, limitMs: 1_500))
  }

  /// Whether a server shakes hands with a certificate that is believed.
  ///
  /// Keys: `place`, `ca`, `interval_ms`, `limit_ms`.
  public static func certificate(
    target: TargetID, settings: YAMLNode
  ) throws(YAMLError) -> PlaceProbe {
    let fields = try settings.mapping(of: ["place", "ca"] + ProbePace.keys)
    let node = try fields.required("place")
    return try PlaceProbe(
      target, .tls, [Place.secured(node, authorities: fields["ca"])], at: node,
      pace: ProbePace(fields, intervalMs: 1_000, limitMs: 2_000))
  }

  public func run(report: @escaping @Sendable (ProbeObservation) -> Void) async {
    await withDiscardingTaskGroup { group in
      for place in places {
        group.addTask {
          await self.pace.run(target: self.target, signal: self.signal, report: report) {
            deadline in
            let sent = Moment.now
            guard let miss = await place.look(before: deadline) else {
              return .alive(roundTripMs: Moment.now.ms(since: sent))
            }
            return .missed(miss)
          }
        }
      }
    }
  }

  /// Certificates that end soon; one that has ended already is no finding but an outage.
  public func findings(for routes: [Route]) async -> [DriftFinding] {
    guard let name = ActuatorID(target.description) else { return [] }
    var findings: [DriftFinding] = []
    for place in places {
      do throws(TLSClientError) {
        guard let end = try await place.certificateEnd(within: .seconds(5)) else { continue }
        let days = (end - SystemClock().read().milliseconds / 1_000) / 86_400
        guard days < Self.warningDays else { continue }
        findings.append(
          DriftFinding(
            code: "certificate-ends", actuator: name, severity: .blocking,
            advice: "renew the certificate of \(target): it ends in \(days) days"))
      } catch {
        // What cannot be reached is seen by the probe itself.
        continue
      }
    }
    return findings
  }
}
