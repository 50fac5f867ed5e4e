public import Cryptography
import Encoding

/// What a verifier needs of an entry: that it is canonical, and how it is chained.
///
/// Tolerates unknown keys, actions and versions, which ``Entry`` refuses: a newer program may have
/// written them. Found in one pass over the bytes, without building anything.
public struct EntryFrame: Hashable, Sendable {
  /// What `v` says; nil when it is missing, negative or no integer.
  public private(set) var version: Int64?
  /// What `idx` says.
  public private(set) var index: Int64?
  /// What `prev` says.
  public private(set) var previous: SHA256Digest?
  /// `time`, in ms since 1970 UTC.
  public private(set) var time: Int64?
  /// Where `id` and `commits` stand in the bytes, if they are there; whatever they are.
  private(set) var id: Range<Int>?
  private(set) var commits: Range<Int>?
  /// Whether `action` says that a key was destroyed.
  private(set) var isDestruction = false

  /// Is nil if `entry` is not canonical JSON of the subset that the format allows.
  ///
  /// Whatever `entry` holds, this returns.
  public init?(_ entry: [UInt8]) {
    self.init(entry.span, 0..<entry.count)
  }

  /// Scans the bytes of `range`, which lies within `bytes`.
  init?(_ bytes: Span<UInt8>, _ range: Range<Int>) {
    var frame = EntryFrame()
    guard range.count <= Entry.maximumByteCount,
      let end = Self.object(bytes, range.lowerBound, range.upperBound, depth: 1, into: &frame),
      end == range.upperBound
    else { return nil }
    self = frame
  }

  private init() {}

