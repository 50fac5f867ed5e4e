public import Encoding

/// A plain message to a few people, whose parts cannot become other headers or commands.
public struct MailMessage: Sendable, Equatable {
  public static let recipientLimit = 16
  public let sender: String
  public let recipients: [String]
  /// The message's bytes, ended lines and headers and all, ready for `DATA`.
  public let bytes: [UInt8]

  /// Puts a message together.
  ///
  /// - Parameters:
  ///   - sender: an address.
  ///   - recipients: 1 to ``recipientLimit`` addresses.
  ///   - subject: 1 to 120 printable ASCII characters.
  ///   - lines: the text, at most 64 lines of 200 printable ASCII characters.
  ///   - identifier: the left part of `Message-ID`, 1 to 64 of letters, digits, `-` and `.`.
  ///   - date: when it was made.
  /// - Throws: ``SMTPError/Code/unusable``.
  public init(
    from sender: String, to recipients: [String], subject: String, lines: [String],
    identifier: String, date: Timestamp
  ) throws(SMTPError) {
    guard let host = Self.host(of: sender), (1...Self.recipientLimit).contains(recipients.count),
      recipients.allSatisfy({ Self.host(of: $0) != nil })
    else { throw SMTPError(.unusable, during: "reading an address") }
    guard Self.isText(subject, 1...120), lines.count <= 64,
      lines.allSatisfy({ Self.isText($0, 0...200) }),
      (1...64).contains(identifier.utf8.count),
      identifier.utf8.allSatisfy({ Self.isAtom($0) && $0 != 0x2B && $0 != 0x5F })
    else { throw SMTPError(.unusable, during: "putting a message together") }
    self.sender = sender
    self.recipients = recipients
    let head = [
      "Date: \(Self.date(date))", "From: <\(sender)>",
      "To: \(recipients.map { "<\($0)>" }.joined(separator: ", "))", "Subject: \(subject)",
      "Message-ID: <\(identifier)@\(host)>", "MIME-Version: 1.0",
      "Content-Type: text/plain; charset=us-ascii", "Auto-Submitted: auto-generated", "",
    ]
    bytes = Array((head + lines).map { $0 + "\r\n" }.joined().utf8)
  }

  /// `20 Nov 2026 15:42:00 +0000` (RFC 5322, 3.3); the day of the week may be left out.
  static func date(_ time: Timestamp) -> String {
    let months = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    let text = Array(time.rfc3339)
    let month = Int(String(text[5..<7])) ?? 1
    return "\(String(text[8..<10])) \(months[month - 1]) \(String(text[..<4])) "
      + "\(String(text[11..<19])) +0000"
  }

  /// What stands after the `@` of a plain address; nil for anything else.
  static func host(of address: String) -> String? {
    let parts = address.utf8.split(separator: 0x40, omittingEmptySubsequences: false)
    guard parts.count == 2, (1...64).contains(parts[0].count), (1...190).contains(parts[1].count),
      parts[0].allSatisfy(isAtom), parts[0].first != 0x2E, parts[0].last != 0x2E,
      parts[1].allSatisfy({ isAtom($0) && $0 != 0x2B && $0 != 0x5F }), parts[1].first != 0x2D
    else { return nil }
    return String(Substring(parts[1]))
  }

  private static func isText(_ text: String, _ length: ClosedRange<Int>) -> Bool {
    length.contains(text.utf8.count) && text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
  }

  private static func isAtom(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2B, 0x2D, 0x2E, 0x5F: true
    default: false
    }
  }
}
