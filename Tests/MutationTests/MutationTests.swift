import Audit
import Cryptography
import Encoding
import Foundation
import Intake
import Mutation
import Testing
import Vault
import YAML

/// Promise P8 for everything that is read from a disk, a network or a policy.
///
/// Each parser is given what it accepts, then changed bytes without end: it returns or throws. Where a
/// format has one spelling for one thing, what is accepted must also be written back byte for
/// byte, or one thing could have two hashes.
@Suite("Mutation")
struct MutationTests {
  static let rounds = Mutation.rounds(otherwise: 4_000)

  /// Runs `body` with changed versions of `seeds`; it returns whether they were accepted.
  static func mutate(
    _ seeds: [[UInt8]], spice: String = "", sourceLocation: SourceLocation = #_sourceLocation,
    _ body: ([UInt8]) -> Bool
  ) {
    let spices = Array(spice.utf8) + [0x00, 0x0A, 0x20, 0x7F, 0x80, 0xFF]
    for seed in seeds {
      #expect(body(seed), "a seed must be accepted", sourceLocation: sourceLocation)
    }
    var dice = Dice(seed: UInt64(seeds.reduce(7) { $0 &* 31 &+ $1.count }))
    for round in 0..<rounds {
      _ = body(Mutation.change(seeds[round % seeds.count], spice: spices, with: &dice))
    }
  }

  static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  static func vectors(_ name: String) throws -> [[String: Any]] {
    let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Vectors/tlog/\(name).json")
    let document = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
    let cases = (document as? [String: Any])?["cases"] as? [[String: Any]]
    return try #require(cases).filter { $0["expect"] as? String == "accept" }
  }

  static func decoded(_ key: String, in cases: [[String: Any]]) -> [[UInt8]] {
    cases.compactMap { ($0[key] as? String).flatMap { Data(base64Encoded: $0) }.map(Array.init) }
  }

  @Test func json() {
    let seeds = [
      #"{"a":[1,2.5,-3e7,"x\u00e9\n",true,null],"b":{"c":""},"é":0}"#, "[]", #""\ud83d\ude00""#,
      "9007199254740991", "[[[[[[]]]]]]",
    ].map(Self.bytes)
    Self.mutate(seeds, spice: #"{}[]":,\/u0123456789eE+-.tfn"#) { bytes in
      guard let value = try? JSONValue(parsing: bytes) else { return false }
      // What was understood must be understood the same way when written again.
      #expect((try? JSONValue(parsing: value.encoded())) == value)
      if let canonical = try? value.canonical() {
        let again = try? JSONValue(parsing: canonical)
        #expect((try? again?.canonical()) == canonical)
      }
      return true
    }
  }

  @Test func spellings() {
    func oneSpelling(_ seeds: [String], _ spell: (String) -> String?) {
      Self.mutate(seeds.map(Self.bytes), spice: "0123456789abcdefABCDEF-+:.=/_TZ") { bytes in
        let text = String(decoding: bytes, as: UTF8.self)
        guard let spelt = spell(text) else { return false }
        #expect(spelt == text)
        return true
      }
    }
    oneSpelling(["", "00ff", "0123456789abcdef"]) { Hex.decode($0).map(Hex.encode) }
    oneSpelling(["", "AA==", "AAE=", "AAEC", "/+8="]) { Base64.decode($0).map(Base64.encode) }
    oneSpelling(["", "AA", "AAE", "_-8"]) { Base64.decodeURL($0).map(Base64.encodeURL) }
    oneSpelling(["3b7e1f0a-1234-4abc-8def-0123456789ab"]) { Identifier($0)?.description }
    oneSpelling(["2024-02-29", "2026-11-20"]) { CivilDate($0)?.description }
    oneSpelling(["recordings:write", "source=front desk", "location=main-street"]) {
      Scope($0)?.description
    }
    oneSpelling(["recording-1", "transcript-12", "details", "notes", "peaks-3"]) {
      CallPart($0)?.description
    }
    oneSpelling(["tile/0/000", "tile/1/x001/234.p/17", "tile/entries/x001/x234/067.p/255"]) {
      TilePath($0)?.description
    }
  }

  @Test func times() {
    let seeds = ["2026-11-20T15:42:00Z", "2026-11-20T15:42:00.5-05:00"].map(Self.bytes)
    Self.mutate(seeds, spice: "0123456789TZ:+-.") { bytes in
      let text = String(decoding: bytes, as: UTF8.self)
      guard let time = Timestamp(rfc3339: text), let local = OffsetTime(text) else { return false }
      #expect(Timestamp(rfc3339: time.rfc3339) == time)
      #expect(OffsetTime(local.description) == local)
      #expect(local.instant == time)
      return true
    }
  }

  @Test func phoneNumbers() {
    Self.mutate(
      [Self.bytes("+1 313 555 0142"), Self.bytes("(313) 555-0142"), Self.bytes("911")],
      spice: "+()- 0123456789*#;"
    ) { bytes in
      PhoneNumber(String(decoding: bytes, as: UTF8.self), in: nil) != nil
    }
  }

  @Test func notes() throws {
    let notes = Self.decoded("note_base64", in: try Self.vectors("notes"))
    Self.mutate(notes, spice: "\u{2014} +/=\n") { bytes in
      guard let note = try? SignedNote(parsing: bytes) else { return false }
      #expect(note.encoded == bytes)
      return true
    }
  }

