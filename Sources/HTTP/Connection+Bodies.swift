// The body of a request, piece by piece.
extension Connection {
  /// Reads and drops a body that the handler left, or says that the connection must go.
  func drain() async -> Bool {
    if owesContinue, case .done = body {} else if owesContinue { return false }
    var left = site.limits.drainBytes
    do throws(HTTPError) {
      while let piece = try await readBody(of: exchange, upTo: RequestBody.pieceBytes) {
        left -= piece.count
        guard left >= 0 else { return false }
      }
    } catch {
      return false
    }
    return true
  }

  func readBody(of exchange: UInt64, upTo limit: Int) async throws(HTTPError) -> [UInt8]? {
    guard exchange == self.exchange, !isReadingBody else {
      throw HTTPError(
        exchange == self.exchange ? .internalFault : .closed, during: "reading a body")
    }
    let limit = min(max(limit, 1), 1 << 20)
    isReadingBody = true
    defer { isReadingBody = false }
    do throws(HTTPError) {
      switch body {
      case .done: return nil
      case .broken(let error): throw error
      case .length(let left):
        try await sendContinue()
        let piece = try await takeBytes(Int(min(left, Int64(limit))))
        let rest = left - Int64(piece.count)
        body = rest == 0 ? .done : .length(rest)
        return piece
      case .chunked(let decoder):
        try await sendContinue()
        return try await takeChunks(decoder, upTo: limit)
      }
    } catch {
      body = .broken(error)
      throw error
    }
  }

  /// Takes room for a body that is kept whole; ``releaseBody()`` gives it back.
  func hold(_ count: Int, of exchange: UInt64) throws(HTTPError) {
    guard exchange == self.exchange else {
      throw HTTPError(.closed, during: "keeping a body")
    }
    guard site.bodies.take(count, beside: heldBytes) else {
      throw HTTPError(.overloaded, during: "keeping a body")
    }
    heldBytes += count
  }

  func releaseBody() {
    site.bodies.give(heldBytes)
    heldBytes = 0
  }

  func takeBytes(_ wanted: Int) async throws(HTTPError) -> [UInt8] {
    if inboundStart < inbound.count {
      let piece = Array(inbound[inboundStart..<min(inbound.count, inboundStart + wanted)])
      drop(piece.count)
      return piece
    }
    let piece = try await receive(upTo: wanted, for: exchange, .atRate)
    guard !piece.isEmpty else {
      throw HTTPError(.closed, during: "reading a body that ended early")
    }
    return piece
  }

  /// Forgets bytes that have been looked at; a connection that waits holds none.
  func drop(_ count: Int) {
    inboundStart += count
    guard inboundStart >= inbound.count else { return }
    inbound = []
    inboundStart = 0
  }

  func takeChunks(
    _ decoder: ChunkedDecoder, upTo limit: Int
  ) async throws(HTTPError) -> [UInt8]? {
    var decoder = decoder
    var piece: [UInt8] = []
    while piece.isEmpty, !decoder.isFinished {
      if inboundStart >= inbound.count {
        inbound = try await receive(upTo: RequestBody.pieceBytes, for: exchange, .atRate)
        inboundStart = 0
        guard !inbound.isEmpty else {
          throw HTTPError(.closed, during: "reading a body that ended early")
        }
      }
      drop(
        try decoder.decode(
          inbound.span.extracting(inboundStart...), into: &piece, upTo: limit))
    }
    bodyBytes += Int64(piece.count)
    guard bodyBytes <= site.limits.bodyBytes else {
      throw HTTPError(.tooLarge, during: "reading a chunked body")
    }
    body = decoder.isFinished ? .done : .chunked(decoder)
    return piece.isEmpty ? nil : piece
  }

  /// Sends the interim response that the client waits for before it sends its body.
  func sendContinue() async throws(HTTPError) {
    guard owesContinue else { return }
    owesContinue = false
    guard case .none = response, inboundStart >= inbound.count else { return }
    try await send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
  }
}
