/// Whether digits can be the number of a payment card: length, first digits and check digit.
///
/// `Documentation/formats/card-data.md`, section 3.4. Ranges are those that the schemes publish for
/// ISO/IEC 7812-1.
enum CardScheme {
  /// How many digits a card number has.
  static let lengths = 12...19

  /// The lengths of card numbers that begin with four digits, as bits: bit n for n digits.
  static func lengths(beginning four: Int) -> UInt32 {
    lengthsOfBeginnings[four]
  }

  /// For each beginning 0000…9999; made once, so that a hostile text costs a look into a table.
  private static let lengthsOfBeginnings: [UInt32] = (0..<10_000).map { four in
    var bits: UInt32 = 0
    for length in lengths where has(length, beginning: four) { bits |= 1 << UInt32(length) }
    return bits
  }

  private static func has(_ length: Int, beginning four: Int) -> Bool {
    let (one, two, three) = (four / 1000, four / 100, four / 10)
    switch length {
    // Visa.
    case 13 where one == 4, 19 where one == 4: return true
    case 14: return isDiners(two, three, four)
    // American Express.
    case 15 where two == 34 || two == 37: return true
    case 16:
      if one == 4 || isDiners(two, three, four) { return true }
      // Mastercard.
      if (51...55).contains(two) || (2221...2720).contains(four) { return true }
    default: break
    }
    switch length {
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

/// Tells of any span of digits whether it holds its check digit (ISO/IEC 7812-1, annex B), in one step.
///
/// Added up anew for each length from each digit, a text of single figures would cost fifty
/// additions for each.
struct CheckSums {
  /// Sums of the digits before each place, those at even places doubled, and those at odd ones.
  private var even: [Int32] = []
  private var odd: [Int32] = []

  /// - Parameter digits: each 0…9; at most 100 million.
  init(_ digits: [UInt8]) {
    even.reserveCapacity(digits.count + 1)
    odd.reserveCapacity(digits.count + 1)
    var sums: (even: Int32, odd: Int32) = (0, 0)
    even.append(0)
    odd.append(0)
    var isEven = true
    for digit in digits {
      let single = Int32(digit)
      let doubled = single > 4 ? single * 2 - 9 : single * 2
      sums.even += isEven ? doubled : single
      sums.odd += isEven ? single : doubled
      even.append(sums.even)
      odd.append(sums.odd)
      isEven.toggle()
    }
  }

  /// Whether the digits of a span end in their check digit.
  func hold(_ span: Range<Int>) -> Bool {
    // The last is single, so those are doubled that lie at places like the end's.
    let sums = span.upperBound.isMultiple(of: 2) ? even : odd
    return (sums[span.upperBound] - sums[span.lowerBound]).isMultiple(of: 10)
  }
}
