import Audit
import Encoding
import Retention
import Vault

/// Who agreed to the recording of a call.
struct ConsentRoutes: Sendable {
  let vault: Vault

  var routes: [Route] {
    [
      Route(
        "POST", "/v1/calls/{call}/consent", .known(.consentRecorded),
        body: .object(limit: ConsentRecord.byteLimit)
      ) { context in try await record(context) },
      Route("GET", "/v1/calls/{call}/consent", .known(.consentOpened)) { context in
        try await show(context)
      },
    ]
  }

  private func record(_ context: RequestContext) async throws {
    let call = try context.identifier("call")
    let bytes = try await context.objectBytes()
    let record: ConsentRecord
    do throws(ConsentRecordError) {
      record = try ConsentRecord(parsing: bytes)
    } catch {
      throw ProblemDetail(.unprocessable, "The record cannot be taken: \(error.detail).")
    }
    let receipt = try await vault.recordConsent(record, of: call, as: context.caller)
    try await context.reply.send(201, json: receipt.json(named: "consent"))
  }

  private func show(_ context: RequestContext) async throws {
    let facts = try await vault.consent(
      of: context.identifier("call"), as: context.caller, purpose: context.claimedPurpose)
    var document: JSONObject = ["call": .string(facts.call.description)]
    document["records"] = .array(
      facts.records.map { item in
        var object: JSONObject = [
          "version": .integer(Int64(item.version)), "stored": .string(item.stored.rfc3339),
          "author": .string(item.author.description),
        ]
        for member in item.record.json.members where member.key != "v" {
          object[member.key] = member.value
        }
        return .object(object)
      })
    if let decision = facts.decision { document["decision"] = .object(decision.json) }
    try await context.reply.send(200, json: document)
  }
}

extension ConsentPolicy.Decision {
  fileprivate var json: JSONObject {
    var object: JSONObject = [
      "status": .string(status.rawValue), "rule": .string(rule.rawValue),
      "measure": .string(measure.rawValue), "confirmed": .bool(isConfirmed),
      "parties": .array(parties.map { .string($0) }),
    ]
    if let state { object["state"] = .string(state.description) }
    if let citation { object["cite"] = .string(citation) }
    return object
  }
}
