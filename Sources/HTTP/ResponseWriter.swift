/// The one response to a request.
///
/// Each call returns when the bytes are with the kernel, so a slow client slows its handler. After
/// the handler has returned every call throws ``HTTPError/Code/closed``.
public struct ResponseWriter: Sendable {
  private let exchange: any Exchange
  private let id: UInt64

  init(of exchange: any Exchange, id: UInt64) {
    self.exchange = exchange
    self.id = id
  }

  /// Fixes status and fields; they are sent with the first bytes of the body, or by ``finish()``.
  ///
  /// `Date`, `Connection`, `Content-Length` and `Transfer-Encoding` are the server's to write.
  ///
  /// - Parameters:
  ///   - status: 200 to 599.
  ///   - headers: names and values are checked, so that no input can split a response.
  ///   - length: the exact number of bytes of the body, or nil when it is not known before. In the
  ///     answer to HEAD, the number that GET would have.
  /// - Throws: ``HTTPError/Code/internalFault`` for a second start, a status out of range or a
  ///   field with characters that may not be in one.
  public func start(
    _ status: Int, headers: Headers = [:], length: Int64? = nil
  ) async throws(HTTPError) {
    try await exchange.start(status, headers: headers, length: length, of: id)
  }

  /// Sends bytes of the body; in the answer to HEAD, and with 204 and 304, they are dropped.
  ///
  /// - Throws: ``HTTPError/Code/internalFault`` before ``start(_:headers:length:)``, after
  ///   ``finish()`` or beyond the length; ``HTTPError/Code/closed`` or
  ///   ``HTTPError/Code/timeout`` when the client went away or reads too slowly.
  public func write(_ bytes: [UInt8]) async throws(HTTPError) {
    try await exchange.write(bytes, of: id)
  }

  /// Ends the response.
  ///
  /// - Throws: ``HTTPError/Code/internalFault`` when bytes lack of the length; the connection is
  ///   then cut, so that the client cannot take a part for the whole.
  public func finish() async throws(HTTPError) {
    try await exchange.finish(id)
  }

  /// The whole response at once.
  public func send(
    _ status: Int, headers: Headers = [:], body: [UInt8] = []
  ) async throws(HTTPError) {
    try await start(status, headers: headers, length: Int64(body.count))
    try await write(body)
    try await finish()
  }
}
