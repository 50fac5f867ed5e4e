/// Bounds on a JSON text from outside.
public struct JSONLimits: Sendable {
  /// Bytes in the whole text.
  public let byteCount: Int
  /// Arrays and objects inside one another.
  public let depth: Int

  public init(byteCount: Int, depth: Int) {
    self.byteCount = byteCount
    self.depth = depth
  }

  /// For request bodies: 1 MiB, 32 deep.
  public static let body = JSONLimits(byteCount: 1 << 20, depth: 32)
}

extension JSONValue {
  /// Parses one JSON text (RFC 8259), strictly.
  ///
  /// Whatever `bytes` holds, this returns or throws, and never traps. Beyond the RFC it refuses
  /// what readers disagree about: a key that stands twice, bytes that are not UTF-8 (a byte order
  /// mark included), an escape that is half a surrogate pair, a number beyond a double's range.
  public init(parsing bytes: [UInt8], limits: JSONLimits = .body) throws(JSONError) {
    guard bytes.count <= limits.byteCount else {
      throw JSONError(.tooLarge, at: limits.byteCount, "the text is longer than allowed")
    }
    var parser = JSONParser(bytes: bytes, depthLimit: limits.depth)
    self = try parser.document()
  }
}

private struct JSONParser {
  private let bytes: [UInt8]
  private let depthLimit: Int
  private var offset = 0

  init(bytes: [UInt8], depthLimit: Int) {
    self.bytes = bytes
    self.depthLimit = depthLimit
  }

  mutating func document() throws(JSONError) -> JSONValue {
    skipWhitespace()
    let value = try value(depth: 0)
    skipWhitespace()
    guard offset == bytes.count else {
      throw JSONError(.syntax, at: offset, "bytes after the end of the value")
    }
    return value
  }

  private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

  private mutating func skipWhitespace() {
    while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D {
      offset += 1
    }
  }

  private mutating func skip(_ character: UInt8) -> Bool {
    guard next == character else { return false }
    offset += 1
    return true
  }

