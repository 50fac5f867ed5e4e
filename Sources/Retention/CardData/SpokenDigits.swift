/// What a word of English is worth where digits are read aloud.
enum SpokenDigits {
  enum Word: Equatable {
    /// 0…9.
    case digit(UInt8)
    /// 10…19.
    case teen(Int)
    /// 20, 30…90: takes a unit that follows.
    case tens(Int)
    /// So many zeros after the number before.
    case zeros(Int)
    /// The number after, so many times.
    case times(Int)
    /// A digit only between digits: `to`, `for`.
    case homophone(UInt8)
    /// Nothing, between digits.
    case filler
    /// Not of a number.
    case other
  }

  /// What a word is worth.
  ///
  /// - Parameter word: in lower case, ASCII letters.
  /// - Returns: ``Word/other`` for a word that is not known.
  static func word(_ word: [UInt8]) -> Word {
    words[String(decoding: word, as: UTF8.self)] ?? .other
  }

  private static let words: [String: Word] = {
    var words: [String: Word] = [
      "zero": .digit(0), "oh": .digit(0), "o": .digit(0), "nought": .digit(0), "naught": .digit(0),
      "nil": .digit(0), "one": .digit(1), "two": .digit(2), "three": .digit(3), "four": .digit(4),
      "five": .digit(5), "six": .digit(6), "seven": .digit(7), "eight": .digit(8),
      "nine": .digit(9), "niner": .digit(9),
      "ten": .teen(10), "eleven": .teen(11), "twelve": .teen(12), "thirteen": .teen(13),
      "fourteen": .teen(14), "fifteen": .teen(15), "sixteen": .teen(16), "seventeen": .teen(17),
      "eighteen": .teen(18), "nineteen": .teen(19),
      "twenty": .tens(20), "thirty": .tens(30), "forty": .tens(40), "fourty": .tens(40),
      "fifty": .tens(50), "sixty": .tens(60), "seventy": .tens(70), "eighty": .tens(80),
      "ninety": .tens(90),
      "hundred": .zeros(2), "thousand": .zeros(3),
      "double": .times(2), "triple": .times(3), "treble": .times(3), "quadruple": .times(4),
      "to": .homophone(2), "too": .homophone(2), "for": .homophone(4), "won": .homophone(1),
      "ate": .homophone(8),
    ]
    let fillers = [
      "and", "uh", "um", "er", "eh", "ah", "hm", "mm", "mhm", "then", "dash", "hyphen", "space",
      "dot",
      "point", "comma", "okay", "ok", "yes", "yeah", "yep", "right", "so", "now", "next",
      "followed",
      "by", "again", "sorry", "wait", "let", "me", "see", "its", "it", "s", "is", "the", "last",
      "first", "number", "digits", "a", "you", "know", "like", "got", "that", "hold", "on",
    ]
    for filler in fillers { words[filler] = .filler }
    return words
  }()
}
