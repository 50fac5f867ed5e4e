import Threading

/// What all connections of a server share.
final class Site: Sendable {
  private struct Counts {
    var total = 0
    var perClient: [String: Int] = [:]
    var perLoop: [Int]
  }

  /// A connection's place in the counts, given back when it ends.
  struct Place: Sendable {
    let loop: EventLoop
    /// Beyond the limits: to be told so and closed.
    let isRefused: Bool
    fileprivate let loopIndex: Int
    fileprivate let clientKey: String
  }

  /// This many connections over the limit are told 503; more are closed without a word.
  private static let refusedConnections = 64

  let configuration: ServerConfiguration
  let handler: any Handler
  let loops: [EventLoop]
  let bodies: BodyRoom
  private let hosts: Set<String>
  private let counts: Lock<Counts>

  init(_ configuration: ServerConfiguration, handler: any Handler, loops: [EventLoop]) {
    self.configuration = configuration
    self.handler = handler
    self.loops = loops
    bodies = BodyRoom(limit: configuration.limits.heldBytes)
    hosts = Set(configuration.hosts.map { Self.bracketed($0.lowercased()) })
    counts = Lock(Counts(perLoop: Array(repeating: 0, count: loops.count)))
  }

  var limits: ServerLimits { configuration.limits }

  func serves(host: String, to peer: Peer) -> Bool {
    if case .local = peer { return true }
    return hosts.contains(host)
  }

  /// Counts a new connection and gives it the loop with the fewest, or nil when it must go.
  func enter(_ peer: Peer) -> Place? {
    let key = Self.clientKey(peer)
    let limits = self.limits
    return counts.withLock { counts in
      let sameClient = counts.perClient[key, default: 0]
      guard counts.total < limits.connections + Self.refusedConnections,
        sameClient < limits.connectionsPerAddress + Self.refusedConnections,
        let index = counts.perLoop.indices.min(by: { counts.perLoop[$0] < counts.perLoop[$1] })
      else { return nil }
      counts.total += 1
      counts.perLoop[index] += 1
      counts.perClient[key] = sameClient + 1
      return Place(
        loop: loops[index],
        isRefused: counts.total > limits.connections || sameClient >= limits.connectionsPerAddress,
        loopIndex: index, clientKey: key)
    }
  }

  func leave(_ place: Place) {
    counts.withLock { counts in
      counts.total -= 1
      counts.perLoop[place.loopIndex] -= 1
      let left = counts.perClient[place.clientKey, default: 1] - 1
      counts.perClient[place.clientKey] = left > 0 ? left : nil
    }
  }

  /// As `Host` spells an IPv6 address.
  private static func bracketed(_ host: String) -> String {
    host.utf8.contains(0x3A) && host.utf8.first != 0x5B ? "[\(host)]" : host
  }

  /// Who shares a limit: on a socket the user; an IPv6 client has a /64 to itself, so its other
  /// addresses are no other client.
  private static func clientKey(_ peer: Peer) -> String {
    let address: String
    switch peer {
    case .local(let uid, _, _): return "uid \(uid)"
    case .internet(let numeric): address = numeric
    }
    guard address.utf8.contains(0x3A) else { return address }
    return SocketAddress.network64(of: address) ?? address
  }
}
