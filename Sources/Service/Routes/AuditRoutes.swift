import Audit
import Cryptography
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
      Route("GET", "/v1/audit/logs", .known(.auditRead)) { context in try await logs(context) },
      Route("GET", "/v1/audit/checkpoint", .known(.auditRead), query: ["log"]) { context in
        try await checkpoint(context)
      },
      Route("GET", "/v1/audit/checkpoints", .known(.auditRead), query: ["log"]) { context in
        try await months(context)
      },
      Route(
        "GET", "/v1/audit/checkpoints/{month}", .known(.auditRead), query: ["from", "log"]
      ) { context in try await history(context) },
      Route("GET", "/v1/audit/keyring", .known(.auditRead), query: ["log"]) { context in
        try await note(Keyring.path, context)
      },
      Route("GET", "/v1/audit/minimum", .known(.auditRead), query: ["log"]) { context in
        try await note(MinimumIndex.path, context)
      },
      Route("GET", "/v1/audit/recovery", .known(.auditRead), query: ["log"]) { context in
        try await note(RecoveryNote.path, context)
      },
      Route("GET", "/v1/audit/tile/{…}", .known(.auditRead), query: ["log"]) { context in
        try await tile(context)
      },
      Route("GET", "/v1/audit/proof/{index}", .known(.auditRead), query: ["log"]) { context in
        try await proof(context)
      },
      Route(
        "GET", "/v1/audit/entries", .known(.auditRead),
        query: [
          "first", "action", "object", "actor", "request", "since", "until", "limit", "openings",
          "log",
        ]
      ) { context in try await entries(context) },
    ]
  }

  /// The log that goes on, and those that recoveries ended: each is checked with its own key.
  private func logs(_ context: RequestContext) async throws {
    try await vault.admitLogList(context.caller)
    var rows: [JSONValue] = []
    for number in 1...vault.logCount {
      let log: any AuditableLog
      do throws(VaultError) {
        log = try await vault.auditableLog(number)
      } catch {
        guard error.code == .tampered else { throw error }
        // What is asked of it is refused by itself, and of the others answered: recovery.md, 9.2.
        rows.append(.object(["log": .integer(number), "loss": .string(error.detail ?? "")]))
        continue
      }
      guard let note = try await log.newestCheckpoint() else { continue }
      let head = try Checkpoint(parsing: SignedNote(parsing: note).text)
      var row: JSONObject = [
        "log": .integer(number), "origin": .string(log.origin), "size": .integer(head.size),
        "root": .string(Base64.encode(head.root.bytes)),
        "verifier_key": .string(self.log.verifierKey.description),
      ]
      if let earlier = log as? EarlierLog {
        row["verifier_key"] = .string(earlier.note.old.description)
        row["loss"] = .string(earlier.note.loss)
      }
      rows.append(.object(row))
    }
    try await context.reply.send(200, json: ["logs": .array(rows)])
  }

  private func checkpoint(_ context: RequestContext) async throws {
    try await vault.admitAuditReader(context.caller)
    guard let note = try await context.log(of: vault).newestCheckpoint() else {
      throw ProblemDetail.notFound
    }
    try await context.reply.send(
      200, type: "text/plain; charset=utf-8", body: note, isStorable: true)
  }

  private func months(_ context: RequestContext) async throws {
    try await vault.admitAuditReader(context.caller, belowCheckpoint: true)
    let months = try await context.log(of: vault).historyMonths()
    try await context.reply.send(200, json: ["months": .array(months.map { .string($0) })])
  }

  /// A month may be long, so it is given out in pieces; the reader asks on from where it is.
  private func history(_ context: RequestContext) async throws {
    let offset = try context.queryInteger("from", in: 0...(1 << 53) - 1) ?? 0
    try await vault.admitAuditReader(context.caller, belowCheckpoint: true)
    guard let month = context.variables["month"],
      let bytes = try await context.log(of: vault).history(
        of: month, from: offset, count: 1 << 20)
    else { throw ProblemDetail.notFound }
    try await context.reply.send(
      200, type: "application/octet-stream", body: bytes, isStorable: true)
  }

  /// A signed text that the log publishes beside its head, if it has one.
  private func note(_ path: String, _ context: RequestContext) async throws {
    try await vault.admitAuditReader(context.caller, belowCheckpoint: true)
    guard let bytes = try await context.log(of: vault).publishedNote(path) else {
      throw ProblemDetail.notFound
    }
    try await context.reply.send(
      200, type: "text/plain; charset=utf-8", body: bytes, isStorable: true)
  }

  private func tile(_ context: RequestContext) async throws {
    try await vault.admitAuditReader(context.caller, belowCheckpoint: true)
    guard let path = TilePath("tile/" + (context.variables["rest"] ?? "")),
      let bytes = try await context.log(of: vault).published(path)
    else { throw ProblemDetail.notFound }
    try await context.reply.send(
      200, type: "application/octet-stream", body: bytes, isStorable: true)
  }

  private func proof(_ context: RequestContext) async throws {
    try await vault.admitAuditReader(context.caller)
    let log = try await context.log(of: vault)
    guard let index = context.variables["index"].flatMap(decimal),
      index < (try await log.readableSize())
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
    let number = try context.logNumber
    let log = try await vault.auditableLog(number)
    let page = try await log.entries(matching: filter, limit: Int(limit))
    var openings: [[CommitField: OpeningState]]?
    if try context.query("openings") == "true" {
      openings = try await vault.openings(
        of: page.entries, in: log, as: context.caller, purpose: context.claimedPurpose,
        filter: asked)
    }
    var document = JSONObject()
    document["log"] = .integer(number ?? vault.logCount)
    document["origin"] = .string(log.origin)
    document["size"] = .integer(try await log.readableSize())
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

extension RequestContext {
  /// Which log is asked for: a number from 1, the oldest; nil for the one that goes on.
  var logNumber: Int64? {
    get throws(ProblemDetail) { try queryInteger("log", in: 1...(1 << 53) - 1) }
  }

  /// The log that is asked for; the caller was admitted.
  func log(of vault: Vault) async throws -> any AuditableLog {
    try await vault.auditableLog(try logNumber)
  }
}
