/// How far the clocks of a place are from UTC, and when that changes: one file of the IANA database
/// (TZif, RFC 9636).
///
/// Debian's `tzdata` keeps them in `/usr/share/zoneinfo`; who reads the file is the caller's affair.
public struct TimeZoneRules: Sendable, Equatable {
  /// Seconds since 1970 at which the offset changes, ascending, and the offset from then on.
  private let transitions: [Int64]
  private let offsets: [Int]
  /// The offset before the first transition.
  private let first: Int
  /// What holds after the last transition; nil: nothing changes any more.
  private let yearly: YearlyRule?

  /// Reads version 2, 3 or 4 of the format.
  ///
  /// Whatever `bytes` holds, this returns or is nil; nil also for version 1, whose times end in 2038, and
  /// for a file that counts leap seconds.
  public init?(parsing bytes: [UInt8]) {
    var reader = BigEndianReader(bytes)
    guard bytes.count <= 1 << 20, let old = Header(&reader),
      reader.skip(old.byteCount(ofTime: 4)), let header = Header(&reader),
      header.leapSeconds == 0, header.times <= 10_000, (1...256).contains(header.types)
    else { return nil }
    var transitions: [Int64] = []
    for _ in 0..<header.times {
      guard let time = reader.integer(bytes: 8), transitions.last.map({ $0 < time }) ?? true else {
        return nil
      }
      transitions.append(time)
    }
    guard let indices = reader.bytes(header.times) else { return nil }
    var types: [Int] = []
    for _ in 0..<header.types {
      guard let offset = reader.integer(bytes: 4), abs(offset) < 26 * 3600, reader.skip(2) else {
        return nil
      }
      types.append(Int(offset))
    }
    guard indices.allSatisfy({ Int($0) < types.count }),
      reader.skip(header.characters + header.standardMarks + header.universalMarks),
      let footer = reader.line()
    else { return nil }
    self.transitions = transitions
    offsets = indices.map { types[Int($0)] }
    first = types[0]
    if footer.isEmpty {
      yearly = nil
    } else {
      guard let rule = YearlyRule(footer) else { return nil }
      yearly = rule
    }
  }

  /// Seconds by which clocks there were ahead of UTC when they showed a time, which is given as if it were
  /// UTC, in seconds since 1970.
  ///
  /// Where clocks are put back, an hour comes twice: the first of the two is taken. Where they are put
  /// forward, an hour does not come: the time is taken as if they had not been.
  public func secondsEast(whenShowing shown: Int64) -> Int {
    // Offsets change once in two days at most, so these are the only two there can be.
    let before = offset(at: shown - 86_400)
    let after = offset(at: shown + 86_400)
    return [before, after].filter { offset(at: shown - Int64($0)) == $0 }.max() ?? before
  }

  /// The instant at which clocks there showed `local`, found by ``secondsEast(whenShowing:)``.
  ///
  /// - Returns: nil where the offset then was no whole number of minutes, as before standard time.
  public func instant(of local: LocalTime) -> OffsetTime? {
    let shown = local.civil.millisecondsSince1970 / 1000
    let east = secondsEast(whenShowing: shown)
    guard east.isMultiple(of: 60) else { return nil }
    return OffsetTime(
      instant: Timestamp(milliseconds: (shown - Int64(east)) * 1000), offsetMinutes: east / 60)
  }

  /// Seconds by which clocks there are ahead of UTC at an instant.
  public func secondsEast(at time: Timestamp) -> Int {
    // Rounded down also before 1970.
    let milliseconds = time.milliseconds
    let remainder = milliseconds % 1000
    return offset(at: milliseconds / 1000 - (remainder < 0 ? 1 : 0))
  }

