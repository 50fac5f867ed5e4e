public import SecretSharing

/// What a key ring says of the shares that open it: `slip39:id=I,m=M,n=N`.
///
/// It is not authenticated before the ring is open: it serves to tell a person early that a sheet is of
/// another ceremony.
public struct ShareCeremony: Equatable, Sendable {
  /// 15 bits.
  public let identifier: UInt16
  /// How many shares are needed, of how many; 1…16.
  public let threshold, count: Int

  /// The ceremony in which a share was made, `count` of them in all.
  public init(of share: Share, count: Int) {
    identifier = share.ceremony.identifier
    threshold = Int(share.memberThreshold)
    self.count = count
  }

  /// Parses a record's reference; nil where it is none of this form.
  public init?(_ reference: [UInt8]) {
    let text = String(decoding: reference, as: UTF8.self)
    guard text.hasPrefix("slip39:") else { return nil }
    let fields = text.dropFirst("slip39:".count).split(
      separator: ",", omittingEmptySubsequences: false)
    guard fields.count == 3,
      let identifier = Self.number(fields[0], after: "id="), identifier < 1 << 15,
      let threshold = Self.number(fields[1], after: "m="),
      let count = Self.number(fields[2], after: "n="), (1...16).contains(count),
      (1...count).contains(threshold)
    else { return nil }
    self.identifier = UInt16(identifier)
    self.threshold = threshold
    self.count = count
  }

  public var reference: [UInt8] {
    Array("slip39:id=\(identifier),m=\(threshold),n=\(count)".utf8)
  }

  private static func number(_ field: Substring, after name: String) -> Int? {
    guard field.hasPrefix(name) else { return nil }
    let digits = field.dropFirst(name.count)
    guard (1...5).contains(digits.utf8.count),
      digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), digits == "0" || digits.first != "0"
    else { return nil }
    return Int(digits)
  }
}
