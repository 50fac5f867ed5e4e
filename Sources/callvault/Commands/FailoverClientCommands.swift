import Encoding
import Failover
import HTTPClient
import Host
import Service

/// The commands that ask a running supervisor.
enum FailoverClientCommands {
  private static let client: [Option] = [
    FailoverCommands.folder,
    .value("server", "URL", "a supervisor elsewhere, by https; else the socket in its folder"),
    .value("cacert", "FILE", "certificates that it may show, in PEM"),
    .value("token-file", "FILE", "a file that holds the token; else CALLVAULT_TOKEN"),
  ]

  static let status = Command(
    name: "failover status",
    summary: "show where calls go, and what is believed of each target",
    options: client,
    examples: [("callvault failover status --dir /var/lib/callvault-failover", "where calls go")]
  ) { arguments, terminal in
    let status = try await ask(arguments, "GET", "/v1/route")
    terminal.result(describe(status), status)
    return ExitCode.success.rawValue
  }

  static let plan = Command(
    name: "failover plan",
    summary: "say where calls would go if something were dead, or at another time",
    options: client + [
      .value("dead", "TARGET", "a target of the policy that is to count as dead", repeated: true),
      .value("at", "TIME", "a time by RFC 3339 with its offset; else now"),
      .flag("emergency", "of an emergency call"),
    ],
    examples: [("callvault failover plan --dead pbx", "changes nothing")]
  ) { arguments, terminal in
    var body: JSONObject = ["dead": .array(arguments.all("dead").map { .string($0) })]
    if let time = arguments.value("at") { body["time"] = .string(time) }
    if arguments.has("emergency") { body["emergency"] = true }
    let answer = try await ask(arguments, "POST", "/v1/route/evaluate", body)
    terminal.result(
      "\(answer["route"]?.string ?? "") by \(answer["provider"]?.string ?? ""): "
        + (answer["decision"]?.string ?? ""), answer)
    return ExitCode.success.rawValue
  }

  static let override = Command(
    name: "failover override",
    summary: "send calls a way by hand, or end that",
    operands: [Operand(name: "ROUTE", summary: "a route of the policy", isOptional: true)],
    options: client + [
      .value("for", "TIME", "for how long, at most 24h; else 1h"),
      .flag("strict", "also where that way does not work"),
      .flag("end", "end the override there is"),
      .flag("failback", "go back to a better way that has proved itself"),
      .flag("release", "open the latch after too many changes"),
    ],
    examples: [
      ("callvault failover override desk --for 2h", "all calls to people for two hours"),
      ("callvault failover override --end", "back to what the policy says"),
    ]
  ) { arguments, terminal in
    let asked = ["end", "failback", "release"].filter(arguments.has)
    let route = arguments.operand(0)
    guard asked.count + (route == nil ? 0 : 1) == 1 else {
      throw CommandFailure(.usage, "name a route, or one of --end, --failback and --release")
    }
    let status: JSONObject
    if let route {
      guard let seconds = DurationText.seconds(arguments.value("for") ?? "1h") else {
        throw CommandFailure(.usage, "--for must be a time such as 30m or 2h")
      }
      status = try await ask(
        arguments, "POST", "/v1/route/override",
        [
          "route": .string(route), "for_ms": .integer(seconds * 1000),
          "strict": .bool(arguments.has("strict")),
        ])
    } else if arguments.has("end") {
      status = try await ask(arguments, "DELETE", "/v1/route/override")
    } else {
      status = try await ask(
        arguments, "POST", arguments.has("release") ? "/v1/route/release" : "/v1/route/failback")
    }
    terminal.result(describe(status), status)
    return ExitCode.success.rawValue
  }

  static let history = Command(
    name: "failover history",
    summary: "show what was decided, newest first, with the evidence",
    options: client + [.value("limit", "N", "how many, 1 to 500; else 50")],
    examples: [("callvault failover history --limit 5 --json", "with all evidence")]
  ) { arguments, terminal in
    let limit = arguments.value("limit") ?? "50"
    let answer = try await ask(
      arguments, "GET", "/v1/route/history?limit=" + ClientRequest.encoded(limit))
    let lines = (answer["decisions"]?.array ?? []).compactMap(\.object).map { item in
      let to = item["to"]?.object
      let ms = item["command_ms"]?.integer.map { ", confirmed in \($0) ms" } ?? ""
      return "\(item["time"]?.string ?? "")  \(item["cause"]?.string ?? "")  "
        + "\(to?["route"]?.string ?? "") (\(to?["state"]?.string ?? ""))"
        + (item["detect_ms"]?.integer.map { ", decided after \($0) ms" } ?? "") + ms
    }
    terminal.result(lines.isEmpty ? "nothing was decided" : lines.joined(separator: "\n"), answer)
    return ExitCode.success.rawValue
  }