  /// Seconds east of UTC at an instant in seconds since 1970.
  func offset(at instant: Int64) -> Int {
    guard let start = transitions.first, let end = transitions.last else {
      return yearly?.offset(at: instant) ?? first
    }
    if instant < start { return first }
    if instant >= end, let yearly { return yearly.offset(at: instant) }
    var low = 0
    var high = transitions.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if transitions[middle] <= instant { low = middle } else { high = middle }
    }
    return offsets[low]
  }

  private struct Header {
    let universalMarks: Int
    let standardMarks: Int
    let leapSeconds: Int
    let times: Int
    let types: Int
    let characters: Int

    init?(_ reader: inout BigEndianReader) {
      guard reader.bytes(4).map(Array.init) == Array("TZif".utf8),
        let version = reader.bytes(1)?.first, (0x32...0x34).contains(version), reader.skip(15)
      else { return nil }
      var counts: [Int] = []
      for _ in 0..<6 {
        guard let count = reader.integer(bytes: 4), (0...1_000_000).contains(count) else {
          return nil
        }
        counts.append(Int(count))
      }
      (universalMarks, standardMarks, leapSeconds) = (counts[0], counts[1], counts[2])
      (times, types, characters) = (counts[3], counts[4], counts[5])
    }

    func byteCount(ofTime size: Int) -> Int {
      times * (size + 1) + types * 6 + characters + leapSeconds * (size + 4) + standardMarks
        + universalMarks
    }
  }
}

/// The rule of every year after the last transition: the TZ string of POSIX with RFC 9636's extensions.
struct YearlyRule: Sendable, Equatable {
  private enum Day: Sendable, Equatable {
    /// The n-th weekday of a month, the fifth being the last; Sunday is 0.
    case weekday(month: Int, week: Int, day: Int)
    /// 1…365; 29 February is never counted.
    case julian(Int)
    /// 0…365; 29 February is counted.
    case ordinal(Int)
  }
  private struct Change: Sendable, Equatable {
    let day: Day
    /// Seconds after that day's midnight on the clocks as they are before the change.
    let seconds: Int
  }
  private struct Summer: Sendable, Equatable {
    let offset: Int
    let start: Change
    let end: Change
  }
  private let standard: Int
  private let summer: Summer?

  init?(_ text: [UInt8]) {
    var reader = RuleReader(text)
    guard reader.name(), let west = reader.offset(hours: 24) else { return nil }
    standard = -west
    if reader.isAtEnd {
      summer = nil
      return
    }
    guard reader.name() else { return nil }
    var offset = standard + 3600
    if !reader.next(is: ",") {
      guard let west = reader.offset(hours: 24) else { return nil }
      offset = -west
    }
    guard reader.skip(","), let start = Self.change(&reader), reader.skip(","),
      let end = Self.change(&reader), reader.isAtEnd
    else { return nil }
    summer = Summer(offset: offset, start: start, end: end)
  }

  private static func change(_ reader: inout RuleReader) -> Change? {
    let day: Day
    if reader.skip("M") {
      guard let month = reader.number(in: 1...12), reader.skip("."),
        let week = reader.number(in: 1...5), reader.skip("."),
        let weekday = reader.number(in: 0...6)
      else { return nil }
      day = .weekday(month: month, week: week, day: weekday)
    } else if reader.skip("J") {
      guard let number = reader.number(in: 1...365) else { return nil }
      day = .julian(number)
    } else {
      guard let number = reader.number(in: 0...365) else { return nil }
      day = .ordinal(number)
    }
    guard reader.skip("/") else { return Change(day: day, seconds: 7200) }
    guard let seconds = reader.offset(hours: 167) else { return nil }
    return Change(day: day, seconds: seconds)
  }

  func offset(at instant: Int64) -> Int {
    guard let summer else { return standard }
    let local = (instant + Int64(standard)).multipliedReportingOverflow(by: 1000)
    guard !local.overflow, OffsetTime.instants.contains(local.partialValue) else {
      return standard
    }
    let year = CivilTime(millisecondsSince1970: local.partialValue).year
    guard let begin = Self.midnight(summer.start.day, in: year),
      let end = Self.midnight(summer.end.day, in: year)
    else { return standard }
    let start = begin + Int64(summer.start.seconds - standard)
    let stop = end + Int64(summer.end.seconds - summer.offset)
    let isSummer =
      start < stop ? (start..<stop).contains(instant) : !(stop..<start).contains(instant)
    return isSummer ? summer.offset : standard
  }

