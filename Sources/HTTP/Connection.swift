import CLinux
import Glibc

/// One client's connection: its requests one after another, each with one response.
///
/// An actor on its event loop, so that whoever calls a response from elsewhere comes back to the
/// loop first. Nothing is read unless somebody asks, and nothing is sent faster than the client
/// takes it. One deadline of the loop covers whatever the connection waits for.
actor Connection: Exchange, EventReceiver {
  private enum Side { case read, write }

  private enum Wake { case ready, timedOut, aborted }

  private struct Waiter {
    let side: Side
    let deadline: UInt64
    let continuation: CheckedContinuation<Wake, Never>
  }

  /// How long a transfer may wait for the client.
  private enum Patience {
    case until(UInt64)
    /// As long as the client keeps to the minimum rate.
    case atRate
  }

  /// How long we would still wait for the client, in nanoseconds.
  ///
  /// Bytes earn waiting, up to a bound: who has moved much must not be able to stall for hours.
  /// Only time spent waiting for the client counts: our own disk must not make it look slow.
  private struct Pace {
    private(set) var credit: UInt64
    private let bound: UInt64
    private let bytesPerSecond: Double

    init(_ limits: ServerLimits) {
      let longest: UInt64 = 1 << 60  // Decades; sums with the clock cannot overflow.
      credit = min(Monotonic.nanoseconds(limits.rateGrace), longest)
      bound = max(credit, min(Monotonic.nanoseconds(limits.stallTime), longest))
      bytesPerSecond = Double(max(1, limits.minimumRate))
    }

    mutating func waited(_ time: UInt64) { credit -= min(credit, time) }

    mutating func moved(_ bytes: Int) {
      let earned = UInt64(min(Double(bytes) / bytesPerSecond * 1e9, Double(bound)))
      credit = bound - credit > earned ? credit + earned : bound
    }
  }

  private enum BodyState {
    case done
    case length(Int64)
    case chunked(ChunkedDecoder)
    /// An error in the body; where the next request begins is not known.
    case broken(HTTPError)
  }

  private enum ResponseState {
    case none
    /// `head` has yet to be sent; `body` says what is still due.
    case started(head: [UInt8], body: ResponseBody)
    case finished
    case cut
  }

  private enum ResponseBody {
    case length(Int64)
    case chunked
    /// Ends with the connection: HTTP/1.0 without a known length.
    case untilClose
    /// HEAD, 204, 304.
    case dropped
  }

  /// This many transfers in a row without waiting, then the loop's other connections have a turn.
  private static let transfersPerTurn = 16

  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

  private let site: Site
  private let transport: Transport
  private let peer: Peer
  private let isSecure: Bool
  private let isRefused: Bool
  private var clientCertificate: [UInt8]?

  private var token: UInt64 = 0
  private var isReadable = true
  private var isWritable = true
  /// The peer has sent its last byte, so a short read does not mean that nothing is left to see.
  private var peerIsDone = false
  private var isAborted = false
  private var isStopping = false
  /// Our last byte was sent: from here on both sides being done is the proper end.
  private var isClosing = false
  private var isIdle = false
  /// The connection ended while nothing was going on: there is no response to be lost.
  private var endedIdle = false
  private var waiters: [Waiter] = []
  private var stopDeadline = UInt64.max
  private var requestDeadline = UInt64.max
  private var transfers = 0

  private var parser: RequestParser
  private var inbound: [UInt8] = []
  private var inboundStart = 0
  private var served = 0

  /// The request in hand; calls that name another come from a handler that has returned.
  private var exchange: UInt64 = 0
  private var head: RequestHead?
  private var body = BodyState.done
  private var bodyBytes: Int64 = 0
  private var isReadingBody = false
  private var owesContinue = false
  private var response = ResponseState.none
  private var closesAfterResponse = false
  private var isSending = false
  private var reading: Pace
  private var writing: Pace

  private var isOver = false
  private var overWaiter: CheckedContinuation<Void, Never>?

  /// Takes the socket over.
  init(
    socket: Int32, tls: TLSContext?, peer: Peer, place: Site.Place, site: Site
  ) throws(HTTPError) {
    do {
      transport = Transport(socket: socket, tls: try tls?.session(on: socket))
    } catch {
      close(socket)
      throw error
    }
    loop = place.loop
    isRefused = place.isRefused
    isSecure = tls != nil
    parser = RequestParser(limits: site.limits)
    reading = Pace(site.limits)
    writing = Pace(site.limits)
    self.site = site
    self.peer = peer
  }

  /// Serves the client until the connection ends.
  func run() async {
    do {
      token = try loop.attach(transport.socket, to: self)
      if let deadline = loop.stopDeadline { beginStop(by: deadline) }
    } catch {
      site.configuration.report(.cannotAccept(error))
      transport.cut()
      return
    }
    // A child task, so that a hang-up can cancel what the handler does.
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.converse() }
      await untilOver()
      group.cancelAll()
    }
    loop.detach(transport.socket, token: token)
    transport.close()
  }

  private func untilOver() async {
    if isOver { return }
    await withCheckedContinuation { overWaiter = $0 }
  }

  private func end() {
    isOver = true
    overWaiter?.resume()
    overWaiter = nil
  }

  private func converse() async {
    do throws(HTTPError) {
      try await handshake()
      if isRefused { throw HTTPError(.overloaded, during: "counting connections") }
      while let head = try await nextHead() {
        served += 1
        guard await serve(head) else { break }
      }
    } catch {
      await refuse(error, method: nil)
    }
    await linger()
    end()
  }

  private func handshake() async throws(HTTPError) {
    let deadline = Monotonic.after(site.limits.headTime)
    while true {
      let side: Side
      switch transport.handshake() {
      case .done:
        clientCertificate = transport.clientCertificate
        return
      case .wantsRead:
        isReadable = false
        side = .read
      case .wantsWrite:
        isWritable = false
        side = .write
      case .end, .failed:
        throw HTTPError(.tls, during: "shaking hands")
      }
      do throws(HTTPError) {
        try await wait(side, .until(deadline))
      } catch {
        // Never a timeout's 408: before the handshake is done, nobody could read it.
        throw HTTPError(.tls, during: "waiting for a handshake", cause: error)
      }
    }
  }
}