  static let drill = Command(
    name: "failover drill",
    summary:
      "rehearse the death of a target: what would be decided, how fast, and what would change",
    options: client + [
      .value("dead", "TARGET", "a target of the policy", required: true, repeated: true),
      .flag("live", "then send calls that way for a time, and back"),
      .value("for", "TIME", "with --live: for how long, 1s to 10m; else 1m"),
    ],
    examples: [
      ("callvault failover drill --dead pbx", "changes nothing; the report is in the log"),
      ("callvault failover drill --dead pbx --live --for 2m", "with callers, after a question"),
    ],
    exitCodes: [(5, "the drill failed")],
    discussion: [
      "With --live the route's name has to be typed. `override --end` ends it sooner, and so does that way's death."
    ]
  ) { arguments, terminal in
    guard let seconds = DurationText.seconds(arguments.value("for") ?? "1m"),
      LiveDrill.times.contains(seconds * 1_000)
    else { throw CommandFailure(.usage, "--for must be a time from 1s to 10m, such as 30s or 2m") }
    let body: JSONObject = ["dead": .array(arguments.all("dead").map { .string($0) })]
    var report = try await ask(arguments, "POST", "/v1/drills", body)
    if arguments.has("live"), report["passed"]?.bool == true,
      let route = report["route"]?.string
    {
      report = try await live(route, for: seconds, body, arguments, terminal)
    }
    let isPassed = report["passed"]?.bool ?? false
    let decided =
      report["route"]?.string.map {
        "calls \(report["live_ms"] == nil ? "would go" : "went") to \($0)"
          + " after \(report["decide_ms"]?.integer ?? 0) ms"
      } ?? "no other way would be taken"
    let lived =
      report["live_ms"]?.integer.map {
        ", for \($0) ms; they are \(report["reverted"]?.bool == true ? "back" : "NOT back")"
      } ?? ""
    terminal.result("\(isPassed ? "passed" : "failed"): \(decided)\(lived)", report)
    return isPassed ? ExitCode.success.rawValue : ExitCode.conflict.rawValue
  }

  /// Asks the person, sends calls the other way, and waits until they are back.
  private static func live(
    _ route: String, for seconds: Int64, _ body: JSONObject, _ arguments: Arguments,
    _ terminal: Terminal
  ) async throws -> JSONObject {
    terminal.note(
      "All new calls will go to \(route) for \(seconds) seconds. Type the route's name to begin: ")
    guard readLine() == route else {
      throw CommandFailure(.usage, "that is not its name; nothing was changed")
    }
    var asked = body
    asked["confirm"] = .string(route)
    asked["for_ms"] = .integer(seconds * 1000)
    let id = try await ask(arguments, "POST", "/v1/drills", asked)["id"]
    while true {
      let reports = try await ask(arguments, "GET", "/v1/drills")["drills"]?.array ?? []
      guard let report = reports.compactMap(\.object).first(where: { $0["id"] == id }) else {
        throw CommandFailure(
          .internal, "the supervisor was started anew; look with: callvault failover status")
      }
      if report["running"] == nil { return report }
      try await Task.sleep(for: .milliseconds(500))
    }
  }

  static let lint = Command(
    name: "failover lint",
    summary: "read the policy, and look for settings elsewhere that would make a switch fail",
    options: client + [
      .value("policy", "FILE", "only read this policy; asks nobody")
    ],
    examples: [
      ("callvault failover lint --policy routing.yaml", "before it is taken into use"),
      ("callvault failover lint", "what the running supervisor finds"),
    ],
    exitCodes: [(5, "something blocks a switch")]
  ) { arguments, terminal in
    if let path = arguments.value("policy") {
      let policy = try SupervisorFolder("/").readPolicy(path)
      _ = try SupervisorParts(policy) { nil }
      terminal.result(
        "\(path) is well: \(policy.choices.count) routes, \(policy.targets.count) targets",
        ["routes": .integer(Int64(policy.choices.count)), "sha256": .string("\(policy.hash)")])
      return ExitCode.success.rawValue
    }
    let answer = try await ask(arguments, "GET", "/v1/lint")
    let findings = (answer["findings"]?.array ?? []).compactMap(\.object)
    let lines = findings.map {
      "\($0["severity"]?.string ?? "")  \($0["actuator"]?.string ?? "")  "
        + "\($0["code"]?.string ?? ""): \($0["advice"]?.string ?? "")"
    }
    terminal.result(lines.isEmpty ? "nothing was found" : lines.joined(separator: "\n"), answer)
    return findings.contains { $0["severity"]?.string == "blocking" }
      ? ExitCode.conflict.rawValue : ExitCode.success.rawValue
  }

