import Cryptography
import Encoding
import Failover
import HTTPClient
import Threading
import YAML

/// One 3CX with its one token: 3CX takes only the newest, so everything in this process that asks the same PBX as
/// the same client shares it.
actor ThreeCXClient {
  private let server: VendorServer
  private let client: String
  private let secret: SharedSecret
  private var state = ThreeCXTokenState()
  private var fetching: Task<String, any Error>?

  /// Keys of a PBX in settings.
  static let keys = ["url", "ca", "client", "secret_file"]

  /// The client for those settings: the same object for the same PBX and client.
  static func shared(_ fields: YAMLMapping) throws(YAMLError) -> ThreeCXClient {
    let (endpoint, origin) = try VendorSettings.endpoint(fields.required("url"), ca: fields["ca"])
    let client = try fields.required("client").string()
    let secret = try VendorSettings.secret(fields.required("secret_file"))
    return known.withLock { known in
      let key = "\(client)@\(origin)"
      if let client = known[key] { return client }
      let made = ThreeCXClient(VendorServer(endpoint), client: client, secret: secret)
      known[key] = made
      return made
    }
  }

  private static let known = Lock<[String: ThreeCXClient]>([:])

  init(_ server: VendorServer, client: String, secret: SharedSecret) {
    self.server = server
    self.client = client
    self.secret = secret
  }

  /// Asks for JSON.
  ///
  /// - Throws: ``FailoverError``; ``FailoverError/Code/refused`` with the status for any that is not 2xx.
  func get(
    _ target: String, before deadline: Moment
  ) async throws(FailoverError) -> [UInt8] {
    try await send("GET", target, nil, effect: .reads, before: deadline)
  }

  func send(
    _ method: String, _ target: String, _ body: JSONValue?, effect: RetryPolicy.Effect,
    urgency: Urgency = .normal, before deadline: Moment
  ) async throws(FailoverError) -> [UInt8] {
    var isSecond = false
    while true {
      let token = try await token(before: deadline)
      var headers = [
        ClientRequest.Header("Authorization", "Bearer \(token)"),
        ClientRequest.Header("Accept", "application/json"),
      ]
      if body != nil { headers.append(ClientRequest.Header("Content-Type", "application/json")) }
      let response = try await server.answer(
        to: ClientRequest(
          method, target, headers: headers,
          body: body.map { ClientRequest.Body.bytes($0.encoded()) } ?? .none), effect: effect,
        urgency: urgency, before: deadline)
      if response.isSuccess { return response.body }
      // Somebody else may have fetched a token, which ended ours: nothing was done, so once more.
      if response.status == 401, !isSecond {
        isSecond = true
        state.refuse(token)
        continue
      }
      throw FailoverError(
        .refused, during: "asking 3CX", cause: VendorAnswer(status: response.status))
    }
  }

  private func token(before deadline: Moment) async throws(FailoverError) -> String {
    if let token = state.token(at: .now) { return token }
    // One request for all who wait: each further one would end the token before.
    let task =
      fetching
      ?? Task {
        defer { fetching = nil }
        return try await fetch(before: deadline)
      }
    fetching = task
    do {
      return try await task.value
    } catch let error as FailoverError {
      throw error
    } catch {
      throw FailoverError(.unreachable, during: "asking 3CX for a token", cause: error)
    }
  }

  private func fetch(before deadline: Moment) async throws(FailoverError) -> String {
    let form = FormEncoding.encode([
      ("client_id", client), ("client_secret", secret.text), ("grant_type", "client_credentials"),
    ])
    let sent = Moment.now
    let response = try await server.answer(
      to: ClientRequest(
        "POST", "/connect/token",
        headers: [ClientRequest.Header("Content-Type", "application/x-www-form-urlencoded")],
        body: .bytes(Array(form.utf8))), effect: .sets, urgency: .critical, before: deadline)
    guard response.isSuccess, let answer = VendorJSON.object(response.body),
      state.take(answer, sent: sent), let token = state.token(at: sent)
    else {
      throw FailoverError(
        .refused, during: "asking 3CX for a token", cause: VendorAnswer(status: response.status))
    }
    return token
  }
}
