import Audit
import Cryptography
import Encoding
import Foundation
import HTTPClient
import Testing
import Vault

@testable import Service

/// What the API promises those who use it rightly.
@Suite struct SessionTests {
  private static let treat = ["Purpose-Of-Use": "TREAT"]

  @Test func theSameCallAgainNamesTheOneThatExists() async throws {
    try await LiveService.run { service in
      let token = try await service.token("service", scopes: ["calls:write"])
      let body = "{\"source\":\"pbx\",\"source_id\":\"2026/17\",\"from\":\"+13135550142\"}"
      let first = try await service.post("/v1/calls", body, token: token)
      #expect(first.status == 201)
      let again = try await service.post("/v1/calls", body, token: token)
      #expect(again.status == 409)
      #expect(try again.object()["call"] == first.object()["call"])
      let other = try await service.post(
        "/v1/calls", body.replacing("pbx", with: "other"), token: token)
      #expect(other.status == 201)
    }
  }

  @Test func theSameBytesAgainGetTheSameReceipt() async throws {
    try await LiveService.run { service in
      let token = try await service.token("operator")
      let audio = [UInt8]("some bytes".utf8)
      let (call, recording) = try await service.recording(audio, token: token)
      let digest = "sha-256=:\(Base64.encode(SHA256.hash(audio).bytes)):"
      let again = try await service.send(
        "POST", "/v1/calls/\(call)/recordings", token: token,
        headers: ["Content-Type": "application/octet-stream", "Content-Digest": digest],
        body: audio)
      #expect(again.status == 200)
      #expect(try again.object()["recording"]?.string == recording)
      let other = try await service.send(
        "POST", "/v1/calls/\(call)/recordings", token: token,
        headers: ["Content-Type": "audio/wav"], body: audio + [0])
      #expect(other.status == 201)
      // A number is given once, also to an attempt that stored nothing.
      #expect(try other.object()["number"]?.integer ?? 0 > 1)
    }
  }