  private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
    switch next {
    case UInt8(ascii: "{"): return .object(try object(depth: depth + 1))
    case UInt8(ascii: "["): return .array(try array(depth: depth + 1))
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case .some(let byte) where byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte):
      return try number()
    default: throw JSONError(.syntax, at: offset, "expected a value")
    }
  }

  private mutating func literal(
    _ text: StaticString, _ value: JSONValue
  ) throws(JSONError) -> JSONValue {
    let word = Array(text.description.utf8)
    guard bytes[offset...].starts(with: word) else {
      throw JSONError(.syntax, at: offset, "expected a value")
    }
    offset += word.count
    return value
  }

  private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
    try checkDepth(depth)
    offset += 1
    var elements: [JSONValue] = []
    skipWhitespace()
    if skip(UInt8(ascii: "]")) { return elements }
    while true {
      skipWhitespace()
      elements.append(try value(depth: depth))
      skipWhitespace()
      if skip(UInt8(ascii: "]")) { return elements }
      guard skip(UInt8(ascii: ",")) else {
        throw JSONError(.syntax, at: offset, "expected a comma or the end of the array")
      }
    }
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
    try checkDepth(depth)
    offset += 1
    var members: [JSONObject.Member] = []
    var seen = SeenKeys()
    skipWhitespace()
    if skip(UInt8(ascii: "}")) { return JSONObject() }
    while true {
      skipWhitespace()
      let start = offset
      guard next == UInt8(ascii: "\"") else {
        throw JSONError(.syntax, at: offset, "expected a key in quotes")
      }
      let key = try string()
      guard seen.isFirst(key, after: members) else {
        throw JSONError(.duplicateKey, at: start, "a key that stands twice in one object")
      }
      skipWhitespace()
      guard skip(UInt8(ascii: ":")) else {
        throw JSONError(.syntax, at: offset, "expected a colon after the key")
      }
      skipWhitespace()
      members.append(JSONObject.Member(key: key, value: try value(depth: depth)))
      skipWhitespace()
      if skip(UInt8(ascii: "}")) { return JSONObject(uniqueMembers: members) }
      guard skip(UInt8(ascii: ",")) else {
        throw JSONError(.syntax, at: offset, "expected a comma or the end of the object")
      }
    }
  }

  private func checkDepth(_ depth: Int) throws(JSONError) {
    guard depth <= depthLimit else {
      throw JSONError(.tooLarge, at: offset, "arrays and objects are nested too deep")
    }
  }

  // MARK: numbers

  private mutating func number() throws(JSONError) -> JSONValue {
    let start = offset
    var isInteger = true
    let isNegative = skip(UInt8(ascii: "-"))
    if !skip(UInt8(ascii: "0")) {
      try digits()
    }
    if skip(UInt8(ascii: ".")) {
      isInteger = false
      try digits()
    }
    if skip(UInt8(ascii: "e")) || skip(UInt8(ascii: "E")) {
      isInteger = false
      if !skip(UInt8(ascii: "+")) { _ = skip(UInt8(ascii: "-")) }
      try digits()
    }
    let text = String(decoding: bytes[start..<offset], as: UTF8.self)
    // "-0" has no integer of its own: kept as a double, it is written back as it was meant.
    if isInteger, let integer = Int64(text), !(isNegative && integer == 0) {
      return .integer(integer)
    }
    guard let number = Double(text), number.isFinite else {
      throw JSONError(.numberOutOfRange, at: start, "a number beyond a double's range")
    }
    return .number(number)
  }

  private mutating func digits() throws(JSONError) {
    let start = offset
    while let byte = next, (0x30...0x39).contains(byte) { offset += 1 }
    guard offset > start else { throw JSONError(.syntax, at: offset, "expected a digit") }
  }

  // MARK: strings

  private mutating func string() throws(JSONError) -> String {
    let start = offset
    offset += 1
    skipPlain()
    // Nearly every string has no escape, and is made of the text where it lies.
    if next == UInt8(ascii: "\"") {
      let text = try text(of: bytes[(start + 1)..<offset], beginningAt: start)
      offset += 1
      return text
    }
    var utf8 = Array(bytes[(start + 1)..<offset])
    while true {
      switch next {
      case UInt8(ascii: "\""):
        offset += 1
        // Escapes only append whole scalars, so what is not UTF-8 here was not in the text.
        return try text(of: utf8[...], beginningAt: start)
      case UInt8(ascii: "\\"):
        offset += 1
        utf8.append(contentsOf: try escape().utf8)
      case nil:
        throw JSONError(.syntax, at: offset, "a string without an end")
      default:
        throw JSONError(.syntax, at: offset, "a control character in a string")
      }
      let run = offset
      skipPlain()
      utf8.append(contentsOf: bytes[run..<offset])
    }
  }

  /// Passes over what stands for itself in a string.
  private mutating func skipPlain() {
    while let byte = next, byte != 0x22, byte != 0x5C, byte >= 0x20 { offset += 1 }
  }

  private func text(of utf8: ArraySlice<UInt8>, beginningAt start: Int) throws(JSONError) -> String
  {
    guard let text = String(validating: utf8, as: UTF8.self) else {
      throw JSONError(.encoding, at: start, "a string that is not UTF-8")
    }
    return text
  }

  private mutating func escape() throws(JSONError) -> String {
    let start = offset - 1
    guard let character = next else {
      throw JSONError(.syntax, at: offset, "a string without an end")
    }
    offset += 1
    switch character {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{08}"
    case UInt8(ascii: "f"): return "\u{0C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      var code = try fourHexDigits()
      if (0xD800...0xDBFF).contains(code) {
        guard skip(UInt8(ascii: "\\")), skip(UInt8(ascii: "u")) else {
          throw JSONError(.encoding, at: start, "an escape that is half a surrogate pair")
        }
        let low = try fourHexDigits()
        guard (0xDC00...0xDFFF).contains(low) else {
          throw JSONError(.encoding, at: start, "an escape that is half a surrogate pair")
        }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else {
        throw JSONError(.encoding, at: start, "an escape that is half a surrogate pair")
      }
      return String(Character(scalar))
    default:
      throw JSONError(.syntax, at: start, "an unknown escape")
    }
  }

  private mutating func fourHexDigits() throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      switch next {
      case .some(let digit) where (0x30...0x39).contains(digit):
        value = value << 4 | UInt32(digit - 0x30)
      case .some(let digit) where (0x61...0x66).contains(digit):
        value = value << 4 | UInt32(digit - 0x61 + 10)
      case .some(let digit) where (0x41...0x46).contains(digit):
        value = value << 4 | UInt32(digit - 0x41 + 10)
      default:
        throw JSONError(.syntax, at: offset, "expected four hexadecimal digits")
      }
      offset += 1
    }
    return value
  }
}

/// The keys of one object so far.
private struct SeenKeys {
  /// So many are compared one by one, which is faster than hashing them; a hostile object may have
  /// a hundred thousand.
  private static let few = 32
  private var many: Set<String> = []

  /// Whether `key` stands in an object for the first time, behind these members.
  mutating func isFirst(_ key: String, after members: [JSONObject.Member]) -> Bool {
    guard members.count >= Self.few else { return !members.contains { $0.key == key } }
    if many.isEmpty { many = Set(members.map(\.key)) }
    return many.insert(key).inserted
  }
}