// Events, deadlines and waiting.
extension Connection {
  nonisolated func ready(_ events: UInt32) {
    assumeIsolated { $0.take(events) }
  }

  nonisolated func expire(now: UInt64) -> UInt64 {
    assumeIsolated { $0.expireWaiters(now: now) }
  }

  nonisolated func stop(by deadline: UInt64) {
    assumeIsolated { $0.beginStop(by: deadline) }
  }

  private func take(_ events: UInt32) {
    if events & EPOLLRDHUP.rawValue != 0 { peerIsDone = true }
    if events & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue) != 0 {
      isReadable = true
      wake(.read)
    }
    if events & EPOLLOUT.rawValue != 0 {
      isWritable = true
      wake(.write)
    }
    // Once both sides have sent their last byte there is a hang-up, too. The kernel may still be
    // delivering our response then, and a cut would take it back.
    let isBroken =
      events & EPOLLERR.rawValue != 0 || (events & EPOLLHUP.rawValue != 0 && !isClosing)
    if isBroken || clientLeft { abort() }
  }

  /// Whether the client has closed while its request is in hand.
  ///
  /// In clear, a client may have merely finished sending, and still gets its response. Under TLS
  /// no client does that, and an end is all that is seen of one that leaves.
  private var clientLeft: Bool {
    guard isSecure, peerIsDone, head != nil, case .done = body else { return false }
    if case .finished = response { return false }
    return true
  }

  private func expireWaiters(now: UInt64) -> UInt64 {
    if min(requestDeadline, stopDeadline) <= now { abort() }
    let overdue = waiters.filter { $0.deadline <= now }
    waiters.removeAll { $0.deadline <= now }
    for waiter in overdue { waiter.continuation.resume(returning: .timedOut) }
    return waiters.reduce(min(requestDeadline, stopDeadline)) { min($0, $1.deadline) }
  }

  private func beginStop(by deadline: UInt64) {
    isStopping = true
    stopDeadline = deadline
    loop.note(deadline: deadline)
    if isIdle { wake(.read) }
  }

  private func wake(_ side: Side) {
    let woken = waiters.filter { $0.side == side }
    waiters.removeAll { $0.side == side }
    for waiter in woken { waiter.continuation.resume(returning: .ready) }
  }

  /// Ends the connection at once, with what runs on it.
  private func abort() {
    guard !isAborted else { return }
    isAborted = true
    requestDeadline = .max
    stopDeadline = .max
    loop.detach(transport.socket, token: token)
    transport.cut()
    let woken = waiters
    waiters = []
    for waiter in woken { waiter.continuation.resume(returning: .aborted) }
    end()
  }

  private func wait(_ side: Side, _ patience: Patience) async throws(HTTPError) {
    if isAborted { throw HTTPError(.closed, during: "waiting for the client") }
    transfers = 0
    let begin = Monotonic.now
    let deadline = deadline(of: side, patience, from: begin)
    loop.note(deadline: deadline)
    let wake = await withCheckedContinuation { continuation in
      waiters.append(Waiter(side: side, deadline: deadline, continuation: continuation))
    }
    if case .atRate = patience {
      let waited = Monotonic.now - begin
      if side == .read { reading.waited(waited) } else { writing.waited(waited) }
    }
    switch wake {
    case .ready: return
    case .timedOut: throw HTTPError(.timeout, during: "waiting for the client")
    case .aborted: throw HTTPError(.closed, during: "waiting for the client")
    }
  }

  private func deadline(of side: Side, _ patience: Patience, from begin: UInt64) -> UInt64 {
    guard case .atRate = patience else {
      if case .until(let deadline) = patience { return deadline }
      return .max
    }
    let (deadline, overflow) = begin.addingReportingOverflow(
      side == .read ? reading.credit : writing.credit)
    return overflow ? .max : deadline
  }

  /// Lets the loop's other connections have a turn after a run of transfers that never waited.
  private func takeTurns() async {
    transfers += 1
    guard transfers >= Self.transfersPerTurn else { return }
    transfers = 0
    await Task.yield()
  }
}

