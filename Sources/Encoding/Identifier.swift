/// A random identifier: a version 4 UUID (RFC 9562), written in lower case.
///
/// Ids of calls, recordings, persons, entries and keys are all of this kind; they carry no meaning
/// and no time. Random ones are made by the Cryptography module.
public struct Identifier: Hashable, Sendable {
  private let high: UInt64
  private let low: UInt64

  /// Makes an id of 16 bytes, or nil unless they carry version 4 and the RFC's variant.
  public init?(bytes: [UInt8]) {
    guard bytes.count == 16 else { return nil }
    let high = bytes[..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let low = bytes[8...].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard high >> 12 & 0xF == 4, low >> 62 == 0b10 else { return nil }
    self.high = high
    self.low = low
  }

  /// The 16 bytes in the order of the text.
  public var bytes: [UInt8] {
    // Every bound value and every address of a sealed object passes here: one allocation.
    var bytes: [UInt8] = []
    bytes.reserveCapacity(16)
    for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: high >> UInt64(56 - 8 * shift))) }
    for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: low >> UInt64(56 - 8 * shift))) }
    return bytes
  }
}

extension Identifier: LosslessStringConvertible {
  /// Reads `xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx` in lower case; nil for any other spelling.
  public init?(_ description: String) {
    let utf8 = Array(description.utf8)
    guard utf8.count == 36 else { return nil }
    var digits: [UInt8] = []
    digits.reserveCapacity(32)
    for (position, character) in utf8.enumerated() {
      switch position {
      case 8, 13, 18, 23:
        guard character == 0x2D else { return nil }
      default:
        digits.append(character)
      }
    }
    guard let bytes = Hex.decode(digits) else { return nil }
    self.init(bytes: bytes)
  }

  public var description: String {
    var text: [UInt8] = []
    text.reserveCapacity(36)
    write(to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  /// Appends the 36 characters of the text, for those who write many into one buffer.
  public func write(to text: inout [UInt8]) {
    for position in 0..<32 {
      if position == 8 || position == 12 || position == 16 || position == 20 { text.append(0x2D) }
      let word = position < 16 ? high : low
      let nibble = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * (position & 15))) & 15
      text.append(nibble < 10 ? 0x30 + nibble : 0x57 + nibble)
    }
  }
}

extension Identifier: Comparable {
  /// Orders as the texts do.
  public static func < (left: Identifier, right: Identifier) -> Bool {
    (left.high, left.low) < (right.high, right.low)
  }
}