  /// Where the object ends that begins at the start of `range`; nil if none does.
  ///
  /// Tells an entry whose length was changed from one that was cut.
  static func objectEnd(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int? {
    var frame = EntryFrame()
    return object(bytes, range.lowerBound, range.upperBound, depth: 1, into: &frame)
  }

  /// Deepest nesting of a canonical entry.
  private static let maximumDepth = 8

  /// The keys of the object at `range`, which was found canonical; none if it is no object.
  static func keys(_ bytes: Span<UInt8>, of range: Range<Int>) -> [String] {
    var keys: [String] = []
    var place = range.lowerBound
    while place < range.upperBound, byte(bytes, place) == 0x7b || byte(bytes, place) == 0x2c,
      let afterKey = plainString(bytes, place + 1, range.upperBound),
      let afterValue = value(bytes, afterKey + 1, range.upperBound, depth: 2)
    {
      keys.append(text(bytes, (place + 2)..<(afterKey - 1)))
      place = afterValue
    }
    return keys
  }

  /// What the string at `range`, which was found canonical, spells between its quotes; nil if it is
  /// no string.
  static func string(_ bytes: Span<UInt8>, at range: Range<Int>) -> String? {
    guard range.count >= 2, byte(bytes, range.lowerBound) == 0x22 else { return nil }
    return text(bytes, (range.lowerBound + 1)..<(range.upperBound - 1))
  }

  private static func text(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String {
    unsafe bytes.extracting(range).withUnsafeBufferPointer {
      unsafe String(decoding: $0, as: UTF8.self)
    }
  }

  // Each function takes the place of the first byte of what it reads and returns the place after
  // it, or nil. `end` is within `bytes`, so every load below `end` is.

  private static func byte(_ bytes: Span<UInt8>, _ place: Int) -> UInt8 {
    bytes[place]
  }

  private static func object(
    _ bytes: Span<UInt8>, _ start: Int, _ end: Int, depth: Int, into frame: inout EntryFrame
  ) -> Int? {
    guard depth <= maximumDepth, start < end, byte(bytes, start) == 0x7b else { return nil }
    var place = start + 1
    guard place < end else { return nil }
    if byte(bytes, place) == 0x7d { return place + 1 }
    var lastKey: Range<Int>?
    while true {
      guard let afterKey = plainString(bytes, place, end) else { return nil }
      let key = (place + 1)..<(afterKey - 1)
      if let lastKey, !precedes(bytes, lastKey, key) { return nil }
      lastKey = key
      guard afterKey < end, byte(bytes, afterKey) == 0x3a else { return nil }
      let value = afterKey + 1
      guard let afterValue = self.value(bytes, value, end, depth: depth) else { return nil }
      if depth == 1 { frame.take(bytes, key, value..<afterValue) }
      guard afterValue < end else { return nil }
      switch byte(bytes, afterValue) {
      case 0x2c: place = afterValue + 1
      case 0x7d: return afterValue + 1
      default: return nil
      }
    }
  }

  private static func value(_ bytes: Span<UInt8>, _ start: Int, _ end: Int, depth: Int) -> Int? {
    guard start < end else { return nil }
    switch byte(bytes, start) {
    case 0x22: return string(bytes, start, end)
    case 0x2d, 0x30...0x39: return integer(bytes, start, end)
    case 0x5b: return array(bytes, start, end, depth: depth + 1)
    case 0x7b:
      var inner = EntryFrame()
      return object(bytes, start, end, depth: depth + 1, into: &inner)
    case 0x74: return literal(bytes, start, end, "true")
    case 0x66: return literal(bytes, start, end, "false")
    default: return nil
    }
  }

  private static func array(_ bytes: Span<UInt8>, _ start: Int, _ end: Int, depth: Int) -> Int? {
    guard depth <= maximumDepth, start + 1 < end else { return nil }
    var place = start + 1
    if byte(bytes, place) == 0x5d { return place + 1 }
    while true {
      guard let after = value(bytes, place, end, depth: depth), after < end else { return nil }
      switch byte(bytes, after) {
      case 0x2c: place = after + 1
      case 0x5d: return after + 1
      default: return nil
      }
    }
  }

  private static func literal(
    _ bytes: Span<UInt8>, _ start: Int, _ end: Int, _ word: StaticString
  ) -> Int? {
    let length = word.utf8CodeUnitCount
    guard end - start >= length else { return nil }
    for offset in 0..<length
    where unsafe byte(bytes, start + offset) != word.utf8Start[offset] { return nil }
    return start + length
  }

  /// No leading zero, no minus zero, absolute value below 2^53.
  private static func integer(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
    var place = start
    let negative = byte(bytes, place) == 0x2d
    if negative { place += 1 }
    let first = place
    var value: Int64 = 0
    while place < end, case let digit = byte(bytes, place), 0x30...0x39 ~= digit {
      guard place - first < 16 else { return nil }
      value = value * 10 + Int64(digit - 0x30)
      place += 1
    }
    guard place > first, value < Entry.integerBound else { return nil }
    if byte(bytes, first) == 0x30, place - first > 1 || negative { return nil }
    return place
  }

  /// A string of printable ASCII without quote and backslash, as every key and nearly every value
  /// is.
  private static func plainString(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
    guard start < end, byte(bytes, start) == 0x22 else { return nil }
    let place = plainEnd(bytes, start + 1, end)
    guard place < end, byte(bytes, place) == 0x22 else { return nil }
    return place + 1
  }

  /// The place of the first byte from `start` that is not printable ASCII, or is a quote or a
  /// backslash; `end` if there is none.
  private static func plainEnd(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int {
    var place = start
    // Eight bytes at a time. A byte that ends the run gets its high bit set in `special`; so may
    // bytes above it, by the borrow, but none below: the lowest is the one.
    while end - place >= 8 {
      let word = UInt64(
        littleEndian: unsafe bytes.bytes.unsafeLoadUnaligned(
          fromByteOffset: place, as: UInt64.self))
      let quote = word ^ 0x2222_2222_2222_2222
      let slash = word ^ 0x5c5c_5c5c_5c5c_5c5c
      let delete = word ^ 0x7f7f_7f7f_7f7f_7f7f
      let ones: UInt64 = 0x0101_0101_0101_0101
      let special =
        (word | (word &- ones &* 0x20) | (quote &- ones) | (slash &- ones) | (delete &- ones))
        & 0x8080_8080_8080_8080
      if special != 0 { return place + special.trailingZeroBitCount / 8 }
      place += 8
    }
    while place < end {
      let byte = byte(bytes, place)
      if byte < 0x20 || byte == 0x22 || byte == 0x5c || byte > 0x7e { break }
      place += 1
    }
    return place
  }

  /// Any canonical string: UTF-8, and only what must be escaped escaped, in the one way.
  private static func string(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
    var place = start + 1
    while true {
      place = plainEnd(bytes, place, end)
      guard place < end else { return nil }
      switch byte(bytes, place) {
      case 0x22: return place + 1
      case 0x5c:
        guard let after = escape(bytes, place, end) else { return nil }
        place = after
      case 0x7f: place += 1
      case 0x80...:
        guard let after = scalar(bytes, place, end) else { return nil }
        place = after
      default: return nil
      }
    }
  }

  private static func escape(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
    guard start + 1 < end else { return nil }
    switch byte(bytes, start + 1) {
    // \" \\ \b \f \n \r \t
    case 0x22, 0x5c, 0x62, 0x66, 0x6e, 0x72, 0x74: return start + 2
    case 0x75:
      guard end - start >= 6, byte(bytes, start + 2) == 0x30, byte(bytes, start + 3) == 0x30,
        case let high = byte(bytes, start + 4), high == 0x30 || high == 0x31
      else { return nil }
      let low = byte(bytes, start + 5)
      let digit: UInt8
      switch low {
      case 0x30...0x39: digit = low - 0x30
      case 0x61...0x66: digit = low - 0x61 + 10
      default: return nil
      }
      let value = (high - 0x30) << 4 | digit
      // Those have short escapes, which are then the only canonical ones.
      return [0x08, 0x09, 0x0a, 0x0c, 0x0d].contains(value) ? nil : start + 6
    default: return nil
    }
  }

  /// One scalar of two to four bytes, in the shortest form, no surrogate.
  private static func scalar(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Int? {
    let first = byte(bytes, start)
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xbf
    switch first {
    case 0xc2...0xdf: length = 2
    case 0xe0: (length, second) = (3, 0xa0...0xbf)
    case 0xed: (length, second) = (3, 0x80...0x9f)
    case 0xe1...0xef: length = 3
    case 0xf0: (length, second) = (4, 0x90...0xbf)
    case 0xf1...0xf3: length = 4
    case 0xf4: (length, second) = (4, 0x80...0x8f)
    default: return nil
    }
    guard end - start >= length, second.contains(byte(bytes, start + 1)) else { return nil }
    for offset in 2..<max(length, 2)
    where !(0x80...0xbf).contains(byte(bytes, start + offset)) { return nil }
    return start + length
  }

  /// Whether the bytes of `left` stand before those of `right`; equal ones do not.
  private static func precedes(_ bytes: Span<UInt8>, _ left: Range<Int>, _ right: Range<Int>)
    -> Bool
  {
    let common = min(left.count, right.count)
    for offset in 0..<common {
      let (a, b) = (
        byte(bytes, left.lowerBound + offset), byte(bytes, right.lowerBound + offset)
      )
      if a != b { return a < b }
    }
    return left.count < right.count
  }

  /// Keeps the fields that chain entries.
  private mutating func take(_ bytes: Span<UInt8>, _ key: Range<Int>, _ value: Range<Int>) {
    let start = key.lowerBound
    switch key.count {
    case 1 where Self.byte(bytes, start) == 0x76:
      version = Self.number(bytes, value)
    case 3 where Self.spells(bytes, key, "idx"):
      index = Self.number(bytes, value)
    case 4 where Self.spells(bytes, key, "prev"):
      previous = Self.digest(bytes, value)
    case 4 where Self.spells(bytes, key, "time"):
      time = Self.number(bytes, value)
    case 2 where Self.spells(bytes, key, "id"):
      id = value
    case 6 where Self.spells(bytes, key, "action"):
      isDestruction = Self.spells(bytes, value, "\"key.destroy\"")
    case 7 where Self.spells(bytes, key, "commits"):
      commits = value
    default: break
    }
  }

  private static func spells(_ bytes: Span<UInt8>, _ key: Range<Int>, _ word: StaticString) -> Bool
  {
    literal(bytes, key.lowerBound, key.upperBound, word) == key.upperBound
  }

  /// The number that `value`, already found canonical, spells; nil if it is no number.
  private static func number(_ bytes: Span<UInt8>, _ value: Range<Int>) -> Int64? {
    var number: Int64 = 0
    for place in value {
      let byte = byte(bytes, place)
      guard 0x30...0x39 ~= byte else { return nil }
      number = number * 10 + Int64(byte - 0x30)
    }
    return number
  }

  /// The hash that `value`, already found canonical, spells in 64 lower-case digits.
  private static func digest(_ bytes: Span<UInt8>, _ value: Range<Int>) -> SHA256Digest? {
    guard value.count == 66, byte(bytes, value.lowerBound) == 0x22 else { return nil }
    let start = value.lowerBound + 1
    guard let first = word(bytes, start), let second = word(bytes, start + 16),
      let third = word(bytes, start + 32), let fourth = word(bytes, start + 48)
    else { return nil }
    return SHA256Digest(words: (first, second, third, fourth))
  }

  /// Eight bytes in memory order out of 16 digits.
  private static func word(_ bytes: Span<UInt8>, _ start: Int) -> UInt64? {
    guard let low = half(bytes, start), let high = half(bytes, start + 8) else { return nil }
    return low | high << 32
  }

  /// Four bytes out of eight digits, all at once: this is done for every entry.
  private static func half(_ bytes: Span<UInt8>, _ start: Int) -> UInt64? {
    let digits = UInt64(
      littleEndian: unsafe bytes.bytes.unsafeLoadUnaligned(
        fromByteOffset: start, as: UInt64.self))
    let ones: UInt64 = 0x0101_0101_0101_0101
    // A letter has bit 6; its low four bits are 9 less than its value.
    let values = (digits & (ones &* 0x0f)) &+ ((digits >> 6) & ones) &* 9
    // Spelling the values again refuses whatever was no digit.
    let isLetter = ((values &+ ones &* 6) >> 4) & ones
    guard values & (ones &* 0xf0) == 0, values &+ ones &* 0x30 &+ isLetter &* 0x27 == digits
    else { return nil }
    var packed = (values << 4 | values >> 8) & 0x00ff_00ff_00ff_00ff
    packed = (packed | packed >> 8) & 0x0000_ffff_0000_ffff
    return (packed | packed >> 16) & 0xffff_ffff
  }
}
