public import Audit
import Cryptography
import Encoding
public import HTTP
public import Intake
import Threading
public import Vault
public import Views

/// The API of `openapi.json`: finds the route, learns who asks, and answers.
///
/// Whether somebody may do something is the vault's to decide and to record; this floor reads
/// requests, writes responses, and turns failures into sentences that hold no caller detail.
public final class CallVaultAPI: Handler {
  private let vault: Vault
  private let table: RouteTable
  private let authenticators: [any Authenticator]
  private let metrics: MetricsRegistry
  private let log: OperatorLog
  private let clock: ContinuousClock

  /// - Parameters:
  ///   - vault: what the routes are for.
  ///   - auditLog: the vault's, given out to those whom the vault admits.
  ///   - intakes: the watched folders, of which the metrics tell.
  ///   - anchoring: gives the log's heads to anchors, of which health and metrics tell.
  ///   - sinks: where entries are delivered, of which health and metrics tell.
  ///   - anchors: the folder of what anchors answered; nil where there is none.
  ///   - earlierAnchors: the same of the earlier log of a number; nil where there never was one.
  ///   - maintenance: does what administrators ask for; nil: nothing is done.
  ///   - authenticators: in the order in which they are asked.
  ///   - metrics: also gets what this floor measures.
  ///   - log: gets the cause of every failure of ours.
  ///   - seal: called when an administrator wants the keys out of memory.
  public init(
    vault: Vault, auditLog: AuditLog, intakes: [Intake] = [], anchoring: Anchoring? = nil,
    sinks: [Forwarder] = [], anchors: (any LogFolderReader)? = nil,
    earlierAnchors: (@Sendable (Int64) -> any LogFolderReader)? = nil,
    maintenance: Maintenance? = nil,
    authenticators: [any Authenticator],
    metrics: MetricsRegistry, log: OperatorLog, seal: @escaping @Sendable () -> Void = {}
  ) {
    self.vault = vault
    self.authenticators = authenticators
    self.metrics = metrics
    self.log = log
    clock = ContinuousClock()
    table = RouteTable(
      routes: CallRoutes(vault: vault).routes + RecordingRoutes(vault: vault).routes
        + TextRoutes(vault: vault).routes + ConsentRoutes(vault: vault).routes
        + IncidentRoutes(vault: vault).routes + AuditRoutes(vault: vault, log: auditLog).routes
        + FHIRRoutes(vault: vault).routes
        + EvidenceRoutes(
          vault: vault, log: auditLog, anchors: anchors, earlierAnchors: earlierAnchors
        ).routes
        + TokenRoutes(vault: vault).routes + SealRoutes(vault: vault, seal: seal).routes
        + HealthRoutes(
          vault: vault, intakes: intakes, anchoring: anchoring, sinks: sinks, metrics: metrics
        ).routes
        + IntakeRoutes(vault: vault, intakes: intakes).routes + KeyRoutes(vault: vault).routes
        + MaintenanceRoutes(vault: vault, maintenance: maintenance).routes
        + HoldRoutes(vault: vault).routes + RetentionRoutes(vault: vault).routes)
    metrics.declare("callvault_requests_total", .counter, help: "Requests answered.")
    metrics.declare(
      "callvault_request_seconds", .histogram(bounds: MetricsRegistry.seconds),
      help: "From the head of a request to the end of its answer.")
    metrics.declare(
      "callvault_response_bytes_total", .counter, help: "Bytes of bodies sent, content included.")
    metrics.declare(
      "callvault_refused_requests_total", .counter,
      help: "Requests that the HTTP floor refused before they had a route.")
    metrics.declare(
      "callvault_cut_responses_total", .counter, help: "Responses that ended before their end.")
  }

  public func handle(
    _ request: Request, body: RequestBody, response: ResponseWriter
  ) async throws {
    let requestID = Identifier.random()
    // A browser told so of localhost would refuse every other program there.
    let isPinned = request.isSecure && request.host != "localhost"
    let reply = Reply(response, requestID: requestID, isPinned: isPinned)
    let started = clock.now
    let found = table.find(method: request.method, path: request.path)
    let template: String
    if case .route(let route, _) = found { template = route.template } else { template = "none" }
    defer {
      let labels = [
        ("method", Self.methodLabel(request.method)), ("route", template),
        ("status", reply.status.map(String.init) ?? "none"),
      ]
      metrics.add("callvault_requests_total", labels)
      metrics.add("callvault_response_bytes_total", [("route", template)], by: Double(reply.bytes))
      let elapsed = started.duration(to: clock.now).components
      metrics.observe(
        "callvault_request_seconds", [("route", template)],
        Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18)
    }
    do {
      try await answer(request, requestID: requestID, found: found, body: body, reply: reply)
    } catch {
      try await refuse(error, request: request, requestID: requestID, route: template, reply: reply)
    }
  }

  private func answer(
    _ request: Request, requestID: Identifier, found: RouteTable.Found, body: RequestBody,
    reply: Reply
  ) async throws {
    switch found {
    case .nothing:
      throw ProblemDetail(.notFound, "There is no such path; /openapi.json lists them.")
    case .otherMethods(let methods):
      throw ProblemDetail(
        .methodNotAllowed, "This path takes: \(methods.joined(separator: ", ")).",
        fields: [.init(name: "Allow", value: methods.joined(separator: ", "))])
    case .route(let route, let variables):
      guard case .known(let action) = route.access else {
        return try await run(route, variables, request, requestID, by: nil, body, reply)
      }
      let caller = try await authenticate(request, requestID: requestID)
      do {
        try await run(route, variables, request, requestID, by: caller, body, reply)
      } catch {
        try await vault.accountUnread(
          action, by: caller, asking: "\(request.method) /\(request.path.joined(separator: "/"))",
          because: Self.unreadReason(error))
        throw error
      }
    }
  }

