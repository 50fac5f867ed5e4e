/// An address that calls are sent to, from the policy's closed list: a `sip:` or `sips:` URI or a number in E.164.
///
/// Nothing that a caller sent can become one, and no emergency number is one: ``EmergencyNumbers``.
public struct RouteContact: Hashable, Sendable {
  /// `sip:desk@192.0.2.1:5060;transport=tcp` or `+13125550123`, as the policy has it.
  public let uri: String
  /// 0…1000, a thousandth each: `q` of RFC 3261, 20.10.
  ///
  /// The higher is tried first.
  public let preference: Int

  /// Is nil for another form, an emergency number, or a preference out of bounds.
  ///
  /// A number is `+` and 8 to 15 digits. A URI has at most 200 bytes, a host, and nothing that could leave
  /// the angle brackets or add header fields: letters, digits and `-._~!*'()&=+$,;:@[]/%` are all there is.
  public init?(_ uri: String, preference: Int = 1000) {
    guard (0...1000).contains(preference), !EmergencyNumbers.isTouched(by: uri),
      Self.isNumber(uri) || Self.hasHost(uri)
    else { return nil }
    self.uri = uri
    self.preference = preference
  }

  /// `1`, `0.5`, `0.125`: the parameter's value, without trailing zeros.
  public var q: String {
    if preference >= 1000 { return "1" }
    if preference == 0 { return "0" }
    var digits = String(preference)
    digits = String(repeating: "0", count: 3 - digits.utf8.count) + digits
    while digits.hasSuffix("0") { digits.removeLast() }
    return "0." + digits
  }

  public var isNumber: Bool { Self.isNumber(uri) }

  /// The host of a URI, without brackets; nil for a number.
  public var host: String? { Self.host(uri) }

  private static func isNumber(_ text: String) -> Bool {
    let digits = text.utf8.dropFirst()
    return text.utf8.first == 0x2b && (8...15).contains(digits.count)
      && digits.first != 0x30 && digits.allSatisfy { (0x30...0x39).contains($0) }
  }

  private static func hasHost(_ text: String) -> Bool {
    guard text.utf8.count <= 200, let host = host(text), !host.isEmpty else { return false }
    return text.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
        || "-._~!*'()&=+$,;:@[]/%".utf8.contains(byte)
    }
  }

  private static func host(_ text: String) -> String? {
    let scheme = text.hasPrefix("sips:") ? 5 : text.hasPrefix("sip:") ? 4 : 0
    guard scheme > 0 else { return nil }
    let rest = text.utf8.dropFirst(scheme)
    let address = rest.split(separator: 0x40, omittingEmptySubsequences: false)
    guard address.count <= 2, let last = address.last else { return nil }
    let place = last.prefix { $0 != 0x3b }
    if place.first == 0x5b {
      guard let end = place.firstIndex(of: 0x5d) else { return nil }
      return String(Substring(place[..<end].dropFirst()))
    }
    return String(Substring(place.prefix { $0 != 0x3a }))
  }
}