// Bytes in and out.
extension Connection {
  /// Between 1 and `limit` bytes, or none after the last.
  ///
  /// `owner` is the exchange that asks: a handler that has returned must not take the bytes of the
  /// next request.
  private func receive(
    upTo limit: Int, for owner: UInt64, _ patience: Patience
  ) async throws(HTTPError) -> [UInt8] {
    while true {
      guard !isAborted, owner == exchange else {
        throw HTTPError(.closed, during: "reading from the client")
      }
      guard isReadable else {
        if isIdle && isStopping { return [] }
        try await wait(.read, patience)
        continue
      }
      var outcome = Transfer.wantsRead
      let piece = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
        while count < limit {
          let rest = unsafe UnsafeMutableRawBufferPointer(
            UnsafeMutableBufferPointer(rebasing: buffer[count...]))
          outcome = unsafe transport.read(into: rest)
          guard case .done(let received) = outcome else { break }
          count += received
          if transport.shortReadMeansEmpty, !peerIsDone, received < rest.count {
            outcome = .wantsRead
            break
          }
        }
      }
      if case .wantsRead = outcome { isReadable = false }
      if !piece.isEmpty {
        reading.moved(piece.count)
        await takeTurns()
        return piece
      }
      switch outcome {
      case .wantsRead, .done: continue
      case .wantsWrite:
        isWritable = false
        try await wait(.write, patience)
      case .end: return []
      case .failed: throw HTTPError(.closed, during: "reading from the client")
      }
    }
  }

  private func send(_ bytes: [UInt8]) async throws(HTTPError) {
    guard !isSending else { throw HTTPError(.internalFault, during: "writing twice at once") }
    isSending = true
    defer { isSending = false }
    var offset = 0
    while offset < bytes.count {
      guard !isAborted else { throw HTTPError(.closed, during: "writing to the client") }
      guard isWritable else {
        try await wait(.write, .atRate)
        continue
      }
      let outcome = unsafe bytes.withUnsafeBytes {
        unsafe transport.write(UnsafeRawBufferPointer(rebasing: $0[offset...]))
      }
      switch outcome {
      case .done(let count):
        offset += count
        writing.moved(count)
      case .wantsWrite: isWritable = false
      case .wantsRead:
        isReadable = false
        try await wait(.read, .atRate)
      case .end, .failed: throw HTTPError(.closed, during: "writing to the client")
      }
    }
    await takeTurns()
  }

  /// The head of the next request, or nil when there is none and the client need not be told why.
  private func nextHead() async throws(HTTPError) -> RequestHead? {
    let limits = site.limits
    let idleTime = served == 0 ? limits.headTime : limits.idleTime
    let idleDeadline = Monotonic.after(idleTime)
    var headDeadline: UInt64?
    while true {
      if inboundStart < inbound.count {
        if headDeadline == nil { headDeadline = Monotonic.after(limits.headTime) }
        switch try parser.parse(inbound.span.extracting(inboundStart...)) {
        case .head(let head, let consumed):
          drop(consumed)
          return head
        case .needsMore: break
        }
      }
      inboundStart = 0
      if let headDeadline {
        inbound = try await receive(upTo: 16_384, for: exchange, .until(headDeadline))
        if inbound.isEmpty { throw HTTPError(.closed, during: "reading a request's head") }
      } else {
        inbound = []
        if isStopping { return nil }
        isIdle = true
        defer { isIdle = false }
        do throws(HTTPError) {
          inbound = try await receive(upTo: 16_384, for: exchange, .until(idleDeadline))
        } catch  where error.code == .timeout {
          endedIdle = true
          return nil
        }
        if inbound.isEmpty {
          endedIdle = true
          return nil
        }
      }
    }
  }

  /// Shows the client the last response before the connection goes.
  ///
  /// Closing while its bytes lie unread would reset the connection, and the client might lose what
  /// it has not yet read (RFC 9112, 9.6).
  private func linger() async {
    let deadline = Monotonic.after(site.limits.lingerTime)
    func patience() -> Patience {
      .until(min(deadline, Monotonic.after(site.limits.lingerPause)))
    }
    isClosing = true
    // A client that reads slowly has left no room yet for the word that nothing more follows.
    while !isAborted, case .wantsWrite = transport.closeNotify() {
      isWritable = false
      do { try await wait(.write, patience()) } catch { return }
    }
    guard !isAborted else { return }
    transport.closeWriting()
    if endedIdle { return }
    while !peerIsDone || isReadable {
      switch transport.discard() {
      case .done: await takeTurns()
      case .wantsRead:
        isReadable = false
        do { try await wait(.read, patience()) } catch { return }
      case .end, .failed, .wantsWrite: return
      }
      if Monotonic.now >= deadline || isAborted { return }
    }
  }
}

