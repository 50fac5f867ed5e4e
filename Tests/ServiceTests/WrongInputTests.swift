import Audit
import Encoding
import Foundation
import HTTPClient
import Testing
import Threading

@testable import Service

/// For each route the wrong input gets its status and a sentence, and changes nothing.
@Suite struct WrongInputTests {
  struct Case: Sendable {
    let method: String
    /// `CALL` and `REC` stand for ids that exist.
    let target: String
    let role: String?
    var headers: [String: String] = [:]
    var body: String?
    let status: Int
    /// A part of the sentence.
    let says: String
  }

  private static let nobody = "3b7e1f0a-0000-4000-8000-000000000000"
  private static let json = ["Content-Type": "application/json"]
  private static let treat = ["Purpose-Of-Use": "TREAT"]

  static let cases: [Case] = [
    // Paths and methods.
    Case(method: "GET", target: "/", role: nil, status: 404, says: "/openapi.json"),
    Case(method: "GET", target: "/v2/calls", role: nil, status: 404, says: "no such path"),
    Case(method: "PUT", target: "/v1/calls", role: nil, status: 405, says: "POST, GET"),
    Case(method: "DELETE", target: "/v1/health/live", role: nil, status: 405, says: "GET"),
    // Who asks.
    Case(method: "GET", target: "/v1/calls", role: nil, status: 401, says: "Bearer"),
    Case(
      method: "GET", target: "/v1/calls", role: nil, headers: ["Authorization": "Bearer cv1_no"],
      status: 401, says: "token"),
    Case(
      method: "GET", target: "/v1/calls", role: nil, headers: ["Authorization": "Basic eDp5"],
      status: 401, says: "token"),
    // Calls.
    Case(
      method: "POST", target: "/v1/calls", role: "operator", headers: json, body: "", status: 411,
      says: "body"),
    Case(
      method: "POST", target: "/v1/calls", role: "operator", headers: ["Content-Type": "text/xml"],
      body: "<a/>", status: 415, says: "application/json"),
    Case(
      method: "POST", target: "/v1/calls", role: "operator",
      headers: ["Content-Type": "application/json", "Content-Encoding": "gzip"], body: "{}",
      status: 415, says: "Content-Encoding"),
    Case(
      method: "POST", target: "/v1/calls", role: "operator", headers: json, body: "{\"source\":",
      status: 400, says: "JSON"),
    Case(
      method: "POST", target: "/v1/calls", role: "operator", headers: json, body: "[]", status: 400,
      says: "object"),
    Case(
      method: "POST", target: "/v1/calls", role: "operator", headers: json,
      body: "{\"source\":\"a\",\"source\":\"b\",\"source_id\":\"1\"}", status: 400, says: "JSON"),
    Case(
      method: "POST", target: "/v1/calls", role: "operator", headers: json,
      body: "{\"source\":\"a\"}", status: 422, says: "`source_id` is missing"),
    Case(
      method: "POST", target: "/v1/calls", role: "operator", headers: json,
      body: "{\"source\":\"a\",\"source_id\":\"1\",\"colour\":\"red\"}", status: 422,
      says: "not read here"),
    Case(
      method: "POST", target: "/v1/calls", role: "operator", headers: json,
      body: "{\"source\":\"a\",\"source_id\":\"1\",\"direction\":\"sideways\"}", status: 422,
      says: "inbound, outbound, internal"),
    Case(
      method: "POST", target: "/v1/calls", role: "operator", headers: json,
      body: "{\"source\":\"a\",\"source_id\":\"1\",\"started\":\"yesterday\"}", status: 422,
      says: "RFC 3339"),
    Case(
      method: "POST", target: "/v1/calls", role: "operator", headers: json,
      body: "{\"source\":\"a\",\"source_id\":\"1\\u0007\"}", status: 422, says: "control"),
    Case(
      method: "POST", target: "/v1/calls", role: "operator", headers: json,
      body: "{\"source\":\"\(String(repeating: "a", count: 70_000))\"}", status: 413,
      says: "at most 65536"),
    Case(
      method: "POST", target: "/v1/calls", role: "clinician", headers: json,
      body: "{\"source\":\"a\",\"source_id\":\"1\"}", status: 403, says: "."),
    Case(
      method: "GET", target: "/v1/calls?limit=101", role: "clinician", status: 400, says: "1 to 100"
    ),
    Case(
      method: "GET", target: "/v1/calls?limit=1&limit=2", role: "clinician", status: 400,
      says: "once"),
    Case(
      method: "GET", target: "/v1/calls?colour=red", role: "clinician", status: 400,
      says: "not read here"),
    Case(
      method: "GET", target: "/v1/calls?cursor=xyz", role: "clinician", status: 400,
      says: "`cursor`"),
    Case(
      method: "GET", target: "/v1/calls?from=monday", role: "clinician", status: 400,
      says: "RFC 3339"),
    Case(
      method: "GET", target: "/v1/calls?party=%2B13135550142", role: "clinician", status: 400,
      says: "Purpose-Of-Use"),
    Case(
      method: "GET", target: "/v1/calls", role: "clinician", headers: ["Purpose-Of-Use": "FUN"],
      status: 400, says: "TREAT"),
    Case(
      method: "GET", target: "/v1/calls/\(nobody)", role: "clinician", status: 404, says: "no such"),
    Case(method: "GET", target: "/v1/calls/no-id", role: "clinician", status: 404, says: "no such"),
    // Recordings in.
    Case(
      method: "POST", target: "/v1/calls/\(nobody)/recordings", role: "operator",
      headers: ["Content-Type": "audio/wav"], body: "RIFF", status: 404, says: "no such"),
    Case(
      method: "POST", target: "/v1/calls/CALL/recordings", role: "operator",
      headers: ["Content-Type": "multipart/form-data; boundary=x"], body: "--x", status: 415,
      says: "multipart forms are not read"),
    Case(
      method: "POST", target: "/v1/calls/CALL/recordings", role: "operator",
      headers: ["Content-Type": "audio/wav"], body: "", status: 411, says: "recording"),
    Case(
      method: "POST", target: "/v1/calls/CALL/recordings", role: "operator",
      headers: ["Content-Type": "audio/wav", "Content-Digest": "sha-256=nonsense"], body: "RIFF",
      status: 400, says: "RFC 9530"),
    Case(
      method: "POST", target: "/v1/calls/CALL/recordings", role: "operator",
      headers: [
        "Content-Type": "audio/wav",
        "Content-Digest": "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:",
      ], body: "RIFF", status: 400, says: "nothing was stored"),
    Case(
      method: "POST", target: "/v1/calls/CALL/recordings", role: "operator",
      headers: [
        "Content-Type": "audio/wav",
        "Content-Digest": "sha-512=:\(String(repeating: "A", count: 86))==:, md5=:AAAA:",
      ], body: "RIFF", status: 400, says: "send `sha-256`"),
    Case(
      method: "POST", target: "/v1/calls/CALL/recordings", role: "operator",
      headers: ["Content-Type": "audio/wav"], body: String(repeating: "a", count: (1 << 20) + 1),
      status: 413, says: "1048576"),
    Case(
      method: "POST", target: "/v1/calls/CALL/recordings", role: "auditor",
      headers: ["Content-Type": "audio/wav"], body: "RIFF", status: 403, says: "."),
    // Recordings out.
    Case(
      method: "GET", target: "/v1/recordings/REC/audio", role: "clinician", status: 400,
      says: "Purpose-Of-Use"),
    Case(
      method: "GET", target: "/v1/recordings/REC/audio", role: "clinician",
      headers: ["Purpose-Of-Use": "treat"], status: 400, says: "TREAT"),
    Case(
      method: "GET", target: "/v1/recordings/REC/audio", role: "clinician",
      headers: ["Purpose-Of-Use": "HPAYMT"], status: 403, says: "."),
    Case(
      method: "GET", target: "/v1/recordings/\(nobody)/audio", role: "clinician", headers: treat,
      status: 404, says: "no such"),
    Case(
      method: "GET", target: "/v1/recordings/REC/audio", role: "administrator", headers: treat,
      status: 403, says: "."),
    Case(
      method: "GET", target: "/v1/recordings/REC/audio", role: "auditor", headers: treat,
      status: 403, says: "."),
    Case(
      method: "GET", target: "/v1/recordings/REC/audio", role: "records-manager", headers: treat,
      status: 403, says: "."),
    Case(
      method: "GET", target: "/v1/recordings/REC/audio", role: "clinician",
      headers: ["Purpose-Of-Use": "TREAT", "Range": "bytes=5000-"], status: 416,
      says: "after the end"
    ),
    Case(
      method: "GET", target: "/v1/recordings/REC/audio", role: "clinician",
      headers: ["Purpose-Of-Use": "TREAT", "If-Match": "\"other\""], status: 412,
      says: "another version"),
    Case(
      method: "POST", target: "/v1/recordings/REC/playback", role: "clinician", headers: json,
      body: "{}", status: 422, says: "`purpose` is missing"),
    Case(
      method: "POST", target: "/v1/recordings/REC/playback", role: "clinician", status: 422,
      says: "`Purpose-Of-Use`"),
    Case(
      method: "POST", target: "/v1/recordings/REC/playback", role: "clinician",
      headers: ["Content-Type": "application/json", "Purpose-Of-Use": "ETREAT"],
      body: "{\"purpose\":\"TREAT\"}", status: 422, says: "`Purpose-Of-Use`"),
    Case(
      method: "POST", target: "/v1/recordings/REC/playback", role: "operator", headers: json,
      body: "{\"purpose\":\"TREAT\"}", status: 403, says: "."),
    Case(
      method: "GET", target: "/v1/playback/\(String(repeating: "A", count: 43))", role: nil,
      status: 404, says: "no such"),
    Case(method: "GET", target: "/v1/playback/short", role: nil, status: 404, says: "no such"),
    Case(
      method: "POST", target: "/v1/recordings/REC/export", role: "clinician", headers: treat,
      status: 403, says: "."),
    Case(
      method: "POST", target: "/v1/recordings/REC/export", role: "privacy-officer", status: 400,
      says: "Purpose-Of-Use"),
    Case(
      method: "GET", target: "/v1/recordings/REC/ciphertext", role: "clinician", status: 403,
      says: "."),
    // Transcripts and notes.
    Case(
      method: "POST", target: "/v1/calls/CALL/transcripts", role: "operator", headers: json,
      body: "{\"provider\":\"p\",\"language\":\"en\",\"segments\":[{}]}", status: 422,
      says: "segments[0]"),
    Case(
      method: "POST", target: "/v1/calls/CALL/transcripts", role: "operator", headers: json,
      body:
        "{\"provider\":\"p\",\"language\":\"en\",\"segments\":[{\"speaker\":\"a\",\"text\":\"b\","
        + "\"start_ms\":5,\"end_ms\":1}]}", status: 422, says: "ends before it starts"),
    Case(
      method: "POST", target: "/v1/calls/CALL/transcripts", role: "clinician", headers: json,
      body: "{\"provider\":\"p\",\"language\":\"en\",\"segments\":[]}", status: 403, says: "."),
    Case(
      method: "GET", target: "/v1/calls/CALL/transcripts", role: "clinician", headers: treat,
      status: 404, says: "no such"),
    Case(
      method: "GET", target: "/v1/calls/CALL/transcripts?version=0", role: "clinician",
      headers: treat, status: 400, says: "`version`"),
    Case(
      method: "GET", target: "/v1/calls/CALL/transcripts", role: "clinician", status: 400,
      says: "Purpose-Of-Use"),
    Case(
      method: "POST", target: "/v1/calls/CALL/notes", role: "clinician",
      headers: ["Content-Type": "application/json", "Purpose-Of-Use": "TREAT"],
      body: "{\"text\":\"\"}", status: 422, says: "`text`"),
    Case(
      method: "POST", target: "/v1/calls/CALL/notes", role: "clinician", headers: json,
      body: "{\"text\":\"hello\"}", status: 400, says: "Purpose-Of-Use"),
    Case(
      method: "GET", target: "/v1/calls/CALL/notes", role: "operator", headers: treat, status: 403,
      says: "."),
    // The log.
    Case(method: "GET", target: "/v1/audit/checkpoint", role: "clinician", status: 403, says: "."),
    Case(method: "GET", target: "/v1/audit/checkpoints", role: "clinician", status: 403, says: "."),
    Case(
      method: "GET", target: "/v1/audit/checkpoints/2026-11", role: "service", status: 403,
      says: "."),
    Case(
      method: "GET", target: "/v1/audit/checkpoints/1999-01", role: "auditor", status: 404,
      says: "no such"),
    Case(
      method: "GET", target: "/v1/audit/checkpoints/2026-11?from=-1", role: "auditor", status: 400,
      says: "from"),
    Case(method: "GET", target: "/v1/audit/entries", role: "operator", status: 403, says: "."),
    Case(
      method: "GET", target: "/v1/audit/entries?action=coffee.made", role: "auditor", status: 400,
      says: "recording.opened"),
    Case(
      method: "GET", target: "/v1/audit/entries?object=me", role: "auditor", status: 400,
      says: "UUID"
    ),
    Case(
      method: "GET", target: "/v1/audit/tile/0/1", role: "auditor", status: 404, says: "no such"),
    Case(
      method: "GET", target: "/v1/audit/tile/99/000", role: "auditor", status: 404, says: "no such"),
    Case(
      method: "GET", target: "/v1/audit/proof/-1", role: "auditor", status: 404, says: "no such"),
    Case(
      method: "GET", target: "/v1/audit/proof/9007199254740991", role: "auditor", status: 404,
      says: "no such"),
    // Tokens and metrics.
    Case(
      method: "POST", target: "/v1/tokens", role: "administrator", headers: json,
      body: "{\"name\":\"x\",\"role\":\"king\"}", status: 422, says: "privacy-officer"),
    Case(
      method: "POST", target: "/v1/tokens", role: "administrator", headers: json,
      body: "{\"name\":\"x\",\"role\":\"auditor\",\"ttl_seconds\":0}", status: 422,
      says: "`ttl_seconds`"),
    Case(
      method: "POST", target: "/v1/tokens", role: "administrator", headers: json,
      body: "{\"name\":\"x\",\"role\":\"service\",\"scopes\":[\"moon:write\"]}", status: 422,
      says: "recordings:write"),
    Case(
      method: "POST", target: "/v1/tokens", role: "privacy-officer", headers: json,
      body: "{\"name\":\"x\",\"role\":\"auditor\"}", status: 403, says: "."),
    Case(
      method: "DELETE", target: "/v1/tokens/\(nobody)", role: "administrator", status: 404,
      says: "no such"),
    Case(method: "GET", target: "/metrics", role: "clinician", status: 403, says: "."),
  ]

