import Audit
import Cryptography
import Encoding
import Failover
public import HTTP

/// The API of the failover supervisor, over its own listener: `Documentation/formats/routing.md`, 8.
///
/// It answers while the vault is sealed, stopped or lost: nothing here asks the vault anything.
public final class SupervisorAPI: Handler {
  /// The longest body of any request, in bytes.
  static let bodyLimit = 4096
  /// How many readers of events there may be at once.
  static let longestHistory = 500

  private let desk: any SupervisorDesk
  private let log: OperatorLog
  /// The API's description.
  private let description: [UInt8]

  public init(desk: any SupervisorDesk, log: OperatorLog, description: [UInt8]) {
    self.desk = desk
    self.log = log
    self.description = description
  }

  public func handle(
    _ request: Request, body: RequestBody, response: ResponseWriter
  ) async throws {
    let requestID = Identifier.random()
    let reply = Reply(
      response, requestID: requestID,
      isPinned: request.isSecure && request.host != "localhost")
    do {
      try await answer(request, body: body, reply: reply)
    } catch {
      let problem = Self.problem(error)
      if problem.kind == .internal {
        log.write(
          .error, "request-failed",
          [
            "request": .string(requestID.description),
            "cause": .string(OperatorLog.describe(error)),
          ])
      }
      guard reply.status == nil else { throw error }
      try await reply.send(problem)
    }
  }

  private func answer(_ request: Request, body: RequestBody, reply: Reply) async throws {
    switch (request.method, request.path) {
    case ("GET", ["v1", "health", "live"]):
      return try await reply.send(200, json: ["status": "live"])
    case ("GET", ["openapi.json"]):
      return try await reply.send(
        200, type: "application/json", body: description, isStorable: true)
    default: break
    }
    guard let route = SupervisorRoute(request.method, request.path) else {
      let methods = SupervisorRoute.methods(of: request.path)
      guard !methods.isEmpty else { throw ProblemDetail.notFound }
      throw ProblemDetail(
        .methodNotAllowed, "This path takes: \(methods.joined(separator: ", ")).",
        fields: [.init(name: "Allow", value: methods.joined(separator: ", "))])
    }
    let caller = try await caller(request, for: route.scope)
    try await run(route, by: caller, request, body, reply)
  }

  private func caller(
    _ request: Request, for scope: SupervisorScope
  ) async throws -> SupervisorCaller {
    let peer = SupervisorPeer(request)
    let fields = request.headers.all("Authorization")
    var token: String?
    if let field = fields.first {
      let words = field.split(separator: " ", maxSplits: 1)
      guard fields.count == 1, words.count == 2, words[0].lowercased() == "bearer" else {
        throw ProblemDetail.supervisorUnauthenticated
      }
      token = String(words[1])
    }
    guard let caller = await desk.caller(token: token, peer: peer) else {
      throw ProblemDetail.supervisorUnauthenticated
    }
    guard caller.scopes.contains(scope) else {
      throw ProblemDetail(.forbidden, "This needs the scope `\(scope.rawValue)`.")
    }
    return caller
  }