  static let report = Command(
    name: "failover report",
    summary: "availability in business hours, limits, and times without recording",
    options: client + [
      .value("from", "TIME", "by RFC 3339 with its offset; else 30 days before the end"),
      .value("to", "TIME", "until when; else now"),
    ],
    examples: [("callvault failover report", "of the last 30 days")]
  ) { arguments, terminal in
    var query: [String] = []
    for name in ["from", "to"] {
      if let value = arguments.value(name) {
        query.append(name + "=" + ClientRequest.encoded(value))
      }
    }
    let answer = try await ask(
      arguments, "GET",
      "/v1/service-level" + (query.isEmpty ? "" : "?" + query.joined(separator: "&")))
    var lines = (answer["targets"]?.array ?? []).compactMap(\.object).map { row in
      let met = row["met"]?.bool.map { $0 ? "met" : "MISSED" } ?? ""
      return "\(row["name"]?.string ?? ""): \(row["measured"]?.string ?? "") "
        + "(asked for: \(row["target"]?.string ?? "")) \(met)"
    }
    for interval in (answer["unrecorded"]?.array ?? []).compactMap(\.object) {
      lines.append(
        "no recording was possible from \(interval["from"]?.string ?? "") to "
          + (interval["to"]?.string ?? "now"))
    }
    terminal.result(lines.joined(separator: "\n"), answer)
    return ExitCode.success.rawValue
  }

  private static func describe(_ status: JSONObject) -> String {
    let plan = status["plan"]?.object
    var lines = [
      "\(status["state"]?.string ?? ""): calls go to \(plan?["route"]?.string ?? "nowhere") "
        + "by \(plan?["provider"]?.string ?? "")"
        + ((status["pending"]?.bool ?? false) ? ", not confirmed yet" : "")
    ]
    if status["latched"]?.bool == true {
      lines.append("latched after too many changes: callvault failover override --release")
    }
    for target in (status["targets"]?.array ?? []).compactMap(\.object) {
      lines.append("  \(target["target"]?.string ?? ""): \(target["belief"]?.string ?? "")")
    }
    return lines.joined(separator: "\n")
  }

  private static func ask(
    _ arguments: Arguments, _ method: String, _ target: String, _ body: JSONObject? = nil
  ) async throws -> JSONObject {
    let endpoint: Endpoint
    let name: String
    if let server = arguments.value("server") {
      name = server
      endpoint = .server(
        origin: server.hasSuffix("/") ? String(server.dropLast()) : server,
        trust: arguments.value("cacert").map { .file($0) } ?? .system)
    } else {
      let folder = try FailoverCommands.folder(arguments)
      name = folder.socket
      guard MachineFacts.file(folder.socket) != nil else {
        throw CommandFailure(
          .internal,
          "no supervisor is running on \(folder.root); start it with: callvault failover run --dir \(folder.root)"
        )
      }
      endpoint = .socket(path: folder.socket)
    }
    var request = ClientRequest(method, target)
    // Over the socket whoever owns the folder is known by user id.
    let isSocket = arguments.value("server") == nil
    if let token = try ServiceClient.token(arguments, isAdministrator: isSocket) {
      request.headers.append(.init("Authorization", "Bearer " + token))
    }
    if let body {
      request.headers.append(.init("Content-Type", "application/json"))
      request.body = .bytes(JSONValue.object(body).encoded())
    }
    let response: ClientResponse
    do {
      response = try await HTTPClient(endpoint, totalSeconds: 30).send(request)
    } catch {
      throw CommandFailure(.internal, "the supervisor at \(name) did not answer (\(error))")
    }
    let answer = ServiceAnswer(status: response.status, headers: [:], body: response.body)
    guard response.isSuccess else { throw answer.failure }
    return try answer.object()
  }
}
