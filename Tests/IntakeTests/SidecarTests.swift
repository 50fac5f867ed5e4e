import Cryptography
import Encoding
import Foundation
import Testing
import Vault

@testable import Intake

/// Sections 3 and 4 of `Documentation/formats/intake.md`.
@Suite("Sidecars")
struct SidecarTests {
  static let whole = """
    {
      "v": 1,
      "source_id": "3cx-00000193",
      "started": "2026-11-20T09:30:00-05:00",
      "direction": "inbound",
      "from": "+13135550142",
      "to": "100",
      "extension": "100",
      "agent": "Dana Reyes",
      "location": "downtown",
      "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    }
    """

  static func zone(_ name: String) throws -> TimeZoneRules {
    let bytes = try Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/" + name))
    return try #require(TimeZoneRules(parsing: Array(bytes)))
  }

  @Test func everyMember() throws {
    let sidecar = try Sidecar(parsing: Array(Self.whole.utf8))
    #expect(sidecar.sourceID == "3cx-00000193")
    #expect(sidecar.started == OffsetTime("2026-11-20T09:30:00-05:00"))
    #expect(sidecar.direction == .inbound)
    #expect(sidecar.from == "+13135550142")
    #expect(sidecar.to == "100")
    #expect(sidecar.callExtension == "100")
    #expect(sidecar.agent == "Dana Reyes")
    #expect(sidecar.location == "downtown")
    #expect(sidecar.digest?.hex.hasPrefix("9f86d081") == true)
  }

  @Test(arguments: [
    "", "{}", "[]", "1", "{\"v\":2}", "{\"v\":\"1\"}", "{\"v\":1,\"v\":1}", "{\"v\":1,\"V\":1}",
    "{\"v\":1,\"source\":\"3cx\"}", "{\"v\":1,\"from\":5}", "{\"v\":1,\"from\":null}",
    "{\"v\":1,\"started\":\"yesterday\"}", "{\"v\":1,\"started\":\"2026-11-20T09:30:00\"}",
    "{\"v\":1,\"direction\":\"sideways\"}", "{\"v\":1,\"sha256\":\"AB\"}", "{\"v\":1} x",
    "\u{FEFF}{\"v\":1}", "{\"v\":1,\"agent\":{\"a\":{\"b\":1}}}",
  ])
  func refused(_ text: String) {
    let error = #expect(throws: IntakeError.self) { try Sidecar(parsing: Array(text.utf8)) }
    #expect(error?.code == .malformed)
  }

  @Test func tooLong() {
    let padding = String(repeating: " ", count: Sidecar.byteLimit)
    #expect(throws: IntakeError.self) { try Sidecar(parsing: Array((Self.whole + padding).utf8)) }
  }

  @Test func nameAlone() throws {
    let name = "[]_100-0836826436_20260219120918(2).wav"
    let call = try CallDescription.call(
      named: name, sidecar: nil, source: "3cx", location: "downtown",
      in: Self.zone("America/Detroit"))
    #expect(
      call
        == NewCall(
          source: "3cx", sourceID: name, started: OffsetTime("2026-02-19T12:09:18-05:00"),
          direction: .outbound, from: "100", to: "0836826436", callExtension: "100",
          location: "downtown"))
  }

  @Test func sidecarGoesFirst() throws {
    let sidecar = try Sidecar(parsing: Array(Self.whole.utf8))
    for name in ["[]_200-300_20260219120918(2).wav", "anything.wav"] {
      let call = try CallDescription.call(
        named: name, sidecar: sidecar, source: "3cx", location: "uptown", in: Self.zone("UTC"))
      #expect(
        call
          == NewCall(
            source: "3cx", sourceID: "3cx-00000193",
            started: OffsetTime("2026-11-20T09:30:00-05:00"), direction: .inbound,
            from: "+13135550142", to: "100", callExtension: "100", agent: "Dana Reyes",
            location: "downtown"))
    }
  }

  @Test(arguments: [nil, "{\"v\":1}", "{\"v\":1,\"source_id\":\"a\"}"])
  func notEnough(_ text: String?) throws {
    let sidecar = try text.map { try Sidecar(parsing: Array($0.utf8)) }
    let zone = try Self.zone("UTC")
    let error = #expect(throws: IntakeError.self) {
      try CallDescription.call(
        named: "anything.wav", sidecar: sidecar, source: "3cx", location: nil, in: zone)
    }
    #expect(error?.code == .refused(.name))
  }
}
