import Encoding
import Testing

struct JSONTests {
  @Test(
    arguments: [
      ("null", JSONValue.null), ("true", true), (" \t\r\nfalse \n", false), ("0", 0), ("-1", -1),
      ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
      ("9223372036854775808", .number(9_223_372_036_854_775_808)), ("-0", .number(-0.0)),
      ("1.0", .number(1)), ("1e2", .number(100)), ("1E+2", .number(100)),
      ("-2.5e-1", .number(-0.25)),
      ("\"\"", ""), ("\"a\\u00e9\\n\\\"\\\\\\/\\b\\f\\r\\t\"", "aé\n\"\\/\u{08}\u{0C}\r\t"),
      ("\"\\ud83d\\uDE00\"", "😀"), ("\"\\u0000\"", "\0"), ("\"😀\"", "😀"), ("[]", []),
      ("[1, [2],{}]", [1, [2], [:]]), ("{}", [:]),
      ("{\"a\":1,\"b\":{\"a\":2}}", ["a": 1, "b": ["a": 2]]),
      ("\"\u{7F}\"", "\u{7F}"),
    ] as [(String, JSONValue)])
  func goodTextIsRead(text: String, value: JSONValue) throws {
    #expect(try JSONValue(parsing: Array(text.utf8)) == value)
  }

  @Test(
    arguments: [
      ("", JSONError.Code.syntax, 0), (" ", .syntax, 1), ("nul", .syntax, 0), ("True", .syntax, 0),
      ("01", .syntax, 1), ("-", .syntax, 1), ("+1", .syntax, 0), (".5", .syntax, 0),
      ("1.", .syntax, 2),
      ("1e", .syntax, 2), ("1e+", .syntax, 3), ("0x10", .syntax, 1), ("NaN", .syntax, 0),
      ("Infinity", .syntax, 0), ("-Infinity", .syntax, 1), ("1e400", .numberOutOfRange, 0),
      ("1 2", .syntax, 2), ("[1,]", .syntax, 3), ("[1 2]", .syntax, 3), ("[", .syntax, 1),
      ("]", .syntax, 0), ("{\"a\"}", .syntax, 4), ("{\"a\":}", .syntax, 5),
      ("{\"a\":1,}", .syntax, 7),
      ("{a:1}", .syntax, 1), ("{'a':1}", .syntax, 1), ("{\"a\":1", .syntax, 6),
      ("{\"a\":1,\"a\":2}", .duplicateKey, 7), ("{\"a\":1,\"\\u0061\":2}", .duplicateKey, 7),
      ("\"", .syntax, 1), ("\"\\", .syntax, 2), ("\"\\x\"", .syntax, 1), ("\"\\u12\"", .syntax, 5),
      ("\"\\ud800\"", .encoding, 1), ("\"\\udc00\"", .encoding, 1),
      ("\"\\ud800\\u0041\"", .encoding, 1),
      ("\"\\ud800x\"", .encoding, 1), ("\"\n\"", .syntax, 1), ("\"\t\"", .syntax, 1),
      ("\"\0\"", .syntax, 1), ("\u{FEFF}1", .syntax, 0), ("1\0", .syntax, 1),
      ("// c\n1", .syntax, 0),
      ("\u{A0}1", .syntax, 0),
    ] as [(String, JSONError.Code, Int)])
  func badTextIsRefusedWhereItGoesWrong(text: String, code: JSONError.Code, offset: Int) {
    let error = #expect(throws: JSONError.self) { try JSONValue(parsing: Array(text.utf8)) }
    #expect(error?.code == code)
    #expect(error?.offset == offset)
  }

