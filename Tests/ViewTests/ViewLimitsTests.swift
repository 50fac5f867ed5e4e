import Audit
import Cryptography
import Encoding
import Testing

@testable import Views

@Suite struct ViewLimitsTests {
  /// The largest entry that a writer may make: every list full.
  static func largest() throws -> Entry {
    let zero = try #require(SHA256Digest(bytes: [UInt8](repeating: 0xFF, count: 32)))
    var entry = Entry(
      index: (1 << 53) - 1, previous: zero, time: Timestamp(milliseconds: 1_795_188_000_123),
      clock: .unsynced, id: .random(), action: .accessRequestFulfilled, phase: .outcome,
      actor: Actor(
        id: .random(), kind: .service, role: .privacyOfficer, method: .certificate, strength: 3),
      node: try #require(NodeName(String(repeating: "n", count: 63))),
      software: try #require(SoftwareName("callvault 0.1.0")), entryClass: .restricted)
    entry.objects = (0..<100).map { _ in .random() }
    entry.subjects = try (0..<100).map {
      try #require(SubjectTag(bytes: [UInt8](repeating: $0, count: 16)))
    }
    entry.parts = try (1...100).map {
      try #require(PartName("abcdefghijklmnopqrst-\(899_999_900 + $0)"))
    }
    entry.reference = .random()
    entry.outcome = .presumed
    entry.reason = .credentialUnknown
    entry.behalf = .random()
    entry.session = .random()
    entry.request = .random()
    entry.recipient = .random()
    entry.run = .random()
    entry.keyID = .random()
    (entry.digest, entry.policy, entry.evidence) = (zero, zero, zero)
    (entry.length, entry.released, entry.count) = ((1 << 53) - 1, (1 << 53) - 1, (1 << 53) - 1)
    (entry.first, entry.last) = (entry.time, entry.time)
    entry.purpose = .systemAdministration
    entry.flags = Set(EntryFlag.allCases)
    return entry
  }

  /// A message without an enterprise number, before and from its text on.
  private static func halves(_ message: [UInt8]) -> (String, [UInt8])? {
    message.firstIndex(of: UInt8(ascii: "{")).map {
      (String(decoding: message[..<$0], as: UTF8.self), Array(message[$0...]))
    }
  }

  @Test func theLargestMessageIsWithinTheBound() throws {
    let origin = String(repeating: "o", count: 253) + "/callvault"
    let view = EntryView(try Self.largest(), bytes: [], origin: origin)
    let message = view.syslogMessage(facility: 23, enterprise: .max)
    #expect(message.count <= 4096, "\(message.count)")
    let text = String(decoding: message, as: UTF8.self)
    #expect(text.contains("[callvault@4294967295 ") && !text.contains("@32473"))
    #expect(text.contains("objects=\"100\"") && text.contains("parts=\"100\""))
    let plain = view.syslogMessage(facility: 23, enterprise: nil)
    #expect(plain.count <= 4096, "\(plain.count)")
    let (head, body) = try #require(Self.halves(plain))
    #expect(
      head.hasSuffix("[timeQuality tzKnown=\"1\" isSynced=\"0\"] ")
        || head.hasSuffix("isSynced=\"1\"] "))
    let object = try JSONValue(parsing: body).object
    #expect(object?["object"]?.array?.count == 10 && object?["objects"]?.string == "100")
  }

  @Test func whatWouldEndAValueIsEscaped() throws {
    let view = EntryView(try Self.largest(), bytes: [], origin: #"a"b]c\d"#)
    let text = String(decoding: view.syslogMessage(facility: 0, enterprise: 1), as: UTF8.self)
    #expect(text.contains(#"origin="a\"b\]c\\d""#))
    let (_, body) = try #require(Self.halves(view.syslogMessage(facility: 0, enterprise: nil)))
    #expect(try JSONValue(parsing: body).object?["origin"]?.string == #"a"b]c\d"#)
  }

  @Test(arguments: [
    ("2026", "2026-01-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"),
    ("2026-12", "2026-12-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"),
    ("2026-09", "2026-09-01T00:00:00.000Z", "2026-10-01T00:00:00.000Z"),
    ("2028-02-29", "2028-02-29T00:00:00.000Z", "2028-03-01T00:00:00.000Z"),
    ("2026-11-20T15:42Z", "2026-11-20T15:42:00.000Z", "2026-11-20T15:43:00.000Z"),
    ("2026-11-20T15:42:07-05:00", "2026-11-20T20:42:07.000Z", "2026-11-20T20:42:08.000Z"),
    ("2026-11-20T15:42:07.123Z", "2026-11-20T15:42:07.123Z", "2026-11-20T15:42:07.124Z"),
  ])
  func aDateCoversASpan(_ text: String, _ from: String, _ to: String) throws {
    let equal = try #require(DateCondition(text))
    #expect(equal.since?.rfc3339 == from && equal.until?.rfc3339 == to)
    let before = try #require(DateCondition("lt" + text))
    #expect(before.since == nil && before.until?.rfc3339 == from)
    let through = try #require(DateCondition("le" + text))
    #expect(through.since == nil && through.until?.rfc3339 == to)
    let after = try #require(DateCondition("gt" + text))
    #expect(after.since?.rfc3339 == to && after.until == nil)
    let since = try #require(DateCondition("ge" + text))
    #expect(since.since?.rfc3339 == from && since.until == nil)
  }

  @Test(arguments: [
    "", "20", "ne2026", "ap2026", "2026-13", "2026-02-30", "2026-11-20T15:42", "2026-11-20T15Z",
    "2026-11-20 15:42Z", "ge", "gege2026", "2026-11-20T15:42:07+05:00Z",
  ])
  func whatIsNoDateIsRefused(_ text: String) {
    #expect(DateCondition(text) == nil)
  }
}
