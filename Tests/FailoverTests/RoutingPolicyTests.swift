import Cryptography
import Failover
import Testing
import YAML

/// A policy is read strictly, and none that touches an emergency number is.
@Suite struct RoutingPolicyTests {
  @Test func theShippedPolicyIsRead() throws {
    let policy = try PolicyFiles.policy()
    #expect(policy.choices.map(\.state).first == .normal)
    #expect(policy.safe.state == .emergencyPSTN)
    #expect(policy.targets.contains { $0.role == .uplink })
    #expect(policy.hashed)
  }

  @Test(arguments: [
    "911", "9911", "+1 911", "112", "933", "988", "sip:911@pbx.example.org", "tel:911",
    "sips:9-1-1@pbx.example.org", "sip:%39%31%31@pbx.example.org", "urn:service:sos",
    "urn:service:sos.fire", "sip:sos@pbx.example.org", "_9XX", "_9X.", "9*", "_[0-9]11",
    "_NXX", "_X.", "_.", "???", "sip:911;phone-context=+1@pbx.example.org", "0911",
  ])
  func emergencyNumbersAreNeverTouched(text: String) throws {
    #expect(EmergencyNumbers.isTouched(by: text))
    let contact = "\"sip:desk@pbx.example.org\""
    let error = try #require(throws: YAMLError.self) {
      _ = try PolicyFiles.policy(PolicyFiles.changed(contact, "\"\(text)\""))
    }
    #expect(error.position.line > 1)
    // Also where only an adapter knows what the key means.
    let section = "# actuators:\n"
    let added = "actuators:\n  edge: {kind: script, arguments: [\"reload\", \"\(text)\"]}\n"
    let second = #expect(throws: YAMLError.self) {
      _ = try PolicyFiles.policy(PolicyFiles.changed(section, added))
    }
    #expect(second?.detail.contains("emergency") == true)
  }

  @Test(arguments: [
    "+13135550142", "sip:reception@pbx.example.org", "1000", "1112", "8112", "sip:100@192.0.2.112",
    "198.51.100.10:5060", "9.9.9.9:443", "_1XXXXXXXXXX", "pbx-911-free.example.org", "front-desk",
  ])
  func othersAre(text: String) { #expect(!EmergencyNumbers.isTouched(by: text)) }

  @Test func aPlaceAddsNumbersOfItsOwn() throws {
    let text = try PolicyFiles.changed("hours:\n", "emergency_numbers: [\"5911\"]\nhours:\n")
    _ = try PolicyFiles.policy(text)
    #expect(throws: YAMLError.self) {
      _ = try PolicyFiles.policy(
        text.replacingFirst("sip:desk@", with: "sip:5911@"))
    }
  }

  @Test(arguments: [
    ("points: [\"5911\"]", true), ("points: [5911]", true), ("points: [900, 5911]", true),
    ("places: {desk: {context: in, extension: 5911}}", true),
    ("groups: {desk: {queue: 5911}, nurses: {ring_group: 801}}", true),
    ("groups: {desk: {queue: 800}, nurses: {ring_group: 5911}}", true),
    ("moves: {desk: Extension 5911}", true), ("moves: {desk: Extension 911}", true),
    ("points: [911]", true), ("\"Extension 5911\": x", true), ("limit_ms: 5911", false),
    ("limit_ms: 911", false), ("points: [900]", false), ("moves: {desk: Extension 900}", false),
  ])
  func aNumberIsFoundHoweverItIsWritten(setting: String, isRefused: Bool) throws {
    let text = try PolicyFiles.changed("hours:\n", "emergency_numbers: [\"5911\"]\nhours:\n")
      .replacingFirst(
        "# actuators:\n", with: "actuators:\n  pbx: {kind: threecx, \(setting)}\n")
    var detail: String?
    do { _ = try PolicyFiles.policy(text) } catch let error as YAMLError { detail = error.detail }
    #expect((detail?.contains("emergency") == true) == isRefused, "\(detail ?? "accepted")")
  }

  @Test(arguments: [
    ("v: 1", "v: 2", "a number from 1 to 1"),
    ("owner: practice manager", "owner: practice manager\nowners: x", "unknown key"),
    ("role: uplink", "role: trunk", "uplink is missing"),
    (
      "quorum: 2\n    probes:\n      - {kind: sip-options",
      "quorum: 1\n    probes:\n      - {kind: sip-options", "no quorum"
    ),
    ("needs: [pbx, ai]", "needs: [pbx]", "needs a target of the role ai"),
    ("needs: [pbx, ai]", "needs: [pbx, ai, fax]", "no target of this name"),
    ("needs: [twilio]", "needs: [internet]", "no route needs it"),
    ("state: EMERGENCY_PSTN", "state: NORMAL", "order of their states"),
    ("provider: pstn_backup", "provider: pstn_backup\n    needs: [pbx]", "the last route"),
    ("routes: [desk, on-call, twilio-desk, pstn]", "routes: [ai-first, pstn]", "AI engine"),
    ("routes: [desk, on-call, twilio-desk, pstn]", "routes: [pstn, desk]", "must need nothing"),
    ("time_zone: America/Detroit", "time_zone: Mars/Base", "a time zone"),
    ("[\"08:00-12:00\", \"13:00-16:00\"]", "[\"08:00-13:00\", \"12:00-16:00\"]", "hours like"),
    ("\"2026-12-25\"", "\"2026-02-30\"", "a day like"),
    ("- {kind: passive}", "- {kind: passive, decisive: true}", "never decides alone"),
    ("sip:reception@pbx.example.org", "sip:reception@127.0.0.1", "private network"),
    ("sip:reception@pbx.example.org", "sip:reception@pbx.example.org>\\r\\nX: y", "a contact is"),
    ("ceiling_ms: 10000", "ceiling_ms: 10001", "a number from 1000 to 10000"),
    ("name: on-call", "name: desk", "two routes have one name"),
    ("groups: [front-desk, nurses]", "groups: [back-desk]", "no group of this name"),
  ])
  func aWrongPolicyIsRefusedWithItsPlace(from: String, to: String, why: String) throws {
    let error = #expect(throws: YAMLError.self) {
      _ = try PolicyFiles.policy(PolicyFiles.changed(from, to))
    }
    #expect(error?.detail.contains(why) == true, "\(String(describing: error))")
    #expect(error.map { $0.position.line > 0 } == true)
  }

  @Test(arguments: [(1000, "1"), (500, "0.5"), (125, "0.125"), (0, "0"), (10, "0.01")])
  func preferencesAreWrittenAsQ(preference: Int, q: String) throws {
    #expect(try #require(RouteContact("+13135550142", preference: preference)).q == q)
  }

  @Test(arguments: [
    "sip:a@b c", "sip:a@b>", "sip:a\"@b", "sip:@", "sip:", "http://x", "+1", "+0123456789",
    "sip:a@b\r\nX: y", "<sip:a@b>", "+1313555014212345", "sip:a@b?Subject=x", "sip:a@b#x", "",
    "sip:a@b@c",
  ])
  func aContactHoldsNothingThatLeavesItsPlace(uri: String) { #expect(RouteContact(uri) == nil) }
}

extension RoutingPolicy {
  fileprivate var hashed: Bool { hash.description.utf8.count == 64 }
}

extension String {
  fileprivate func replacingFirst(_ from: String, with to: String) -> String {
    guard let range = firstRange(of: from) else { return self }
    return String(self[..<range.lowerBound]) + to + String(self[range.upperBound...])
  }
}
