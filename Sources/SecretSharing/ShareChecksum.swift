/// The Reed–Solomon code over words that finds misread shares: RS1024 of SLIP-0039.
struct ShareChecksum {
  /// The words that it takes at the end of a share.
  static let wordCount = 3

  private static let generator: [UInt32] = [
    0x00E0_E040, 0x01C1_C080, 0x0383_8100, 0x0707_0200, 0x0E0E_0009, 0x1C0C_2412, 0x3808_6C24,
    0x3090_FC48, 0x21B1_F890, 0x03F3_F120,
  ]

  private var state: UInt32 = 1

  /// - Parameter isExtendable: which of the two names of the scheme goes in front.
  init(isExtendable: Bool) {
    for letter in (isExtendable ? "shamir_extendable" : "shamir").utf8 { add(UInt16(letter)) }
  }

  mutating func add(_ word: UInt16) {
    let top = state >> 20
    state = (state & 0xFFFFF) << 10 ^ UInt32(word)
    for (place, term) in Self.generator.enumerated() {
      state ^= term & (0 &- (top >> UInt32(place) & 1))
    }
  }

  /// Whether the words so far end with their checksum.
  var isValid: Bool { state == 1 }

  /// The words that make those so far valid: ten bits each, the first one highest.
  var closing: UInt32 {
    var checksum = self
    for _ in 0..<Self.wordCount { checksum.add(0) }
    return checksum.state ^ 1
  }
}