  private func run(
    _ route: SupervisorRoute, by caller: SupervisorCaller, _ request: Request,
    _ body: RequestBody, _ reply: Reply
  ) async throws {
    switch route {
    case .status: try await reply.send(200, json: await desk.status())
    case .notices: try await reply.send(200, json: await desk.notices())
    case .drills: try await reply.send(200, json: await desk.drills())
    case .lint: try await reply.send(200, json: await desk.lint())
    case .metrics:
      try await reply.send(
        200, type: "text/plain; version=0.0.4; charset=utf-8",
        body: Array(await desk.metrics().utf8))
    case .history:
      let limit = try Self.number(request, "limit", in: 1...Int64(Self.longestHistory)) ?? 50
      try await reply.send(200, json: await desk.history(limit: Int(limit)))
    case .serviceLevel:
      try await reply.send(
        200,
        json: try await desk.serviceLevel(
          from: try Self.time(request, "from"), to: try Self.time(request, "to")))
    case .events: try await stream(request, reply)
    case .evaluate:
      let fields = try await fields(body, ["dead", "time", "emergency"])
      try await reply.send(
        200,
        json: try await desk.evaluate(
          dead: try Self.targets(fields), at: try fields.time("time")?.instant,
          isEmergency: try Self.flag(fields, "emergency")))
    case .override:
      let fields = try await fields(body, ["route", "for_ms", "strict"])
      let ms = try fields.requiredInteger("for_ms", in: 1...Override.longestMs)
      try await reply.send(
        200,
        json: try await desk.override(
          to: try Self.name(fields, "route"), forMs: ms,
          isStrict: try Self.flag(fields, "strict"), by: caller))
    case .endOverride: try await reply.send(200, json: try await desk.endOverride(by: caller))
    case .failBack: try await reply.send(200, json: try await desk.failBack(by: caller))
    case .release: try await reply.send(200, json: try await desk.release(by: caller))
    case .drill:
      let fields = try await fields(body, ["dead", "confirm", "for_ms"])
      try await reply.send(
        200,
        json: try await desk.drill(
          dead: try Self.targets(fields), live: try Self.liveDrill(fields), by: caller))
    case .signal: try await signal(try await fields(body, Self.signalFields), by: caller, reply)
    case .emergency:
      let fields = try await fields(body, ["event", "call", "reference"])
      try await emergency(fields, by: caller, reply)
    case .acknowledge(let id):
      guard let notice = Identifier(id) else { throw ProblemDetail.notFound }
      try await desk.acknowledge(notice, by: caller)
      try await reply.send(200, json: ["acknowledged": .string(id)])
    }
  }

  private static let signalFields = ["target", "outcome", "group", "members"]

  private enum Outcome: String, CaseIterable { case ok, failed }

  private func signal(
    _ fields: ObjectFields, by caller: SupervisorCaller, _ reply: Reply
  ) async throws {
    if fields.has("group") {
      guard !fields.has("target"), !fields.has("outcome") else {
        throw ProblemDetail(
          .unprocessable, "Send `target` and `outcome`, or `group` and `members`.")
      }
      try await desk.report(
        members: Int(try fields.requiredInteger("members", in: 0...10_000)),
        of: try Self.name(fields, "group"), by: caller)
    } else {
      guard !fields.has("members"),
        let outcome = try fields.choice("outcome", of: Outcome.self)
      else {
        throw ProblemDetail(
          .unprocessable, "Send `target` and `outcome`, or `group` and `members`.")
      }
      try await desk.report(
        target: try Self.name(fields, "target"), isAlive: outcome == .ok, by: caller)
    }
    try await reply.send(202, json: ["status": "taken"])
  }

  /// The practice's own webhook shape, `{"event":"EMERGENCY_ALERT", …}`, or the same without `event`.
  private func emergency(
    _ fields: ObjectFields, by caller: SupervisorCaller, _ reply: Reply
  ) async throws {
    if let event = try fields.text("event", limit: 32), event != "EMERGENCY_ALERT" {
      throw ProblemDetail(.unprocessable, "`event` is EMERGENCY_ALERT here.")
    }
    var call: CallReference?
    if let text = try fields.text("reference", limit: 128) {
      guard let reference = CallReference(text) else {
        throw ProblemDetail(
          .unprocessable,
          "`reference` is the call's name at its provider: letters, digits and -._/@;:=.")
      }
      call = reference
    }
    var id: Identifier?
    if let text = try fields.text("call", limit: 36) {
      guard let identifier = Identifier(text) else {
        throw ProblemDetail(.unprocessable, "`call` is an id of ours, in lower case.")
      }
      id = identifier
    }
    try await reply.send(200, json: try await desk.emergency(call: call, id: id, by: caller))
  }

  /// Server-sent events: each has the number by which a reader that comes back goes on.
  private func stream(_ request: Request, _ reply: Reply) async throws {
    let last = request.headers["Last-Event-ID"].flatMap(Int64.init)
    try await reply.start(
      200, headers: ["Content-Type": "text/event-stream", "Cache-Control": "no-store"], length: nil)
    for await item in await desk.events(after: last) {
      if item.event.isEmpty {
        try await reply.write(Array(": still here\n\n".utf8))
        continue
      }
      let text = String(decoding: JSONValue.object(item.event).encoded(), as: UTF8.self)
      try await reply.write(Array("id: \(item.number)\ndata: \(text)\n\n".utf8))
    }
    try await reply.finish()
  }

