import Encoding

/// `list`: finds calls.
enum ListCommand {
  private static let filters = [
    "from", "to", "party", "extension", "agent", "location", "direction",
  ]

  static let list = Command(
    name: "list",
    summary: "find calls, newest first",
    options: [
      .value("from", "T", "started at or after this time (RFC 3339)"),
      .value("to", "T", "started before this time (RFC 3339)"),
      .value("party", "NUMBER", "either party's number; needs --purpose"),
      .value("extension", "E", "the extension"),
      .value("agent", "A", "the person or AI agent; needs --purpose"),
      .value("location", "L", "the site"),
      .value("direction", "D", "inbound, outbound or internal"),
      .value("limit", "N", "at most so many, 1 to 100; 50 if not given"),
      .value("cursor", "C", "go on after the page before"),
      .value(
        "purpose", "P", "why caller details are asked for, such as TREAT; else none are shown"),
    ] + Command.client,
    examples: [
      ("callvault list --extension 204 --from 2026-11-01T00:00:00Z", "calls of one extension"),
      (
        "callvault list --party '+1 313 555 0142' --purpose TREAT",
        "calls with one number, with names and numbers"
      ),
    ]
  ) { arguments, terminal in
    let client = try ServiceClient(arguments)
    var query: [(String, String)] = []
    for name in filters + ["limit", "cursor"] {
      if let value = arguments.value(name) { query.append((name, value)) }
    }
    let answer = try await client.get(
      "/v1/calls", query: query, headers: purposeHeader(arguments)
    ).object()
    let calls = answer["calls"]?.array?.compactMap { $0.object } ?? []
    let lines = calls.map { call in
      var columns = [
        call["call"]?.string ?? "", call["started"]?.string ?? "-",
        call["direction"]?.string ?? "-", call["extension"]?.string ?? "-",
        "\(call["recordings"]?.integer ?? 0) recordings",
      ]
      if let details = call["details"]?.object {
        columns.append((details["from"]?.string ?? "?") + " > " + (details["to"]?.string ?? "?"))
      }
      return columns.joined(separator: "  ")
    }
    var text = lines.isEmpty ? "no calls" : lines.joined(separator: "\n")
    if let next = answer["next"]?.string { text += "\nmore: --cursor \(next)" }
    terminal.result(text, answer)
    return ExitCode.success.rawValue
  }
}

/// The header that says why content is asked for, if the option is there.
func purposeHeader(_ arguments: Arguments) -> [(String, String)] {
  arguments.value("purpose").map { [("Purpose-Of-Use", $0)] } ?? []
}
