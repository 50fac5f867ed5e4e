/// What nobody but the caller's own carrier may route: 911, its test number, the crisis line, what mobile
/// networks and other countries take for 911, and `urn:service:sos` (RFC 5031).
public enum EmergencyNumber {
  private static let numbers: Set<[UInt8]> = Set(
    ["911", "933", "988", "112", "999", "000", "110", "118", "119"].map { Array($0.utf8) })

  /// Whether a request asks for one, in its target or in To.
  ///
  /// The target of a call on its way to the
  /// emergency service may already be that of its gateway. `further` are digits of the place.
  static func isCalled(by request: SIPRequest, besides further: Set<[UInt8]> = []) -> Bool {
    let bytes = request.message.bytes
    if let uri = request.uri, isMeant(bytes, by: uri, further) { return true }
    guard let to = request.to, let uri = SIPURI(bytes, at: to.uri) else { return false }
    return isMeant(bytes, by: uri, further)
  }

  private static func isMeant(
    _ bytes: [UInt8], by uri: SIPURI, _ further: Set<[UInt8]>
  ) -> Bool {
    if !further.isEmpty, uri.scheme != .urn,
      let dialed = DialedNumber.digits(of: decoded(bytes, at: uri.user)), further.contains(dialed)
    {
      return true
    }
    switch uri.scheme {
    case .sip, .sips:
      return isMeant(byUser: decoded(bytes, at: uri.user))
    case .tel: return isNumber(decoded(bytes, at: uri.user))
    case .urn: return isService(utf8("urn:") + decoded(bytes, at: uri.user))
    case .other: return false
    }
  }

  /// Whether the user of a `sip:` or `sips:` URI is one: a number, `sos`, or the name of the service.
  static func isMeant(byUser user: [UInt8]) -> Bool {
    let name = user.prefix { $0 != Syntax.semicolon && $0 != 0x2E }.map(Syntax.lowered)
    return isNumber(user) || isService(user) || name.elementsEqual("sos".utf8)
  }

  /// Whether a user part, or what follows `tel:`, dials one, however it is punctuated; 911 also behind one
  /// or two digits that get a line or a country.
  static func isNumber(_ user: [UInt8]) -> Bool {
    guard let dialed = DialedNumber.digits(of: user), (3...5).contains(dialed.count) else {
      return false
    }
    if dialed.count == 3 { return numbers.contains(dialed) }
    return dialed.suffix(3).elementsEqual("911".utf8)
      && dialed.dropLast(3).allSatisfy { [0x30, 0x31, 0x38, 0x39].contains($0) }
  }

  private static func isService(_ text: [UInt8]) -> Bool {
    let lowered = text.map(Syntax.lowered)
    return ["urn:service:sos", "urn:service:test.sos"].contains { name in
      let name = utf8(name)
      guard lowered.starts(with: name) else { return false }
      guard lowered.count > name.count else { return true }
      // A subservice, a parameter or a query; not another service whose name begins alike.
      return !Syntax.isAlphanumeric(lowered[name.count]) && lowered[name.count] != 0x2D
    }
  }

  /// With escapes undone, once (RFC 4475, 3.1.1.3).
  static func decoded(_ bytes: [UInt8], at range: Range<Int>) -> [UInt8] {
    var text: [UInt8] = []
    var index = range.lowerBound
    while index < range.upperBound {
      if bytes[index] == Syntax.percent, index + 2 < range.upperBound,
        let high = Syntax.hexValue(bytes[index + 1]), let low = Syntax.hexValue(bytes[index + 2])
      {
        text.append(high << 4 | low)
        index += 3
      } else {
        text.append(bytes[index])
        index += 1
      }
    }
    return text
  }

  private static func utf8(_ text: String) -> [UInt8] { Array(text.utf8) }
}

/// A telephone number as dialled.
enum DialedNumber {
  /// Its digits without `+`, punctuation and parameters; nil where anything else stands between.
  static func digits(of user: [UInt8]) -> [UInt8]? {
    var digits: [UInt8] = []
    for byte in user {
      switch byte {
      case 0x30...0x39: digits.append(byte)
      // + - . ( ) and a space that was escaped
      case 0x2B, 0x2D, 0x2E, 0x28, 0x29, 0x20: continue
      case Syntax.semicolon: return digits.isEmpty ? nil : digits
      default: return nil
      }
    }
    return digits.isEmpty ? nil : digits
  }
}
