import Audit
import Cryptography
import Encoding
import Foundation
import Mutation
import Testing

@Suite struct EntryTests {
  private func sample() throws -> Entry {
    try Entry(parsing: SampleLog(2, publishedAt: []).entries[1])
  }

  @Test func everyFieldSurvives() throws {
    var entry = try sample()
    entry.originTime = OffsetTime("2026-11-20T10:00:00.123+02:00")
    entry.reason = .clientGone
    entry.behalf = try SampleLog.identifier("behalf")
    entry.session = try SampleLog.identifier("session")
    entry.digest = SHA256.hash([1])
    entry.length = 1 << 40
    entry.keyID = try SampleLog.identifier("key")
    entry.recipient = try SampleLog.identifier("recipient")
    entry.evidence = SHA256.hash([2])
    entry.run = try SampleLog.identifier("run")
    entry.count = 12
    entry.first = Timestamp(milliseconds: 1)
    entry.last = Timestamp(milliseconds: 2)
    entry.flags = [.selfApproved, .bootstrap]
    entry.entryClass = .restricted
    let bytes = try entry.encoded()
    #expect(try Entry(parsing: bytes) == entry)
    #expect(try JSONValue(parsing: bytes).canonical() == bytes)
    let frame = try #require(EntryFrame(bytes))
    #expect(frame.version == 1 && frame.index == entry.index)
    #expect(frame.previous == entry.previous && frame.time == entry.time.milliseconds)
  }

  @Test(arguments: [
    ("\"v\":1}", "\"v\":2}"), ("\"v\":1}", "\"v\":1 }"), ("\"v\":1}", "\"v\":1,\"w\":1}"),
    ("\"v\":1}", "\"v\":1}\n"), ("\"v\":1}", "\"v\":01}"), ("\"v\":1}", "\"v\":1.0}"),
    ("\"v\":1}", "\"v\":1,\"v\":1}"), ("{\"action\"", "{\"aardvark\":1,\"action\""),
    ("recording.opened", "recording.seen"), ("\"strength\":1", "\"strength\":4"),
    ("\"strength\":1", "\"strength\":1,\"x\":1"), ("\"class\":\"neutral\",", ""),
    ("success", "succes"), ("TREAT", "FUN"), ("recording-1", "recording-01"),
    ("\"idx\":1", "\"idx\":-1"), ("\"idx\":1", "\"idx\":9007199254740992"),
    ("\"phase\":\"outcome\"", "\"phase\":\"intent\""), ("callvault 0.1.0", "callvault"),
    ("\"n1\"", "\"N1\""), ("\"neutral\"", "\"neutra\\u006c\""), ("\"outcome\":\"success\",", ""),
  ])
  func aSecondSpellingIsRefused(old: String, new: String) throws {
    let text = String(decoding: try sample().encoded(), as: UTF8.self)
    let changed = text.replacingOccurrences(of: old, with: new)
    #expect(changed != text)
    #expect(throws: AuditError.self) { try Entry(parsing: Array(changed.utf8)) }
  }

  @Test func drafsThatBreakARuleAreNotWritten() throws {
    let changes: [(inout Entry) throws -> Void] = [
      { $0.index = -1 }, { $0.index = 1 << 53 }, { $0.length = -1 },
      { $0.objects = Array(repeating: try SampleLog.identifier("x"), count: 101) },
      { $0.actor.strength = 4 }, { $0.count = 1 }, { $0.first = $0.time },
      { $0.outcome = nil }, { $0.reference = nil }, { $0.phase = .intent },
      { $0.time = Timestamp(milliseconds: -1) },
    ]
    for change in changes {
      var entry = try sample()
      try change(&entry)
      #expect(throws: AuditError.self) { try entry.encoded() }
    }
  }

  /// The largest time an entry can carry has a text, too.
  @Test func farTimesCanBeShown() {
    #expect(!Timestamp(milliseconds: (1 << 53) - 1).rfc3339.isEmpty)
  }

