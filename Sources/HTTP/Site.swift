import Threading

/// What all connections of a server share.
final class Site: Sendable {
  private struct Counts {
    var total = 0
    var perAddress: [String: Int] = [:]
    var perLoop: [Int]
  }

  /// A connection's place in the counts, given back when it ends.
  struct Place: Sendable {
    let loop: EventLoop
    /// Beyond the limits: to be told so and closed.
    let isRefused: Bool
    fileprivate let loopIndex: Int
    fileprivate let addressKey: String?
  }

  /// This many connections over the limit are told 503; more are closed without a word.
  private static let refusedConnections = 64

  let configuration: ServerConfiguration
  let handler: any Handler
  let loops: [EventLoop]
  private let hosts: Set<String>
  private let counts: Lock<Counts>

  init(_ configuration: ServerConfiguration, handler: any Handler, loops: [EventLoop]) {
    self.configuration = configuration
    self.handler = handler
    self.loops = loops
    hosts = Set(configuration.hosts.map { $0.lowercased() })
    counts = Lock(Counts(perLoop: Array(repeating: 0, count: loops.count)))
  }

  var limits: ServerLimits { configuration.limits }

  func serves(host: String, to peer: Peer) -> Bool {
    if case .local = peer { return true }
    return hosts.contains(host)
  }

  /// Counts a new connection and gives it the loop with the fewest, or nil when it must go.
  func enter(_ peer: Peer) -> Place? {
    let key = Self.addressKey(peer)
    let limits = self.limits
    return counts.withLock { counts in
      let sameAddress = key.map { counts.perAddress[$0, default: 0] } ?? 0
      guard counts.total < limits.connections + Self.refusedConnections,
        sameAddress < limits.connectionsPerAddress + Self.refusedConnections,
        let index = counts.perLoop.indices.min(by: { counts.perLoop[$0] < counts.perLoop[$1] })
      else { return nil }
      counts.total += 1
      counts.perLoop[index] += 1
      if let key { counts.perAddress[key] = sameAddress + 1 }
      return Place(
        loop: loops[index],
        isRefused: counts.total > limits.connections || sameAddress >= limits.connectionsPerAddress,
        loopIndex: index, addressKey: key)
    }
  }

  func leave(_ place: Place) {
    counts.withLock { counts in
      counts.total -= 1
      counts.perLoop[place.loopIndex] -= 1
      guard let key = place.addressKey else { return }
      let left = counts.perAddress[key, default: 1] - 1
      counts.perAddress[key] = left > 0 ? left : nil
    }
  }

  /// An IPv6 client has a /64 to itself, so its other addresses are no other client.
  private static func addressKey(_ peer: Peer) -> String? {
    guard case .internet(let address) = peer else { return nil }
    guard address.utf8.contains(0x3A) else { return address }
    return SocketAddress.network64(of: address) ?? address
  }
}
