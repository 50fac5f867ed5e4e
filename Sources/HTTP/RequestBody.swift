/// The connection as a handler sees it: a body to read and a response to write.
protocol Exchange: Actor {
  func readBody(of exchange: UInt64, upTo limit: Int) async throws(HTTPError) -> [UInt8]?
  func hold(_ count: Int, of exchange: UInt64) throws(HTTPError)
  func start(
    _ status: Int, headers: Headers, length: Int64?, of exchange: UInt64
  ) async throws(HTTPError)
  func write(_ bytes: [UInt8], of exchange: UInt64) async throws(HTTPError)
  func finish(_ exchange: UInt64) async throws(HTTPError)
}

/// The bytes after a request's head, as they arrive.
///
/// Nothing is read ahead: a handler that does not ask holds the client back. What it leaves unread
/// is drained or the connection closes, and so is never taken for the next request.
public struct RequestBody: Sendable {
  /// The largest piece that ``next()`` gives.
  public static let pieceBytes = 65_536

  /// What `Content-Length` says, zero without a body, or nil when the length is not known before.
  public let declaredLength: Int64?
  private let exchange: any Exchange
  private let id: UInt64

  init(declaredLength: Int64?, of exchange: any Exchange, id: UInt64) {
    self.declaredLength = declaredLength
    self.exchange = exchange
    self.id = id
  }

  /// The next 1 to ``pieceBytes`` bytes, or nil after the last.
  ///
  /// - Throws: ``HTTPError/Code/malformed``, ``HTTPError/Code/tooLarge``,
  ///   ``HTTPError/Code/timeout`` (too slow) or ``HTTPError/Code/closed`` (ended early).
  public func next() async throws(HTTPError) -> [UInt8]? {
    try await exchange.readBody(of: id, upTo: Self.pieceBytes)
  }

  /// Between 1 and `limit` bytes, or nil after the last.
  public func read(upTo limit: Int) async throws(HTTPError) -> [UInt8]? {
    try await exchange.readBody(of: id, upTo: limit)
  }

  /// The whole body, for bodies that are small by nature.
  ///
  /// It has a part of ``ServerLimits/heldBytes`` until the handler returns.
  ///
  /// - Throws: also ``HTTPError/Code/tooLarge`` as soon as there are more than `limit` bytes, and
  ///   ``HTTPError/Code/overloaded`` where all bodies together leave it no room.
  public func collect(upTo limit: Int) async throws(HTTPError) -> [UInt8] {
    if let declaredLength, declaredLength > Int64(limit) {
      throw HTTPError(.tooLarge, during: "reading a body")
    }
    let most = declaredLength.map { Int($0) } ?? limit
    var whole: [UInt8] = []
    var room = 0
    while let piece = try await next() {
      let count = whole.count + piece.count
      guard count <= limit else { throw HTTPError(.tooLarge, during: "reading a body") }
      if count > room {
        // As it grows, not as it was announced: who announces much and sends nothing takes nothing.
        let wanted = max(count, min(most, max(2 * room, 4096)))
        try await exchange.hold(wanted - room, of: id)
        room = wanted
        whole.reserveCapacity(room)
      }
      whole += piece
    }
    return whole
  }
}
