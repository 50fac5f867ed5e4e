/// Where the parts of a URI lie in a message.
///
/// Checked as strictly as RFC 3261, 19.1, and 25.1 where the scheme is `sip` or `sips`; of other schemes
/// only the scheme is known.
struct SIPURI: Sendable {
  enum Scheme: Sendable {
    case sip
    case sips
    case tel
    case urn
    case other
  }

  let scheme: Scheme
  /// What a number or name is read from: the user without password, or all after the scheme; may be empty.
  let user: Range<Int>

  /// Reads all of a stretch; nil if it is no URI.
  init?(_ bytes: [UInt8], at range: Range<Int>) {
    var colon = range.lowerBound
    while colon < range.upperBound, bytes[colon] != Syntax.colon { colon += 1 }
    let name = range.lowerBound..<colon
    let rest = colon + 1..<max(colon + 1, range.upperBound)
    guard let first = name.first, Syntax.isLetter(bytes[first]), !rest.isEmpty,
      bytes.allSatisfy(at: name, { Syntax.isAlphanumeric($0) || [0x2B, 0x2D, 0x2E].contains($0) })
    else { return nil }
    if bytes.holds("sip", at: name) {
      scheme = .sip
    } else if bytes.holds("sips", at: name) {
      scheme = .sips
    } else {
      scheme =
        bytes.holds("tel", at: name) ? .tel : bytes.holds("urn", at: name) ? .urn : .other
      guard
        bytes.allSatisfy(
          at: rest,
          {
            $0 > Syntax.space && $0 < 0x7F && $0 != Syntax.quote
              && $0 != Syntax.less && $0 != Syntax.greater
          })
      else { return nil }
      user = rest
      return
    }
    // The last `@`: neither a host nor a parameter has one.
    var hostStart = rest.lowerBound
    for index in rest where bytes[index] == Syntax.at { hostStart = index + 1 }
    if hostStart > rest.lowerBound {
      let userInfo = rest.lowerBound..<hostStart - 1
      guard !userInfo.isEmpty, Self.isEscaped(bytes, at: userInfo, Syntax.isUser) else {
        return nil
      }
      let end = userInfo.first { bytes[$0] == Syntax.colon } ?? userInfo.upperBound
      guard end > userInfo.lowerBound else { return nil }
      user = userInfo.lowerBound..<end
    } else {
      user = hostStart..<hostStart
    }
    guard let place = HostPort(bytes, from: hostStart, to: rest.upperBound) else { return nil }
    // Header fields in a URI (`?`) may not stand in a Request-URI (RFC 3261, 19.1.1).
    let parameters = place.end..<rest.upperBound
    guard parameters.isEmpty || bytes[parameters.lowerBound] == Syntax.semicolon,
      Self.isEscaped(bytes, at: parameters, Syntax.isURIParameter)
    else { return nil }
  }

  private static func isEscaped(
    _ bytes: [UInt8], at range: Range<Int>, _ isPlain: (UInt8) -> Bool
  ) -> Bool {
    var index = range.lowerBound
    while index < range.upperBound {
      if bytes[index] == Syntax.percent {
        guard index + 2 < range.upperBound, Syntax.hexValue(bytes[index + 1]) != nil,
          Syntax.hexValue(bytes[index + 2]) != nil
        else { return false }
        index += 3
      } else {
        guard isPlain(bytes[index]) else { return false }
        index += 1
      }
    }
    return true
  }
}

/// `host [ ":" port ]` at the start of a stretch.
struct HostPort {
  /// Without brackets.
  let host: Range<Int>
  let port: UInt16?
  /// The first byte that belongs to neither.
  let end: Int

  /// Reads one; with `allowsSpace` there may be space around the colon, as in a Via.
  init?(_ bytes: [UInt8], from start: Int, to limit: Int, allowsSpace: Bool = false) {
    var index = start
    if index < limit, bytes[index] == 0x5B {
      index += 1
      let first = index
      while index < limit,
        Syntax.hexValue(bytes[index]) != nil || bytes[index] == Syntax.colon
          || bytes[index] == 0x2E
      { index += 1 }
      guard index > first, index < limit, bytes[index] == 0x5D else { return nil }
      host = first..<index
      index += 1
    } else {
      while index < limit,
        Syntax.isAlphanumeric(bytes[index]) || bytes[index] == 0x2D || bytes[index] == 0x2E
      { index += 1 }
      guard index > start else { return nil }
      host = start..<index
    }
    var colon = index
    while allowsSpace, colon < limit, Syntax.isSpace(bytes[colon]) { colon += 1 }
    guard colon < limit, bytes[colon] == Syntax.colon else {
      port = nil
      end = index
      return
    }
    index = colon + 1
    while allowsSpace, index < limit, Syntax.isSpace(bytes[index]) { index += 1 }
    let digits = index
    while index < limit, Syntax.isDigit(bytes[index]) { index += 1 }
    guard let number = bytes.number(at: digits..<index, upTo: 65_535), number > 0 else {
      return nil
    }
    port = UInt16(number)
    end = index
  }
}