  @Test func eachHasItsStatusItsSentenceAndNoEffect() async throws {
    try await LiveService.run { service in
      let description = try OpenAPIDescription()
      var tokens: [String: String] = [:]
      for role in Set(Self.cases.compactMap { $0.role }) {
        tokens[role] = try await service.token(role)
      }
      let (call, recording) = try await service.recording(
        [UInt8](repeating: 1, count: 5000), token: try #require(tokens["operator"]))
      let before = try await service.state()
      let tokenCount = try await service.entries(.authTokenCreated).filter {
        $0.outcome == .success
      }.count
      for one in Self.cases {
        let target = one.target.replacing("CALL", with: call).replacing("REC", with: recording)
        let answer = try await service.send(
          one.method, target, token: one.role.flatMap { tokens[$0] }, headers: one.headers,
          body: one.body.map { Array($0.utf8) })
        let place = "\(one.method) \(one.target): \(answer.status) \(answer.text)"
        #expect(answer.status == one.status, "\(place)")
        #expect(answer["Content-Type"] == "application/problem+json", "\(place)")
        guard let problem = try? answer.object() else {
          Issue.record("no problem document: \(place)")
          continue
        }
        let detail = problem["detail"]?.string ?? ""
        #expect(detail.contains(one.says), "\(place)")
        #expect(problem["status"]?.integer == Int64(one.status), "\(place)")
        #expect(problem["request_id"]?.string == answer["Request-Id"], "\(place)")
        #expect(answer["X-Content-Type-Options"] == "nosniff", "\(place)")
        #expect(answer["Cache-Control"] == "no-store", "\(place)")
        if one.role != nil, one.status != 405, !Self.isBelowACheckpoint(one) {
          let id = try #require(problem["request_id"]?.string.flatMap { Identifier($0) })
          let attempts = try await service.entries(ofRequest: id).filter {
            // The first use of a token is an entry of its own.
            $0.phase != .outcome && $0.action != .authSignIn
          }
          #expect(attempts.count == 1, "accounted \(attempts.count) times: \(place)")
        }
        // Whatever is answered is documented.
        let path = target.split(separator: "?")[0].split(separator: "/").map(String.init)
        for operation in description.operations where operation.method == one.method {
          let elements = Route("GET", operation.path, .open) { _ in }
          if elements.match(path) != nil {
            #expect(operation.statuses.contains(String(one.status)), "undocumented: \(place)")
          }
        }
      }
      #expect(try await service.state() == before)
      #expect(
        try await service.entries(.authTokenCreated).filter { $0.outcome == .success }.count
          == tokenCount)
    }
  }

