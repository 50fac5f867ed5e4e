import Audit
import Encoding
import HTTP
import Vault

/// The log, for those who verify it: head, tiles, proofs and entries.
///
/// The vault admits the reader, which is an entry for each session and size; what is then given out
/// are published bytes, in which nothing names a patient.
struct AuditRoutes: Sendable {
  let vault: Vault
  let log: AuditLog

  var routes: [Route] {
    [
      Route("GET", "/v1/audit/checkpoint", .known(.auditRead)) { context in
        try await checkpoint(context)
      },
      Route("GET", "/v1/audit/checkpoints", .known(.auditRead)) { context in
        try await months(context)
      },
      Route(
        "GET", "/v1/audit/checkpoints/{month}", .known(.auditRead), query: ["from"]
      ) { context in try await history(context) },
      Route("GET", "/v1/audit/keyring", .known(.auditRead)) { context in
        try await note(try await log.publishedKeyring(), context)
      },
      Route("GET", "/v1/audit/minimum", .known(.auditRead)) { context in
        try await note(try await log.publishedMinimum(), context)
      },
      Route("GET", "/v1/audit/recovery", .known(.auditRead)) { context in
        try await note(try await log.publishedRecovery(), context)
      },
      Route("GET", "/v1/audit/tile/{…}", .known(.auditRead)) { context in try await tile(context) },
      Route("GET", "/v1/audit/proof/{index}", .known(.auditRead)) { context in
        try await proof(context)
      },
      Route(
        "GET", "/v1/audit/entries", .known(.auditRead),
        query: [
          "first", "action", "object", "actor", "request", "since", "until", "limit", "openings",
        ]
      ) { context in try await entries(context) },
    ]
  }

  private func checkpoint(_ context: RequestContext) async throws {
    try await vault.admitAuditReader(context.caller)
    // On request: a reader's own entry is in the head that it is given.
    try await log.publish()
    guard let note = await log.publishedCheckpoint else { throw ProblemDetail.notFound }
    try await context.reply.send(
      200, type: "text/plain; charset=utf-8", body: note, isStorable: true)
  }

  private func months(_ context: RequestContext) async throws {
    try await vault.admitAuditReader(context.caller, belowCheckpoint: true)
    let months = try await log.historyMonths()
    try await context.reply.send(200, json: ["months": .array(months.map { .string($0) })])
  }

  /// A month may be long, so it is given out in pieces; the reader asks on from where it is.
  private func history(_ context: RequestContext) async throws {
    let offset = try context.queryInteger("from", in: 0...(1 << 53) - 1) ?? 0
    try await vault.admitAuditReader(context.caller, belowCheckpoint: true)
    guard let month = context.variables["month"],
      let bytes = try await log.history(of: month, from: offset, count: 1 << 20)
    else { throw ProblemDetail.notFound }
    try await context.reply.send(
      200, type: "application/octet-stream", body: bytes, isStorable: true)
  }

  /// A signed text that the log publishes beside its head, if it has one.
  private func note(_ bytes: [UInt8]?, _ context: RequestContext) async throws {
    try await vault.admitAuditReader(context.caller, belowCheckpoint: true)
    guard let bytes else { throw ProblemDetail.notFound }
    try await context.reply.send(
      200, type: "text/plain; charset=utf-8", body: bytes, isStorable: true)
  }

  private func tile(_ context: RequestContext) async throws {
    try await vault.admitAuditReader(context.caller, belowCheckpoint: true)
    guard let path = TilePath("tile/" + (context.variables["rest"] ?? "")),
      let bytes = try await log.published(path)
    else { throw ProblemDetail.notFound }
    try await context.reply.send(
      200, type: "application/octet-stream", body: bytes, isStorable: true)
  }

  private func proof(_ context: RequestContext) async throws {
    try await vault.admitAuditReader(context.caller)
    guard let index = context.variables["index"].flatMap(decimal),
      index < (await log.durableHead.size)
    else { throw ProblemDetail.notFound }
    let proof = try await log.proof(of: index)
    try await context.reply.send(
      200, type: "text/plain; charset=utf-8", body: proof.encoded,
      isStorable: true)
  }

  private func entries(_ context: RequestContext) async throws {
    let first = try context.queryInteger("first", in: 0...(1 << 53) - 1) ?? 0
    let limit = try context.queryInteger("limit", in: 1...100) ?? 50
    var filter = EntryFilter(indices: first..<Int64.max)
    filter.actions = try context.queryChoice("action", of: Action.self).map { [$0] }
    filter.object = try context.queryIdentifier("object")
    filter.actor = try context.queryIdentifier("actor")
    filter.request = try context.queryIdentifier("request")
    filter.since = try context.queryTime("since")
    filter.until = try context.queryTime("until")
    let asked = context.request.query.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    try await vault.admitAuditReader(context.caller, filter: asked)
    let page = try await log.entries(matching: filter, limit: Int(limit))
    var openings: [[CommitField: OpeningState]]?
    if try context.query("openings") == "true" {
      openings = try await vault.openings(
        of: page.entries, as: context.caller, purpose: context.claimedPurpose, filter: asked)
    }
    var document = JSONObject()
    document["size"] = .integer(await log.durableHead.size)
    document["entries"] = .array(
      page.entries.enumerated().map { place, logged in
        var members: JSONObject = [
          "index": .integer(logged.entry.index),
          "leaf": .string(String(decoding: logged.bytes, as: UTF8.self)),
        ]
        if let openings { members["openings"] = .object(Self.json(openings[place])) }
        return .object(members)
      })
    if let next = page.next { document["next"] = .integer(next) }
    try await context.reply.send(200, json: document)
  }

  /// What is there of each field: text where it is some, else bytes; of a subject's key only that it
  /// is there, because it links all entries about the subject.
  private static func json(_ states: [CommitField: OpeningState]) -> JSONObject {
    var object = JSONObject()
    for (field, state) in states.sorted(by: { $0.key < $1.key }) {
      var members = JSONObject()
      switch state {
      case .present(let commitment):
        members["state"] = .string("present")
        if field != .subject {
          let text = String(validating: commitment.value, as: UTF8.self)
          if let text, !text.unicodeScalars.contains(where: { $0.value < 0x20 }) {
            members["text"] = .string(text)
          } else {
            members["hex"] = .string(Hex.encode(commitment.value))
          }
        }
      case .erased: members["state"] = .string("erased")
      case .missing: members["state"] = .string("missing")
      }
      object[field.rawValue] = .object(members)
    }
    return object
  }
}
