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

  mutating func next() -> Key? {
    waiting.isEmpty ? nil : waiting.removeFirst().key
  }
}

/// A few connections to one server, lent out to the most urgent first.
actor ClientPool {
  static let limit = 10

  private let endpoint: Endpoint
  private var idle: [HTTPClient] = []
  private var made = 0
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
    if let client = idle.popLast() { return client }
    if made < Self.limit {
      let client = try HTTPClient(endpoint, idleSeconds: 10, keeping: 1 << 20)
      made += 1
      return client
    }
    return await withCheckedContinuation { line.add($0, urgency: urgency) }
  }

  private func giveBack(_ client: HTTPClient) {
    if let next = line.next() {
      next.resume(returning: client)
    } else {
      idle.append(client)
    }
  }
}
