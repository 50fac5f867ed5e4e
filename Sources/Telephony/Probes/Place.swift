import DNS
import Failover
import TLSClient
import Threading
import YAML

/// One place, and how far it is looked at.
enum Place: Sendable {
  /// By whatever the operating system asks.
  case name(String)
  /// By one resolver.
  case resolved(DNSName, by: DNSResolver)
  case tcp(String, UInt16)
  case tls(String, UInt16, authorities: String)

  static let standardAuthorities = "/etc/ssl/certs/ca-certificates.crt"

  /// The places of an entry: one of `dns` (with `resolvers`, a place for each), `tcp`, `tls` (with `ca`).
  static func read(_ node: YAMLNode) throws(YAMLError) -> [Place] {
    let fields = try node.mapping(of: ["dns", "resolvers", "tcp", "tls", "ca"])
    switch (fields["dns"], fields["tcp"], fields["tls"]) {
    case (let name?, nil, nil):
      guard let resolvers = fields["resolvers"] else { return [.name(try name.string())] }
      return try resolved(name, by: resolvers)
    case (nil, let place?, nil):
      let (host, port) = try address(place)
      return [.tcp(host, port)]
    case (nil, nil, let place?): return [try secured(place, authorities: fields["ca"])]
    default: throw VendorSettings.refuse(node, "one of dns, tcp and tls is expected")
    }
  }

  /// A name, asked of each of 1 to 4 resolvers.
  static func resolved(_ node: YAMLNode, by list: YAMLNode) throws(YAMLError) -> [Place] {
    guard let name = DNSName(try node.string()) else {
      throw VendorSettings.refuse(node, "the name of a host is expected here")
    }
    var places: [Place] = []
    for item in try list.sequence() {
      guard let resolver = DNSResolver(try item.string()) else {
        throw VendorSettings.refuse(item, "a resolver's numeric address is expected here")
      }
      places.append(.resolved(name, by: resolver))
    }
    guard (1...4).contains(places.count) else {
      throw VendorSettings.refuse(list, "1 to 4 resolvers are expected")
    }
    return places
  }

  static func secured(_ node: YAMLNode, authorities: YAMLNode?) throws(YAMLError) -> Place {
    let (host, port) = try address(node)
    return .tls(host, port, authorities: try authorities?.string() ?? standardAuthorities)
  }

  private static func address(_ node: YAMLNode) throws(YAMLError) -> (String, UInt16) {
    let text = try node.string()
    guard let colon = text.lastIndex(of: ":"), colon != text.startIndex,
      let port = UInt16(text[text.index(after: colon)...]), port > 0
    else { throw VendorSettings.refuse(node, "host:port is expected here") }
    let host = text[..<colon]
    let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
    return (String(isBracketed ? host.dropFirst().dropLast() : host), port)
  }
}

/// Looks at one place, on a thread of its own: resolvers and connections block.
actor PlaceWatch {
  private let executor: BlockingExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }
  nonisolated let place: Place
  /// The end of the certificate that was last believed here.
  private var end: Int64?

  init(_ place: Place) throws(ThreadingError) {
    self.place = place
    executor = try BlockingExecutor(label: "place")
  }

  /// Nil: it answered.
  func look(before deadline: Moment) -> ProbeMiss? {
    let left = Duration.milliseconds(deadline.ms(since: .now))
    guard left > .zero else { return .timeout }
    do throws(TLSClientError) {
      switch place {
      case .name(let name): return NameLookup.hasAddress(name) ? nil : .nameUnresolved
      case .resolved(let name, let resolver):
        return Self.ask(name, of: resolver, by: deadline.instant)
      case .tcp(let host, let port):
        _ = try PlainStream(to: host, port: port, within: left)
      case .tls(let host, let port, let authorities):
        end = try Self.stream(host, port, authorities, within: left).certificateEnd
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

  private static func ask(
    _ name: DNSName, of resolver: DNSResolver, by deadline: ContinuousClock.Instant
  ) -> ProbeMiss? {
    do throws(DNSFailure) {
      switch try resolver.ask(name, by: deadline) {
      case .address: return nil
      case .none: return .nameUnresolved
      case .failure: return .serverError
      case .refusal: return .wrongAnswer
      }
    } catch {
      return error == .timeout ? .timeout : .unreachable
    }
  }

  /// When the certificate that is shown there ends, in seconds since 1970.
  ///
  /// - Throws: ``TLSClientError``, also for one that has ended.
  func certificateEnd(within limit: Duration) throws(TLSClientError) -> Int64? {
    guard case .tls(let host, let port, let authorities) = place else { return nil }
    // A handshake of its own would keep the probe waiting, which then takes the place for dead.
    if let end { return end }
    return try Self.stream(host, port, authorities, within: limit).certificateEnd
  }

  private static func stream(
    _ host: String, _ port: UInt16, _ authorities: String, within limit: Duration
  ) throws(TLSClientError) -> TLSStream {
    var settings = TLSClientSettings(host: host, port: port, authorities: authorities)
    settings.connectTimeout = limit
    return try TLSStream(to: settings)
  }
}
