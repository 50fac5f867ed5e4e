import Audit
import Cryptography
import Encoding
import Vault

/// Transcripts and notes: versions in, versions out.
struct TextRoutes: Sendable {
  let vault: Vault

  var routes: [Route] {
    [
      Route(
        "POST", "/v1/calls/{call}/transcripts", .known(.transcriptStored),
        body: .object(limit: Transcript.Limits.bytes)
      ) { context in try await storeTranscript(context) },
      Route(
        "GET", "/v1/calls/{call}/transcripts", .known(.transcriptOpened), query: ["version"]
      ) { context in try await readTranscript(context) },
      Route(
        "POST", "/v1/calls/{call}/notes", .known(.noteStored), body: .object(limit: 131_072)
      ) { context in try await storeNote(context) },
      Route("GET", "/v1/calls/{call}/notes", .known(.noteOpened)) { context in
        try await readNotes(context)
      },
    ]
  }

  private func storeTranscript(_ context: RequestContext) async throws {
    let call = try context.identifier("call")
    let caller = try context.caller
    // Before a byte of the body is read, or whoever may store nothing could have us read megabytes.
    try await vault.admitTranscript(of: call, as: caller)
    let transcript = try await vault.transcript(parsing: await context.objectBytes())
    let receipt = try await vault.storeTranscript(transcript, of: call, as: caller)
    try await context.reply.send(201, json: receipt.json(named: "transcript"))
  }

  private func readTranscript(_ context: RequestContext) async throws {
    let version = try context.queryInteger("version", in: 1...1_000_000)
    let stored = try await vault.transcript(
      of: context.identifier("call"), version: version.map { Int($0) }, as: context.caller,
      purpose: context.claimedPurpose)
    var document = JSONObject()
    document["call"] = .string(stored.call.description)
    document["version"] = .integer(Int64(stored.version))
    document["versions"] = .integer(Int64(stored.versions))
    for member in stored.transcript.json.members where member.key != "v" {
      document[member.key] = member.value
    }
    try await context.reply.send(200, json: document)
  }

  private func storeNote(_ context: RequestContext) async throws {
    let call = try context.identifier("call")
    let text = try await context.fields(["text"]).requiredText(
      "text", limit: Note.textLimit, allowsLines: true)
    let receipt = try await vault.storeNote(
      text, of: call, as: context.caller, purpose: context.claimedPurpose)
    try await context.reply.send(201, json: receipt.json(named: "note"))
  }

  private func readNotes(_ context: RequestContext) async throws {
    let call = try context.identifier("call")
    let notes = try await vault.notes(
      of: call, as: context.caller, purpose: context.claimedPurpose)
    var document = JSONObject()
    document["call"] = .string(call.description)
    document["notes"] = .array(
      notes.map { note in
        .object([
          "version": .integer(Int64(note.version)), "author": .string(note.author.description),
          "written": .string(note.written.rfc3339), "text": .string(note.text),
        ])
      })
    try await context.reply.send(200, json: document)
  }
}

extension TextReceipt {
  // `kind` is what the id is called in the answer.
  func json(named kind: String) -> JSONObject {
    var object = JSONObject()
    object["call"] = .string(call.description)
    object[kind] = .string(id.description)
    object["version"] = .integer(Int64(version))
    object["sha256"] = .string(digest.hex)
    object["log_index"] = .integer(logIndex)
    return object
  }
}
