import Encoding

/// `retention status|plan|approve|void|run|why|simulate|facts`: what may go, who said so, and that it went.
enum RetentionCommands {
  static let status = Command(
    name: "retention status",
    summary: "plans with how far they are, the policy's standing, and the clock",
    options: Command.client,
    examples: [("callvault retention status", "what waits for whom")]
  ) { arguments, terminal in
    let answer = try await ServiceClient(arguments).get("/v1/retention").object()
    var lines: [String] = []
    if let policy = answer["policy"]?.object {
      lines.append(
        policy["may_purge"]?.bool == true
          ? "policy    in force"
          : "policy    must be approved by two people: callvault retention approve POLICY_SHA256")
      for change in policy["shorter"]?.array ?? [] {
        lines.append("shorter   \(change.string ?? "")")
      }
    }
    if let alarm = answer["clock_alarm"]?.object {
      lines.append("clock     ALARM: nothing is purged: \(alarm["detail"]?.string ?? "")")
    }
    for plan in (answer["plans"]?.array ?? []).compactMap(\.object) {
      var words = [
        plan["plan"]?.string ?? "", plan["stage"]?.string ?? "",
        "\(plan["calls"]?.integer ?? 0) calls",
        "\(plan["approvals"]?.array?.count ?? 0) of 2 approvals",
      ]
      if let from = plan["runs_from"]?.string { words.append("may run from \(from)") }
      if let done = plan["done"]?.integer { words.append("\(done) lines done") }
      if let purged = plan["purged"]?.integer { words.append("\(purged) purged") }
      lines.append(words.joined(separator: "  "))
    }
    terminal.result(lines.joined(separator: "\n"), answer)
    return ExitCode.success.rawValue
  }

  static let plan = Command(
    name: "retention plan",
    summary: "list what may go today, and why the rest stays; nothing goes by it",
    options: [
      .flag("beyond-caps", "do not stop at what the policy lets go in its window"),
      .value("out", "FILE", "write the list, whose sha256sum is the plan's hash", short: "o"),
    ] + Command.client,
    examples: [
      ("callvault retention plan -o plan.txt", "prints the hash that two people approve")
    ]
  ) { arguments, terminal in
    let client = try ServiceClient(arguments)
    let answer = try await client.post(
      "/v1/retention/plans", json: ["beyond_caps": .bool(arguments.has("beyond-caps"))]
    ).object()
    let hash = try answer.requiredString("plan")
    if let path = arguments.value("out") {
      let file = try OutputFile(path)
      var offset: Int64 = 0
      while true {
        let bytes = try await client.get(
          "/v1/retention/plans/\(hash)/list", query: [("offset", "\(offset)")]
        ).body
        guard !bytes.isEmpty else { break }
        try file.write(bytes)
        offset += Int64(bytes.count)
      }
      try file.commit()
    }
    let kept = answer["kept"]?.object
    func count(_ name: String) -> Int64 { kept?[name]?.integer ?? 0 }
    terminal.result(
      """
      plan      \(hash)
      goes      \(answer["calls"]?.integer ?? 0) calls, \(answer["recordings"]?.integer ?? 0) \
      recordings, \(answer["bytes"]?.integer ?? 0) bytes
      stays     \(count("young")) too young, \(count("unknown")) of which something is not known, \
      \(count("held")) held, \(count("later")) for a later plan
      """, answer)
    return ExitCode.success.rawValue
  }

  static let approve = Command(
    name: "retention approve",
    summary: "be one of the two people who approve a plan, or the policy",
    operands: [
      Operand(
        name: "HASH", summary: "the plan's, or `sha256sum policies/retention.yaml` for the policy")
    ],
    options: [
      .value(
        "today", "DAY",
        "the day as your own calendar has it; needed where no time stamp or witness tells the time"),
      .flag("beyond-caps", "let the plan pass the policy's caps, if the other person says so too"),
      .value("evidence", "SHA256", "of what your authenticator signed, if you signed in with one"),
    ] + Command.client,
    examples: [
      (
        "callvault retention approve 3f0c… --today 2033-12-01",
        "typed by two different people, each with a token of their own"
      )
    ]
  ) { arguments, terminal in
    var body: JSONObject = ["hash": .string(try arguments.requiredOperand(0))]
    body["today"] = arguments.value("today").map { .string($0) }
    body["evidence"] = arguments.value("evidence").map { .string($0) }
    if arguments.has("beyond-caps") { body["beyond_caps"] = true }
    let answer = try await ServiceClient(arguments).post("/v1/retention/approvals", json: body)
      .object()
    let stage = try answer.requiredString("stage")
    terminal.result(
      stage + (answer["runs_from"]?.string.map { "; may run from \($0)" } ?? ""), answer)
    return ExitCode.success.rawValue
  }

