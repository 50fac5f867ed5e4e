/// Digits that follow each other in a text, and the card numbers among them.
///
/// The digits themselves stay here.
struct DigitRun {
  /// Digits of one run; a longer one is read in pieces that overlap by a card number.
  private static let digitLimit = 2048
  private static let fillerLimit = 6

  private struct Digit {
    var value: UInt8
    /// The utterance it is of.
    let place: Int
    /// A group begins here: a card number begins at one, or ends before one.
    var beginsGroup: Bool
    /// What is written without a break is one: no number begins or ends in it.
    var isInner: Bool
  }

  /// Utterances from the first to the last digit of the numbers found, joined where they overlap.
  ///
  /// So there are no more of them than utterances, however many numbers there are.
  private(set) var found: [ClosedRange<Int>] = []
  /// Digits and spans that were looked at.
  private(set) var steps = 0

  private var digits: [Digit] = []

  private var fillers = 0
  private var hasGap = false
  /// What the next number is repeated by.
  private var times = 1
  /// The tens, of a number that may take a unit yet.
  private var openTens = false
  /// How many digits the last number had, which `hundred` multiplies.
  private var lastCount = 0
  private var homophone: (digit: UInt8, place: Int)?

  /// Reads a text to its end; what it ends in may go on in the next.
  mutating func read(_ text: String, at place: Int) {
    var word: [UInt8] = []
    var numeral = 0
    func isLetter(_ scalar: Unicode.Scalar) -> Bool {
      scalar.isASCII
        ? ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar)
        : scalar.properties.isAlphabetic
    }
    for scalar in text.unicodeScalars {
      if let digit = Self.digit(scalar) {
        if !word.isEmpty { take(word: &word, at: place) }
        if numeral == 0 { beginNumeral() }
        // As the ones before it, where `double` stood before a single figure.
        if numeral > 0 { times = 1 }
        append(digit, at: place)
        numeral += 1
        continue
      }
      if numeral > 0 {
        endNumeral(of: numeral, at: place)
        numeral = 0
      }
      if isLetter(scalar) {
        // A long word is none that is known.
        if word.count < 16 { word.append(scalar.isASCII ? UInt8(scalar.value) | 0x20 : 0xFF) }
        continue
      }
      if !word.isEmpty { take(word: &word, at: place) }
      separate(scalar)
    }
    if numeral > 0 { endNumeral(of: numeral, at: place) }
    if !word.isEmpty { take(word: &word, at: place) }
  }

  mutating func endUtterance() {
    openTens = false
    gap()
  }

  /// Ends what was begun, and looks for numbers in it.
  mutating func end() {
    homophone = nil
    look()
    digits.removeAll(keepingCapacity: true)
    (fillers, times, lastCount) = (0, 1, 0)
    (hasGap, openTens) = (false, false)
  }

  // MARK: Tokens

  private static func digit(_ scalar: Unicode.Scalar) -> UInt8? {
    if scalar.isASCII {
      return ("0"..."9").contains(scalar) ? UInt8(scalar.value - 0x30) : nil
    }
    guard scalar.properties.numericType == .decimal, let value = scalar.properties.numericValue,
      (0...9).contains(value)
    else { return nil }
    return UInt8(value)
  }

  private mutating func beginNumeral() {
    openTens = false
    settleHomophone()
  }

  private mutating func endNumeral(of count: Int, at place: Int) {
    lastCount = count
    // "double 4": the figure was appended once.
    if times > 1, count == 1, let digit = digits.last {
      for _ in 1..<times { append(digit.value, at: place) }
      lastCount = times
    }
    times = 1
    guard count > 1 else { return }
    let start = max(0, digits.count - count)
    digits[start].beginsGroup = true
    if count <= CardScheme.lengths.upperBound {
      for index in digits.indices.dropFirst(start + 1) { digits[index].isInner = true }
    }
    gap()
  }

  /// White space parts words, not groups: figures read aloud are parted by it, too.
  private mutating func separate(_ scalar: Unicode.Scalar) {
    switch scalar {
    case " ", "\t", "\n", "\r", "\u{A0}", "\u{2009}", "\u{202F}": return
    case "-", "\u{2010}", "\u{2011}", "\u{2012}", "\u{2013}", "'", "\u{2019}": return
    case ".", ",", "/", "_", "*", "#", "(", ")", "[", "]", ";", "\u{2026}", "\u{2014}", "\"":
      // "forty, two" is 40 and 2.
      openTens = false
      gap()
    default: end()
    }
  }

  private mutating func take(word: inout [UInt8], at place: Int) {
    let meaning = SpokenDigits.word(word)
    word.removeAll(keepingCapacity: true)
    if case .homophone = meaning {
    } else if case .filler = meaning {
    } else if meaning != .other {
      settleHomophone()
    }
    switch meaning {
    case .digit(let digit):
      if openTens, digit > 0, !digits.isEmpty {
        // "forty" was appended as 4 and 0.
        digits[digits.count - 1].value = digit
        openTens = false
        lastCount = 2
      } else {
        append([digit], at: place)
      }
    case .teen(let number), .tens(let number):
      append([UInt8(number / 10), UInt8(number % 10)], at: place)
      if case .tens = meaning { openTens = true }
    case .zeros(let count):
      guard lastCount > 0, !digits.isEmpty else { return end() }
      openTens = false
      for _ in 0..<count { append(0, at: place) }
      lastCount = 0
    case .times(let count):
      openTens = false
      times = count
    case .homophone(let digit):
      openTens = false
      // A second one in a row is no number.
      homophone = homophone == nil && !digits.isEmpty && !hasGap ? (digit, place) : nil
    case .filler:
      (openTens, homophone) = (false, nil)
      fillers += 1
      if fillers > Self.fillerLimit { end() } else { gap() }
    case .other: end()
    }
  }

  /// A word such as `for` that stood between two numbers was one itself.
  private mutating func settleHomophone() {
    guard let waiting = homophone else { return }
    homophone = nil
    append(waiting.digit, at: waiting.place)
  }

  private mutating func append(_ number: [UInt8], at place: Int) {
    openTens = false
    for _ in 0..<times { for digit in number { append(digit, at: place) } }
    lastCount = number.count * times
    times = 1
  }

  private mutating func append(_ digit: UInt8, at place: Int) {
    let begins = hasGap || digits.isEmpty
    digits.append(Digit(value: digit, place: place, beginsGroup: begins, isInner: false))
    (hasGap, fillers) = (false, 0)
    if digits.count == Self.digitLimit { shorten() }
  }

  private mutating func gap() { hasGap = true }

  // MARK: Numbers

  /// Looks through a long run, and keeps the end of it, in which a number may have begun.
  private mutating func shorten() {
    look()
    digits.removeFirst(digits.count - CardScheme.lengths.upperBound)
  }

  private mutating func look() {
    let end = digits.count
    guard end >= CardScheme.lengths.lowerBound else { return }
    let sums = CheckSums(digits.map(\.value))
    steps += end
    var four = digits.prefix(3).reduce(0) { $0 * 10 + Int($1.value) }
    for start in 0...(end - CardScheme.lengths.lowerBound) {
      four = four % 1000 * 10 + Int(digits[start + 3].value)
      guard !digits[start].isInner else { continue }
      var lengths = CardScheme.lengths(beginning: four)
      while lengths != 0 {
        let stop = start + lengths.trailingZeroBitCount
        guard stop <= end else { break }
        lengths &= lengths - 1
        steps += 1
        let isWhole =
          stop == end
          || (digits[start].beginsGroup || digits[stop].beginsGroup) && !digits[stop].isInner
        guard isWhole, sums.hold(start..<stop) else { continue }
        note(digits[start].place...digits[stop - 1].place)
      }
    }
  }

  private mutating func note(_ range: ClosedRange<Int>) {
    guard let last = found.last, last.upperBound >= range.lowerBound else {
      return found.append(range)
    }
    found[found.count - 1] =
      min(last.lowerBound, range.lowerBound)...max(last.upperBound, range.upperBound)
  }
}