  // Overlong, truncated, surrogate, beyond U+10FFFF, stray continuation: none is UTF-8.
  @Test(
    arguments: [
      [0xC0, 0x80], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x80], [0xFF],
    ] as [[UInt8]])
  func bytesThatAreNotUTF8AreRefused(bytes: [UInt8]) {
    let error = #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22] + bytes + [0x22]) }
    #expect(error?.code == .encoding)
    #expect(throws: JSONError.self) { try JSONValue(parsing: bytes) }
  }

  @Test func boundsHold() throws {
    let deep = { (depth: Int) in
      Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
    }
    _ = try JSONValue(parsing: deep(32))
    for depth in [33, 400_000] {
      #expect(throws: JSONError.self) { try JSONValue(parsing: deep(depth)) }
    }
    let limits = JSONLimits(byteCount: 4, depth: 1)
    _ = try JSONValue(parsing: Array("1234".utf8), limits: limits)
    #expect(throws: JSONError.self) { try JSONValue(parsing: Array("12345".utf8), limits: limits) }
  }

  @Test func anyCutOfAGoodTextReturnsOrThrows() throws {
    let text = Array(#"{"a":[1,-2.5e3,"\u00e9\ud83d\ude00",null,true],"b":{"c":""}}"#.utf8)
    for count in 0..<text.count {
      #expect(throws: JSONError.self) { try JSONValue(parsing: Array(text[..<count])) }
    }
    for index in text.indices {
      for bit in 0..<8 {
        var damaged = text
        damaged[index] ^= 1 << UInt8(bit)
        guard let value = try? JSONValue(parsing: damaged) else { continue }
        #expect(try JSONValue(parsing: value.encoded()) == value)
      }
    }
  }

  @Test func whatIsEncodedParsesToTheSame() throws {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let value = randomValue(depth: 4, canonical: false, using: &generator)
      #expect(try JSONValue(parsing: value.encoded()) == value)
    }
  }

  @Test func canonicalBytesAreAFixedPoint() throws {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let value = randomValue(depth: 4, canonical: true, using: &generator)
      let bytes = try value.canonical()
      let again = try JSONValue(parsing: bytes)
      #expect(try again.canonical() == bytes)
      #expect(again.encoded() == bytes)
    }
  }

  @Test func canonicalFormIsThatOfRFC8785() throws {
    let value: JSONValue = [
      "b": [true, false, "é\u{1F}\"\\\n/\u{7F}"], "a": 9_007_199_254_740_991, "B": [:], "": -1,
      "aa": [],
    ]
    let text =
      #"{"":-1,"B":{},"a":9007199254740991,"aa":[],"b":[true,false,"é\u001f\"\\\n/"#
      + "\u{7F}\"]}"
    #expect(try value.canonical() == Array(text.utf8))
  }

  @Test(
    arguments: [
      .null, .number(1.5), .number(1), .integer(1 << 53), .integer(-(1 << 53)), .integer(.min),
      ["é": 1], [.null], ["a": ["b": .null]],
    ] as [JSONValue])
  func whatHasNoCanonicalFormIsRefused(value: JSONValue) {
    let error = #expect(throws: JSONError.self) { try value.canonical() }
    #expect(error?.code == .notCanonical)
  }

  @Test func anObjectKeepsItsOrder() {
    var object: JSONObject = ["z": 1, "a": 2, "z": 3]
    #expect(object.keys == ["z", "a"])
    #expect(object["z"] == 3)
    object["b"] = 4
    object["z"] = nil
    #expect(object.keys == ["a", "b"])
    #expect(JSONValue.object(object).encoded() == Array(#"{"a":2,"b":4}"#.utf8))
  }

  @Test func aNumberThatIsNotFiniteIsAProgrammersMistake() async {
    await #expect(processExitsWith: .failure) { _ = JSONValue.number(.nan).encoded() }
  }

  private func randomValue(
    depth: Int, canonical: Bool, using generator: inout SystemRandomNumberGenerator
  ) -> JSONValue {
    switch Int.random(in: 0..<(depth == 0 ? 5 : 7), using: &generator) {
    case 0: return .bool(.random(using: &generator))
    case 1:
      let value = Int64.random(in: .min ... .max, using: &generator)
      return .integer(value >> (canonical ? 11 : Int64.random(in: 0..<64, using: &generator)))
    case 2, 3:
      return .string(randomText(ascii: false, using: &generator))
    case 4:
      guard !canonical else { return .string("") }
      let value = Double(bitPattern: .random(in: .min ... .max, using: &generator))
      return value.isFinite ? .number(value) : .null
    case 5:
      return .array(
        (0..<Int.random(in: 0..<5, using: &generator)).map { _ in
          randomValue(depth: depth - 1, canonical: canonical, using: &generator)
        })
    default:
      var object = JSONObject()
      for _ in 0..<Int.random(in: 0..<5, using: &generator) {
        object[randomText(ascii: canonical, using: &generator)] =
          randomValue(depth: depth - 1, canonical: canonical, using: &generator)
      }
      return .object(object)
    }
  }

  private func randomText(
    ascii: Bool, using generator: inout SystemRandomNumberGenerator
  ) -> String {
    var text = ""
    for _ in 0..<Int.random(in: 0..<8, using: &generator) {
      let limit: UInt32 = ascii || Bool.random(using: &generator) ? 0x7F : 0x10FFFF
      if let scalar = Unicode.Scalar(UInt32.random(in: 0...limit, using: &generator)) {
        text.unicodeScalars.append(scalar)
      }
    }
    return text
  }
}
