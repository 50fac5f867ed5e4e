import Audit
import Cryptography
import Encoding
import Retention
import Vault

/// Calls in quarantine: which and why, the end of it, and spans taken out of recordings.
struct IncidentRoutes: Sendable {
  let vault: Vault

  var routes: [Route] {
    [
      Route(
        "GET", "/v1/incidents", .known(.incidentListed), query: ["after", "limit"]
      ) { context in try await list(context) },
      Route(
        "POST", "/v1/incidents/{incident}/close", .known(.incidentClosed),
        body: .object(limit: 8192)
      ) { context in try await close(context) },
      Route(
        "POST", "/v1/recordings/{recording}/excisions", .known(.recordingExcised),
        body: .object(limit: 4096)
      ) { context in try await excise(context) },
    ]
  }

  private func list(_ context: RequestContext) async throws {
    let page = try await vault.incidents(
      after: context.queryIdentifier("after"),
      limit: Int(try context.queryInteger("limit", in: 1...30) ?? 30), as: context.caller,
      purpose: context.claimedPurpose)
    var document: JSONObject = ["incidents": .array(page.incidents.map { .object($0.json) })]
    if let next = page.next { document["next"] = .string(next.description) }
    try await context.reply.send(200, json: document)
  }

  private func close(_ context: RequestContext) async throws {
    let incident = try context.identifier("incident")
    let reason = try await context.fields(["reason"]).requiredText("reason", limit: 1024)
    let index = try await vault.closeIncident(
      incident, because: reason, as: context.caller, purpose: context.claimedPurpose)
    try await context.reply.send(
      200,
      json: ["incident": .string(incident.description), "log_index": .integer(index)])
  }

  private func excise(_ context: RequestContext) async throws {
    let recording = try context.identifier("recording")
    let fields = try await context.fields(["from_ms", "to_ms"])
    guard
      let span = TimeSpan(
        try fields.requiredInteger("from_ms", in: 0...TimeSpan.limit),
        try fields.requiredInteger("to_ms", in: 0...TimeSpan.limit))
    else { throw ProblemDetail(.unprocessable, "`to_ms` must not lie before `from_ms`.") }
    let receipt = try await vault.excise(
      span, from: recording, as: context.caller, purpose: context.claimedPurpose)
    var document: JSONObject = [
      "call": .string(receipt.call.description), "recording": .string(recording.description),
      "generation": .integer(Int64(receipt.generation)), "sha256": .string(receipt.digest.hex),
      "from_ms": .integer(receipt.span.from), "to_ms": .integer(receipt.span.to),
      "destroyed_key": .string(receipt.destroyedKey.description),
      "closed": .array(receipt.closed.map { .string($0.description) }),
      "holds_card_number": .bool(receipt.holdsCardNumber),
      "other_recordings": .integer(Int64(receipt.otherRecordings)),
      "log_index": .integer(receipt.logIndex),
    ]
    if let due = receipt.ratchetDue { document["ratchet_due"] = .string(due.rfc3339) }
    try await context.reply.send(201, json: document)
  }
}

extension IncidentFacts {
  fileprivate var json: JSONObject {
    var object: JSONObject = [
      "incident": .string(incident.id.description), "call": .string(incident.call.description),
      "reason": .string(incident.reason.rawValue), "opened": .string(incident.opened.rfc3339),
      "started": .string(started.description), "overdue": .bool(isOverdue),
      "spans": CallDetails.json(incident.spans),
    ]
    if let due = incident.due { object["due"] = .string(due.rfc3339) }
    if let version = incident.version { object["transcript"] = .integer(Int64(version)) }
    return object
  }
}
