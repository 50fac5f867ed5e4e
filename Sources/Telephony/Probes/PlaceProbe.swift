public import Failover
import TLSClient
import Threading
public import YAML

/// Whether the internet can be reached from here: several places, of which any that answers is life.
///
/// When everything seems dead at once, this says whether it is the supervisor's own line. Each place is looked at by
/// itself, so that a resolver that hangs holds up nobody.
public final class UplinkProbe: Probe {
  /// One place, and how far it is looked at.
  enum Place: Sendable, Equatable {
    case dns(String)
    case tcp(String, UInt16)
    case tls(String, UInt16, authorities: String)
  }

  public let target: TargetID
  public let signal = SignalKind.uplink
  private let places: [PlaceWatch]
  private let pace: ProbePace

  /// Keys: `places` (each one of `dns`, `tcp`, `tls`, and `ca` beside `tls`), `interval_ms`, `limit_ms`.
  public init(target: TargetID, settings: YAMLNode) throws(YAMLError) {
    self.target = target
    let fields = try settings.mapping(of: ["places"] + ProbePace.keys)
    let placesNode = try fields.required("places")
    var places: [PlaceWatch] = []
    for node in try placesNode.sequence() {
      let place = try Self.place(node)
      do {
        places.append(try PlaceWatch(place))
      } catch {
        throw VendorSettings.refuse(node, "there is no thread for another place")
      }
    }
    guard (1...8).contains(places.count) else {
      throw VendorSettings.refuse(placesNode, "1 to 8 places are expected")
    }
    self.places = places
    pace = try ProbePace(fields, intervalMs: 1_000, limitMs: 2_000)
  }

  private static func place(_ node: YAMLNode) throws(YAMLError) -> Place {
    let fields = try node.mapping(of: ["dns", "tcp", "tls", "ca"])
    func address(_ node: YAMLNode) throws(YAMLError) -> (String, UInt16) {
      let text = try node.string()
      guard let colon = text.lastIndex(of: ":"), colon != text.startIndex,
        let port = UInt16(text[text.index(after: colon)...]), port > 0
      else { throw VendorSettings.refuse(node, "host:port is expected here") }
      let host = text[..<colon]
      let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
      return (String(isBracketed ? host.dropFirst().dropLast() : host), port)
    }
    switch (fields["dns"], fields["tcp"], fields["tls"]) {
    case (let node?, nil, nil): return .dns(try node.string())
    case (nil, let node?, nil):
      let (host, port) = try address(node)
      return .tcp(host, port)
    case (nil, nil, let node?):
      let (host, port) = try address(node)
      let authorities = try fields["ca"].map { node throws(YAMLError) in try node.string() }
      return .tls(host, port, authorities: authorities ?? "/etc/ssl/certs/ca-certificates.crt")
    default: throw VendorSettings.refuse(node, "one of dns, tcp and tls is expected")
    }
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
}

/// Looks at one place, on a thread of its own: resolvers and connections block.
private actor PlaceWatch {
  private let executor: BlockingExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }
  private let place: UplinkProbe.Place

  init(_ place: UplinkProbe.Place) throws(ThreadingError) {
    self.place = place
    executor = try BlockingExecutor(label: "uplink")
  }

  /// Nil: it answered.
  func look(before deadline: Moment) -> ProbeMiss? {
    let left = Duration.milliseconds(deadline.ms(since: .now))
    guard left > .zero else { return .timeout }
    do throws(TLSClientError) {
      switch place {
      case .dns(let name): return NameLookup.hasAddress(name) ? nil : .nameUnresolved
      case .tcp(let host, let port):
        _ = try PlainStream(to: host, port: port, within: left)
      case .tls(let host, let port, let authorities):
        var settings = TLSClientSettings(host: host, port: port, authorities: authorities)
        settings.connectTimeout = left
        _ = try TLSStream(to: settings)
      }
      return nil
    } catch {
      switch error.code {
      case .timeout, .cancelled: return .timeout
      case .refused: return .tlsFailed
      case .unreachable, .interrupted, .unusable: return .unreachable
      }
    }
  }
}
