import CLinux
import Glibc
import TLS
import Threading

/// One client's connection: its requests one after another, each with one response.
///
/// An actor on its event loop, so that whoever calls a response from elsewhere comes back to the
/// loop first. Nothing is read unless somebody asks, and nothing is sent faster than the client
/// takes it. One deadline of the loop covers whatever the connection waits for.
actor Connection: Exchange, EventReceiver {
  enum Side { case read, write }

  enum Wake { case ready, timedOut, aborted }

  struct Waiter {
    let side: Side
    let deadline: UInt64
    let continuation: CheckedContinuation<Wake, Never>
  }

  /// How long a transfer may wait for the client.
  enum Patience {
    case until(UInt64)
    /// As long as the client keeps to the minimum rate.
    case atRate
  }

  enum BodyState {
    case done
    case length(Int64)
    case chunked(ChunkedDecoder)
    /// An error in the body; where the next request begins is not known.
    case broken(HTTPError)
  }

  enum ResponseState {
    case none
    /// `head` has yet to be sent; `body` says what is still due.
    case started(head: [UInt8], body: ResponseBody)
    case finished
    case cut
  }

  enum ResponseBody {
    case length(Int64)
    case chunked
    /// Ends with the connection: HTTP/1.0 without a known length.
    case untilClose
    /// HEAD, 204, 304.
    case dropped
  }

  /// This many transfers in a row without waiting, then the loop's other connections have a turn.
  static let transfersPerTurn = 16

  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

  let site: Site
  let transport: Transport
  let peer: Peer
  let isSecure: Bool
  let isRefused: Bool
  var clientCertificate: [UInt8]?

  var token: UInt64 = 0
  var isReadable = true
  var isWritable = true
  /// The peer has sent its last byte, so a short read does not mean that nothing is left to see.
  var peerIsDone = false
  var isAborted = false
  var isStopping = false
  /// Our last byte was sent: from here on both sides being done is the proper end.
  var isClosing = false
  var isIdle = false
  /// The connection ended while nothing was going on: there is no response to be lost.
  var endedIdle = false
  var waiters: [Waiter] = []
  var stopDeadline = UInt64.max
  var requestDeadline = UInt64.max
  var transfers = 0

  var parser: RequestParser
  var inbound: [UInt8] = []
  var inboundStart = 0
  var served = 0

  /// The request in hand; calls that name another come from a handler that has returned.
  var exchange: UInt64 = 0
  var head: RequestHead?
  var body = BodyState.done
  var bodyBytes: Int64 = 0
  var isReadingBody = false
  /// Bytes taken of the room for bodies that are kept whole.
  var heldBytes = 0
  var owesContinue = false
  var response = ResponseState.none
  var closesAfterResponse = false
  var isSending = false
  var reading: Pace
  var writing: Pace

  var isOver = false
  var overWaiter: CheckedContinuation<Void, Never>?

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

  func untilOver() async {
    if isOver { return }
    await withCheckedContinuation { overWaiter = $0 }
  }

  func end() {
    isOver = true
    overWaiter?.resume()
    overWaiter = nil
  }

  func converse() async {
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

  func handshake() async throws(HTTPError) {
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
