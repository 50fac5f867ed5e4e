package import CCurl
import Glibc
import Threading

/// A client of one server, over TCP with TLS or a unix socket, by libcurl.
///
/// Requests run one after another on a thread of their own and share a connection. Redirects are
/// not followed, no cookie is kept and no `.netrc` is read: a token goes nowhere but to the server
/// that was named.
public actor HTTPClient {
  /// The most that is kept of a body that does not go to a closure.
  public static let bodyLimit = 64 << 20

  private let executor: BlockingExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  private let endpoint: Endpoint
  private let idleSeconds: Int
  private let totalSeconds: Int?
  private let kept: Int
  private let handle: EasyHandle

  /// Prepares a client; nothing is connected yet.
  ///
  /// - Parameters:
  ///   - endpoint: the server.
  ///   - idleSeconds: how long the server may send and take nothing before the request fails.
  ///   - totalSeconds: how long a whole request may take, however it goes; nil for what may be long,
  ///     such as a recording.
  ///   - kept: the most that is kept of a body, 1 to ``bodyLimit``.
  /// - Throws: ``HTTPClientError/Code/unusable`` for an origin that is not one.
  public init(
    _ endpoint: Endpoint, idleSeconds: Int = 120, totalSeconds: Int? = nil,
    keeping kept: Int = bodyLimit
  ) throws(HTTPClientError) {
    try Self.check(endpoint)
    self.endpoint = endpoint
    self.idleSeconds = idleSeconds
    self.totalSeconds = totalSeconds
    self.kept = min(max(kept, 1), Self.bodyLimit)
    handle = try EasyHandle()
    do {
      executor = try BlockingExecutor(label: "http-client")
    } catch {
      throw HTTPClientError(.unreachable, during: "starting a thread", cause: error)
    }
  }

  /// Checks how a server's origin is written; nothing is asked.
  ///
  /// - Throws: ``HTTPClientError/Code/unusable`` for an origin that is not one.
  public static func check(_ endpoint: Endpoint) throws(HTTPClientError) {
    switch endpoint {
    case .server(let origin, _): try check(origin, clearTextElsewhere: false)
    case .openServer(let origin, _): try check(origin, clearTextElsewhere: true)
    case .socket: break
    }
  }

  /// Sends a request and keeps the whole answer.
  ///
  /// - Parameters:
  ///   - request: what is asked.
  ///   - deadline: the request has ended by then, answered or not, and is not begun after it; nil
  ///     for none.
  /// - Returns: the answer.
  /// - Throws: ``HTTPClientError/Code/tooLarge`` beyond the bytes to keep; a status of 400 or more is
  ///   an answer, not an error.
  public func send(
    _ request: ClientRequest, by deadline: ContinuousClock.Instant? = nil
  ) async throws(HTTPClientError) -> ClientResponse {
    try await transfer(request, by: deadline, receive: nil)
  }

  /// Sends a request and hands over the body of a 2xx answer as it arrives.
  ///
  /// - Parameters:
  ///   - request: what is asked.
  ///   - receive: gets the status and a piece of the body, in order, on the client's thread; may
  ///     block, which holds the server back. What it throws ends the transfer and is the cause of
  ///     the error.
  /// - Returns: the answer; its body is empty unless the status is not 2xx.
  /// - Throws: ``HTTPClientError/Code/interrupted`` when the body ended early: what was received
  ///   so far is not the whole.
  public func download(
    _ request: ClientRequest, receive: @escaping @Sendable (Int, [UInt8]) throws -> Void
  ) async throws(HTTPClientError) -> ClientResponse {
    try await transfer(request, by: nil, receive: receive)
  }

  private func transfer(
    _ request: ClientRequest, by deadline: ContinuousClock.Instant?,
    receive: (@Sendable (Int, [UInt8]) throws -> Void)?
  ) async throws(HTTPClientError) -> ClientResponse {
    let cancellation = Lock(false)
    let result = await withTaskCancellationHandler {
      perform(request, by: deadline, receive: receive, cancellation: cancellation)
    } onCancel: {
      cancellation.withLock { $0 = true }
    }
    return try result.get()
  }

  private func perform(
    _ request: ClientRequest, by deadline: ContinuousClock.Instant?,
    receive: (@Sendable (Int, [UInt8]) throws -> Void)?, cancellation: Lock<Bool>
  ) -> Result<ClientResponse, HTTPClientError> {
    do throws(HTTPClientError) {
      // Only now is it this request's turn on the thread.
      let left = deadline.map { $0 - ContinuousClock.now }
      if let left, left < .milliseconds(1) {
        throw HTTPClientError(.timeout, during: "waiting for an earlier request")
      }
      let upload = try Upload(request.body)
      let transfer = Transfer(
        handle: handle, upload: upload, kept: kept, receive: receive, cancellation: cancellation)
      return .success(
        try transfer.run(
          request, at: endpoint,
          limits: TransferLimits(
            idleSeconds: idleSeconds, totalSeconds: totalSeconds, left: left)))
    } catch {
      return .failure(error)
    }
  }

  /// An origin is a scheme and an authority without a user; clear text stays on this machine unless
  /// it may leave.
  private static func check(
    _ origin: String, clearTextElsewhere: Bool
  ) throws(HTTPClientError) {
    let clear = "http://"
    let secure = "https://"
    let isClear = origin.hasPrefix(clear)
    guard isClear || origin.hasPrefix(secure) else {
      throw HTTPClientError(.unusable, during: "reading the server's address")
    }
    let authority = origin.utf8.dropFirst(isClear ? clear.utf8.count : secure.utf8.count)
    guard !authority.isEmpty, authority.allSatisfy(isAuthorityByte) else {
      throw HTTPClientError(.unusable, during: "reading the server's address")
    }
    let name = String(Substring(authority))
    let here = ["localhost", "127.0.0.1", "[::1]"]
    guard
      clearTextElsewhere || !isClear
        || here.contains(where: { name == $0 || name.hasPrefix($0 + ":") })
    else {
      throw HTTPClientError(.unusable, during: "using http without TLS for another machine")
    }
  }

  private static func isAuthorityByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x3A, 0x5B, 0x5D, 0x5F: true
    default: false
    }
  }
}

/// A libcurl easy handle, which has one owner and keeps its connection between requests.
@safe
package final class EasyHandle: @unchecked Sendable {
  // Used on the client's thread only; freed with the client.
  package let handle: UnsafeMutableRawPointer

  private static let isStarted = callvault_curl_start() == CURLE_OK

  package init() throws(HTTPClientError) {
    guard Self.isStarted, let handle = unsafe curl_easy_init() else {
      throw HTTPClientError(.unreachable, during: "starting libcurl")
    }
    unsafe self.handle = handle
  }

  deinit { unsafe curl_easy_cleanup(handle) }

  package func set(_ option: CURLoption, _ value: Int) throws(HTTPClientError) {
    try check(unsafe callvault_curl_set_long(handle, option, value))
  }

  package func set(_ option: CURLoption, _ value: String) throws(HTTPClientError) {
    try check(unsafe callvault_curl_set_string(handle, option, value))
  }

  package func check(_ code: CURLcode) throws(HTTPClientError) {
    guard code == CURLE_OK else {
      throw HTTPClientError(.unusable, during: "preparing a request", cause: CurlFault(code))
    }
  }
}

/// What libcurl says of a failure.
package struct CurlFault: Error, CustomStringConvertible {
  let code: CURLcode

  package init(_ code: CURLcode) { self.code = code }

  package var description: String {
    unsafe "curl \(code.rawValue): \(String(cString: curl_easy_strerror(code)))"
  }
}
