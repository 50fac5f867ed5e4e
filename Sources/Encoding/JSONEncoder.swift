extension JSONValue {
  /// The value as compact JSON: no white space, members in their order.
  ///
  /// Strings are written as RFC 8785 says (only what must be escaped is). A number that is not
  /// finite has no JSON form and is a programmer's mistake.
  public func encoded() -> [UInt8] {
    var bytes: [UInt8] = []
    append(to: &bytes)
    return bytes
  }

  /// The value in the canonical subset of RFC 8785 that the audit log signs.
  ///
  /// Members are in code-point order of their ASCII keys; one value has one spelling.
  ///
  /// - Throws: ``JSONError/Code/notCanonical`` for null, a number with a fraction, an integer of
  ///   2⁵³ or more in magnitude, or a key with a character beyond ASCII.
  public func canonical() throws(JSONError) -> [UInt8] {
    var bytes: [UInt8] = []
    try appendCanonical(to: &bytes)
    return bytes
  }

  private func append(to bytes: inout [UInt8]) {
    switch self {
    case .null: bytes.append(contentsOf: "null".utf8)
    case .bool(let value): bytes.append(contentsOf: (value ? "true" : "false").utf8)
    case .integer(let value): bytes.append(contentsOf: String(value).utf8)
    case .number(let value):
      precondition(value.isFinite, "JSON has no NaN and no infinity")
      bytes.append(contentsOf: value.description.utf8)
    case .string(let value): JSONValue.append(value, to: &bytes)
    case .array(let elements):
      bytes.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        element.append(to: &bytes)
      }
      bytes.append(UInt8(ascii: "]"))
    case .object(let object):
      bytes.append(UInt8(ascii: "{"))
      for (index, member) in object.members.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        JSONValue.append(member.key, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        member.value.append(to: &bytes)
      }
      bytes.append(UInt8(ascii: "}"))
    }
  }

  private func appendCanonical(to bytes: inout [UInt8]) throws(JSONError) {
    switch self {
    case .null:
      throw JSONError(.notCanonical, at: 0, "null has no canonical form; the key is left out")
    case .number:
      throw JSONError(.notCanonical, at: 0, "only integers have a canonical form")
    case .integer(let value):
      // Beyond 2^53 readers that hold every number as a double would see another value.
      guard value.magnitude < 1 << 53 else {
        throw JSONError(.notCanonical, at: 0, "an integer of 2^53 or more")
      }
      append(to: &bytes)
    case .bool, .string:
      append(to: &bytes)
    case .array(let elements):
      bytes.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        try element.appendCanonical(to: &bytes)
      }
      bytes.append(UInt8(ascii: "]"))
    case .object(let object):
      guard object.members.allSatisfy({ $0.key.utf8.allSatisfy { $0 < 0x80 } }) else {
        throw JSONError(.notCanonical, at: 0, "a key with a character beyond ASCII")
      }
      let sorted = object.members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      bytes.append(UInt8(ascii: "{"))
      for (index, member) in sorted.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        JSONValue.append(member.key, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        try member.value.appendCanonical(to: &bytes)
      }
      bytes.append(UInt8(ascii: "}"))
    }
  }

  private static func append(_ text: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case 0x22: bytes.append(contentsOf: [0x5C, 0x22])
      case 0x5C: bytes.append(contentsOf: [0x5C, 0x5C])
      case 0x08: bytes.append(contentsOf: [0x5C, UInt8(ascii: "b")])
      case 0x09: bytes.append(contentsOf: [0x5C, UInt8(ascii: "t")])
      case 0x0A: bytes.append(contentsOf: [0x5C, UInt8(ascii: "n")])
      case 0x0C: bytes.append(contentsOf: [0x5C, UInt8(ascii: "f")])
      case 0x0D: bytes.append(contentsOf: [0x5C, UInt8(ascii: "r")])
      case ..<0x20: bytes.append(contentsOf: ("\\u" + Hex.encode([0, byte])).utf8)
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
