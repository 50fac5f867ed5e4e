import Encoding
import Failover

/// What a notice says, in words from closed lists and ids: nothing in it is about a patient or a caller.
struct NoticeText: Sendable {
  private let notice: Notice

  init(_ notice: Notice) {
    self.notice = notice
  }

  /// One line of at most 120 printable ASCII characters.
  var summary: String {
    var words = "CallVault \(notice.urgency.rawValue): \(notice.event.rawValue)"
    if let subject { words += " \(subject)" }
    words += ", calls now \(notice.state.rawValue)"
    return String(words.prefix(120))
  }

  /// The subject, where it is a name of the policy; anything else is left out.
  var subject: String? {
    notice.subject.flatMap { TargetID($0)?.description }
  }

  /// Lines of a mail.
  var lines: [String] {
    var lines = [
      "event: \(notice.event.rawValue)", "urgency: \(notice.urgency.rawValue)",
      "state: \(notice.state.rawValue)",
    ]
    if let subject { lines.append("subject: \(subject)") }
    if let call = notice.call { lines.append("call: \(call)") }
    lines += [
      "time: \(Timestamp(milliseconds: notice.atMs).rfc3339)", "notice: \(notice.id)",
      "sent for the \(notice.level). time", "",
      "callvault failover status shows more. Until somebody acknowledges it, this notice comes again.",
    ]
    return lines
  }

  /// A text message of at most 160 characters.
  var message: String {
    String("\(summary). Notice \(notice.id)".prefix(160))
  }

  var json: JSONValue {
    var object: JSONObject = [
      "v": 1, "notice": .string("\(notice.id)"), "event": .string(notice.event.rawValue),
      "urgency": .string(notice.urgency.rawValue), "state": .string(notice.state.rawValue),
    ]
    if let subject { object["subject"] = .string(subject) }
    if let call = notice.call { object["call"] = .string("\(call)") }
    object["time"] = .string(Timestamp(milliseconds: notice.atMs).rfc3339)
    object["level"] = .integer(Int64(notice.level))
    return .object(object)
  }
}
