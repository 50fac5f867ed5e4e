import Foundation
import Testing
import YAML

private func parse(_ text: String) throws -> YAMLNode {
  try YAMLNode(parsing: [UInt8](text.utf8), file: "policy.yaml")
}

@Suite struct YAMLTests {
  @Test func aPolicyIsReadWithPlaces() throws {
    let root = try parse(
      """
      # A comment.
      v: 1
      title: "Keep: seven years"
      enabled: true
      classes:
        - name: adult   # the default
          years: 7
        - {name: minor, years: 25}
      note: |
        two
        lines
      nothing:
      """)
    let mapping = try root.mapping(of: ["v", "title", "enabled", "classes", "note", "nothing"])
    #expect(try mapping.required("v").integer(in: 1...1) == 1)
    #expect(try mapping.required("title").string() == "Keep: seven years")
    #expect(try mapping.required("enabled").boolean())
    #expect(try mapping.required("note").string() == "two\nlines\n")
    #expect(try mapping.required("nothing").isNull)
    #expect(throws: YAMLError.self) { try mapping.required("nothing").string() }
    let classes = try mapping.required("classes").sequence()
    #expect(classes.count == 2)
    #expect(try classes[0].mapping(of: ["name", "years"]).required("name").string() == "adult")
    #expect(try classes[1].mapping(of: ["name", "years"]).required("years").integer() == 25)
    #expect("\(classes[1].position)" == "policy.yaml:8:5")
    #expect(try mapping.required("title").position.line == 3)
  }

  /// Each text with the place and code of its refusal.
  @Test(arguments: [
    ("", YAMLError.Code.syntax, "1:1"),
    ("# only a comment\n", .syntax, "2:1"),
    ("a: 1\na: 2\n", .duplicateKey, "2:1"),
    ("a:\n  b: 1\n  \"b\": 2\n", .duplicateKey, "3:3"),
    ("a: &x 1\nb: *x\n", .syntax, "1:4"),
    ("b: *x\n", .syntax, "1:4"),
    ("a: !!int 1\n", .syntax, "1:4"),
    ("a: ! x\n", .syntax, "1:4"),
    ("!!map {a: 1}\n", .syntax, "1:1"),
    ("a: {x: 1}\nb:\n  <<: {y: 2}\n", .syntax, "3:3"),
    ("%YAML 1.1\n---\na: 1\n", .syntax, "1:1"),
    ("%TAG ! tag:example.com,2000:\n---\na: 1\n", .syntax, "1:1"),
    ("a: 1\n---\nb: 2\n", .syntax, "1:1"),
    ("? [a, b]\n: 1\n", .syntax, "1:3"),
    ("? {a: b}\n: 1\n", .syntax, "1:3"),
    (": 1\n", .syntax, "1:1"),
    ("a: [1, 2\n", .syntax, "2:1"),
    ("a: 'open\n", .syntax, "2:1"),
    ("a:\n\tb: 1\n", .syntax, "2:1"),
    ("a: b: c\n", .syntax, "1:5"),
    ("a: \"\\ud800\"\n", .syntax, "1:7"),
    ("a: \u{0}\n", .syntax, "1:1"),
    ("a: @b\n", .syntax, "1:4"),
    (String(repeating: "[", count: 100), .syntax, "1:34"),
    (String(repeating: "- ", count: 100), .syntax, "1:67"),
  ])
  func whatIsOutsideOfTheSubsetIsRefused(text: String, code: YAMLError.Code, place: String) {
    let error = #expect(throws: YAMLError.self) { try parse(text) }
    #expect(error?.code == code, "\(text)")
    #expect(error.map { "\($0)".hasPrefix("policy.yaml:\(place): ") } == true, "\(error as Any)")
  }

