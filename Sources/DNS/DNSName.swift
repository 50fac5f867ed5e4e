/// The name of a host, as a question to a resolver carries it.
public struct DNSName: Sendable, Hashable, CustomStringConvertible {
  public let description: String
  /// Labels with their lengths, and the empty one (RFC 1035, 3.1).
  let encoded: [UInt8]

  /// Is nil for what is no name of a host: labels of 1 to 63 letters, digits, `-` and `_`, 253 bytes in all.
  public init?(_ description: String) {
    let text = description.hasSuffix(".") ? String(description.dropLast()) : description
    guard (1...253).contains(text.utf8.count) else { return nil }
    var bytes: [UInt8] = []
    for label in text.utf8.split(separator: 0x2E, omittingEmptySubsequences: false) {
      guard (1...63).contains(label.count),
        label.allSatisfy({ byte in
          (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
            || (0x61...0x7A).contains(byte) || byte == 0x2D || byte == 0x5F
        })
      else { return nil }
      bytes.append(UInt8(label.count))
      bytes += label
    }
    self.description = text
    encoded = bytes + [0]
  }
}
