/// Arithmetic of GF(2⁸) with Rijndael's polynomial x⁸ + x⁴ + x³ + x + 1.
///
/// Time and the memory that is touched depend on no operand: there are no tables and no branches.
enum GaloisField {
  static func multiply(_ left: UInt8, _ right: UInt8) -> UInt8 {
    var product: UInt8 = 0
    var left = left
    var right = right
    for _ in 0..<8 {
      product ^= left & (0 &- (right & 1))
      left = (left << 1) ^ (0x1B & (0 &- (left >> 7)))
      right >>= 1
    }
    return product
  }

  /// The inverse, which is the 254th power; 0 for 0.
  static func inverse(_ value: UInt8) -> UInt8 {
    var result: UInt8 = 1
    var power = value
    for _ in 0..<7 {
      power = multiply(power, power)
      result = multiply(result, power)
    }
    return result
  }
}