  /// Each scalar with what it is when the schema asks for a number, a truth value, or nothing.
  @Test(
    arguments: [
      ("12", 12, nil, false), ("-3", -3, nil, false), ("0", 0, nil, false),
      ("007", nil, nil, false), ("+1", nil, nil, false), ("0x10", nil, nil, false),
      ("1_000", nil, nil, false), ("1.0", nil, nil, false), ("-0", nil, nil, false),
      ("9223372036854775807", Int64.max, nil, false), ("9223372036854775808", nil, nil, false),
      ("'12'", nil, nil, false), ("true", nil, true, false), ("false", nil, false, false),
      ("True", nil, nil, false), ("yes", nil, nil, false), ("no", nil, nil, false),
      ("'true'", nil, nil, false), ("~", nil, nil, true), ("null", nil, nil, true),
      ("'~'", nil, nil, false), ("''", nil, nil, false), ("", nil, nil, true),
    ] as [(String, Int64?, Bool?, Bool)])
  func scalarsAreTypedByTheSchema(text: String, number: Int64?, truth: Bool?, isNull: Bool) throws {
    let node = try parse("a: \(text)\n").mapping(of: ["a"]).required("a")
    #expect((try? node.integer()) == number)
    #expect((try? node.boolean()) == truth)
    #expect(node.isNull == isNull)
    #expect(throws: YAMLError.self) { try node.sequence() }
    #expect(throws: YAMLError.self) { try node.entries() }
  }

  @Test func theSchemaIsTheCallersAndErrorsSayWhatToDo() throws {
    let root = try parse("name: x\nyaers: 7\n")
    let unknown = #expect(throws: YAMLError.self) { try root.mapping(of: ["name", "years"]) }
    #expect(unknown?.code == .unknownKey)
    #expect(
      unknown.map { "\($0)" } == "policy.yaml:2:1: unknown key 'yaers'; known here: name, years")
    let missing = #expect(throws: YAMLError.self) {
      try root.mapping(of: ["name", "yaers"]).required("years")
    }
    #expect(missing.map { "\($0)" } == "policy.yaml:1:1: the key 'years' is missing here")
    let range = #expect(throws: YAMLError.self) {
      try root.mapping(of: ["name", "yaers"]).required("yaers").integer(in: 8...9)
    }
    #expect(range.map { "\($0)" } == "policy.yaml:2:8: a number from 8 to 9 is expected here")
  }

  @Test func sizesAreBounded() {
    let long = [UInt8](repeating: 0x61, count: YAMLNode.Limits.bytes + 1)
    #expect(throws: YAMLError.self) { try YAMLNode(parsing: long, file: "f") }
    let many = "[" + String(repeating: "1,", count: YAMLNode.Limits.nodes) + "1]"
    #expect(throws: YAMLError.self) { try parse(many) }
    #expect(throws: YAMLError.self) { try YAMLNode(parsing: [0x61, 0x3a, 0xff], file: "f") }
    #expect(throws: YAMLError.self) { try YAMLNode(parsing: [0xff, 0xfe, 0x61, 0], file: "f") }
  }

  /// Bytes of a good file changed at random: parsed or refused, never a trap.
  @Test func hostileBytesNeverTrap() {
    let seed = [UInt8](
      """
      v: 1
      roles: {clinician: [a, "b\\u00e9", 'c'], auditor: ~}
      list:
        - &no |
          text
        - >-
          folded
      """.utf8)
    var generator = SystemRandomNumberGenerator()
    var parsed = 0
    for _ in 0..<20_000 {
      var bytes = seed
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        let index = Int.random(in: bytes.indices, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes.remove(at: index)
        case 2: bytes.insert("[]{}&*!|>'\"%@`#,?:- \n\t\\<".utf8.randomElement() ?? 0, at: index)
        default: bytes.removeSubrange(index...)
        }
        if bytes.isEmpty { bytes = [0x0a] }
      }
      do {
        _ = try YAMLNode(parsing: bytes, file: "f").entries()
        parsed += 1
      } catch {
        continue
      }
    }
    #expect(parsed < 20_000)
  }

  @Test func everyPrefixOfAPolicyIsParsedOrRefused() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Policies")
    for name in ["access.yaml", "retention.yaml"] {
      let bytes = [UInt8](try Data(contentsOf: folder.appending(path: name)))
      _ = try YAMLNode(parsing: bytes, file: name).entries()
      for count in stride(from: 0, to: bytes.count, by: 7) {
        do { _ = try YAMLNode(parsing: Array(bytes[..<count]), file: name) } catch { continue }
      }
    }
  }
}
