import Drivers
import Encoding
import Glibc
import HTTPClient
import Host
import Threading

/// The running service, as commands talk to it: over the socket of the data directory, or by HTTPS.
struct ServiceClient {
  private let client: HTTPClient
  private let token: String?
  /// How a message names the service.
  private let name: String

  /// Finds the service and the token.
  ///
  /// - Parameters:
  ///   - arguments: `--server` or the data directory; `--token-file` or CALLVAULT_TOKEN.
  ///   - administers: whether the command is the administrator's. Over the socket, whoever ran
  ///     `init` is known by user id, and a token in the environment is for other commands.
  /// - Throws: ``CommandFailure`` when there is none, or its address or token cannot be read.
  init(_ arguments: Arguments, administers: Bool = false) throws(CommandFailure) {
    let endpoint: Endpoint
    var isAdministrator = false
    if let server = arguments.value("server") {
      name = server
      // The service speaks TLS alone; in clear the answer would be a broken connection.
      guard server.hasPrefix("https://") else { throw Self.notAnAddress("it begins with https://") }
      let origin = server.hasSuffix("/") ? String(server.dropLast()) : server
      endpoint = .server(origin: origin, trust: Self.trust(arguments, origin: origin))
    } else {
      let layout = StorageLayout(root: try dataDirectory(arguments))
      name = layout.socket
      guard MachineFacts.file(layout.socket) != nil else {
        // The reason why stat failed, before anything else can set another.
        if errno == EACCES { throw Self.notYours(layout.root) }
        throw Self.notRunning(layout.root)
      }
      endpoint = .socket(path: layout.socket)
      if administers, let settings = try? Settings.read(layout) {
        isAdministrator = settings.administrator == MachineFacts.user
      }
    }
    token = try Self.token(arguments, isAdministrator: isAdministrator)
    do {
      client = try HTTPClient(endpoint)
    } catch {
      throw Self.notAnAddress("\(error)")
    }
  }

  private static func notAnAddress(_ why: String) -> CommandFailure {
    CommandFailure(
      .usage, "--server must be an address such as https://vault.example:8443 (\(why))")
  }

  /// Whose certificates are believed: those named; on this machine the one that `serve` made in the
  /// data directory; those of SSL_CERT_FILE, as with OpenSSL's own programs; the system's.
  private static func trust(_ arguments: Arguments, origin: String) -> Endpoint.Trust {
    if let file = arguments.value("cacert") { return .file(file) }
    let name = origin.dropFirst("https://".utf8.count)
    let isHere = ["localhost", "127.0.0.1", "[::1]"].contains {
      name == $0 || name.hasPrefix($0 + ":")
    }
    if isHere, let data = arguments.value("data") ?? environment("CALLVAULT_DATA") {
      let certificate = StorageLayout(root: data).tls + "/certificate.pem"
      if MachineFacts.file(certificate) != nil { return .file(certificate) }
    }
    return environment("SSL_CERT_FILE").map { .file($0) } ?? .system
  }

