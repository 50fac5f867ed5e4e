import Encoding

/// `incident list`, `incident close`, `recording excise`: calls in quarantine, and what becomes of them.
enum IncidentCommands {
  private static let purpose = Option.value(
    "purpose", "P", "why, such as HOPERAT", required: true)

  static let list = Command(
    name: "incident list",
    summary: "calls in quarantine, and why",
    options: [purpose] + Command.client,
    examples: [("callvault incident list --purpose HOPERAT", "all that are open")],
    discussion: [
      "A transcript that holds a card number, or a call without the consent that policies/consent.yaml "
        + "asks for, keeps the whole call from everybody without the right incident.review. Spans are "
        + "shown, never what was said."
    ]
  ) { arguments, terminal in
    let client = try ServiceClient(arguments)
    var incidents: [JSONValue] = []
    var next: String?
    repeat {
      let page = try await client.get(
        "/v1/incidents", query: next.map { [("after", $0)] } ?? [],
        headers: purposeHeader(arguments)
      ).object()
      incidents += page["incidents"]?.array ?? []
      next = page["next"]?.string
    } while next != nil
    let lines = incidents.compactMap { $0.object }.map(line)
    terminal.result(
      lines.isEmpty ? "no call is in quarantine" : lines.joined(separator: "\n"),
      ["incidents": .array(incidents)])
    return ExitCode.success.rawValue
  }

  static let close = Command(
    name: "incident close",
    summary: "end the quarantine of a call that a person has looked at",
    operands: [Operand(name: "INCIDENT", summary: "the incident's id")],
    options: [
      .value("reason", "TEXT", "why it may end; the log commits to it", required: true), purpose,
    ] + Command.client,
    examples: [
      (
        "callvault incident close 1f0c… --reason 'an order number' --purpose HOPERAT",
        "what was found is no card number"
      )
    ]
  ) { arguments, terminal in
    let incident = try identifier(arguments.requiredOperand(0), of: "an incident")
    let client = try ServiceClient(arguments)
    let answer = try await client.post(
      "/v1/incidents/\(incident)/close",
      json: ["reason": .string(try arguments.required("reason"))],
      headers: purposeHeader(arguments)
    ).object()
    terminal.result("closed; entry \(answer["log_index"]?.integer ?? 0)", answer)
    return ExitCode.success.rawValue
  }

  static let excise = Command(
    name: "recording excise",
    summary: "take a span out of a recording and its transcripts for ever",
    operands: [Operand(name: "RECORDING", summary: "the recording's id")],
    options: [
      .value("from", "SECONDS", "where the span begins", required: true),
      .value("to", "SECONDS", "where it ends", required: true), purpose,
    ] + Command.client,
    examples: [
      (
        "callvault recording excise 8c1e… --from 41.2 --to 58.9 --purpose HOPERAT",
        "a card number that was read aloud"
      )
    ],
    discussion: [
      "The span becomes silence; segments of transcripts that touch it lose their text. The call is "
        + "sealed anew under another key, and the old key is destroyed by the next ratchet: within the "
        + "hour by itself, or at once with callvault keys ratchet.",
      "Make a backup afterwards: an older one opens nothing of this call any more. Recordings in GSM, "
        + "FLAC, Ogg or MP3 are refused, and so is a call that a hold keeps: two people release the "
        + "hold first.",
    ]
  ) { arguments, terminal in
    let recording = try identifier(arguments.requiredOperand(0), of: "a recording")
    guard let from = try ConsentCommands.milliseconds(arguments, "from"),
      let to = try ConsentCommands.milliseconds(arguments, "to"), from < to
    else { throw CommandFailure(.usage, "--from must lie before --to") }
    let client = try ServiceClient(arguments)
    let answer = try await client.post(
      "/v1/recordings/\(recording)/excisions",
      json: ["from_ms": .integer(from), "to_ms": .integer(to)], headers: purposeHeader(arguments)
    ).object()
    var lines = [
      "excised \(seconds(from))–\(seconds(to)); generation "
        + "\(answer["generation"]?.integer ?? 0)"
    ]
    if let due = answer["ratchet_due"]?.string {
      lines.append("the old key goes with the ratchet that is due \(due)")
    }
    if answer["holds_card_number"] == .bool(true) {
      lines.append("a transcript still holds a card number: the call stays in quarantine")
    }
    if let others = answer["other_recordings"]?.integer, others > 0 {
      lines.append(
        "recordings of this call that are as they were: \(others). The call stays in quarantine: hear "
          + "them, excise there too, then callvault incident close")
    }
    terminal.result(lines.joined(separator: "\n"), answer)
    return ExitCode.success.rawValue
  }

  private static func line(_ incident: JSONObject) -> String {
    var words = ["incident", "reason", "call"].compactMap { incident[$0]?.string }
    if let version = incident["transcript"]?.integer { words.append("transcript \(version)") }
    for span in incident["spans"]?.array?.compactMap({ $0.object }) ?? [] {
      let (from, to) = (span["from_ms"]?.integer ?? 0, span["to_ms"]?.integer ?? 0)
      words.append("\(seconds(from))–\(seconds(to)) s")
    }
    if let due = incident["due"]?.string {
      words.append(incident["overdue"] == .bool(true) ? "overdue since \(due)" : "due \(due)")
    }
    return words.joined(separator: "  ")
  }

  /// As `recording excise` takes it.
  private static func seconds(_ milliseconds: Int64) -> String {
    let rest = milliseconds % 1000
    return "\(milliseconds / 1000).\(rest < 100 ? "0" : "")\(rest < 10 ? "0" : "")\(rest)"
  }
}
