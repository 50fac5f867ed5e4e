import Mutation
import Testing

@testable import Retention

/// Where card numbers are found in what was said: `Documentation/formats/card-data.md`, section 3.
@Suite struct CardNumberTests {
  /// Numbers that schemes and processors publish for tests.
  static let published = [
    "4111111111111111", "4012888888881881", "4242424242424242", "4222222222222",
    "4917610000000000003",
    "5555555555554444", "5105105105105100", "2223003122003222", "2221000000000009",
    "2720999999999996",
    "378282246310005", "371449635398431", "6011111111111117", "6011000990139424",
    "6500000000000002", "30569309025904", "38520000023237", "3530111333300000", "3566002020360505",
    "6205500000000000004", "6304000000000000", "6759649826438453",
  ]

  private func hits(_ texts: String..., speakers: [String]? = nil) -> [CardNumberDetector.Hit] {
    CardNumberDetector.hits(
      in: texts.enumerated().map { place, text in
        CardNumberDetector.Utterance(
          speaker: speakers?[place] ?? "caller", text: text, start: Int64(place) * 2000,
          end: Int64(place) * 2000 + 1800)
      })
  }

  @Test(arguments: published)
  func aPublishedNumberIsFoundInAnySpelling(_ number: String) {
    for text in Spelling.all(of: number) { #expect(hits(text).count == 1, "\(text)") }
    // One digit more or less of it is none.
    let wrong = String(number.dropLast()) + (number.last == "0" ? "1" : "0")
    #expect(hits(wrong).isEmpty, "\(wrong)")
  }

  @Test(arguments: [
    ("four one double one triple one one, one one one one, double one double one", true),
    ("forty-one eleven, eleven eleven, eleven eleven, eleven eleven", true),
    ("forty one eleven eleven eleven eleven eleven eleven eleven", true),
    ("four thousand one hundred", false),
    ("thirty seven eighty two eighty two twenty four sixty three ten double oh five", true),
    ("three seven eight two, eight two two four six three, one oh oh oh five", true),
    ("it's 4111, um, 1111 and then 1111 and 1111 okay", true),
    ("Visa 4111-1111-1111-1111, expires 12/27, code 123", true),
    ("4111 1111 1111 1111 12 27 123", true),
    ("card 4111.1111.1111.1111", true),
    ("card#4111_1111_1111_1111", true),
    ("４１１１ １１１１ １１１１ １１１１", true),
    ("٤١١١ ١١١١ ١١١١ ١١١١", true),
    ("4 2 for 2 4 2 4 2 4 2 4 2 4 2 4 2", true),
    ("call me at 313-555-0142 or 313 555 0199", false),
    ("my numbers are 3135550142 3135550199 and 3135550123", false),
    ("MRN 00412345678 born 04/11/1961, seen 2026-11-20 09:30", false),
    ("born four eleven nineteen sixty one", false),
    ("it is 4111 dollars and 11 cents, 1111 times, 1111 11", false),
    ("one two three four five six seven eight nine ten eleven twelve", false),
    ("blood pressure 140 over 90, 135 over 85, 128 over 82, pulse 72", false),
    ("NPI 1234567893 and tax id 12-3456789", false),
    ("IBAN DE89 3704 0044 0532 0130 00", false),
    ("0000 0000 0000 0000", false),
  ])
  func whatIsSaid(_ text: String, _ isCard: Bool) {
    #expect(hits(text).isEmpty != isCard, "\(text)")
  }

  @Test func aNumberGoesOverSegmentsAndInterruptions() {
    let found = hits("it is four one one one", "one one one one", "eleven eleven", "1111 thanks")
    #expect(found.map(\.utterances) == [0...3])
    #expect(found.map(\.span) == [TimeSpan(0, 7800)])
    let interrupted = hits(
      "hello", "four one one one", "four one one one, go on", "one one one one", "yes",
      "one one one one", "mhm", "one one one one", "thank you",
      speakers: ["a", "c", "a", "c", "a", "c", "a", "c", "a"])
    #expect(interrupted.map(\.utterances) == [1...7])
    // Who comes back later begins anew.
    let late = CardNumberDetector.hits(in: [
      .init(speaker: "c", text: "4111 1111", start: 0, end: 1000),
      .init(speaker: "c", text: "1111 1111", start: 31_001, end: 32_000),
    ])
    #expect(late.isEmpty)
  }

  @Test func manyNumbersAreToldTogetherBeyondALimit() {
    let texts = (0..<200).map { place in
      CardNumberDetector.Utterance(
        speaker: "c", text: "the card 4111 1111 1111 1111 please", start: place * 1000,
        end: place * 1000 + 900)
    }
    let found = CardNumberDetector.hits(in: texts)
    #expect(found.count == CardNumberDetector.hitLimit)
    #expect(found.last?.utterances.upperBound == 199)
  }

  /// Its work grows with the text and not with its square.
  @Test func aLongTextIsReadToItsEnd() {
    let digits = String(repeating: "7", count: 2_000_000)
    #expect(hits(digits, "card 4111111111111111").count == 1)
  }

  /// Single figures may begin and end a number each: that a text is made of them must not cost more.
  @Test(arguments: ["4,", "6,7,5,9,", "4 ", "four, ", "44,", "4111 1111 1111 1111 "])
  func itsWorkIsBoundedByTheDigits(_ text: String) {
    func work(_ bytes: Int) -> (steps: Int, found: Int) {
      var run = DigitRun()
      run.read(String(repeating: text, count: bytes / text.utf8.count), at: 0)
      run.end()
      return (run.steps, run.found.count)
    }
    let (once, twice) = (work(1 << 20), work(2 << 20))
    #expect(once.steps > 0 && once.steps <= 4 << 20, "\(once.steps)")
    #expect(twice.steps <= once.steps * 2 + 1000, "\(once.steps), then \(twice.steps)")
    // All numbers of an utterance are told by one span, in memory, too.
    #expect(twice.found <= 1)
  }

  /// Precision and recall on made-up sentences, printed for whoever reads the output.
  @Test func precisionAndRecallOnACorpusWithASeed() {
    var dice = Dice(seed: 20_261_128)
    var (found, missed, wrong, silent) = (0, 0, 0, 0)
    for _ in 0..<5000 {
      let number = Sentence.card(using: &dice)
      if hits(Sentence.withCard(number, using: &dice)).isEmpty { missed += 1 } else { found += 1 }
      if hits(Sentence.withoutCard(using: &dice)).isEmpty { silent += 1 } else { wrong += 1 }
    }
    let recall = Double(found) / Double(found + missed)
    let precision = Double(found) / Double(found + wrong)
    print(
      ": card numbers, seed 20261128: \(found) of \(found + missed) found (recall \(recall)), "
        + "\(wrong) of \(wrong + silent) other sentences taken for one (precision \(precision))")
    #expect(recall >= 0.99 && precision >= 0.97)
  }
}

/// Ways in which a number is written or read aloud.
enum Spelling {
  private static let units = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
  ]
  private static let teens = [
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
    "eighteen", "nineteen",
  ]
  private static let tens = [
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
  ]