  /// The token that the command was given; nil where there is none.
  static func token(
    _ arguments: Arguments, isAdministrator: Bool
  ) throws(CommandFailure) -> String? {
    if let path = arguments.value("token-file") {
      let bytes = try UserFile.whole(path, limit: 4096)
      let line = String(decoding: bytes.prefix { $0 != 0x0A && $0 != 0x0D }, as: UTF8.self)
      guard !line.isEmpty, line.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
        throw CommandFailure(.usage, "\(path) holds no token on its first line")
      }
      return line
    }
    guard !isAdministrator, let token = environment("CALLVAULT_TOKEN") else { return nil }
    guard token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw CommandFailure(.usage, "CALLVAULT_TOKEN holds no token")
    }
    return token
  }

  private static func notRunning(_ root: String) -> CommandFailure {
    CommandFailure(
      .internal, "no service is running on \(root); start it with: callvault serve --data \(root)")
  }

  private static func notYours(_ root: String) -> CommandFailure {
    CommandFailure(
      .refused,
      "\(root) belongs to another user; ask its service with --server URL and a token instead")
  }

  // MARK: Requests

  func get(
    _ path: String, query: [(String, String)] = [], headers: [(String, String)] = []
  ) async throws(CommandFailure) -> ServiceAnswer {
    let text = query.map { ClientRequest.encoded($0.0) + "=" + ClientRequest.encoded($0.1) }
    return try await send(
      request("GET", path + (text.isEmpty ? "" : "?" + text.joined(separator: "&")), headers))
  }

  func delete(_ path: String) async throws(CommandFailure) -> ServiceAnswer {
    try await send(request("DELETE", path, []))
  }

  func post(
    _ path: String, headers: [(String, String)] = []
  ) async throws(CommandFailure) -> ServiceAnswer {
    try await send(request("POST", path, headers, .bytes([])))
  }

  /// Sends text as it is.
  func post(_ path: String, text: [UInt8]) async throws(CommandFailure) -> ServiceAnswer {
    try await send(request("POST", path, [("Content-Type", "text/plain")], .bytes(text)))
  }

  func post(
    _ path: String, json: JSONObject, headers: [(String, String)] = []
  ) async throws(CommandFailure) -> ServiceAnswer {
    try await post(path, jsonBytes: JSONValue.object(json).encoded(), headers: headers)
  }

  func post(
    _ path: String, jsonBytes: [UInt8], headers: [(String, String)] = []
  ) async throws(CommandFailure) -> ServiceAnswer {
    try await send(
      request(
        "POST", path, headers + [("Content-Type", "application/json")], .bytes(jsonBytes)))
  }

  /// Sends a file, read as it goes.
  func upload(
    _ path: String, file: String, headers: [(String, String)]
  ) async throws(CommandFailure) -> ServiceAnswer {
    try await send(request("POST", path, headers, .file(path: file)))
  }

  /// Hands the body of a 2xx answer to `sink` as it arrives.
  ///
  /// - Throws: ``CommandFailure`` also when the body ended early: what came is then not the whole.
  func download(
    _ path: String, headers: [(String, String)],
    _ sink: @escaping @Sendable ([UInt8]) throws(CommandFailure) -> Void
  ) async throws(CommandFailure) -> ServiceAnswer {
    let response: ClientResponse
    do {
      response = try await client.download(request("GET", path, headers)) { _, bytes in
        try sink(bytes)
      }
    } catch {
      if let failure = error.cause as? CommandFailure { throw failure }
      throw describe(error)
    }
    return try answer(response)
  }

  /// Like ``download(_:headers:_:)`` for a recording, and tells damage from a broken connection.
  ///
  /// The service cuts an answer that has begun when it meets damage, and a cut says no reason. Asking
  /// for what should have come next gets one.
  ///
  /// - Parameters:
  ///   - path: the recording's bytes.
  ///   - headers: with the purpose, and the range if one is asked for.
  ///   - start: the first byte asked for; nil where it is counted from the end.
  ///   - sink: gets the body as it arrives.
  /// - Returns: the answer without its body.
  /// - Throws: ``CommandFailure``, of damage where that is why the body ended early.
  func downloadRecording(
    _ path: String, headers: [(String, String)], from start: Int64?,
    _ sink: @escaping @Sendable ([UInt8]) throws(CommandFailure) -> Void
  ) async throws(CommandFailure) -> ServiceAnswer {
    let received = Lock(Int64(0))
    do throws(CommandFailure) {
      return try await download(path, headers: headers) { (bytes) throws(CommandFailure) in
        try sink(bytes)
        received.withLock { $0 += Int64(bytes.count) }
      }
    } catch {
      // What was cut off may have been on its way still, so the damage may be a segment further.
      for _ in 0..<3 {
        let count = received.withLock { $0 }
        guard error.code == .internal, count > 0, let next = start.map({ $0 + count }) else {
          break
        }
        let range = ("Range", "bytes=\(next)-\(next + 65_535)")
        do throws(CommandFailure) {
          _ = try await download(path, headers: headers.filter { $0.0 != "Range" } + [range]) {
            bytes in
            received.withLock { $0 += Int64(bytes.count) }
          }
          break
        } catch {
          if error.code == .damaged { throw error }
        }
      }
      throw error
    }
  }

  private func send(_ request: ClientRequest) async throws(CommandFailure) -> ServiceAnswer {
    do {
      return try answer(try await client.send(request))
    } catch let error as HTTPClientError {
      throw describe(error)
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw CommandFailure(.internal, "\(error)")
    }
  }

  private func request(
    _ method: String, _ target: String, _ headers: [(String, String)],
    _ body: ClientRequest.Body = .none
  ) -> ClientRequest {
    var all = headers.map { ClientRequest.Header($0.0, $0.1) }
    if let token { all.append(ClientRequest.Header("Authorization", "Bearer " + token)) }
    return ClientRequest(method, target, headers: all, body: body)
  }

  /// - Throws: what the problem document says, for a status that is not 2xx.
  private func answer(_ response: ClientResponse) throws(CommandFailure) -> ServiceAnswer {
    var headers: [String: String] = [:]
    for header in response.headers { headers[header.name.lowercased()] = header.value }
    let answer = ServiceAnswer(status: response.status, headers: headers, body: response.body)
    guard response.isSuccess else { throw answer.failure }
    return answer
  }

  private func describe(_ error: HTTPClientError) -> CommandFailure {
    let cause = error.cause.map { " (\($0))" } ?? ""
    switch error.code {
    case .unreachable:
      return CommandFailure(
        .internal, "no service is running at \(name)\(cause); start it with: callvault serve")
    case .timeout: return CommandFailure(.internal, "the service at \(name) did not answer in time")
    case .tls:
      return CommandFailure(
        .refused,
        "the certificate of \(name) is not trusted\(cause); name its authority with --cacert")
    case .interrupted:
      return CommandFailure(
        .internal, "the transfer ended early\(cause); nothing was kept of it, so try again")
    case .tooLarge: return CommandFailure(.internal, "the service's answer is too large")
    case .unusable: return CommandFailure(.usage, "the request cannot be sent\(cause)")
    }
  }
}
