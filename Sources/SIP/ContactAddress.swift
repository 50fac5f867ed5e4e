/// An address to which callers are sent, in the one spelling of `Documentation/formats/sip.md`, 4.
public struct ContactAddress: Sendable, Hashable, CustomStringConvertible {
  /// Letters of a user at most.
  static let userBytes = 64

  public let description: String

  /// Reads what an operator or a plan wrote.
  ///
  /// - Parameters:
  ///   - text: `sip:` or `sips:`, a user and `@` or neither, a host in lower case, a port or none,
  ///     `;transport=` udp, tcp or tls or none; nothing else.
  ///   - allowsPrivate: whether addresses of private networks may be named; for tests on one machine and
  ///     for a carrier in the same network.
  /// - Throws: ``SIPError/Code/invalid``, ``SIPError/Code/privateAddress``, ``SIPError/Code/emergency``.
  public init(_ text: String, allowsPrivate: Bool = false) throws(SIPError) {
    let fault = SIPError(.invalid, during: "reading a contact")
    let bytes = Array(text.utf8)
    guard bytes.count <= 512 else { throw fault }
    var rest = bytes[...]
    if rest.starts(with: Array("sips:".utf8)) {
      rest = rest.dropFirst(5)
    } else if rest.starts(with: Array("sip:".utf8)) {
      rest = rest.dropFirst(4)
    } else {
      throw fault
    }
    if let at = rest.firstIndex(of: Syntax.at) {
      let user = rest[..<at]
      guard (1...Self.userBytes).contains(user.count), user.allSatisfy(Self.isUser) else {
        throw fault
      }
      guard !EmergencyNumber.isMeant(byUser: Array(user)) else {
        throw SIPError(.emergency, during: "reading a contact")
      }
      rest = rest[(at + 1)...]
    }
    for transport in ["udp", "tcp", "tls"] where rest.hasSuffix(";transport=" + transport) {
      rest = rest.dropLast(";transport=".utf8.count + 3)
      break
    }
    let hostEnd: Int
    if rest.first == 0x5B {
      guard let end = rest.firstIndex(of: 0x5D) else { throw fault }
      hostEnd = end + 1
      let inside = String(decoding: rest[(rest.startIndex + 1)..<end], as: UTF8.self)
      guard let address = IPAddress(inside), address.v4 == nil, address.description == inside else {
        throw fault
      }
      try Self.check(address, allowsPrivate)
    } else {
      hostEnd = rest.firstIndex(of: Syntax.colon) ?? rest.endIndex
      try Self.check(host: rest[..<hostEnd], allowsPrivate)
    }
    if hostEnd < rest.endIndex {
      let digits = Array(rest[hostEnd...].dropFirst())
      guard rest[hostEnd] == Syntax.colon, digits.first != 0x30,
        digits.number(at: digits.indices, upTo: 65_535) != nil
      else { throw fault }
    }
    description = text
  }

  private static func isUser(_ byte: UInt8) -> Bool {
    // + - . _ ~
    Syntax.isAlphanumeric(byte) || [0x2B, 0x2D, 0x2E, 0x5F, 0x7E].contains(byte)
  }

  private static func check(_ address: IPAddress, _ allowsPrivate: Bool) throws(SIPError) {
    guard allowsPrivate || address.isGlobal else {
      throw SIPError(.privateAddress, during: "reading a contact")
    }
  }

  /// A numeric address, or a name whose last label begins with a letter (RFC 3261, 25.1): `127.1` is neither.
  private static func check(
    host: ArraySlice<UInt8>, _ allowsPrivate: Bool
  ) throws(SIPError) {
    let text = String(decoding: host, as: UTF8.self)
    if let address = IPAddress(text), address.v4 != nil {
      try check(address, allowsPrivate)
      return
    }
    let labels = host.split(separator: 0x2E, omittingEmptySubsequences: false)
    guard host.count <= 253, let last = labels.last?.first, (0x61...0x7A).contains(last),
      labels.allSatisfy(isLabel)
    else { throw SIPError(.invalid, during: "reading the host of a contact") }
    let local = ["localhost", "local", "localdomain", "internal", "lan", "home", "corp", "arpa"]
    guard
      allowsPrivate
        || labels.count > 1
          && !local.contains(where: { labels.last?.elementsEqual($0.utf8) == true })
    else { throw SIPError(.privateAddress, during: "reading a contact") }
  }

  private static func isLabel(_ label: ArraySlice<UInt8>) -> Bool {
    (1...63).contains(label.count) && label.first != 0x2D && label.last != 0x2D
      && label.allSatisfy { Syntax.isDigit($0) || (0x61...0x7A).contains($0) || $0 == 0x2D }
  }
}

extension ArraySlice<UInt8> {
  fileprivate func hasSuffix(_ text: String) -> Bool {
    suffix(text.utf8.count).elementsEqual(text.utf8)
  }
}
