import Encoding

/// `token create`, `token list`, `token revoke`: who may ask the service what.
enum TokenCommands {
  static let create = Command(
    name: "token create",
    summary: "make an access token; its secret is shown this once",
    options: [
      .value("name", "N", "who or what will use it", required: true),
      .value(
        "role", "R",
        "clinician, privacy-officer, auditor, records-manager, operator, administrator or service",
        required: true),
      .value("scope", "S", "what it is confined to or allowed; may be repeated", repeated: true),
      .value("ttl", "8h", "how long it lives, such as 45m, 8h or 30d; 8h if not given"),
    ] + Command.client,
    examples: [
      (
        "callvault token create --name 'Dr. Osei' --role clinician",
        "for a person who may hear recordings"
      ),
      (
        "callvault token create --name pbx --role service --scope recordings:write --ttl 365d",
        "for a phone system that may only store"
      ),
    ]
  ) { arguments, terminal in
    var body = JSONObject()
    body["name"] = .string(try arguments.required("name"))
    body["role"] = .string(try arguments.required("role"))
    let scopes = arguments.all("scope").flatMap { $0.split(separator: " ").map(String.init) }
    if !scopes.isEmpty { body["scopes"] = .array(scopes.map { .string($0) }) }
    if let ttl = arguments.value("ttl") {
      guard let seconds = DurationText.seconds(ttl) else {
        throw CommandFailure(.usage, "--ttl must be digits and s, m, h or d, such as 8h")
      }
      body["ttl_seconds"] = .integer(seconds)
    }
    let client = try ServiceClient(arguments, administers: true)
    let answer = try await client.post("/v1/tokens", json: body).object()
    let token = try answer.requiredString("token")
    if !terminal.isJSON { terminal.note("Keep this secret; it cannot be shown again.") }
    terminal.result(token, answer)
    return ExitCode.success.rawValue
  }

  static let list = Command(
    name: "token list",
    summary: "list access tokens, without their secrets",
    options: Command.client,
    examples: [("callvault token list --json", "every token with its role, expiry and state")]
  ) { arguments, terminal in
    let client = try ServiceClient(arguments, administers: true)
    let answer = try await client.get("/v1/tokens").object()
    let tokens = answer["tokens"]?.array?.compactMap { $0.object } ?? []
    let lines = tokens.map { token in
      let state = token["revoked"]?.bool == true ? "revoked" : "until"
      return [
        token["id"]?.string ?? "", token["role"]?.string ?? "", state,
        token["expires"]?.string ?? "", token["name"]?.string ?? "",
      ].joined(separator: "  ")
    }
    terminal.result(lines.joined(separator: "\n"), answer)
    return ExitCode.success.rawValue
  }

  static let revoke = Command(
    name: "token revoke",
    summary: "end an access token at once",
    operands: [Operand(name: "ID", summary: "the token's id, from `token list`")],
    options: Command.client,
    examples: [
      ("callvault token revoke 6f1c…", "what it opened is shut before the command returns")
    ]
  ) { arguments, terminal in
    let id = try identifier(arguments.requiredOperand(0), of: "a token")
    let client = try ServiceClient(arguments, administers: true)
    _ = try await client.delete("/v1/tokens/\(id)")
    terminal.result("revoked \(id)", ["id": .string(id.description), "revoked": true])
    return ExitCode.success.rawValue
  }
}

/// An id that was typed.
///
/// - Throws: ``CommandFailure`` with ``ExitCode/usage``: what is no id names nothing.
func identifier(_ text: String, of what: String) throws(CommandFailure) -> Identifier {
  guard let id = Identifier(text) else {
    throw CommandFailure(
      .usage, "'\(text)' is not the id of \(what); ids look like 3b7e1f0a-…, in lower case")
  }
  return id
}
