// The response that a handler makes.
extension Connection {
  func start(
    _ status: Int, headers: Headers, length: Int64?, of exchange: UInt64
  ) async throws(HTTPError) {
    try check(exchange)
    guard case .none = response, let head, length ?? 0 >= 0 else {
      throw HTTPError(.internalFault, during: "starting a response")
    }
    var framing = ""
    let due: ResponseBody
    if status == 204 || status == 304 {
      due = .dropped
    } else if let length {
      framing = "Content-Length: \(length)\r\n"
      due = head.method == "HEAD" ? .dropped : .length(length)
    } else if head.method == "HEAD" {
      due = .dropped
    } else if head.minorVersion == 0 {
      due = .untilClose
    } else {
      framing = "Transfer-Encoding: chunked\r\n"
      due = .chunked
    }
    closesAfterResponse = mustClose(head)
    if case .untilClose = due { closesAfterResponse = true }
    let bytes = try ResponseHead.encode(
      status: status, headers: headers, framing: framing, closes: closesAfterResponse,
      date: loop.dateText())
    response = .started(head: bytes, body: due)
  }

  /// Whether the connection cannot take another request after this one.
  func mustClose(_ head: RequestHead) -> Bool {
    if head.closes || isStopping || served >= site.limits.requestsPerConnection { return true }
    switch body {
    case .done: return false
    case .broken: return true
    case .length(let left):
      // The client may or may not send the body that it was not asked for (RFC 9110, 10.1.1).
      return owesContinue || left - Int64(inbound.count - inboundStart) > site.limits.drainBytes
    case .chunked: return owesContinue
    }
  }

  func write(_ bytes: [UInt8], of exchange: UInt64) async throws(HTTPError) {
    try check(exchange)
    guard case .started(let head, let due) = response else {
      throw HTTPError(.internalFault, during: "writing a response")
    }
    switch due {
    case .dropped: return
    case .length(let left):
      guard Int64(bytes.count) <= left else {
        throw HTTPError(.internalFault, during: "writing beyond the length of a response")
      }
      response = .started(head: [], body: .length(left - Int64(bytes.count)))
      try await deliver(head.isEmpty ? bytes : head + bytes)
    case .untilClose:
      response = .started(head: [], body: due)
      try await deliver(head.isEmpty ? bytes : head + bytes)
    case .chunked:
      if bytes.isEmpty { return }  // An empty chunk would end the body.
      response = .started(head: [], body: due)
      var framed = head
      framed.reserveCapacity(head.count + bytes.count + 20)
      framed += "\(String(bytes.count, radix: 16))\r\n".utf8
      framed += bytes
      framed += "\r\n".utf8
      try await deliver(framed)
    }
  }

  func finish(_ exchange: UInt64) async throws(HTTPError) {
    try check(exchange)
    guard case .started(let head, let due) = response else {
      throw HTTPError(.internalFault, during: "finishing a response")
    }
    switch due {
    case .length(let left) where left > 0:
      abort()
      throw HTTPError(.internalFault, during: "finishing a response that lacks bytes")
    case .chunked: try await deliver(head + Array("0\r\n\r\n".utf8))
    case .length, .untilClose, .dropped: try await deliver(head)
    }
    response = .finished
  }

  func check(_ exchange: UInt64) throws(HTTPError) {
    guard exchange == self.exchange, !isAborted else {
      throw HTTPError(.closed, during: "writing a response")
    }
  }

  /// Sends bytes of the response; after an error nothing more can be sent.
  func deliver(_ bytes: [UInt8]) async throws(HTTPError) {
    do throws(HTTPError) {
      try await send(bytes)
    } catch {
      if error.code != .internalFault {
        response = .cut
        abort()
      }
      throw error
    }
  }
}
