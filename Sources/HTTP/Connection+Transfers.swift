import TLS
import Threading

// Bytes in and out.
extension Connection {
  /// Between 1 and `limit` bytes, or none after the last.
  ///
  /// `owner` is the exchange that asks: a handler that has returned must not take the bytes of the
  /// next request.
  func receive(
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

  func send(_ bytes: [UInt8]) async throws(HTTPError) {
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
  func nextHead() async throws(HTTPError) -> RequestHead? {
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
  func linger() async {
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
