import Audit
import Encoding
import HTTP
import Vault
import Views

/// The log as FHIR R4 AuditEvents, for programs of a hospital that read those.
///
/// Specified in section 2 of `Documentation/formats/views.md`. The vault admits the reader and accounts
/// for the reading, as it does for the log itself.
struct FHIRRoutes: Sendable {
  static let json = "application/fhir+json"
  static let lines = "application/fhir+ndjson"
  /// Events of a page where none are asked for.
  private static let pageCount = 50
  /// Entries that one page looks at, at most, in questions to the log.
  private static let questions = 16
  private static let questionLimit = 1000

  let vault: Vault

  var routes: [Route] {
    [
      Route("GET", "/fhir/metadata", .open) { context in
        try await context.reply.send(
          200, type: Self.json,
          body: JSONValue.object(CapabilityStatement.document).encoded(), isStorable: true)
      },
      Route(
        "GET", "/fhir/AuditEvent", .known(.auditRead), query: AuditEventSearch.parameters
      ) { context in try await search(context) },
      Route("GET", "/fhir/AuditEvent/{index}", .known(.auditRead)) { context in
        try await event(context)
      },
    ]
  }

  private func event(_ context: RequestContext) async throws {
    try await vault.admitAuditReader(context.caller)
    guard let (number, index) = context.variables["index"].flatMap(Self.place) else {
      throw ProblemDetail.notFound
    }
    let log = try await vault.auditableLog(number)
    guard
      let logged = try await log.entries(
        matching: EntryFilter(indices: index..<index + 1), limit: 1
      ).entries.first
    else { throw ProblemDetail.notFound }
    try await context.reply.send(
      200, type: Self.json,
      body: JSONValue.object(Self.view(of: logged, in: log).auditEvent).encoded())
  }

  private static func view(of logged: LoggedEntry, in log: any AuditableLog) -> EntryView {
    EntryView(logged, origin: log.origin, earlierLog: (log as? EarlierLog)?.number)
  }

  /// Reads `INDEX` of the log that goes on, or `LOG-INDEX`.
  private static func place(_ id: String) -> (log: Int64?, index: Int64)? {
    let parts = id.split(separator: "-", omittingEmptySubsequences: false).map {
      decimal(String($0))
    }
    switch parts.count {
    case 1: return parts[0].map { (nil, $0) }
    case 2:
      guard let log = parts[0], let index = parts[1] else { return nil }
      return (log, index)
    default: return nil
    }
  }

  private func search(_ context: RequestContext) async throws {
    var search: AuditEventSearch
    do throws(AuditEventSearchError) {
      search = try AuditEventSearch(context.request.query)
    } catch {
      throw ProblemDetail(
        error.code == .notAcceptable ? .notAcceptable : .badRequest, error.description)
    }
    let asked = search.pairs.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    try await vault.admitAuditReader(context.caller, filter: asked)
    if let patient = search.patient {
      search.aliases = try await vault.aliases(
        of: patient, as: context.caller, purpose: context.claimedPurpose)
    }
    let log = try await vault.auditableLog(search.log)
    let accepted = context.request.headers["Accept"]?.lowercased() ?? ""
    if search.wantsLines ?? accepted.contains(Self.lines) {
      try await stream(search, of: log, to: context.reply)
    } else {
      try await page(of: search, of: log, context)
    }
  }

  private func page(
    of search: AuditEventSearch, of log: any AuditableLog, _ context: RequestContext
  ) async throws {
    let limit = search.count ?? Self.pageCount
    var found: [EntryView] = []
    var next: Int64? = search.cursor
    var asked = 0
    while let first = next, found.count < limit, asked < Self.questions {
      next = try await take(
        search, of: log, from: first, to: .max, limit: limit - found.count, &found)
      asked += 1
    }
    // The name was held against the service's own, the port is digits or the request was refused.
    let host = context.request.headers["Host"] ?? context.request.host
    let base = (context.request.isSecure ? "https://" : "http://") + host + "/fhir"
    let page = SearchPage(of: search, found, next: next, earlierLogs: vault.logCount - 1)
    try await context.reply.send(
      200, type: Self.json, body: JSONValue.object(page.bundle(base: base)).encoded())
  }

  /// One event a line, up to the size that the log has now: what is read on grows the log, too.
  private func stream(
    _ search: AuditEventSearch, of log: any AuditableLog, to reply: Reply
  ) async throws {
    let size = try await log.readableSize()
    try await reply.start(200, headers: ["Content-Type": Self.lines], length: nil)
    var left = search.count ?? .max
    var next: Int64? = search.cursor
    while let first = next, left > 0 {
      var found: [EntryView] = []
      next = try await take(
        search, of: log, from: first, to: size, limit: min(left, 256), &found)
      left -= found.count
      guard !found.isEmpty else { continue }
      try await reply.write(
        found.flatMap { JSONValue.object($0.auditEvent).encoded() + [0x0A] })
    }
    try await reply.finish()
  }

  /// Asks the log once, for entries from `first` up to `end`.
  ///
  /// - Returns: where to go on; nil at the end.
  private func take(
    _ search: AuditEventSearch, of log: any AuditableLog, from first: Int64, to end: Int64,
    limit: Int, _ found: inout [EntryView]
  ) async throws -> Int64? {
    guard first < end else { return nil }
    // What only an event shows is looked for among many entries, else a page would look at few.
    let page = try await log.entries(
      matching: search.filter(in: first..<end),
      limit: search.looksAtCodes ? Self.questionLimit : limit)
    var left = limit
    for logged in page.entries where search.matches(logged.entry) {
      guard left > 0 else { return logged.entry.index }
      found.append(Self.view(of: logged, in: log))
      left -= 1
    }
    return page.next
  }
}

extension ProblemDetail {
  /// The same failure as FHIR says it.
  var operationOutcome: [UInt8] {
    let code =
      switch kind {
      case .unauthenticated: "login"
      case .forbidden: "forbidden"
      case .notFound: "not-found"
      case .methodNotAllowed, .notAcceptable, .unsupportedType: "not-supported"
      case .badRequest, .unprocessable: "invalid"
      case .timeout: "timeout"
      case .unavailable, .sealed, .noSpace: "transient"
      default: "exception"
      }
    return JSONValue.object([
      "resourceType": "OperationOutcome",
      "issue": [["severity": "error", "code": .string(code), "diagnostics": .string(detail)]],
    ]).encoded()
  }
}
