/// Whether digits can be the number of a payment card: length, first digits and check digit.
///
/// `Documentation/formats/card-data.md`, section 3.4. Ranges are those that the schemes publish for
/// ISO/IEC 7812-1.
enum CardScheme {
  /// How many digits a card number has.
  static let lengths = 12...19

  /// Whether digits, each 0…9, are a card number.
  static func accepts(_ digits: ArraySlice<UInt8>) -> Bool {
    lengths.contains(digits.count) && hasSchemeLength(digits) && holdsCheckDigit(digits)
  }

  /// ISO/IEC 7812-1, annex B.
  static func holdsCheckDigit(_ digits: ArraySlice<UInt8>) -> Bool {
    var sum = 0
    var isDoubled = false
    for digit in digits.reversed() {
      let value = isDoubled ? Int(digit) * 2 : Int(digit)
      sum += value > 9 ? value - 9 : value
      isDoubled.toggle()
    }
    return sum.isMultiple(of: 10)
  }

  private static func hasSchemeLength(_ digits: ArraySlice<UInt8>) -> Bool {
    func first(_ count: Int) -> Int {
      digits.prefix(count).reduce(0) { $0 * 10 + Int($1) }
    }
    let (two, three, four) = (first(2), first(3), first(4))
    switch digits.count {
    // Visa.
    case 13 where digits.first == 4, 19 where digits.first == 4: return true
    case 14: return isDiners(two, three, four)
    // American Express.
    case 15 where two == 34 || two == 37: return true
    case 16:
      if digits.first == 4 || isDiners(two, three, four) { return true }
      // Mastercard.
      if (51...55).contains(two) || (2221...2720).contains(four) { return true }
    default: break
    }
    switch digits.count {
    case 16...19:
      // Discover, JCB, UnionPay.
      if four == 6011 || (644...649).contains(three) || two == 65 || (3528...3589).contains(four)
        || two == 62 || two == 81
      {
        return true
      }
    default: break
    }
    // Maestro.
    return [5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763].contains(four)
  }

  private static func isDiners(_ two: Int, _ three: Int, _ four: Int) -> Bool {
    (300...305).contains(three) || four == 3095 || [36, 38, 39].contains(two)
  }
}
