/// An IPv4 or IPv6 address.
///
/// IPv4 is kept as `::ffff:a.b.c.d`, so that a client of a socket for both is one address.
public struct IPAddress: Sendable, Hashable, CustomStringConvertible {
  /// Network order: the first eight bytes, the last eight.
  let high: UInt64
  let low: UInt64

  init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// From an IPv4 address in host order.
  public init(v4: UInt32) {
    high = 0
    low = 0xFFFF_0000_0000 | UInt64(v4)
  }

  /// From sixteen bytes in network order; nil for another number of bytes.
  public init?(v6 bytes: some Collection<UInt8>) {
    guard bytes.count == 16 else { return nil }
    high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    low = bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// From numeric text; names, zones, octal and shortened IPv4 are refused.
  public init?(_ text: String) {
    let bytes = Array(text.utf8)
    guard bytes.count <= 45 else { return nil }
    if let four = Self.v4(bytes[...]) {
      self.init(v4: four)
    } else {
      guard let words = Self.v6(bytes) else { return nil }
      self.init(
        high: words[..<4].reduce(0) { $0 << 16 | UInt64($1) },
        low: words[4...].reduce(0) { $0 << 16 | UInt64($1) })
    }
  }

  /// The IPv4 address in host order, or nil.
  public var v4: UInt32? {
    high == 0 && low >> 32 == 0xFFFF ? UInt32(truncatingIfNeeded: low) : nil
  }

  /// In network order.
  public var bytes: [UInt8] {
    (0..<16).map { index in
      UInt8(truncatingIfNeeded: (index < 8 ? high : low) >> UInt64(56 - 8 * (index & 7)))
    }
  }

  /// Whether packets to it cross the internet: no private, shared, local, documentation, multicast or
  /// reserved network of the IANA registries (RFC 6890), and none that holds an IPv4 address inside.
  public var isGlobal: Bool {
    if let v4 {
      let special: [(UInt32, UInt32)] = [
        (0x0000_0000, 8), (0x0A00_0000, 8), (0x6440_0000, 10), (0x7F00_0000, 8),
        (0xA9FE_0000, 16), (0xAC10_0000, 12), (0xC000_0000, 24), (0xC000_0200, 24),
        (0xC058_6300, 24), (0xC0A8_0000, 16), (0xC612_0000, 15), (0xC633_6400, 24),
        (0xCB00_7100, 24), (0xE000_0000, 4), (0xF000_0000, 4),
      ]
      return !special.contains { (v4 ^ $0.0) >> (32 - $0.1) == 0 }
    }
    // 2000::/3 is what is given out; of it 2001::/23, 2001:db8::/32, 2002::/16 and 3fff::/20 are special.
    return high >> 61 == 1 && high >> 41 != 0x2001_0000 >> 9 && high >> 32 != 0x2001_0DB8
      && high >> 48 != 0x2002 && high >> 44 != 0x3FFF0
  }

  /// RFC 5952's spelling.
  public var description: String {
    if let v4 {
      return (0..<4).map { String(v4 >> UInt32(24 - 8 * $0) & 255) }.joined(separator: ".")
    }
    let words = (0..<8).map {
      UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> UInt64(48 - 16 * ($0 & 3)))
    }
    var longest = 0..<0
    var start = 0
    while start < 8 {
      var end = start
      while end < 8, words[end] == 0 { end += 1 }
      if end - start > max(1, longest.count) { longest = start..<end }
      start = max(end, start + 1)
    }
    func text(_ words: ArraySlice<UInt16>) -> String {
      words.map { String($0, radix: 16) }.joined(separator: ":")
    }
    return longest.isEmpty
      ? text(words[...])
      : text(words[..<longest.lowerBound]) + "::" + text(words[longest.upperBound...])
  }

  private static func v4(_ text: ArraySlice<UInt8>) -> UInt32? {
    let parts = text.split(separator: 0x2E, omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var address: UInt32 = 0
    for part in parts {
      guard (1...3).contains(part.count), part.allSatisfy(Syntax.isDigit),
        part.count == 1 || part.first != 0x30
      else { return nil }
      let value = part.reduce(0) { $0 * 10 + UInt32($1 - 0x30) }
      guard value < 256 else { return nil }
      address = address << 8 | value
    }
    return address
  }

  private static func v6(_ text: [UInt8]) -> [UInt16]? {
    var head: [UInt16] = []
    var tail: [UInt16]?
    var index = 0
    guard text.count >= 2, text[0] != Syntax.colon || text[1] == Syntax.colon else { return nil }
    while index < text.count {
      if text[index] == Syntax.colon, index + 1 < text.count, text[index + 1] == Syntax.colon {
        guard tail == nil else { return nil }
        tail = []
        index += 2
        continue
      }
      let end = text[index...].firstIndex(of: Syntax.colon) ?? text.count
      let part = text[index..<end]
      var words: [UInt16] = []
      if end == text.count, let four = v4(part) {
        words = [UInt16(four >> 16), UInt16(truncatingIfNeeded: four)]
      } else {
        guard (1...4).contains(part.count), part.allSatisfy({ Syntax.hexValue($0) != nil }) else {
          return nil
        }
        words = [part.reduce(0) { $0 << 4 | UInt16(Syntax.hexValue($1) ?? 0) }]
      }
      if tail == nil { head += words } else { tail? += words }
      guard head.count + (tail?.count ?? 0) <= 8 else { return nil }
      index = end
      guard index < text.count else { break }
      // A single colon joins two parts; a double one was handled above.
      if index + 1 < text.count, text[index + 1] == Syntax.colon { continue }
      index += 1
      guard index < text.count else { return nil }
    }
    guard let tail else { return head.count == 8 ? head : nil }
    guard head.count + tail.count < 8 else { return nil }
    return head + [UInt16](repeating: 0, count: 8 - head.count - tail.count) + tail
  }
}
