import Encoding

/// `hold set`, `hold list`, `hold release`, `hold decide`: what must not be destroyed.
enum HoldCommands {
  static let set = Command(
    name: "hold set",
    summary: "keep calls from being destroyed, whatever their age",
    options: [
      .value("matter", "NAME", "what it serves, such as a lawsuit", required: true),
      .value("reason", "TEXT", "why", required: true),
      .value("custodian", "NAME", "who answers for what is held", required: true),
      .value(
        "kind", "K", "legal (if not given), access-case, accounting-case, breach-case, restriction"),
      .value("call", "ID", "a call; may be repeated", repeated: true),
      .value(
        "patient", "PATIENT", "a patient's id here, or your reference; may be repeated",
        repeated: true),
      .value("number", "N", "a telephone number of either side; may be repeated", repeated: true),
      .value("extension", "N", "an extension; may be repeated", repeated: true),
      .value("source", "NAME", "a phone system; may be repeated", repeated: true),
      .value("location", "NAME", "a location; may be repeated", repeated: true),
      .value("direction", "D", "inbound, outbound or internal"),
      .value("from", "DAY", "the first day of service, such as 2026-01-31"),
      .value("through", "DAY", "the last day of service"),
      .flag("everything", "hold every call; without a scope this must be said"),
    ] + Command.client,
    examples: [
      (
        "callvault hold set --matter 'Doe v. Practice' --reason subpoena --custodian 'Counsel' "
          + "--patient MRN-20417",
        "also holds calls of unidentified callers at that patient's numbers"
      ),
      (
        "callvault hold set --matter audit --reason 'CMS audit' --custodian 'Billing' --extension "
          + "204 --from 2026-01-01 --through 2026-06-30",
        "all conditions must be met; calls that come later count, too"
      ),
    ],
    discussion: [
      "A hold is a question, asked again whenever something is about to go: it also holds calls that "
        + "come after it. What is not known of a call holds it."
    ]
  ) { arguments, terminal in
    let client = try ServiceClient(arguments)
    var scope = JSONObject()
    for (option, member) in [
      ("call", "calls"), ("number", "numbers"), ("extension", "extensions"),
      ("source", "sources"), ("location", "locations"),
    ] {
      let values = arguments.all(option)
      if !values.isEmpty { scope[member] = .array(values.map { .string($0) }) }
    }
    var patients: [JSONValue] = []
    for patient in arguments.all("patient") {
      patients.append(.string(try await SubjectCommands.find(patient, client).description))
    }
    if !patients.isEmpty { scope["patients"] = .array(patients) }
    for name in ["direction", "from", "through"] {
      scope[name] = arguments.value(name).map { .string($0) }
    }
    guard scope.isEmpty == arguments.has("everything") else {
      throw CommandFailure(
        .usage, "say which calls to hold, or --everything for every call, and not both")
    }
    var body: JSONObject = ["scope": .object(scope)]
    for name in ["matter", "reason", "custodian"] {
      body[name] = .string(try arguments.required(name))
    }
    body["kind"] = arguments.value("kind").map { .string($0) }
    let answer = try await client.post("/v1/holds", json: body).object()
    let hold = try answer.requiredString("hold")
    terminal.result(hold, answer)
    return ExitCode.success.rawValue
  }

  static let list = Command(
    name: "hold list",
    summary: "list holds, those that were released included",
    options: Command.client,
    examples: [("callvault hold list", "id, since when, matter, and how it stands")]
  ) { arguments, terminal in
    let answer = try await ServiceClient(arguments).get("/v1/holds").object()
    let lines = (answer["holds"]?.array ?? []).compactMap(\.object).map { hold in
      var state = "keeps"
      if let released = hold["released"]?.string {
        state = "released \(released)"
      } else if hold["release_asked_by"] != nil {
        state = "keeps; one of two asked for its release"
      }
      let scope = hold["scope"].map { String(decoding: $0.encoded(), as: UTF8.self) } ?? ""
      return [
        hold["hold"]?.string ?? "", hold["placed"]?.string ?? "", hold["matter"]?.string ?? "",
        state, scope,
      ].joined(separator: "  ")
    }
    terminal.result(lines.joined(separator: "\n"), answer)
    return ExitCode.success.rawValue
  }

  static let release = Command(
    name: "hold release",
    summary: "be one of the two people who end a hold",
    operands: [Operand(name: "HOLD", summary: "the hold's id")],
    options: [.value("reason", "TEXT", "why", required: true)] + Command.client,
    examples: [
      (
        "callvault hold release 6ecac469-… --reason 'matter closed'",
        "typed by two different people, each with a token of their own"
      )
    ]
  ) { arguments, terminal in
    let answer = try await ServiceClient(arguments).post(
      "/v1/holds/\(try id(arguments))/release",
      json: ["reason": .string(try arguments.required("reason"))]
    ).object()
    terminal.result(
      answer["released"]?.bool == true
        ? "released" : "asked for: another person must say so within 14 days", answer)
    return ExitCode.success.rawValue
  }

  static let decide = Command(
    name: "hold decide",
    summary: "let keys of calls be destroyed that were purged before a hold came",
    operands: [Operand(name: "HOLD", summary: "the hold that stops the ratchet")],
    options: [.value("reason", "TEXT", "why", required: true)] + Command.client,
    examples: [
      (
        "callvault hold decide 6ecac469-… --reason 'not our patient'",
        "then: callvault keys ratchet"
      )
    ],
    discussion: [
      "A hold that comes after a purge stops the ratchet, because until then a backup may still hold "
        + "what was purged. What the hold covers cannot be told any more: a person decides."
    ]
  ) { arguments, terminal in
    let answer = try await ServiceClient(arguments).post(
      "/v1/holds/\(try id(arguments))/decision",
      json: ["reason": .string(try arguments.required("reason"))]
    ).object()
    terminal.result("decided", answer)
    return ExitCode.success.rawValue
  }

  private static func id(_ arguments: Arguments) throws(CommandFailure) -> Identifier {
    guard let id = Identifier(try arguments.requiredOperand(0)) else {
      throw CommandFailure(.usage, "HOLD must be an id: a UUID in lower case")
    }
    return id
  }
}
