/// One `;name` or `;name=value` behind an address or a Via.
struct Parameter {
  let name: Range<Int>
  /// With its quotes, if it has any; nil for a name alone.
  let value: Range<Int>?
  /// From the semicolon on, without space behind.
  let whole: Range<Int>

  /// What a walk along parameters found next.
  enum Step {
    case parameter(Parameter)
    /// None any more: a comma, or the end.
    case end(Int)
    case malformed
  }

  /// Reads the next one; space may stand anywhere between its parts (RFC 3261, 25.1).
  static func next(_ bytes: [UInt8], from start: Int, to limit: Int) -> Step {
    var index = skipSpace(bytes, start, limit)
    guard index < limit, bytes[index] != Syntax.comma else { return .end(index) }
    guard bytes[index] == Syntax.semicolon else { return .malformed }
    let semicolon = index
    index = skipSpace(bytes, index + 1, limit)
    let nameStart = index
    while index < limit, Syntax.isToken(bytes[index]) { index += 1 }
    let name = nameStart..<index
    guard !name.isEmpty else { return .malformed }
    let sign = skipSpace(bytes, index, limit)
    guard sign < limit, bytes[sign] == Syntax.equals else {
      return .parameter(Parameter(name: name, value: nil, whole: semicolon..<index))
    }
    index = skipSpace(bytes, sign + 1, limit)
    let valueStart = index
    if index < limit, bytes[index] == Syntax.quote {
      guard let end = quotedEnd(bytes, from: index, to: limit) else { return .malformed }
      index = end
    } else {
      while index < limit, Syntax.isValue(bytes[index]) { index += 1 }
    }
    guard index > valueStart else { return .malformed }
    return .parameter(
      Parameter(name: name, value: valueStart..<index, whole: semicolon..<index))
  }

  static func skipSpace(_ bytes: [UInt8], _ start: Int, _ limit: Int) -> Int {
    var index = start
    while index < limit, Syntax.isSpace(bytes[index]) { index += 1 }
    return index
  }

  /// The place behind a quoted string that begins at `start`; nil if it does not end.
  static func quotedEnd(_ bytes: [UInt8], from start: Int, to limit: Int) -> Int? {
    var index = start + 1
    while index < limit {
      switch bytes[index] {
      case Syntax.quote: return index + 1
      case Syntax.backslash: index += 2
      default: index += 1
      }
    }
    return nil
  }
}