// One request and its response.
extension Connection {
  /// Answers one request, and says whether the connection can take another.
  private func serve(_ head: RequestHead) async -> Bool {
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

  private func begin(_ head: RequestHead) {
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

  private func conclude() {
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

  private func request(_ head: RequestHead) -> Request {
    Request(
      method: head.method, path: head.target.segments,
      query: head.target.query.map { (name: $0.name, value: $0.value) }, headers: head.headers,
      host: head.host, peer: peer, isSecure: isSecure, clientCertificate: clientCertificate)
  }

  /// The handler threw, or returned without a whole response.
  private func failed(_ error: any Error, method: String) async {
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
  private func refuse(_ error: HTTPError, method: String?) async {
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

  private static func encode(
    _ made: RefusalResponse, _ refusal: Refusal, date: String
  ) throws(HTTPError) -> [UInt8] {
    let head = try ResponseHead.encode(
      status: refusal.status, headers: made.headers,
      framing: "Content-Length: \(made.body.count)\r\n", closes: true, date: date)
    return refusal.method == "HEAD" ? head : head + made.body
  }

  /// Reads and drops a body that the handler left, or says that the connection must go.
  private func drain() async -> Bool {
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

  private func takeBytes(_ wanted: Int) async throws(HTTPError) -> [UInt8] {
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
  private func drop(_ count: Int) {
    inboundStart += count
    guard inboundStart >= inbound.count else { return }
    inbound = []
    inboundStart = 0
  }

  private func takeChunks(
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
  private func sendContinue() async throws(HTTPError) {
    guard owesContinue else { return }
    owesContinue = false
    guard case .none = response, inboundStart >= inbound.count else { return }
    try await send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
  }

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
  private func mustClose(_ head: RequestHead) -> Bool {
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

  private func check(_ exchange: UInt64) throws(HTTPError) {
    guard exchange == self.exchange, !isAborted else {
      throw HTTPError(.closed, during: "writing a response")
    }
  }

  /// Sends bytes of the response; after an error nothing more can be sent.
  private func deliver(_ bytes: [UInt8]) async throws(HTTPError) {
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