  /// What is read below a checkpoint belongs to the entry of that checkpoint.
  private static func isBelowACheckpoint(_ one: Case) -> Bool {
    one.target.hasPrefix("/v1/audit/") && one.status == 404
  }

  @Test func whatCannotBeReadIsAnAttemptAndSaysWhichOne() async throws {
    try await LiveService.run { service in
      let token = try await service.token("operator")
      let (call, _) = try await service.recording([1, 2, 3], token: token)
      let json = ["Content-Type": "application/json"]
      let cases: [(String, String, [String: String], String?, Action, Reason)] = [
        ("POST", "/v1/calls", json, "{", .callCreated, .malformed),
        ("POST", "/v1/calls", ["Content-Type": "text/xml"], "<a/>", .callCreated, .unsupported),
        (
          "POST", "/v1/calls", json, String(repeating: " ", count: 70_000), .callCreated, .tooLarge
        ),
        ("GET", "/v1/calls?limit=0", [:], nil, .search, .malformed),
        ("GET", "/v1/calls/no-id", [:], nil, .callOpened, .notFound),
        ("POST", "/v1/calls/\(call)/notes", json, "{\"text\":7}", .noteStored, .malformed),
        ("DELETE", "/v1/tokens/no-id", [:], nil, .authTokenRevoked, .notFound),
      ]
      for (method, target, headers, body, action, reason) in cases {
        let answer = try await service.send(
          method, target, token: token, headers: headers, body: body.map { Array($0.utf8) })
        let id = try #require(answer["Request-Id"].flatMap { Identifier($0) })
        let entries = try await service.entries(ofRequest: id)
        #expect(entries.map(\.action) == [action], "\(method) \(target)")
        #expect(entries.map(\.reason) == [reason], "\(method) \(target)")
        #expect(entries.allSatisfy { $0.outcome == .refused && $0.commits[.filter] != nil })
      }
    }
  }

