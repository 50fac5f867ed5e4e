/// The value of From or To: a URI with or without a name before it, and a tag behind.
struct NameAddress: Sendable {
  /// The URI as it stands, not checked beyond its scheme.
  let uri: Range<Int>
  let tag: Range<Int>?

  /// Reads all of a field's value; nil if it is none.
  init?(_ bytes: [UInt8], at value: Range<Int>) {
    let limit = value.upperBound
    guard var index = Self.nameEnd(bytes, in: value) else { return nil }
    if index < limit, bytes[index] == Syntax.less {
      let start = index + 1
      index = start
      while index < limit, bytes[index] != Syntax.greater { index += 1 }
      guard index < limit else { return nil }
      uri = start..<index
      index += 1
    } else {
      // Without brackets a semicolon, a comma or a question mark is not the URI's (RFC 3261, 20.10).
      index = value.lowerBound
      while index < limit, !Syntax.isSpace(bytes[index]), bytes[index] != Syntax.semicolon {
        guard bytes[index] != Syntax.comma, bytes[index] != 0x3F else { return nil }
        index += 1
      }
      uri = value.lowerBound..<index
    }
    guard Self.isURI(bytes, at: uri) else { return nil }
    var tag: Range<Int>?
    walk: while true {
      switch Parameter.next(bytes, from: index, to: limit) {
      case .malformed: return nil
      case .end(let end):
        guard end == limit else { return nil }
        break walk
      case .parameter(let parameter):
        index = parameter.whole.upperBound
        guard bytes.holds("tag", at: parameter.name) else { continue }
        guard tag == nil, let text = parameter.value, bytes.allSatisfy(at: text, Syntax.isToken)
        else { return nil }
        tag = text
      }
    }
    self.tag = tag
  }

  /// Where the bracket before the URI is, or, without one, any other place.
  private static func nameEnd(_ bytes: [UInt8], in value: Range<Int>) -> Int? {
    guard let first = value.first else { return nil }
    if bytes[first] == Syntax.quote {
      guard let end = Parameter.quotedEnd(bytes, from: first, to: value.upperBound) else {
        return nil
      }
      let next = Parameter.skipSpace(bytes, end, value.upperBound)
      return next < value.upperBound && bytes[next] == Syntax.less ? next : nil
    }
    var index = first
    while index < value.upperBound, Syntax.isToken(bytes[index]) || Syntax.isSpace(bytes[index]) {
      index += 1
    }
    return index
  }

  /// A scheme, a colon, and something without spaces, brackets or quotes.
  private static func isURI(_ bytes: [UInt8], at range: Range<Int>) -> Bool {
    guard let first = range.first, Syntax.isLetter(bytes[first]),
      let colon = range.first(where: { bytes[$0] == Syntax.colon }), colon + 1 < range.upperBound
    else { return false }
    return bytes.allSatisfy(at: range) {
      $0 > Syntax.space && $0 != 0x7F && $0 != Syntax.less && $0 != Syntax.quote
    }
  }
}
