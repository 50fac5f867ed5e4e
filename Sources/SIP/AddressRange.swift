/// A network in CIDR notation, such as `203.0.113.0/24` or `2001:db8::/32`; a bare address is itself only.
public struct AddressRange: Sendable, Hashable, CustomStringConvertible {
  private let address: IPAddress
  /// Of 128 bits; 96 more than written for IPv4.
  private let prefix: Int

  /// Reads what a person wrote.
  ///
  /// - Throws: ``SIPError/Code/invalid`` for text that is none, and for bits set behind the prefix: whoever
  ///   wrote `10.1.2.3/8` meant something else.
  public init(_ text: String) throws(SIPError) {
    let fault = SIPError(.invalid, during: "reading a network of a source list")
    let parts = text.utf8.split(
      separator: Syntax.slash, maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first, let address = IPAddress(String(decoding: first, as: UTF8.self))
    else { throw fault }
    var prefix = 128
    if parts.count == 2 {
      let width = address.v4 == nil ? 128 : 32
      let digits = Array(parts[1])
      guard digits.count <= 3, digits.first != 0x30 || digits.count == 1,
        let length = digits.number(at: digits.indices, upTo: width)
      else { throw fault }
      prefix = 128 - width + length
    }
    self.address = address
    self.prefix = prefix
    let mask = Self.mask(prefix)
    guard address.high & ~mask.high == 0, address.low & ~mask.low == 0 else { throw fault }
  }

  public func contains(_ other: IPAddress) -> Bool {
    // Not only the bits: an IPv6 network that reaches over ::ffff:0:0/96 names no IPv4 address.
    guard (address.v4 == nil) == (other.v4 == nil) else { return false }
    let mask = Self.mask(prefix)
    return (address.high ^ other.high) & mask.high == 0 && (address.low ^ other.low) & mask.low == 0
  }

  /// What ``init(_:)`` reads, a bare address with its prefix.
  public var description: String {
    "\(address)/\(address.v4 == nil ? prefix : prefix - 96)"
  }

  private static func mask(_ prefix: Int) -> (high: UInt64, low: UInt64) {
    (
      prefix <= 0 ? 0 : UInt64.max << UInt64(max(0, 64 - prefix)),
      prefix <= 64 ? 0 : UInt64.max << UInt64(128 - prefix)
    )
  }
}
