/// What a ``Server`` listens on, whom it serves and where it stops.
public struct ServerConfiguration: Sendable {
  /// One place where clients connect.
  public enum Listener: Sendable {
    /// A numeric address (or `localhost`) and a port, zero for any; without `tls` in clear.
    case tcp(address: String, port: UInt16, tls: TLSContext?)
    /// A socket in the file system; a socket left there by a dead process is replaced.
    case unix(path: String, mode: UInt32)
  }

  /// What the operator may wish to know; nothing here came from a body.
  public enum Event: Sendable {
    /// A request was refused before the handler saw it.
    case refused(HTTPError, Peer)
    /// The handler threw.
    case handlerFailed(any Error, Peer)
    /// No connection can be accepted for now.
    case cannotAccept(HTTPError)
  }

  public var listeners: [Listener]
  /// The names that `Host` may have, without a port; others get 421, against DNS rebinding.
  ///
  /// A unix socket is named by its path, so there any `Host` will do.
  public var hosts: [String]
  public var limits: ServerLimits
  /// Event loops, each with a thread; nil means one for each processor.
  public var loops: Int?
  /// Makes the response to a request that never reached the handler, or that it failed.
  ///
  /// The default is a bare `application/problem+json` (RFC 9457).
  public var refusal: @Sendable (Refusal) -> RefusalResponse
  /// Told of refusals and failures; called on an event loop, so it must not block.
  public var report: @Sendable (Event) -> Void

  public init(
    listeners: [Listener], hosts: [String], limits: ServerLimits = ServerLimits(),
    loops: Int? = nil,
    refusal: @escaping @Sendable (Refusal) -> RefusalResponse = { $0.problem },
    report: @escaping @Sendable (Event) -> Void = { _ in }
  ) {
    self.listeners = listeners
    self.hosts = hosts
    self.limits = limits
    self.loops = loops
    self.refusal = refusal
    self.report = report
  }
}

/// The bounds on what one client, or all together, may take.
public struct ServerLimits: Sendable {
  /// Bytes of a request's head, request line and blank line included.
  public var headBytes = 16_384
  /// Bytes of the request line.
  public var requestLineBytes = 8_192
  /// Fields in a head.
  public var headFields = 100
  /// For the TLS handshake, and again for a whole head from its first byte.
  public var headTime = Duration.seconds(10)
  /// How long a connection may wait between requests.
  public var idleTime = Duration.seconds(60)
  /// Bytes of any body; routes set lower bounds of their own.
  public var bodyBytes: Int64 = 8 << 30
  /// Bytes of all bodies together that handlers keep whole; the last quarter is for those of up to
  /// 64 KiB.
  ///
  /// A body that finds no room gets 503.
  public var heldBytes = 32 << 20
  /// Bytes a second that a client must send or take, on the average of the time we waited for it.
  public var minimumRate: Int64 = 1_024
  /// The waiting that is free before ``minimumRate`` counts.
  public var rateGrace = Duration.seconds(10)
  /// The longest waiting in one go that a client can earn by being faster than ``minimumRate``.
  public var stallTime = Duration.seconds(60)
  /// A whole request, from its head to the end of its response.
  public var requestTime = Duration.seconds(3_600)
  /// Bytes of an unread body that are read and dropped to keep a connection.
  public var drainBytes = 262_144
  /// How long a closed connection is read so that the client sees the last response: in all, as
  /// long as something comes.
  public var lingerTime = Duration.seconds(30)
  /// The longest silence meanwhile.
  public var lingerPause = Duration.seconds(5)
  public var connections = 4_096
  /// Of one IPv4 address or one IPv6 /64 network, or of one user on a unix socket.
  public var connectionsPerAddress = 512
  public var requestsPerConnection = 10_000
  /// How long running requests may go on after the server is told to stop.
  public var stopGrace = Duration.seconds(30)

  public init() {}
}

/// Why a request gets a response that the handler did not write.
public struct Refusal: Sendable {
  public let status: Int
  /// One sentence for the client; holds nothing of the request.
  public let detail: String
  /// The response goes to a HEAD request or has no request at all when nil.
  public let method: String?

  /// A bare `application/problem+json` with title, status and detail.
  public var problem: RefusalResponse {
    let title = StatusLine.reason(status)
    let text =
      #"{"type":"about:blank","title":"\#(title)","status":\#(status),"detail":"\#(detail)"}"#
    var headers: Headers = [
      "Content-Type": "application/problem+json", "Cache-Control": "no-store",
    ]
    if status == 503 { headers["Retry-After"] = "5" }
    return RefusalResponse(headers: headers, body: Array(text.utf8))
  }
}

/// The fields and body that go with a refusal's status.
public struct RefusalResponse: Sendable {
  public var headers: Headers
  public var body: [UInt8]

  public init(headers: Headers, body: [UInt8]) {
    self.headers = headers
    self.body = body
  }
}
