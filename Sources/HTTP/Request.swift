/// Who is at the other end of a connection, as the kernel says.
public enum Peer: Sendable, Equatable, Hashable {
  /// A numeric address without a port; an IPv4 address mapped into IPv6 is written as IPv4.
  case internet(address: String)
  /// A process of this machine, by the credentials it had when it connected (`SO_PEERCRED`).
  case local(uid: UInt32, gid: UInt32, pid: Int32)
}

/// A request whose head has been accepted; its body comes separately.
public struct Request: Sendable {
  public let method: String
  /// The decoded segments: `/v1/calls` is `["v1", "calls"]`, `/` is empty, `/a/` is `["a", ""]`.
  ///
  /// No segment is `.` or `..`, or holds a slash, a backslash or a control character.
  public let path: [String]
  /// The decoded pairs in the order in which they came; a plus sign means a space.
  public let query: [(name: String, value: String)]
  public let headers: Headers
  /// The name in `Host` without the port, lower case.
  public let host: String
  public let peer: Peer
  /// Whether the request came over TLS.
  public let isSecure: Bool
  /// The certificate with which the client proved itself, in DER, when the listener asks for one.
  public let clientCertificate: [UInt8]?

  public init(
    method: String, path: [String], query: [(name: String, value: String)] = [],
    headers: Headers = [:], host: String, peer: Peer, isSecure: Bool,
    clientCertificate: [UInt8]? = nil
  ) {
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.host = host
    self.peer = peer
    self.isSecure = isSecure
    self.clientCertificate = clientCertificate
  }

  /// Every value of that name in the query, in order.
  public func queryValues(_ name: String) -> [String] {
    query.filter { $0.name == name }.map(\.value)
  }
}

/// What answers requests.
///
/// `handle` runs on the connection's event loop until it first waits for something else, so it must
/// not block: files, databases and key derivation belong behind actors with their own executor.
/// Its task is cancelled when the client hangs up or the server has waited out its grace period.
public protocol Handler: Sendable {
  /// Answers one request with exactly one response.
  ///
  /// An error before ``ResponseWriter/start(_:headers:length:)`` becomes a bare response with the
  /// status of the ``HTTPError``, or 500; after it, the connection is cut so that the client
  /// cannot take a part for the whole.
  func handle(_ request: Request, body: RequestBody, response: ResponseWriter) async throws
}