  static func all(of number: String) -> [String] {
    let digits = number.compactMap(\.wholeNumberValue)
    return [
      number, "the number is \(number).", groups(digits, " "), groups(digits, "-"),
      digits.map { "\($0)" }.joined(separator: " "), spoken(digits), pairs(digits), doubled(digits),
      digits.map { $0 == 0 ? "oh" : units[$0] }.joined(separator: ", "),
    ]
  }

  static func groups(_ digits: [Int], _ separator: String) -> String {
    stride(from: 0, to: digits.count, by: 4).map { start in
      digits[start..<min(digits.count, start + 4)].map { "\($0)" }.joined()
    }.joined(separator: separator)
  }

  static func spoken(_ digits: [Int]) -> String {
    digits.map { units[$0] }.joined(separator: " ")
  }

  static func pairs(_ digits: [Int]) -> String {
    stride(from: 0, to: digits.count, by: 2).map { start in
      guard start + 1 < digits.count else { return units[digits[start]] }
      let (first, second) = (digits[start], digits[start + 1])
      switch (first, second) {
      case (0, _): return "oh \(units[second])"
      case (1, _): return teens[second]
      case (_, 0): return tens[first]
      default: return "\(tens[first])-\(units[second])"
      }
    }.joined(separator: ", ")
  }

  static func doubled(_ digits: [Int]) -> String {
    var words: [String] = []
    var place = 0
    while place < digits.count {
      let run = digits[place...].prefix { $0 == digits[place] }.count
      let count = min(run, 3)
      words.append(["", "", "double ", "triple "][count] + units[digits[place]])
      place += count
    }
    return words.joined(separator: " ")
  }
}

/// Sentences as they are said on the telephone of a practice; every number is made up.
enum Sentence {
  static func card(using dice: inout Dice) -> [Int] {
    let schemes: [([Int], Int)] = [
      ([4], 16), ([5, 1], 16), ([5, 5], 16), ([2, 2, 2, 3], 16), ([3, 7], 15), ([3, 4], 15),
      ([6, 0, 1, 1], 16), ([6, 5], 16), ([3, 6], 14), ([3, 5, 3, 0], 16), ([6, 2], 19),
    ]
    guard let (start, length) = schemes.randomElement(using: &dice) else { return [] }
    var digits = start
    while digits.count < length - 1 { digits.append(Int.random(in: 0...9, using: &dice)) }
    for last in 0...9
    where CheckSums((digits + [last]).map { UInt8($0) }).hold(0..<length) {
      return digits + [last]
    }
    return digits
  }

  static func withCard(_ digits: [Int], using dice: inout Dice) -> String {
    let number = digits.map { "\($0)" }.joined()
    let spelling = Spelling.all(of: number).randomElement(using: &dice) ?? number
    let before = ["", "my card is ", "okay it's ", "so the number, um, ", "put it on "]
      .randomElement(using: &dice)
    let after = ["", " thanks", ", expires oh nine twenty-eight", " and the code is 412"]
      .randomElement(using: &dice)
    return (before ?? "") + spelling + (after ?? "")
  }

  static func withoutCard(using dice: inout Dice) -> String {
    func digits(_ count: Int) -> [Int] {
      (0..<count).map { _ in Int.random(in: 0...9, using: &dice) }
    }
    func text(_ count: Int) -> String { digits(count).map { "\($0)" }.joined() }
    let phone = "\(Int.random(in: 201...989, using: &dice)) 555 \(text(4))"
    switch Int.random(in: 0..<9, using: &dice) {
    case 0: return "call me back at \(phone)"
    case 1: return "home is \(phone), work is \(phone)"
    case 2: return "my record number is \(text(8)), date of birth oh four eleven nineteen sixty-one"
    case 3: return "the prescription is \(text(7)) and the pharmacy is \(phone)"
    case 4:
      return "on 2026-11-\(text(2)) at 09:\(text(2)), then 2026-12-\(text(2)) at 10:\(text(2))"
    case 5: return Spelling.spoken(digits(10)) + ", extension " + Spelling.spoken(digits(3))
    case 6: return "member id \(text(11)) group \(text(6))"
    case 7:
      return
        "pressure \(text(3)) over \(text(2)), then \(text(3)) over \(text(2)), pulse \(text(2))"
    default: return "the claim is \(text(13)), let me spell that: \(text(4)) \(text(4)) \(text(5))"
    }
  }
}
