import Encoding
import HTTP
import Threading

/// The response of one request, with the fields that every response has.
///
/// It remembers whether the head has gone out: a failure after that cuts the connection, so that
/// nobody takes a part for the whole.
final class Reply: Sendable {
  private struct State {
    var status: Int?
    var bytes: Int64 = 0
  }

  private let writer: ResponseWriter
  private let requestID: Identifier
  /// Whether the client is told to come by TLS only from now on.
  private let isPinned: Bool
  private let state = Lock(State())

  init(_ writer: ResponseWriter, requestID: Identifier, isPinned: Bool) {
    self.writer = writer
    self.requestID = requestID
    self.isPinned = isPinned
  }

  /// The status that was sent, nil before the head.
  var status: Int? { state.withLock { $0.status } }
  /// Bytes of the body sent so far.
  var bytes: Int64 { state.withLock { $0.bytes } }

  /// Sends the head; content and secrets are never `isStorable` for a browser or proxy.
  func start(
    _ status: Int, headers: Headers = Headers(), isStorable: Bool = false, length: Int64?
  ) async throws(HTTPError) {
    var all = headers
    all.add("Request-Id", requestID.description)
    all.add("X-Content-Type-Options", "nosniff")
    if all["Content-Security-Policy"] == nil {
      all.add("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
    }
    all.add("Cross-Origin-Resource-Policy", "same-origin")
    all.add("Referrer-Policy", "no-referrer")
    if all["Cache-Control"] == nil {
      all.add("Cache-Control", isStorable ? "no-cache" : "no-store")
    }
    if isPinned { all.add("Strict-Transport-Security", "max-age=31536000") }
    state.withLock { $0.status = status }
    try await writer.start(status, headers: all, length: length)
  }

  func write(_ bytes: [UInt8]) async throws(HTTPError) {
    try await writer.write(bytes)
    state.withLock { $0.bytes += Int64(bytes.count) }
  }

  func finish() async throws(HTTPError) { try await writer.finish() }

  /// A whole response.
  func send(
    _ status: Int, type: String, body: [UInt8], headers: Headers = Headers(),
    isStorable: Bool = false
  ) async throws(HTTPError) {
    var all = headers
    all.add("Content-Type", type)
    try await start(status, headers: all, isStorable: isStorable, length: Int64(body.count))
    try await write(body)
    try await finish()
  }

  func send(_ status: Int, json: JSONObject, headers: Headers = Headers()) async throws(HTTPError) {
    try await send(
      status, type: "application/json", body: JSONValue.object(json).encoded(), headers: headers)
  }

  /// A failure, as a problem document or as FHIR says it.
  func send(_ problem: ProblemDetail, asOutcome: Bool = false) async throws(HTTPError) {
    var headers = Headers()
    for field in problem.fields { headers.add(field.name, field.value) }
    if asOutcome {
      return try await send(
        problem.kind.status, type: FHIRRoutes.json, body: problem.operationOutcome,
        headers: headers)
    }
    try await send(
      problem.kind.status, type: "application/problem+json",
      body: problem.document(requestID: requestID), headers: headers)
  }
}