  static let run = Command(
    name: "retention run",
    summary: "carry out an approved plan whose grace is over",
    operands: [Operand(name: "HASH", summary: "the plan's hash")],
    options: [.flag("wait", "return when it is done")] + Command.client,
    examples: [("callvault retention run 3f0c… --wait", "then: callvault retention certificates")],
    discussion: [
      "Each line is decided again when its turn comes: a hold that came meanwhile wins. A run that is "
        + "interrupted goes on by itself. What is purged is out of everybody's reach here at once; "
        + "callvault keys ratchet makes it so for backups."
    ]
  ) { arguments, terminal in
    let hash = try arguments.requiredOperand(0)
    let client = try ServiceClient(arguments)
    var answer = try await client.post("/v1/retention/plans/\(hash)/run").object()
    // Each look is an entry of the log, so a long run is looked at seldom.
    var pause = Duration.milliseconds(250)
    var isWarned = false
    while arguments.has("wait") {
      try await Task.sleep(for: pause)
      pause = min(pause * 2, .seconds(30))
      let status = try await client.get("/v1/retention").object()
      guard
        let plan = (status["plans"]?.array ?? []).compactMap(\.object)
          .first(where: { $0["plan"]?.string == hash })
      else {
        throw CommandFailure(.notFound, "the service does not list this plan any more")
      }
      answer = plan
      guard plan["stage"]?.string == "running" else { break }
      if !isWarned, let alarm = status["clock_alarm"]?.object?["detail"]?.string {
        terminal.note("the run waits: \(alarm)")
        isWarned = true
      }
    }
    let skipped = (answer["skipped"]?.object?.members ?? []).map {
      "\($0.value.integer ?? 0) \($0.key)"
    }
    var text = try answer.requiredString("stage")
    if let why = answer["voided"]?.string { text += " (\(why))" }
    if let purged = answer["purged"]?.integer { text += ": \(purged) calls purged" }
    if !skipped.isEmpty { text += ", not: \(skipped.joined(separator: ", "))" }
    terminal.result(text, answer)
    return ExitCode.success.rawValue
  }

  static let void = Command(
    name: "retention void",
    summary: "take a plan back; a run of it stops, and what has gone is certified",
    operands: [Operand(name: "HASH", summary: "the plan's hash")],
    options: [.value("reason", "TEXT", "why", required: true)] + Command.client,
    examples: [("callvault retention void 3f0c… --reason 'wrong class'", "it can never run then")]
  ) { arguments, terminal in
    let answer = try await ServiceClient(arguments).post(
      "/v1/retention/plans/\(try arguments.requiredOperand(0))/void",
      json: ["reason": .string(try arguments.required("reason"))]
    ).object()
    terminal.result("void", answer)
    return ExitCode.success.rawValue
  }

