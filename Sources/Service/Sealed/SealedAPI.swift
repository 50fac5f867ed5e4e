public import Audit
public import Cryptography
public import Encoding
public import HTTP
import Vault

/// What can be asked of whoever waits for the root key.
public protocol UnsealingDesk: Sendable {
  /// How far unsealing has come.
  func progress() async -> UnsealingProgress

  /// Takes the words of one share; the attempt is in the desk's own log when this returns or throws.
  ///
  /// - Throws: `VaultError` with a detail for the person who gave it.
  func take(
    share: SharedSecret, via address: String, request: Identifier
  ) async throws -> UnsealingProgress

  /// Asks the configured custodian again: its file, passphrase or token may be there now.
  ///
  /// - Throws: as ``take(share:via:request:)``.
  func askCustodian(via address: String, request: Identifier) async throws -> UnsealingProgress
}

/// How far unsealing has come, without anything secret.
public struct UnsealingProgress: Sendable {
  public var isSealed: Bool
  /// `file`, `passphrase`, `shares` or `token`.
  public var custodian: String
  /// Of shares: how many are needed, and how many were given and are still remembered.
  public var threshold: Int?
  public var given: Int

  public init(isSealed: Bool, custodian: String, threshold: Int? = nil, given: Int = 0) {
    self.isSealed = isSealed
    self.custodian = custodian
    self.threshold = threshold
    self.given = given
  }

  var json: JSONObject {
    var object = JSONObject()
    object["sealed"] = .bool(isSealed)
    object["custodian"] = .string(custodian)
    if let threshold {
      object["threshold"] = .integer(Int64(threshold))
      object["given"] = .integer(Int64(given))
    }
    return object
  }
}

/// The API while no root key is in memory: health, the log's last head, and the way out.
///
/// Nothing here reads an entry or a row. What brings something new is asked to wait (503), everything
/// else is 423.
public final class SealedAPI: Handler {
  /// The longest body of an unsealing, in bytes: one share.
  static let shareLimit = 1024

  private let desk: any UnsealingDesk
  private let published: any LogFolderReader
  private let log: OperatorLog

  /// - Parameters:
  ///   - desk: takes shares.
  ///   - published: the folder of the log, of which the last head and the keyring are given out.
  ///   - log: gets the cause of every failure of ours.
  public init(desk: any UnsealingDesk, published: any LogFolderReader, log: OperatorLog) {
    self.desk = desk
    self.published = published
    self.log = log
  }

  public func handle(
    _ request: Request, body: RequestBody, response: ResponseWriter
  ) async throws {
    let requestID = Identifier.random()
    let reply = Reply(
      response, requestID: requestID,
      isPinned: request.isSecure && request.host != "localhost")
    do {
      try await answer(request, requestID: requestID, body: body, reply: reply)
    } catch {
      let problem = ProblemDetail(error, stores: request.method == "POST")
      if problem.kind.status >= 500, problem.kind != .unavailable {
        log.write(
          .error, "request-failed",
          [
            "request": .string(requestID.description),
            "cause": .string(OperatorLog.describe(error)),
          ])
      }
      guard reply.status == nil else { throw error }
      try await reply.send(problem, asOutcome: request.path.first == "fhir")
    }
  }

  private func answer(
    _ request: Request, requestID: Identifier, body: RequestBody, reply: Reply
  ) async throws {
    switch (request.method, request.path.joined(separator: "/")) {
    case ("GET", "v1/health/live"):
      try await reply.send(200, json: ["status": "live"])
    case ("GET", "v1/health/ready"):
      try await reply.send(
        503,
        json: [
          "status": "not-ready", "reasons": .array([.string("sealed: no root key is in memory")]),
        ])
    case ("GET", "openapi.json"):
      try await reply.send(
        200, type: "application/json", body: HealthRoutes.openAPI, isStorable: true)
    case ("GET", "v1/seal"):
      try await reply.send(200, json: await desk.progress().json)
    case ("POST", "v1/unseal"):
      try await unseal(request, requestID: requestID, body: body, reply: reply)
    case ("GET", "v1/audit/checkpoint"): try await file("checkpoint", reply)
    case ("GET", "v1/audit/keyring"): try await file("keyring", reply)
    default:
      throw VaultError(.sealed, during: "answering while sealed")
    }
  }

  /// One share as text, or nothing to ask the custodian again.
  private func unseal(
    _ request: Request, requestID: Identifier, body: RequestBody, reply: Reply
  ) async throws {
    let via = address(of: request.peer)
    guard body.declaredLength != 0 else {
      let progress = try await desk.askCustodian(via: via, request: requestID)
      return try await reply.send(200, json: progress.json)
    }
    var text: [UInt8]
    do throws(HTTPError) {
      text = try await body.collect(upTo: Self.shareLimit)
    } catch {
      guard error.code == .tooLarge else { throw error }
      throw ProblemDetail(.tooLarge, "A share has at most \(Self.shareLimit) bytes.")
    }
    // What the connection's own buffers hold is overwritten by what comes next; this copy is ours.
    let share = SharedSecret(try SecretBytes(moving: &text))
    let progress = try await desk.take(share: share, via: via, request: requestID)
    try await reply.send(200, json: progress.json)
  }

  private func file(_ path: String, _ reply: Reply) async throws {
    guard let bytes = try published.read(path, from: 0, count: 1 << 20), !bytes.isEmpty else {
      throw ProblemDetail.notFound
    }
    try await reply.send(200, type: "text/plain; charset=utf-8", body: bytes, isStorable: true)
  }
}