  @Test func rangesAreThoseOfTheOriginalBytes() async throws {
    try await LiveService.run { service in
      let audio = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
      let (_, recording) = try await service.recording(
        audio, token: service.token("operator"))
      let token = try await service.token("clinician")
      let target = "/v1/recordings/\(recording)/audio"
      let whole = try await service.send("GET", target, token: token, headers: Self.treat)
      #expect(whole.status == 200 && whole.body == audio)
      #expect(whole["Cache-Control"] == "no-store")
      #expect(whole["Accept-Ranges"] == "bytes")
      let tag = try #require(whole["ETag"])
      let head = try await service.send("HEAD", target, token: token, headers: Self.treat)
      #expect(head.status == 200 && head.body.isEmpty)
      #expect(head["Content-Length"] == "200000" && head["ETag"] == tag)
      let ranges: [(String, Range<Int>)] = [
        ("0-0", 0..<1), ("65479-65480", 65_479..<65_481), ("0-", 0..<200_000),
        ("-1", 199_999..<200_000), ("131000-999999", 131_000..<200_000), ("-999999", 0..<200_000),
      ]
      for (text, range) in ranges {
        let part = try await service.send(
          "GET", target, token: token,
          headers: ["Purpose-Of-Use": "TREAT", "Range": "bytes=\(text)"])
        #expect(part.status == 206 && part.body == Array(audio[range]), "\(text)")
        #expect(
          part["Content-Range"] == "bytes \(range.lowerBound)-\(range.upperBound - 1)/200000")
      }
      for (condition, status) in [(tag, 206), ("\"other\"", 200), ("W/" + tag, 200)] {
        let part = try await service.send(
          "GET", target, token: token,
          headers: ["Purpose-Of-Use": "TREAT", "Range": "bytes=0-9", "If-Range": condition])
        #expect(part.status == status, "\(condition)")
      }
      let several = try await service.send(
        "GET", target, token: token, headers: ["Purpose-Of-Use": "TREAT", "Range": "bytes=0-1,5-6"])
      #expect(several.status == 200 && several.body == audio)
      let unchanged = try await service.send(
        "GET", target, token: token, headers: ["Purpose-Of-Use": "TREAT", "If-None-Match": tag])
      #expect(unchanged.status == 304 && unchanged.body.isEmpty)
      // The entity tag is the digest of the ciphertext, which the log has.
      let stored = try await service.entries(.recordingStored).compactMap { $0.digest }
      #expect(stored.contains { tag == "\"\($0.hex)\"" })
    }
  }

  @Test func everyReadHasItsIntentAndTheBytesReleased() async throws {
    try await LiveService.run { service in
      let (_, recording) = try await service.recording(
        [UInt8](repeating: 3, count: 100_000), token: service.token("operator"))
      let token = try await service.token("clinician")
      for (headers, released) in [
        (["Purpose-Of-Use": "TREAT", "Range": "bytes=0-99"], Int64(100)),
        (["Purpose-Of-Use": "TREAT", "Range": "bytes=200000-"], 0),
        (["Purpose-Of-Use": "TREAT"], 100_000),
      ] {
        let answer = try await service.send(
          "GET", "/v1/recordings/\(recording)/audio", token: token, headers: headers)
        let request = try #require(answer["Request-Id"].flatMap { Identifier($0) })
        var account: [Entry] = []
        // The outcome follows the last byte.
        for _ in 0..<3000 where account.count < 2 {
          account = try await service.entries(.recordingOpened).filter { $0.request == request }
          if account.count < 2 { try await Task.sleep(for: .milliseconds(20)) }
        }
        try #require(account.count == 2)
        #expect(account[0].phase == .intent && account[1].phase == .outcome)
        #expect(account[1].reference == account[0].id)
        #expect(account[0].purpose == .treatment)
        #expect(account[1].released ?? 0 == released)
      }
    }
  }

  @Test(arguments: [
    [:], ["Content-Type": "application/x-www-form-urlencoded"], ["Content-Type": "text/plain"],
  ])
  func aRecordingIsStoredWhateverItsTypeIsCalled(headers: [String: String]) async throws {
    try await LiveService.run { service in
      let token = try await service.token("operator")
      let (call, _) = try await service.recording([1, 2, 3], token: token)
      let stored = try await service.send(
        "POST", "/v1/calls/\(call)/recordings", token: token, headers: headers,
        body: Array("a=b&c=%20\r\n".utf8))
      #expect(stored.status == 201)
      #expect(try stored.object()["length"]?.integer == 11)
    }
  }

  @Test func aPlaybackAddressNeedsNoHeaderAndEndsWithItsToken() async throws {
    try await LiveService.run { service in
      let audio = [UInt8](repeating: 9, count: 1000)
      let (_, recording) = try await service.recording(audio, token: service.token("operator"))
      let made = try await service.send(
        "POST", "/v1/tokens", headers: ["Content-Type": "application/json"],
        body: Array("{\"name\":\"Dr. Osei\",\"role\":\"clinician\"}".utf8), bySocket: true
      ).object()
      let token = try #require(made["token"]?.string)
      let grant = try await service.post(
        "/v1/recordings/\(recording)/playback", "{\"purpose\":\"TREAT\"}", token: token)
      #expect(grant.status == 201)
      let url = try #require(try grant.object()["url"]?.string)
      let played = try await service.send("GET", url, headers: ["Range": "bytes=10-19"])
      #expect(played.status == 206 && played.body.count == 10)
      let byHeader = try await service.send(
        "POST", "/v1/recordings/\(recording)/playback", token: token, headers: Self.treat)
      #expect(byHeader.status == 201)
      let revoked = try await service.send(
        "DELETE", "/v1/tokens/\(try #require(made["id"]?.string))", bySocket: true)
      #expect(revoked.status == 204)
      #expect(try await service.send("GET", url).status == 404)
      let direct = try await service.send(
        "GET", "/v1/recordings/\(recording)/audio", token: token, headers: Self.treat)
      #expect(direct.status == 401)
    }
  }

  @Test func theLocalAdministratorMakesTokensAndHearsNothing() async throws {
    try await LiveService.run { service in
      let (call, recording) = try await service.recording(
        [1, 2, 3], token: service.token("operator"))
      for target in ["/v1/recordings/\(recording)/audio", "/v1/calls/\(call)/transcripts"] {
        let answer = try await service.send("GET", target, headers: Self.treat, bySocket: true)
        #expect(answer.status == 403, "\(target)")
      }
      let tokens = try await service.send("GET", "/v1/tokens", bySocket: true)
      #expect(tokens.status == 200)
      #expect(!tokens.text.contains("cv1_"))
      // Over TCP nobody is known by their user id.
      #expect(try await service.send("GET", "/v1/tokens").status == 401)
    }
  }

  @Test func contentTokensMadeNowAreMarkedBootstrap() async throws {
    try await LiveService.run { service in
      for (role, flagged) in [("clinician", true), ("auditor", false), ("operator", false)] {
        _ = try await service.token(role)
        let entry = try #require(try await service.entries(.authTokenCreated).last)
        #expect(entry.flags.contains(.bootstrap) == flagged, "\(role)")
      }
    }
  }

  @Test func transcriptsAndNotesAreVersionsAndConfidenceMayBeNull() async throws {
    try await LiveService.run { service in
      let intake = try await service.token("operator")
      let (call, _) = try await service.recording([1], token: intake)
      let clinician = try await service.token("clinician")
      for (version, confidence) in [(1, "null"), (2, "0.5")] {
        let stored = try await service.post(
          "/v1/calls/\(call)/transcripts",
          "{\"provider\":\"p\",\"language\":\"en-US\",\"segments\":[{\"speaker\":\"a\",\"text\":\"hi\","
            + "\"start_ms\":0,\"end_ms\":10,\"confidence\":\(confidence)}]}", token: intake)
        #expect(stored.status == 201)
        #expect(try stored.object()["version"]?.integer == Int64(version))
      }
      let first = try await service.send(
        "GET", "/v1/calls/\(call)/transcripts?version=1", token: clinician, headers: Self.treat)
      #expect(first.text.contains("\"confidence\":null"))
      let newest = try await service.send(
        "GET", "/v1/calls/\(call)/transcripts", token: clinician, headers: Self.treat)
      #expect(try newest.object()["version"]?.integer == 2)
      for text in ["one", "two\\nlines"] {
        let note = try await service.post(
          "/v1/calls/\(call)/notes", "{\"text\":\"\(text)\"}", token: clinician, headers: Self.treat
        )
        #expect(note.status == 201)
      }
      let notes = try await service.send(
        "GET", "/v1/calls/\(call)/notes", token: clinician, headers: Self.treat)
      let texts = try notes.object()["notes"]?.array?.compactMap { $0.object?["text"]?.string }
      #expect(texts == ["one", "two\nlines"])
    }
  }

  @Test func callsAreFoundByNumberAndDetailsNeedAPurpose() async throws {
    try await LiveService.run { service in
      let token = try await service.token("operator")
      for number in 0..<3 { _ = try await service.recording([UInt8(number)], token: token) }
      let clinician = try await service.token("clinician")
      let clear = try await service.send("GET", "/v1/calls?limit=2", token: clinician)
      #expect(clear.status == 200 && !clear.text.contains("details"))
      let next = try #require(try clear.object()["next"]?.string)
      let rest = try await service.send(
        "GET", "/v1/calls?limit=2&cursor=\(next)", token: clinician)
      #expect(try rest.object()["calls"]?.array?.count == 1)
      #expect(try rest.object()["next"] == nil)
      let found = try await service.send(
        "GET", "/v1/calls?party=%28313%29%20555-0142", token: clinician, headers: Self.treat)
      #expect(try found.object()["calls"]?.array?.count == 3)
      #expect(found.text.contains("+13135550142"))
    }
  }

  @Test func readingTheLogIsOneEntryForASessionAndSize() async throws {
    try await LiveService.run { service in
      let token = try await service.token("auditor")
      let before = try await service.entries(.auditRead).count
      let note = try await service.send("GET", "/v1/audit/checkpoint", token: token)
      #expect(note.status == 200)
      #expect(note.text.hasPrefix("service.example.org/callvault\n"))
      let size = try #require(Int(note.text.split(separator: "\n")[1]))
      let width = size < 256 ? ".p/\(size)" : ""
      for tile in ["entries/000\(width)", "0/000\(width)"] {
        let answer = try await service.send("GET", "/v1/audit/tile/\(tile)", token: token)
        #expect(answer.status == 200, "\(tile)")
      }
      let proof = try await service.send("GET", "/v1/audit/proof/0", token: token)
      #expect(proof.status == 200 && proof.text.hasPrefix("c2sp.org/tlog-proof@v1\nindex 0\n"))
      let months = try await service.send("GET", "/v1/audit/checkpoints", token: token)
      let month = try #require(
        try JSONValue(parsing: months.body).object?["months"]?.array?.last?.string)
      let history = try await service.send(
        "GET", "/v1/audit/checkpoints/\(month)", token: token)
      // The head given out just now is the last one: two bytes of its length, and the note.
      #expect(history.status == 200 && history.body.suffix(note.body.count) == note.body[...])
      let rest = try await service.send(
        "GET", "/v1/audit/checkpoints/\(month)?from=\(history.body.count)", token: token)
      #expect(rest.status == 200 && rest.body.isEmpty)
      let again = try await service.send("GET", "/v1/audit/checkpoint", token: token)
      #expect(again.body == note.body)
      #expect(try await service.entries(.auditRead).count == before + 1)
    }
  }

  @Test func sealedContentStaysShutAndIntakeIsAskedToWait() async throws {
    try await LiveService.run { service in
      let intake = try await service.token("operator")
      let (call, recording) = try await service.recording([1, 2, 3], token: intake)
      let clinician = try await service.token("clinician")
      service.keys.seal()
      let read = try await service.send(
        "GET", "/v1/recordings/\(recording)/audio", token: clinician, headers: Self.treat)
      #expect(read.status == 423, "\(read.text)")
      let waiting = try await service.send(
        "POST", "/v1/calls/\(call)/recordings", token: intake,
        headers: ["Content-Type": "audio/wav"], body: [4, 5])
      #expect(waiting.status == 503, "\(waiting.text)")
      #expect(waiting["Retry-After"] == "60")
      let ready = try await service.send("GET", "/v1/health/ready")
      #expect(ready.status == 503 && ready.text.contains("sealed"))
      #expect(try await service.send("GET", "/v1/health/live").status == 200)
    }
  }

  @Test func metricsNeedTheirOwnScope() async throws {
    try await LiveService.run { service in
      let token = try await service.token("service", scopes: ["metrics:read"])
      let metrics = try await service.send("GET", "/metrics", token: token)
      #expect(metrics.status == 200)
      #expect(metrics.text.contains("callvault_log_entries"))
      #expect(metrics.text.contains("# TYPE callvault_request_seconds histogram"))
      let other = try await service.token("service", scopes: ["calls:write"])
      #expect(try await service.send("GET", "/metrics", token: other).status == 403)
    }
  }
}
