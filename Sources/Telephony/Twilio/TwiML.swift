import Failover

/// Documents that tell Twilio what to do with a call, made of a plan's contacts and of nothing a caller sent.
enum TwiML {
  /// Contacts that ring at once, at most; Twilio takes ten.
  static let contactLimit = 10

  /// Rings all contacts at once; whoever answers first has the call.
  static func ring(_ contacts: [RouteContact], seconds: Int64) -> String {
    document(
      dial(Array(contacts.prefix(contactLimit)), seconds: seconds, next: nil, status: nil))
  }

  /// Rings one contact, asks `next` what to do when that has ended, and tells `status` what became of it.
  static func ring(
    _ contact: RouteContact, seconds: Int64, next: String?, status: String?
  ) -> String {
    document(dial([contact], seconds: seconds, next: next, status: status))
  }

  static let hangUp = document("<Hangup/>")
  /// Whoever answers hears two seconds of nothing, and the call ends.
  static let pauseAndHangUp = document("<Pause length=\"2\"/><Hangup/>")

  private static func document(_ content: String) -> String {
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>\(content)</Response>"
  }

  private static func dial(
    _ contacts: [RouteContact], seconds: Int64, next: String?, status: String?
  ) -> String {
    let action = next.map { " action=\"\(escaped($0))\" method=\"POST\"" } ?? ""
    let news =
      status.map {
        " statusCallback=\"\(escaped($0))\" statusCallbackEvent=\"answered completed\""
      } ?? ""
    let nouns = contacts.map { contact in
      let noun = contact.isNumber ? "Number" : "Sip"
      return "<\(noun)\(news)>\(escaped(contact.uri))</\(noun)>"
    }
    return "<Dial answerOnBridge=\"true\" timeout=\"\(seconds)\"\(action)>"
      + nouns.joined() + "</Dial>"
  }

  /// Text for content and attributes; what XML has no character for becomes none.
  static func escaped(_ text: String) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      case "\"": escaped += "&quot;"
      case "'": escaped += "&apos;"
      case "\u{20}"..."\u{7E}", "\u{A0}"..."\u{D7FF}", "\u{E000}"..."\u{FFFD}",
        "\u{10000}"..."\u{10FFFF}":
        escaped.unicodeScalars.append(scalar)
      default: break
      }
    }
    return escaped
  }
}