  static let why = Command(
    name: "retention why",
    summary: "why a recording is still here, and when it may go",
    operands: [Operand(name: "RECORDING", summary: "the id of a recording or a call")],
    options: Command.client,
    examples: [("callvault retention why 6ecac469-…", "every rule with its citation, and holds")]
  ) { arguments, terminal in
    let answer = try await ServiceClient(arguments).get(
      "/v1/retention/why/\(try arguments.requiredOperand(0))"
    ).object()
    var lines: [String] = []
    for finding in (answer["findings"]?.array ?? []).compactMap(\.object) {
      var says = finding["outcome"]?.string ?? ""
      if let day = finding["day"]?.string { says = "from \(day)" }
      if let what = finding["unknown"]?.string { says = "kept: \(what) is not known" }
      lines.append(
        "\(finding["rule"]?.string ?? "")  \(finding["keep"]?.string ?? "") after "
          + "\(finding["after"]?.string ?? "")  \(says)  (\(finding["citation"]?.string ?? ""))")
    }
    lines.append(
      answer["eligible"]?.string.map { "may go from \($0)" }
        ?? "kept: not all that its rules ask for is known")
    if answer["held"]?.bool == true {
      let holds = (answer["holds"]?.array ?? []).compactMap(\.string)
      lines.append(
        "held" + (holds.isEmpty ? ": holds cannot be read" : " by \(holds.joined(separator: ", "))")
      )
    }
    terminal.result(lines.joined(separator: "\n"), answer)
    return ExitCode.success.rawValue
  }

  static let simulate = Command(
    name: "retention simulate",
    summary: "what another policy would change, before it is adopted",
    operands: [Operand(name: "NEW.yaml", summary: "the proposed policy, or - for standard input")],
    options: [.value("day", "DAY", "the day to count for; today if not given")] + Command.client,
    examples: [("callvault retention simulate new.yaml", "how many calls could go that cannot now")]
  ) { arguments, terminal in
    let bytes = try UserFile.whole(try arguments.requiredOperand(0), limit: 1 << 19)
    var body: JSONObject = ["policy": .string(String(decoding: bytes, as: UTF8.self))]
    body["day"] = arguments.value("day").map { .string($0) }
    let answer = try await ServiceClient(arguments).post("/v1/retention/simulations", json: body)
      .object()
    let lines = (answer["total"]?.object?.members ?? []).map {
      "\($0.key.replacing("_", with: " ")): \($0.value.integer ?? 0)"
    }
    terminal.result(lines.joined(separator: "\n"), answer)
    return ExitCode.success.rawValue
  }

  static let facts = Command(
    name: "retention facts",
    summary: "say what a call's or a patient's periods count from",
    operands: [
      Operand(name: "call|patient", summary: "what it is about"),
      Operand(name: "WHICH", summary: "a call's id; a patient's id or your reference"),
    ],
    options: [
      .value("class", "NAME", "a class of the policy; of a call; may be repeated", repeated: true),
      .value("state", "US-MI", "where it belongs; of a call"),
      .value("day", "TRIGGER=DAY", "last-encounter, contract-end or event", repeated: true),
      .value("born", "DAY", "the patient's birth date; kept sealed"),
      .flag("of-age", "the patient was of age on the date of service"),
    ] + Command.client,
    examples: [
      ("callvault retention facts patient MRN-20417 --born 2019-02-28", "calls about a child"),
      ("callvault retention facts call 6ecac469-… --class medicare-advantage", "ten years"),
    ],
    discussion: ["What is said replaces what was said before; nothing said is nothing known."]
  ) { arguments, terminal in
    var body = JSONObject()
    let classes = arguments.all("class")
    if !classes.isEmpty { body["classes"] = .array(classes.map { .string($0) }) }
    body["state"] = arguments.value("state").map { .string($0) }
    body["born"] = arguments.value("born").map { .string($0) }
    if arguments.has("of-age") { body["of_age"] = true }
    var days = JSONObject()
    for text in arguments.all("day") {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else {
        throw CommandFailure(.usage, "--day must be like last-encounter=2026-01-31")
      }
      days[parts[0]] = .string(parts[1])
    }
    if !days.isEmpty { body["days"] = .object(days) }
    let client = try ServiceClient(arguments)
    let which = try arguments.requiredOperand(1)
    let path: String
    switch try arguments.requiredOperand(0) {
    case "call": path = "calls/\(which)"
    case "patient": path = "subjects/\(try await SubjectCommands.find(which, client))"
    default: throw CommandFailure(.usage, "say `call` or `patient`")
    }
    let answer = try await client.post("/v1/retention/\(path)/facts", json: body).object()
    terminal.result("said", answer)
    return ExitCode.success.rawValue
  }
}
