import Audit
import Encoding
import HTTPClient
import Testing
import Vault

@testable import Service

/// A transcript may have megabytes: whether they are taken is decided before they are read.
@Suite struct TranscriptRouteTests {
  private static let json = ["Content-Type": "application/json"]
  private static let good = "{\"provider\":\"p\",\"language\":\"en\",\"segments\":[]}"
  private static let nobody = "3b7e1f0a-0000-4000-8000-000000000000"

  @Test func theRightIsAskedBeforeTheBodyIsRead() async throws {
    try await LiveService.run { service in
      let system = try await service.token(
        "service", scopes: ["recordings:write", "transcripts:write"])
      let metrics = try await service.token("service", scopes: ["metrics:read"])
      let elsewhere = try await service.token(
        "service", scopes: ["transcripts:write", "source=other"])
      let call = try await service.recording(Array("some bytes".utf8), token: system).call
      // What is no transcript is told only to those who could have stored one; each attempt is in the
      // log once, whoever ended it.
      for (token, id, body, status) in [
        (metrics, call, "no json", 403), (metrics, call, Self.good, 403),
        (metrics, Self.nobody, "no json", 403), (elsewhere, call, "no json", 404),
        (system, Self.nobody, "no json", 404), (system, call, "no json", 422),
        (system, call, "{}", 422), (system, call, Self.good, 201),
      ] {
        let answer = try await service.post("/v1/calls/\(id)/transcripts", body, token: token)
        #expect(answer.status == status, "\(body): \(answer.text)")
        let request = try #require(answer["Request-Id"].flatMap { Identifier($0) })
        // A token's first use has an entry of its own.
        let entries = try await service.entries(ofRequest: request)
          .filter { $0.action == .transcriptStored }
        if status == 201 {
          #expect(entries.map(\.phase) == [.intent, .outcome])
        } else {
          #expect(entries.map(\.phase) == [.single], "\(status)")
          #expect(entries.allSatisfy { $0.outcome == .refused })
          #expect((entries.first?.reason == .malformed) == (status == 422))
        }
      }
    }
  }
}