  private func fields(_ body: RequestBody, _ known: [String]) async throws -> ObjectFields {
    let bytes: [UInt8]
    do throws(HTTPError) {
      bytes = try await body.collect(upTo: Self.bodyLimit)
    } catch {
      guard error.code == .tooLarge else { throw error }
      throw ProblemDetail(.tooLarge, "The body may have at most \(Self.bodyLimit) bytes.")
    }
    return try ObjectFields(bytes.isEmpty ? Array("{}".utf8) : bytes, known: known)
  }

  private static func name<Tag>(
    _ fields: ObjectFields, _ member: String
  ) throws(ProblemDetail) -> PolicyName<Tag> {
    guard let name = PolicyName<Tag>(try fields.requiredText(member, limit: 32)) else {
      throw ProblemDetail(.unprocessable, "`\(member)` must be a name of the routing policy.")
    }
    return name
  }

  /// `confirm`, the route that calls are to go for `for_ms`; without both, nothing is changed.
  private static func liveDrill(_ fields: ObjectFields) throws(ProblemDetail) -> LiveDrill? {
    guard fields.has("confirm") || fields.has("for_ms") else { return nil }
    return LiveDrill(
      route: try name(fields, "confirm"),
      forMs: try fields.requiredInteger("for_ms", in: LiveDrill.times))
  }

  private static func targets(_ fields: ObjectFields) throws(ProblemDetail) -> Set<TargetID> {
    var targets: Set<TargetID> = []
    for item in try fields.array("dead", limit: 32) ?? [] {
      guard let name = item.string.flatMap(TargetID.init) else {
        throw ProblemDetail(.unprocessable, "`dead` must be names of the policy's targets.")
      }
      targets.insert(name)
    }
    return targets
  }

  private static func flag(_ fields: ObjectFields, _ name: String) throws(ProblemDetail) -> Bool {
    guard let value = fields.value(name) else { return false }
    guard let flag = value.bool else {
      throw ProblemDetail(.unprocessable, "`\(name)` must be true or false.")
    }
    return flag
  }

  private static func number(
    _ request: Request, _ name: String, in range: ClosedRange<Int64>
  ) throws(ProblemDetail) -> Int64? {
    guard let text = request.queryValues(name).first else { return nil }
    guard let number = Int64(text), range.contains(number) else {
      throw ProblemDetail(
        .badRequest,
        "`\(name)` must be a whole number from \(range.lowerBound) to \(range.upperBound).")
    }
    return number
  }

  private static func time(_ request: Request, _ name: String) throws(ProblemDetail) -> Timestamp? {
    guard let text = request.queryValues(name).first else { return nil }
    guard let time = Timestamp(rfc3339: text) else {
      throw ProblemDetail(.badRequest, "`\(name)` must be a time by RFC 3339 with an offset.")
    }
    return time
  }

  private static func problem(_ error: any Error) -> ProblemDetail {
    guard let failure = error as? FailoverError else { return ProblemDetail(error, stores: false) }
    switch failure.code {
    case .invalid, .emergencyNumber:
      return ProblemDetail(.unprocessable, "It is not possible: \(failure.operation).")
    case .noRoute:
      return ProblemDetail(.conflict, "There is no way that could be taken now.")
    case .fenced:
      return ProblemDetail(.conflict, "Another supervisor commands, or a newer plan does.")
    case .busy:
      return ProblemDetail(
        .unavailable, "Too many at once; nothing was changed.", fields: [ProblemDetail.retryAfter])
    case .unreachable, .refused, .notConfirmed, .tooLate, .unavailable:
      return ProblemDetail(
        .unavailable, "It could not be done: \(failure.operation).",
        fields: [ProblemDetail.retryAfter])
    }
  }
}

extension ProblemDetail {
  fileprivate static let supervisorUnauthenticated = ProblemDetail(
    .unauthenticated,
    "Send `Authorization: Bearer` with a token whose SHA-256 stands in the routing policy.",
    fields: [HeaderField(name: "WWW-Authenticate", value: "Bearer realm=\"callvault-failover\"")])
}

extension SupervisorPeer {
  /// Whoever sent a request.
  public init(_ request: Request) {
    switch request.peer {
    case .local(let uid, _, _): self = .local(uid: uid)
    case .internet(let address): self = .internet(address: address)
    }
  }
}
