public import Encoding
public import Vault

/// The name that a 3CX phone system gives a recording, as `Documentation/formats/intake.md` section 2 has it.
///
/// `[27836826436]_27836826436-100_20190211124743(3).wav`: who was shown, from, to, when by the clock on
/// the wall, and a number of the phone system's own. What is shown is chosen by callers, so the name is
/// read from its end. A name that parses is written back byte for byte.
public struct RecordingFileName: Hashable, Sendable, LosslessStringConvertible {
  /// The name or number between the brackets, as the phone system's address book or the caller gave it.
  public let shown: String
  /// Who called; empty when withheld.
  public let from: String
  /// Who was called; empty when unknown.
  public let to: String
  public let recorded: LocalTime
  /// One to ten digits.
  public let number: String
  /// `wav` or `mp3`.
  public let ending: String

  /// Bytes of ``shown`` at most.
  static let shownLimit = 128
  /// Bytes of a party at most.
  static let partyLimit = 40

  /// Reads a name; nil for any other, whatever it holds.
  public init?(_ description: String) {
    guard description.utf8.count <= 255, description.utf8.first == UInt8(ascii: "[") else {
      return nil
    }
    var rest = Substring(description)
    guard let ending = ["wav", "mp3"].first(where: { rest.hasSuffix(")." + $0) }) else {
      return nil
    }
    rest = rest.dropLast(ending.utf8.count + 2)
    guard let number = Self.cut(&rest, at: "("), Self.isNumber(number),
      let time = Self.cut(&rest, at: "_"), let recorded = LocalTime(String(time)),
      let parties = Self.cut(&rest, at: "_"), rest.utf8.last == UInt8(ascii: "]"),
      rest.utf8.count >= 2
    else { return nil }
    let sides = parties.split(separator: "-", omittingEmptySubsequences: false)
    let shown = rest.dropFirst().dropLast()
    guard sides.count == 2, sides.allSatisfy(Self.isParty), sides.contains(where: { !$0.isEmpty }),
      shown.utf8.count <= Self.shownLimit,
      shown.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
    else { return nil }
    self.shown = String(shown)
    from = String(sides[0])
    to = String(sides[1])
    self.recorded = recorded
    self.number = String(number)
    self.ending = ending
    // A mark that joins the character before it could hide a bracket from the cuts above.
    guard self.description == description, self.description.utf8.elementsEqual(description.utf8)
    else { return nil }
  }

  public var description: String {
    "[\(shown)]_\(from)-\(to)_\(recorded)(\(number)).\(ending)"
  }

  /// Which way the call went, by which side is an extension; nil when neither is.
  public var direction: Direction? {
    switch (Self.isExtension(from), Self.isExtension(to)) {
    case (true, true): .internal
    case (true, false): .outbound
    case (false, true): .inbound
    case (false, false): nil
    }
  }

  /// The practice's side of the call; of an internal one, who called.
  public var callExtension: String? {
    [from, to].first(where: Self.isExtension)
  }

  /// Two to five digits, but not what is dialled in an emergency.
  static func isExtension(_ party: String) -> Bool {
    (2...5).contains(party.utf8.count) && party.utf8.allSatisfy { (0x30...0x39).contains($0) }
      && !["911", "112", "933", "988", "999", "000"].contains(party)
  }

  /// What stands after the last `mark`, which goes too.
  private static func cut(_ rest: inout Substring, at mark: Character) -> Substring? {
    guard let index = rest.lastIndex(of: mark) else { return nil }
    defer { rest = rest[..<index] }
    return rest[rest.index(after: index)...]
  }

  private static func isNumber(_ text: Substring) -> Bool {
    (1...10).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
  }

  /// Digits, letters, `*`, `#` and `.`, with a `+` only in front; empty where the side is not known.
  private static func isParty(_ text: Substring) -> Bool {
    guard text.utf8.count <= partyLimit else { return false }
    let rest = text.utf8.first == UInt8(ascii: "+") ? text.dropFirst() : text
    return (rest.utf8.count > 0 || text.isEmpty)
      && rest.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
          || (0x61...0x7A).contains(byte) || "*#.".utf8.contains(byte)
      }
  }
}
