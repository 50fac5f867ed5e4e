/// Base64 of RFC 4648, canonical spellings only.
///
/// One value has one spelling: padding must be there (or, in the URL form, must not), unused bits
/// must be zero, and nothing else may stand between. What is signed must not have two texts.
public enum Base64 {
  /// Returns the padded standard form (RFC 4648 section 4).
  public static func encode(_ bytes: some Sequence<UInt8>) -> String {
    encode(Array(bytes), alphabet: standardAlphabet, padded: true)
  }

  /// Returns the bytes of a padded standard text, or nil if it is not the canonical spelling.
  public static func decode(_ text: some StringProtocol) -> [UInt8]? {
    let utf8 = Array(text.utf8)
    guard utf8.count.isMultiple(of: 4) else { return nil }
    let padding = utf8.suffix(2).reversed().prefix { $0 == equalsSign }.count
    return decode(utf8.dropLast(padding), sixtyTwo: 0x2B, sixtyThree: 0x2F)
  }

  /// Returns the unpadded URL-safe form (RFC 4648 section 5).
  public static func encodeURL(_ bytes: some Sequence<UInt8>) -> String {
    encode(Array(bytes), alphabet: urlAlphabet, padded: false)
  }

  /// Returns the bytes of an unpadded URL-safe text, or nil if it is not the canonical spelling.
  public static func decodeURL(_ text: some StringProtocol) -> [UInt8]? {
    decode(Array(text.utf8)[...], sixtyTwo: 0x2D, sixtyThree: 0x5F)
  }

  private static let equalsSign: UInt8 = 0x3D
  private static let standardAlphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  private static let urlAlphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  private static func encode(
    _ bytes: [UInt8], alphabet: [UInt8], padded: Bool
  ) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count / 3 * 4 + 4)
    var accumulator: UInt32 = 0
    var bits = 0
    for byte in bytes {
      accumulator = (accumulator << 8 | UInt32(byte)) & 0xFFFF
      bits += 8
      while bits >= 6 {
        bits -= 6
        text.append(alphabet[Int(accumulator >> UInt32(bits)) & 63])
      }
    }
    if bits > 0 {
      text.append(alphabet[Int(accumulator << UInt32(6 - bits)) & 63])
    }
    while padded, !text.count.isMultiple(of: 4) {
      text.append(equalsSign)
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static func decode(
    _ text: ArraySlice<UInt8>, sixtyTwo: UInt8, sixtyThree: UInt8
  ) -> [UInt8]? {
    guard text.count % 4 != 1 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count / 4 * 3 + 2)
    var accumulator: UInt32 = 0
    var bits = 0
    for character in text {
      let value: UInt8
      switch character {
      case 0x41...0x5A: value = character - 0x41
      case 0x61...0x7A: value = character - 0x61 + 26
      case 0x30...0x39: value = character - 0x30 + 52
      case sixtyTwo: value = 62
      case sixtyThree: value = 63
      default: return nil
      }
      accumulator = (accumulator << 6 | UInt32(value)) & 0xFFFF
      bits += 6
      if bits >= 8 {
        bits -= 8
        bytes.append(UInt8(truncatingIfNeeded: accumulator >> UInt32(bits)))
      }
    }
    // The bits that no byte uses could otherwise carry a second spelling of the same value.
    guard accumulator & ((1 << UInt32(bits)) - 1) == 0 else { return nil }
    return bytes
  }
}