  private func run(
    _ route: Route, _ variables: [String: String], _ request: Request, _ requestID: Identifier,
    by known: Caller?, _ body: RequestBody, _ reply: Reply
  ) async throws {
    try check(request, body: body, against: route)
    try await route.handle(
      RequestContext(
        request: request, requestID: requestID, route: route, variables: variables,
        known: known, body: body, reply: reply))
  }

  /// What the log says of a request that could not be read.
  private static func unreadReason(_ error: any Error) -> Reason {
    switch error {
    case let problem as ProblemDetail:
      switch problem.kind {
      case .notFound: .notFound
      case .tooLarge: .tooLarge
      case .unsupportedType: .unsupported
      case .purposeRequired: .purposeMissing
      default: .malformed
      }
    case let broken as HTTPError:
      switch broken.code {
      case .closed, .timeout: .clientGone
      case .tooLarge: .tooLarge
      case .overloaded: .rateLimited
      default: .malformed
      }
    case is CancellationError: .clientGone
    default: .malformed
    }
  }

  private func authenticate(_ request: Request, requestID: Identifier) async throws -> Caller {
    for authenticator in authenticators {
      if let caller = try await authenticator.authenticate(request, requestID: requestID) {
        return caller
      }
    }
    throw try await vault.refuse(
      .credentialMissing, via: address(of: request.peer), request: requestID)
  }

  /// Holds the head against what the route takes, before a byte of the body is read.
  private func check(_ request: Request, body: RequestBody, against route: Route) throws {
    guard request.query.allSatisfy({ route.query.contains($0.name) }) else {
      let known = route.query.isEmpty ? "none" : route.query.joined(separator: ", ")
      throw ProblemDetail(
        .badRequest, "There is a query parameter that is not read here; it takes: \(known).")
    }
    let types = request.headers.all("Content-Type")
    let type = types.first.map(Self.mediaType)
    switch route.body {
    case .none: return
    case .optionalObject where body.declaredLength == 0: return
    case .object(let limit), .optionalObject(let limit):
      guard body.declaredLength != 0 else {
        throw ProblemDetail(.lengthRequired, "Send a JSON object as the body.")
      }
      guard types.count == 1, type == "application/json" else {
        throw ProblemDetail(.unsupportedType, "Send `Content-Type: application/json`.")
      }
      if let length = body.declaredLength, length > Int64(limit) {
        throw ProblemDetail(.tooLarge, "The body may have at most \(limit) bytes.")
      }
    case .file:
      guard body.declaredLength != 0 else {
        throw ProblemDetail(.lengthRequired, "Send the recording as the body.")
      }
      // The bytes say what they are, and a name that `curl --data-binary` made up must not cost a
      // practice the recording. Only a multipart body is not the file itself.
      guard types.count <= 1, type?.hasPrefix("multipart/") != true else {
        throw ProblemDetail(
          .unsupportedType,
          "Send the recording itself as the body, best as `audio/…` or `application/octet-stream`; "
            + "multipart forms are not read.")
      }
    }
    guard request.headers["Content-Encoding"] == nil else {
      throw ProblemDetail(.unsupportedType, "Send the body without Content-Encoding.")
    }
  }

  /// Answers a failure, or cuts the connection where an answer has begun.
  private func refuse(
    _ error: any Error, request: Request, requestID: Identifier, route: String, reply: Reply
  ) async throws {
    let code = (error as? HTTPError)?.code
    // A client that stops reading its answer has left, too: that is no fault of ours.
    let isGone =
      error is CancellationError || code == .closed || (code == .timeout && reply.status != nil)
    var problem = ProblemDetail(error, stores: request.method == "POST")
    if problem.kind == .unavailable, await vault.health().isSealed {
      // Without its keys the log cannot take the attempt either; what to do is what sealed says.
      problem = ProblemDetail(
        VaultError(.sealed, during: "recording an attempt"), stores: request.method == "POST")
    }
    if isGone || problem.kind.status >= 500 || reply.status != nil {
      var fields = JSONObject()
      fields["request"] = .string(requestID.description)
      fields["route"] = .string(route)
      fields["status"] = .integer(Int64(problem.kind.status))
      fields["cause"] = .string(OperatorLog.describe(error))
      log.write(isGone ? .info : .error, isGone ? "client-gone" : "request-failed", fields)
    }
    guard !isGone, reply.status == nil else { throw error }
    try await reply.send(problem, asOutcome: request.path.first == "fhir")
  }

  /// The type without its parameters, in lower case.
  private static func mediaType(_ field: String) -> String {
    let type = field.prefix { $0 != ";" }
    return type.lowercased().split(separator: " ").joined()
  }

  /// A closed list: a client must not make series of its own.
  private static func methodLabel(_ method: String) -> String {
    ["GET", "HEAD", "POST", "DELETE", "PUT", "OPTIONS"].contains(method) ? method : "other"
  }
}
