/// The character classes of RFC 3261, 25.1, that the parsers share.
enum Syntax {
  static let space: UInt8 = 0x20
  static let tab: UInt8 = 0x09
  static let carriageReturn: UInt8 = 0x0D
  static let lineFeed: UInt8 = 0x0A
  static let comma: UInt8 = 0x2C
  static let colon: UInt8 = 0x3A
  static let semicolon: UInt8 = 0x3B
  static let equals: UInt8 = 0x3D
  static let quote: UInt8 = 0x22
  static let backslash: UInt8 = 0x5C
  static let less: UInt8 = 0x3C
  static let greater: UInt8 = 0x3E
  static let at: UInt8 = 0x40
  static let percent: UInt8 = 0x25
  static let slash: UInt8 = 0x2F

  static func isSpace(_ byte: UInt8) -> Bool { byte == space || byte == tab }

  static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }

  static func isAlphanumeric(_ byte: UInt8) -> Bool { isDigit(byte) || isLetter(byte) }

  static func isToken(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    // - . ! % * _ + ` ' ~
    case 0x2D, 0x2E, 0x21, 0x25, 0x2A, 0x5F, 0x2B, 0x60, 0x27, 0x7E: true
    default: false
    }
  }

  /// What a parameter's value may be made of without quotes: `token / host`, IPv6 with or without
  /// brackets.
  static func isValue(_ byte: UInt8) -> Bool {
    isToken(byte) || byte == colon || byte == 0x5B || byte == 0x5D
  }

  /// `word`, of which a Call-ID is made, and the `@` between two of them.
  static func isCallID(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x28, 0x29, 0x3C, 0x3E, 0x3A, 0x5C, 0x22, 0x2F, 0x5B, 0x5D, 0x3F, 0x7B, 0x7D, at: true
    default: isToken(byte)
    }
  }

  /// `unreserved`.
  static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    // - _ . ! ~ * ' ( )
    case 0x2D, 0x5F, 0x2E, 0x21, 0x7E, 0x2A, 0x27, 0x28, 0x29: true
    default: false
    }
  }

  /// What a user part is made of besides escapes, and the colon before a password.
  static func isUser(_ byte: UInt8) -> Bool {
    switch byte {
    // & = + $ , ; ? / :
    case 0x26, 0x3D, 0x2B, 0x24, 0x2C, 0x3B, 0x3F, 0x2F, 0x3A: true
    default: isUnreserved(byte)
    }
  }

  /// What parameters of a URI are made of besides escapes.
  static func isURIParameter(_ byte: UInt8) -> Bool {
    switch byte {
    // [ ] / : & + $ and ; = between them
    case 0x5B, 0x5D, 0x2F, 0x3A, 0x26, 0x2B, 0x24, 0x3B, 0x3D: true
    default: isUnreserved(byte)
    }
  }

  static func lowered(_ byte: UInt8) -> UInt8 {
    (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
  }

  static func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
  }
}

/// A message's bytes with the few questions that its parsers ask of a stretch of them.
extension [UInt8] {
  /// Whether a stretch is that text but for ASCII case; `text` is in lower case.
  func holds(_ text: StaticString, at range: Range<Int>) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    return text.withUTF8Buffer { text in
      for offset in 0..<text.count {
        guard unsafe Syntax.lowered(self[range.lowerBound + offset]) == text[offset] else {
          return false
        }
      }
      return true
    }
  }

  /// The stretch without the spaces and tabs around it.
  func trimmed(_ range: Range<Int>) -> Range<Int> {
    var start = range.lowerBound
    var end = range.upperBound
    while start < end, Syntax.isSpace(self[start]) { start += 1 }
    while end > start, Syntax.isSpace(self[end - 1]) { end -= 1 }
    return start..<end
  }

  /// A whole number in digits, leading zeros allowed (RFC 4475, 3.1.1.1), up to `limit`.
  func number(at range: Range<Int>, upTo limit: Int) -> Int? {
    guard !range.isEmpty else { return nil }
    var value = 0
    for index in range {
      guard Syntax.isDigit(self[index]) else { return nil }
      value = value * 10 + Int(self[index] - 0x30)
      guard value <= limit else { return nil }
    }
    return value
  }

  func allSatisfy(at range: Range<Int>, _ condition: (UInt8) -> Bool) -> Bool {
    for index in range where !condition(self[index]) { return false }
    return true
  }
}