  @Test func namesAreWhatTheyMayBe() {
    for good in ["n1", "a", "node-2", String(repeating: "a", count: 63)] {
      #expect(NodeName(good) != nil)
    }
    for bad in ["", "-a", "a-", "A", "a.b", "ä", String(repeating: "a", count: 64)] {
      #expect(NodeName(bad) == nil)
    }
    for good in ["details", "recording-1", "note-999999999"] { #expect(PartName(good) != nil) }
    for bad in ["", "-1", "note-", "note-0", "note-01", "note-1-1", "Note", "note-1234567890"] {
      #expect(PartName(bad) == nil)
    }
    for bad in ["", "a", "a b c", " a", "a ", "A 1", "a 1\n"] { #expect(SoftwareName(bad) == nil) }
  }

  /// What a verifier must tolerate, and what it must not, in entries it does not understand.
  @Test(arguments: [
    (#"{}"#, true), (#"{"a":1,"b":[],"c":{}}"#, true), (#"{"a":-1}"#, true),
    (#"{"a":"é€😀"}"#, true), (#"{"a":"\"\\\b\f\n\r\t\u0000\u001f"}"#, true),
    (#"{"a":[true,false,[1,{"b":"c"}]]}"#, true), (#"{"a":9007199254740991}"#, true),
    ("{\"a\":\"\u{7f}\"}", true), (#"{"A":1,"a":1}"#, true), (#"{"a":1,"ab":1}"#, true),
    (#""#, false), (#"{"#, false), (#"{}{}"#, false), (#"{} "#, false), (#" {}"#, false),
    (#"[]"#, false), (#"{"b":1,"a":1}"#, false), (#"{"a":1,"a":1}"#, false),
    (#"{"a":1,}"#, false), (#"{"a":1.5}"#, false), (#"{"a":1e3}"#, false), (#"{"a":-0}"#, false),
    (#"{"a":01}"#, false), (#"{"a":null}"#, false), (#"{"a":9007199254740992}"#, false),
    (#"{"a":99999999999999999999}"#, false), (#"{"a":"\u0009"}"#, false),
    (#"{"a":"\u001F"}"#, false), (#"{"a":"\u0041"}"#, false), (#"{"a":"\/"}"#, false),
    ("{\"a\":\"\n\"}", false), (#"{"é":1}"#, false), (#"{"\u0061":1}"#, false),
    (#"{"a":tru}"#, false), (#"{"a" :1}"#, false), (#"{"a":"b}"#, false),
    (#"{"ab":1,"a":1}"#, false),
    (#"{"a":[[[[[[[[1]]]]]]]]}"#, false), (#"{"a":[1,]}"#, false), (#"{"a":-}"#, false),
  ])
  func framesAreCanonical(text: String, isCanonical: Bool) {
    #expect((EntryFrame(Array(text.utf8)) != nil) == isCanonical)
  }

  @Test func bytesThatAreNoTextAreNotCanonical() {
    let bad: [[UInt8]] = [
      [0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0x80],
      [0xf8, 0x88, 0x80, 0x80, 0x80], [0xe0, 0x80, 0x80], [0xf0, 0x80, 0x80, 0x80], [0xc3],
    ]
    for bytes in bad {
      let entry = Array(#"{"a":""#.utf8) + bytes + Array(#""}"#.utf8)
      #expect(EntryFrame(entry) == nil, "\(bytes)")
    }
  }

  /// Whether no key needs an escape, which the format forbids and JSON does not.
  private func hasPlainKeys(_ value: JSONValue?) -> Bool {
    if let array = value?.array { return array.allSatisfy(hasPlainKeys) }
    return value?.object?.members.allSatisfy { member in
      member.key.utf8.allSatisfy { (0x20...0x7e).contains($0) && $0 != 0x22 && $0 != 0x5c }
        && hasPlainKeys(member.value)
    } ?? true
  }

  /// The scanner that builds nothing agrees with the parser that builds everything.
  @Test func theScannerAgreesWithTheParser() throws {
    var dice = Dice(seed: 4)
    let seeds =
      try SampleLog(4, publishedAt: []).entries + [
        Array(#"{"a":[true,-5,"é\n",{"b":"\u0001","c":[]}],"idx":3,"v":1}"#.utf8)
      ]
    var canonical = 0
    let rounds = Mutation.rounds(otherwise: 20_000)
    for _ in 0..<rounds {
      let seed = seeds.randomElement(using: &dice) ?? []
      let bytes = Mutation.change(
        seed, spice: Array(#"{}[]",:\0189aet-. "#.utf8) + [0x00, 0x1f, 0x7f, 0xc3, 0xff],
        with: &dice)
      let frame = EntryFrame(bytes)
      let value = try? JSONValue(
        parsing: bytes, limits: JSONLimits(byteCount: Entry.maximumByteCount, depth: 8))
      let isCanonical =
        value?.object != nil && (try? value?.canonical()) == bytes && hasPlainKeys(value)
      #expect((frame != nil) == isCanonical, "\(String(decoding: bytes, as: UTF8.self))")
      guard let frame else { continue }
      canonical += 1
      let index = value?.object?["idx"]?.integer
      #expect(frame.index == (index.map { $0 >= 0 } == true ? index : nil))
      if let entry = try? Entry(parsing: bytes) {
        #expect(frame.index == entry.index && frame.previous == entry.previous)
      }
    }
    #expect(canonical > rounds / 200)
  }
}
