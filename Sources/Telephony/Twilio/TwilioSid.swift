/// An id that Twilio made: two letters for what it is, and 32 hexadecimal digits.
struct TwilioSid: Hashable, Sendable, CustomStringConvertible {
  /// What an id is of.
  enum Kind: String, Sendable {
    case account = "AC"
    case key = "SK"
    case call = "CA"
    case number = "PN"
    case trunk = "TK"
    case originationURL = "OU"
    case messagingService = "MG"
  }

  let description: String

  /// Is nil for anything else; letters are as Twilio wrote them.
  init?(_ text: String, _ kind: Kind) {
    let bytes = text.utf8
    guard bytes.count == 34, text.hasPrefix(kind.rawValue),
      bytes.dropFirst(2).allSatisfy({ byte in
        (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte)
          || (0x61...0x66).contains(byte)
      })
    else { return nil }
    description = text
  }
}
