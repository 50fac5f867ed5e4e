import Threading

// One request and its response.
extension Connection {
  /// Answers one request, and says whether the connection can take another.
  func serve(_ head: RequestHead) async -> Bool {
    begin(head)
    defer { conclude() }
    do throws(HTTPError) {
      guard site.serves(host: head.host, to: peer) else {
        throw HTTPError(.misdirected, during: "reading Host")
      }
      if case .length(let length) = head.framing, length > site.limits.bodyBytes {
        throw HTTPError(.tooLarge, during: "reading Content-Length")
      }
    } catch {
      await refuse(error, method: head.method)
      return false
    }
    do {
      // Whatever becomes of the handler; the client may still take its time with the response.
      defer { releaseBody() }
      try await site.handler.handle(
        request(head), body: RequestBody(declaredLength: declaredLength, of: self, id: exchange),
        response: ResponseWriter(of: self, id: exchange))
    } catch {
      await failed(error, method: head.method)
      return false
    }
    guard case .finished = response else {
      await failed(
        HTTPError(.internalFault, during: "waiting for the handler's response"), method: head.method
      )
      return false
    }
    if closesAfterResponse { return false }
    return await drain()
  }

  func begin(_ head: RequestHead) {
    self.head = head
    body =
      switch head.framing {
      case .none: .done
      case .length(let length): .length(length)
      case .chunked: .chunked(ChunkedDecoder())
      }
    bodyBytes = 0
    owesContinue = head.expectsContinue
    response = .none
    closesAfterResponse = false
    reading = Pace(site.limits)
    writing = Pace(site.limits)
    requestDeadline = Monotonic.after(site.limits.requestTime)
    loop.note(deadline: requestDeadline)
  }

  func conclude() {
    releaseBody()
    exchange &+= 1
    head = nil
    requestDeadline = .max
  }

  private var declaredLength: Int64? {
    switch body {
    case .length(let length): length
    case .done: 0
    case .chunked, .broken: nil
    }
  }

  func request(_ head: RequestHead) -> Request {
    Request(
      method: head.method, path: head.target.segments,
      query: head.target.query.map { (name: $0.name, value: $0.value) }, headers: head.headers,
      host: head.host, peer: peer, isSecure: isSecure, clientCertificate: clientCertificate)
  }

  /// The handler threw, or returned without a whole response.
  func failed(_ error: any Error, method: String) async {
    guard !isAborted else { return }
    let refusal =
      (error as? HTTPError) ?? HTTPError(.internalFault, during: "answering", cause: error)
    if case .none = response {
      if refusal.code != .closed { site.configuration.report(.handlerFailed(error, peer)) }
      await refuse(refusal, method: method)
    } else if case .finished = response {
      site.configuration.report(.handlerFailed(error, peer))
    } else {
      if refusal.code != .closed { site.configuration.report(.handlerFailed(error, peer)) }
      abort()
    }
  }

  /// Sends the response to a request that the handler did not answer; the connection ends with it.
  func refuse(_ error: HTTPError, method: String?) async {
    guard !isAborted else { return }
    if error.code != .closed, method == nil || error.code != .internalFault {
      site.configuration.report(.refused(error, peer))
    }
    guard let status = error.status else { return }
    let refusal = Refusal(status: status, detail: error.detail, method: method)
    do throws(HTTPError) {
      var bytes: [UInt8]
      do throws(HTTPError) {
        bytes = try Self.encode(site.configuration.refusal(refusal), refusal, date: loop.dateText())
      } catch {
        bytes = try Self.encode(refusal.problem, refusal, date: loop.dateText())
      }
      writing = Pace(site.limits)
      response = .finished
      try await send(bytes)
    } catch {
      abort()
    }
  }

  static func encode(
    _ made: RefusalResponse, _ refusal: Refusal, date: String
  ) throws(HTTPError) -> [UInt8] {
    let head = try ResponseHead.encode(
      status: refusal.status, headers: made.headers,
      framing: "Content-Length: \(made.body.count)\r\n", closes: true, date: date)
    return refusal.method == "HEAD" ? head : head + made.body
  }
}