  @Test func noAnswerAndNoLineRepeatsWhatAClientSent() async throws {
    try await LiveService.run { service in
      let canary = "canary-9d3fa1"
      let token = try await service.token("operator")
      let attempts: [(String, String, [String: String], String?)] = [
        ("GET", "/v1/\(canary)", [:], nil),
        ("GET", "/v1/calls?\(canary)=1", [:], nil),
        ("GET", "/v1/calls?cursor=\(canary)", [:], nil),
        ("GET", "/v1/calls/\(canary)", [:], nil),
        ("GET", "/v1/calls", ["Authorization": "Bearer \(canary)"], nil),
        ("GET", "/v1/calls", ["Purpose-Of-Use": canary], nil),
        ("POST", "/v1/calls", ["Content-Type": canary], "{}"),
        ("POST", "/v1/calls", ["Content-Type": "application/json"], "{\"\(canary)\":1}"),
        ("POST", "/v1/calls", ["Content-Type": "application/json"], "{\"source\":\"\(canary)"),
        (
          "POST", "/v1/calls", ["Content-Type": "application/json"],
          "{\"source\":\"a\",\"source_id\":\"b\",\"direction\":\"\(canary)\"}"
        ),
      ]
      for (method, target, headers, body) in attempts {
        let answer = try await service.send(
          method, target, token: headers["Authorization"] == nil ? token : nil, headers: headers,
          body: body.map { Array($0.utf8) })
        #expect((400..<500).contains(answer.status), "\(target)")
        #expect(!answer.text.contains(canary), "\(target): \(answer.text)")
      }
      #expect(service.lines.withLock { lines in !lines.contains { $0.contains(canary) } })
    }
  }
}
