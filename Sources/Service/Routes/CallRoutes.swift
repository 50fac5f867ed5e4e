import Audit
import Cryptography
import Encoding
import HTTP
import Retention
import Vault

/// Calls: registering one, finding some, looking at one.
struct CallRoutes: Sendable {
  let vault: Vault

  var routes: [Route] {
    [
      Route("POST", "/v1/calls", .known(.callCreated), body: .object(limit: 65_536)) { context in
        try await create(context)
      },
      Route(
        "GET", "/v1/calls", .known(.search),
        query: [
          "from", "to", "party", "extension", "agent", "location", "direction", "cursor", "limit",
        ]
      ) { context in try await list(context) },
      Route("GET", "/v1/calls/{call}", .known(.callOpened)) { context in try await show(context) },
    ]
  }

  private func create(_ context: RequestContext) async throws {
    let new = try NewCall(try await context.fields(NewCall.members))
    do {
      let receipt = try await vault.createCall(new, as: context.caller)
      var document = JSONObject()
      document["call"] = .string(receipt.call.description)
      document["log_index"] = .integer(receipt.logIndex)
      try await context.reply.send(
        201, json: document, headers: ["Location": "/v1/calls/\(receipt.call)"])
    } catch let error as VaultError where error.code == .conflict {
      guard let existing = error.existing else { throw error }
      throw ProblemDetail(
        .conflict,
        "This source and source_id are registered already; `call` names the call that exists.",
        members: ["call": .string(existing.description)])
    }
  }

  private func list(_ context: RequestContext) async throws {
    var search = CallSearch(
      limit: Int(try context.queryInteger("limit", in: 1...100) ?? 50))
    search.from = try context.queryTime("from")
    search.to = try context.queryTime("to")
    search.party = try context.queryText("party", limit: NewCall.Limits.party)
    search.callExtension = try context.queryText(
      "extension", limit: NewCall.Limits.callExtension)
    search.agent = try context.queryText("agent", limit: NewCall.Limits.agent)
    search.location = try context.queryText("location", limit: NewCall.Limits.location)
    search.direction = try context.queryChoice("direction", of: Direction.self)
    if let text = try context.query("cursor") {
      guard let cursor = CallCursor(text) else {
        throw ProblemDetail(.badRequest, "The query parameter `cursor` is not one that we gave.")
      }
      search.cursor = cursor
    }
    let page = try await vault.findCalls(
      search, as: context.caller, purpose: context.optionalPurpose())
    var document = JSONObject()
    document["calls"] = .array(page.calls.map { .object($0.json) })
    if let next = page.next { document["next"] = .string(next.description) }
    try await context.reply.send(200, json: document)
  }

  private func show(_ context: RequestContext) async throws {
    let facts = try await vault.call(
      context.identifier("call"), as: context.caller, purpose: context.optionalPurpose())
    var document = facts.summary.json
    document["recordings"] = .array(facts.recordings.map { .object($0.json) })
    try await context.reply.send(200, json: document)
  }
}

extension NewCall {
  static let members = [
    "source", "source_id", "started", "direction", "from", "to", "extension", "agent", "location",
    "pauses", "consent",
  ]

  /// Reads a body of ``members``.
  init(_ fields: ObjectFields) throws(ProblemDetail) {
    self.init(
      source: try fields.requiredText("source", limit: Limits.source),
      sourceID: try fields.requiredText("source_id", limit: Limits.sourceID),
      started: try fields.time("started"),
      direction: try fields.choice("direction", of: Direction.self),
      from: try fields.text("from", limit: Limits.party),
      to: try fields.text("to", limit: Limits.party),
      callExtension: try fields.text("extension", limit: Limits.callExtension),
      agent: try fields.text("agent", limit: Limits.agent),
      location: try fields.text("location", limit: Limits.location))
    guard let pauses = CallDetails.pauses(fields.value("pauses")) else {
      throw ProblemDetail(
        .unprocessable,
        "`pauses` must be an array of at most \(Limits.pauses) spans `from_ms`, `to_ms`.")
    }
    self.pauses = pauses
    for item in try fields.array("consent", limit: Limits.consent) ?? [] {
      guard case .object(let object) = item else {
        throw ProblemDetail(.unprocessable, "`consent` must be an array of objects.")
      }
      do throws(ConsentRecordError) {
        consent.append(try ConsentRecord(object))
      } catch {
        throw ProblemDetail(.unprocessable, "`consent` cannot be taken: \(error.detail).")
      }
    }
  }
}

extension CallSummary {
  fileprivate var json: JSONObject {
    var object = JSONObject()
    object["call"] = .string(call.description)
    object["source"] = .string(source)
    object["started"] = .string(started.description)
    object["direction"] = .string(direction.rawValue)
    if let callExtension { object["extension"] = .string(callExtension) }
    if let location { object["location"] = .string(location) }
    if let durationMilliseconds { object["duration_ms"] = .integer(durationMilliseconds) }
    object["recordings"] = .integer(Int64(recordings))
    object["transcripts"] = .integer(Int64(transcripts))
    object["notes"] = .integer(Int64(notes))
    if let details { object["details"] = .object(details.json) }
    return object
  }
}

extension CallDetails {
  fileprivate var json: JSONObject {
    var object = JSONObject()
    object["source_id"] = .string(sourceID)
    if let from { object["from"] = .string(from) }
    if let to { object["to"] = .string(to) }
    if let agent { object["agent"] = .string(agent) }
    if !pauses.isEmpty { object["pauses"] = Self.json(pauses) }
    return object
  }
}

extension RecordingFacts {
  var json: JSONObject {
    var object = JSONObject()
    object["recording"] = .string(recording.description)
    object["number"] = .integer(Int64(number))
    object["stored"] = .string(stored.rfc3339)
    object["length"] = .integer(length)
    object["sealed_length"] = .integer(sealedLength)
    object["sha256"] = .string(digest.hex)
    object["condition"] = .string(audio.condition.rawValue)
    if let format = audio.format { object["format"] = .string(format) }
    if let duration = audio.durationMilliseconds { object["duration_ms"] = .integer(duration) }
    if let channels = audio.channels { object["channels"] = .integer(Int64(channels)) }
    if let rate = audio.sampleRate { object["sample_rate"] = .integer(Int64(rate)) }
    return object
  }
}
