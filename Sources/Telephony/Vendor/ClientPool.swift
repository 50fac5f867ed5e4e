import Failover
import HTTPClient

/// Who is served next when there are more requests than connections: the most urgent, then whoever came first.
///
/// Pure: keys stand for those that wait.
struct WaitingLine<Key: Sendable>: Sendable {
  private var waiting: [(urgency: Urgency, order: UInt64, key: Key)] = []
  private var arrivals: UInt64 = 0

  var count: Int { waiting.count }

  mutating func add(_ key: Key, urgency: Urgency) {
    arrivals += 1
    // A place after all that are as urgent keeps the order without sorting.
    let place = waiting.firstIndex { $0.urgency > urgency } ?? waiting.endIndex
    waiting.insert((urgency, arrivals, key), at: place)
  }

  /// How urgent whoever is next is; nil where nobody waits.
  var nextUrgency: Urgency? { waiting.first?.urgency }

  mutating func next() -> Key? {
    waiting.isEmpty ? nil : waiting.removeFirst().key
  }
}

/// A few connections to one server, lent out to the most urgent first.
///
/// Two are lent to emergencies alone, so that none waits for a server that answers others late or never.
actor ClientPool {
  static let limit = 10
  static let keptForEmergencies = 2

  private let endpoint: Endpoint
  private var idle: [HTTPClient] = []
  private var lent = 0
  private var line = WaitingLine<CheckedContinuation<HTTPClient, Never>>()

  init(_ endpoint: Endpoint) {
    self.endpoint = endpoint
  }

  /// Sends one request on a connection of the pool.
  func send(
    _ request: ClientRequest, urgency: Urgency, by deadline: ContinuousClock.Instant
  ) async throws(HTTPClientError) -> ClientResponse {
    let client = try await borrow(urgency)
    defer { giveBack(client) }
    return try await client.send(request, by: deadline)
  }

  private func borrow(_ urgency: Urgency) async throws(HTTPClientError) -> HTTPClient {
    guard lent < Self.limit(for: urgency) else {
      return await withCheckedContinuation { line.add($0, urgency: urgency) }
    }
    if let client = idle.popLast() {
      lent += 1
      return client
    }
    let client = try HTTPClient(endpoint, idleSeconds: 10, keeping: 1 << 20)
    lent += 1
    return client
  }

  private func giveBack(_ client: HTTPClient) {
    lent -= 1
    guard let urgency = line.nextUrgency, lent < Self.limit(for: urgency), let next = line.next()
    else {
      idle.append(client)
      return
    }
    lent += 1
    next.resume(returning: client)
  }

  private static func limit(for urgency: Urgency) -> Int {
    limit + (urgency == .critical ? keptForEmergencies : 0)
  }
}
