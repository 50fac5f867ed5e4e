import Encoding
import Threading

/// `consent show`, `consent record`, `consent revoke`: who agreed to the recording of a call.
enum ConsentCommands {
  private static let call = Operand(name: "CALL", summary: "the call's id")

  static let show = Command(
    name: "consent show",
    summary: "who agreed to the recording of a call, and whether it is enough",
    operands: [call],
    options: [
      .value("purpose", "P", "why it is read, such as HOPERAT", required: true)
    ] + Command.client,
    examples: [
      ("callvault consent show 9f0c… --purpose HOPERAT", "every record, and the decision")
    ],
    discussion: [
      "The strictest rule among the states of the parties and of the practice decides; a state that "
        + "nobody knows is strict. policies/consent.yaml has the rules and says what follows."
    ]
  ) { arguments, terminal in
    let call = try identifier(arguments.requiredOperand(0), of: "a call")
    let client = try ServiceClient(arguments)
    let answer = try await client.get(
      "/v1/calls/\(call)/consent", headers: purposeHeader(arguments)
    ).object()
    var lines: [String] = []
    for record in answer["records"]?.array?.compactMap({ $0.object }) ?? [] {
      let words = ["party", "state", "kind", "method", "at", "by", "text"].compactMap {
        record[$0]?.string
      }
      lines.append(
        words.joined(separator: "  ")
          + (record["completed"] == .bool(false) ? "  not completed" : ""))
    }
    if let decision = answer["decision"]?.object {
      let state = decision["state"]?.string ?? "an unknown state"
      lines.append(
        "\(decision["status"]?.string ?? ""): \(decision["rule"]?.string ?? "") by \(state)"
          + (decision["cite"]?.string.map { " (\($0))" } ?? "")
          + (decision["measure"]?.string == "quarantine" ? "; in quarantine" : ""))
    }
    terminal.result(lines.joined(separator: "\n"), answer)
    return ExitCode.success.rawValue
  }

  private static let about: [Option] = [
    .value("party", "WHO", "the party; caller if not given"),
    .value("state", "ST", "the party's state, two letters; unknown if not given"),
    .value("at", "T", "when (RFC 3339 with offset); now if not given"),
    .value("by", "WHO", "what played the text, or who asked"),
    .value("from", "SECONDS", "where in the recording it begins"),
    .value("to", "SECONDS", "where it ends"),
    .value("text", "ID", "which announcement or form, with its version"),
    .value("language", "TAG", "in which language, such as en-US"),
  ]

  static let record = Command(
    name: "consent record",
    summary: "say how a party of a call agreed to its recording",
    operands: [call],
    options: [
      .value("method", "M", "announcement, dtmf, verbal, written or none", required: true),
      .flag("cut-short", "it was not heard to its end, or not answered with a yes"),
    ] + about + Command.client,
    examples: [
      (
        "callvault consent record 9f0c… --method announcement --state CA --from 0 --to 4.2",
        "the announcement was played to its end"
      )
    ]
  ) { arguments, terminal in
    var body = try fields(arguments)
    body["method"] = .string(try arguments.required("method"))
    body["completed"] = .bool(!arguments.has("cut-short") && arguments.value("method") != "none")
    return try await send(body, arguments, terminal)
  }

  static let revoke = Command(
    name: "consent revoke",
    summary: "say that a party of a call took its consent back",
    operands: [call],
    options: [
      .value("method", "M", "how: verbal if not given, or written, dtmf")
    ] + about + Command.client,
    examples: [
      ("callvault consent revoke 9f0c… --at 2026-11-20T09:41:00-05:00", "from then on")
    ],
    discussion: [
      "What follows is for the policy to say: `revoked: quarantine` keeps the call from everybody until "
        + "the privacy officer decides."
    ]
  ) { arguments, terminal in
    var body = try fields(arguments)
    body["kind"] = .string("revoked")
    body["method"] = .string(arguments.value("method") ?? "verbal")
    body["completed"] = .bool(true)
    return try await send(body, arguments, terminal)
  }

  private static func fields(_ arguments: Arguments) throws(CommandFailure) -> JSONObject {
    var body: JSONObject = ["party": .string(arguments.value("party") ?? "caller")]
    for name in ["state", "by", "text", "language"] {
      if let value = arguments.value(name) { body[name] = .string(value) }
    }
    let now = Timestamp(milliseconds: SystemClock().read().milliseconds).rfc3339
    body["at"] = .string(arguments.value("at") ?? now)
    if let from = try milliseconds(arguments, "from") { body["from_ms"] = .integer(from) }
    if let to = try milliseconds(arguments, "to") { body["to_ms"] = .integer(to) }
    return body
  }

  private static func send(
    _ body: JSONObject, _ arguments: Arguments, _ terminal: Terminal
  ) async throws -> Int32 {
    let call = try identifier(arguments.requiredOperand(0), of: "a call")
    let client = try ServiceClient(arguments)
    let answer = try await client.post("/v1/calls/\(call)/consent", json: body).object()
    terminal.result("record \(answer["version"]?.integer ?? 0)", answer)
    return ExitCode.success.rawValue
  }

  /// Seconds with up to three decimals, as milliseconds.
  static func milliseconds(
    _ arguments: Arguments, _ name: String
  ) throws(CommandFailure) -> Int64? {
    guard let text = arguments.value(name) else { return nil }
    let halves = text.split(separator: ".", omittingEmptySubsequences: false)
    let fraction = halves.count == 2 ? String(halves[1]) : ""
    let digits = String(halves[0]) + fraction
    guard (1...2).contains(halves.count), (1...6).contains(halves[0].utf8.count),
      halves.count == 1 || (1...3).contains(fraction.utf8.count),
      digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let value = Int64(digits + String(repeating: "0", count: 3 - fraction.utf8.count))
    else {
      throw CommandFailure(.usage, "--\(name) must be seconds, such as 41.2")
    }
    return value
  }
}
