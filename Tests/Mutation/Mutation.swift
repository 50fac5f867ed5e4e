import Glibc

/// A fixed sequence of numbers (SplitMix64), so that a round that failed can be repeated.
public struct Dice: RandomNumberGenerator {
  private var state: UInt64

  public init(seed: UInt64) {
    state = seed
  }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// Bytes as a fault or an attacker would have left them.
public enum Mutation {
  /// `CALLVAULT_ROUNDS`, which `make sanitize` sets, or a number that suits every test run.
  public static func rounds(otherwise usual: Int) -> Int {
    guard let asked = unsafe getenv("CALLVAULT_ROUNDS"),
      let count = Int(unsafe String(cString: asked))
    else { return usual }
    return count
  }

  /// One to eight changes, half of them near the start, where headers are.
  ///
  /// - Parameters:
  ///   - original: what is well formed.
  ///   - spice: bytes that mean something in the format.
  ///   - dice: decides.
  /// - Returns: what may no longer be.
  public static func change(
    _ original: [UInt8], spice: [UInt8] = [0x00, 0x7F, 0x80, 0xFF], with dice: inout Dice
  ) -> [UInt8] {
    var bytes = original
    for _ in 0..<Int.random(in: 1...8, using: &dice) where !bytes.isEmpty {
      let reach = Bool.random(using: &dice) ? min(128, bytes.count) : bytes.count
      let place = Int.random(in: 0..<reach, using: &dice)
      let stretch = place..<min(place + Int.random(in: 1...16, using: &dice), bytes.count)
      switch Int.random(in: 0..<8, using: &dice) {
      case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &dice)
      case 1: bytes[place] = spice.randomElement(using: &dice) ?? 0
      case 2: bytes[place] = UInt8.random(in: .min ... .max, using: &dice)
      case 3: bytes.insert(spice.randomElement(using: &dice) ?? 0, at: place)
      case 4: bytes.removeSubrange(stretch)
      case 5: bytes.insert(contentsOf: bytes[stretch], at: place)
      case 6: for index in stretch { bytes[index] = 0xFF }
      default: bytes.removeLast(bytes.count - place)
      }
    }
    return bytes
  }
}