  @Test func checkpoints() throws {
    let texts = Self.decoded("text_base64", in: try Self.vectors("checkpoints"))
    Self.mutate(texts, spice: "0123456789+/=\n") { bytes in
      guard let checkpoint = try? Checkpoint(parsing: bytes) else { return false }
      #expect(checkpoint.text == bytes)
      return true
    }
  }

  @Test func proofs() throws {
    let proofs = try Self.vectors("tlog_proofs").compactMap { ($0["proof"] as? String) }
    Self.mutate(proofs.map(Self.bytes), spice: "0123456789+/=\n") { bytes in
      guard let proof = try? TLogProof(parsing: bytes) else { return false }
      #expect(proof.encoded == bytes)
      return true
    }
  }

  @Test func bundles() throws {
    let bundle = try EntryBundle.encode([Self.bytes("one"), [], Self.bytes(#"{"v":1}"#)])
    Self.mutate([bundle]) { bytes in
      guard let entries = try? EntryBundle.parse(bytes, count: 3) else { return false }
      #expect((try? EntryBundle.encode(entries)) == bytes)
      return true
    }
  }

  @Test func entries() throws {
    var entry = Entry(
      index: 41, previous: SHA256.hash(Self.bytes("before")),
      time: Timestamp(milliseconds: 1_795_188_000_123), clock: .synced, id: .random(),
      action: .recordingOpened, phase: .intent,
      actor: Actor(
        id: .random(), kind: .person, role: .clinician, method: .token, strength: 1),
      node: try #require(NodeName("n1")), software: try #require(SoftwareName("callvault 0.1.0")),
      entryClass: .neutral)
    entry.objects = [.random()]
    entry.purpose = .treatment
    Self.mutate([try entry.encoded()], spice: #"{}[]":,0123456789abcdef-"#) { bytes in
      guard let parsed = try? Entry(parsing: bytes) else { return false }
      #expect((try? parsed.encoded()) == bytes)
      return true
    }
  }

  @Test func wrapRecords() {
    let ids = Identifier.random().bytes + Identifier.random().bytes
    let record = [1, 1] + ids + [1] + [UInt8](repeating: 9, count: 60)
    Self.mutate([record]) { bytes in
      guard let parsed = try? WrapRecord(parsing: bytes) else { return false }
      #expect(parsed.encoded == bytes)
      return true
    }
  }

  @Test func envelopeHeaders() {
    Self.mutate([[40] + [UInt8](repeating: 3, count: 39)]) { bytes in
      guard let header = try? EnvelopeHeader(parsing: bytes) else { return false }
      #expect(header.encoded == Array(bytes.prefix(40)))
      return true
    }
  }

  @Test func transcripts() {
    let text = #"""
      {"provider":"p","language":"en-US","segments":[
      {"speaker":"caller","text":"hello","start_ms":0,"end_ms":900,"confidence":0.5},
      {"speaker":"practice","text":"","start_ms":900,"end_ms":900,"confidence":null}]}
      """#
    Self.mutate([Self.bytes(text)], spice: #"{}[]":,0123456789.-en"#) { bytes in
      guard let transcript = try? Transcript(parsing: bytes) else { return false }
      #expect((try? Transcript(parsing: transcript.encoded())) == transcript)
      return true
    }
  }

  @Test func policies() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Policies")
    for name in ["access.yaml", "retention.yaml"] {
      let policy = try [UInt8](Data(contentsOf: folder.appending(path: name)))
      Self.mutate([policy], spice: "-:#[]{}'\"&*!|>%@`,? \t") { bytes in
        // The policies' own rules on top of the subset of YAML.
        guard (try? YAMLNode(parsing: bytes, file: name)) != nil else { return false }
        return name == "access.yaml"
          ? (try? AccessPolicy(parsing: bytes, file: name)) != nil
          : (try? RetentionSchedule(parsing: bytes, file: name)) != nil
      }
    }
  }

  @Test func recordingFileName() {
    let seeds = [
      "[27836826436]_27836826436-100_20190211124743(3).wav",
      "[]_100-0836826436_20190211124709(2).wav",
      "[Dana Reyes]_201-+13135550142_20260308023000(380).mp3", "[a]_b]_-100_20261120093000(1).wav",
    ].map(Self.bytes)
    Self.mutate(seeds, spice: "[]_-()+.0123456789wav") { bytes in
      guard let name = String(validating: bytes, as: UTF8.self).flatMap(RecordingFileName.init)
      else { return false }
      #expect(Array(name.description.utf8) == bytes)
      return true
    }
  }

  @Test func sidecar() {
    let seeds = [
      #"{"v":1}"#,
      #"{"v":1,"source_id":"a","started":"2026-11-20T09:30:00-05:00","direction":"inbound"}"#,
      #"{"v":1,"from":"+13135550142","to":"100","extension":"100","agent":"Dana","location":"x"}"#,
      "{\"v\":1,\"sha256\":\"" + String(repeating: "0a", count: 32) + "\"}",
    ].map(Self.bytes)
    Self.mutate(seeds, spice: #"{}[]":,\0123456789"#) { bytes in
      (try? Sidecar(parsing: bytes)) != nil
    }
  }

  @Test func timeZone() throws {
    let seeds = try ["America/Detroit", "Asia/Tehran", "UTC"].map { zone in
      Array(try Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/" + zone)))
    }
    let times = ["19000101000000", "20190211124743", "20260308023000", "21991231235959"]
      .compactMap(LocalTime.init)
    Self.mutate(seeds, spice: "TZif,MJ./<>+-0123456789") { bytes in
      guard let rules = TimeZoneRules(parsing: bytes) else { return false }
      for time in times { _ = rules.instant(of: time) }
      return true
    }
  }
}