  /// Seconds from 1970 to a day's midnight, as if it were in UTC.
  private static func midnight(_ day: Day, in year: Int) -> Int64? {
    func start(_ month: Int) -> Int64? {
      CivilTime(year: year, month: month, day: 1, hour: 0, minute: 0, second: 0, millisecond: 0)
        .map { $0.millisecondsSince1970 / 86_400_000 }
    }
    switch day {
    case .ordinal(let number):
      return start(1).map { ($0 + Int64(number)) * 86_400 }
    case .julian(let number):
      guard let january = start(1), let march = start(3) else { return nil }
      let leap = number > 59 && march - january == 60
      return (january + Int64(number - 1) + (leap ? 1 : 0)) * 86_400
    case .weekday(let month, let week, let weekday):
      guard let first = start(month) else { return nil }
      // 1970-01-01 was a Thursday.
      let weekdayOfFirst = ((first + 4) % 7 + 7) % 7
      var number = first + (Int64(weekday) - weekdayOfFirst + 7) % 7 + Int64(week - 1) * 7
      let next = month == 12 ? first + 31 : start(month + 1)
      guard let next else { return nil }
      if number >= next { number -= 7 }
      return number * 86_400
    }
  }
}

private struct RuleReader {
  private var rest: ArraySlice<UInt8>

  init(_ text: [UInt8]) { rest = text[...] }

  var isAtEnd: Bool { rest.isEmpty }

  func next(is character: Character) -> Bool { rest.first == character.asciiValue }

  mutating func skip(_ character: Character) -> Bool {
    guard next(is: character) else { return false }
    rest = rest.dropFirst()
    return true
  }

  /// Three letters or more, or anything within angle brackets.
  mutating func name() -> Bool {
    if skip("<") {
      guard let end = rest.firstIndex(of: UInt8(ascii: ">")) else { return false }
      rest = rest[(end + 1)...]
      return true
    }
    let letters = rest.prefix { (0x41...0x5A).contains($0 & 0xDF) }
    rest = rest.dropFirst(letters.count)
    return letters.count >= 3
  }

  mutating func number(in range: ClosedRange<Int>) -> Int? {
    let digits = rest.prefix { (0x30...0x39).contains($0) }
    guard (1...3).contains(digits.count) else { return nil }
    rest = rest.dropFirst(digits.count)
    let number = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    return range.contains(number) ? number : nil
  }

  /// `[+-]hh[:mm[:ss]]` in seconds.
  mutating func offset(hours limit: Int) -> Int? {
    let isNegative = skip("-")
    if !isNegative { _ = skip("+") }
    guard let hours = number(in: 0...limit) else { return nil }
    var seconds = hours * 3600
    if skip(":") {
      guard let minutes = number(in: 0...59) else { return nil }
      seconds += minutes * 60
      if skip(":") {
        guard let rest = number(in: 0...59) else { return nil }
        seconds += rest
      }
    }
    return isNegative ? -seconds : seconds
  }
}

private struct BigEndianReader {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  mutating func bytes(_ count: Int) -> ArraySlice<UInt8>? {
    guard count >= 0, rest.count >= count else { return nil }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  mutating func skip(_ count: Int) -> Bool { bytes(count) != nil }

  /// A number in two's complement.
  mutating func integer(bytes count: Int) -> Int64? {
    guard let bytes = bytes(count), let first = bytes.first else { return nil }
    let sign: Int64 = first & 0x80 == 0 ? 0 : -1
    return bytes.reduce(sign) { $0 << 8 | Int64($1) }
  }

  /// What stands between two line ends, which must be all there is.
  mutating func line() -> [UInt8]? {
    guard rest.count >= 2, rest.first == 0x0A, rest.last == 0x0A else { return nil }
    let line = Array(rest.dropFirst().dropLast())
    return line.contains(0x0A) ? nil : line
  }
}
