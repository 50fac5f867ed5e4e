import Encoding

/// `subject create`, `subject link`, `subject unlink`, `audit subject`: whose calls are whose, and what the log has about
/// a patient.
enum SubjectCommands {
  static let create = Command(
    name: "subject create",
    summary: "make a patient known by your own reference, which is not kept in clear",
    operands: [
      Operand(name: "REFERENCE", summary: "such as the number in your practice system")
    ],
    options: Command.client,
    examples: [("callvault subject create MRN-20417", "prints the patient's id here")]
  ) { arguments, terminal in
    let reference = try arguments.requiredOperand(0)
    let client = try ServiceClient(arguments)
    let answer = try await client.post("/v1/subjects", json: ["reference": .string(reference)])
      .object()
    let subject = try answer.requiredString("subject")
    terminal.result(subject, answer)
    return ExitCode.success.rawValue
  }

  static let link = Command(
    name: "subject link",
    summary: "say that a call is a patient's",
    operands: [
      Operand(name: "CALL", summary: "the call's id"),
      Operand(name: "PATIENT", summary: "the patient's id here, or your reference"),
    ],
    options: Command.client,
    examples: [("callvault subject link 6ecac469-… MRN-20417", "from now on, entries say so")]
  ) { arguments, terminal in
    let call = try arguments.requiredOperand(0)
    let client = try ServiceClient(arguments)
    let patient = try await find(try arguments.requiredOperand(1), client)
    let answer = try await client.post(
      "/v1/subjects/\(patient)/links", json: ["call": .string(call)]
    ).object()
    let link = try answer.requiredString("link")
    terminal.result(link, answer)
    return ExitCode.success.rawValue
  }

  static let unlink = Command(
    name: "subject unlink",
    summary: "take back that a call is a patient's",
    operands: [
      Operand(name: "CALL", summary: "the call's id"),
      Operand(name: "PATIENT", summary: "the patient's id here, or your reference"),
    ],
    options: Command.client,
    examples: [
      ("callvault subject unlink 6ecac469-… MRN-20417", "after a wrong identification")
    ],
    discussion: [
      "From this entry on, entries about the call are the call's own again. What was logged in between "
        + "stays in the patient's proof, which says from when to when the call was on record as theirs."
    ]
  ) { arguments, terminal in
    let call = try arguments.requiredOperand(0)
    guard let call = Identifier(call) else {
      throw CommandFailure(.usage, "CALL must be an id: a UUID in lower case")
    }
    let client = try ServiceClient(arguments)
    let patient = try await find(try arguments.requiredOperand(1), client)
    let answer = try await client.delete("/v1/subjects/\(patient)/links/\(call)").object()
    let link = try answer.requiredString("link")
    terminal.result(link, answer)
    return ExitCode.success.rawValue
  }

  static let prove = Command(
    name: "audit subject",
    summary: "what the log has about a patient, in a file that proves it",
    operands: [Operand(name: "PATIENT", summary: "the patient's id here, or your reference")],
    options: [
      .flag("prove", "make the file"),
      .value("out", "FILE", "the file to write", short: "o", required: true),
      .value("purpose", "P", "why, such as PATRQT", required: true),
    ] + Command.client,
    examples: [
      (
        "callvault audit subject MRN-20417 --prove -o patient.json --purpose PATRQT",
        "checked with: python3 verify.py subject patient.json --key \"$VKEY\" --log evidence.tar"
      )
    ],
    discussion: [
      "The file lists every entry that carries a tag of the patient or of a call linked to the patient, "
        + "and proves that each is in the log. Who holds it and the log knows which entries are about "
        + "the patient, so hand it out like a record. Where a recovery began another log, each earlier one "
        + "that knew of the patient has a file of its own, FILE.log-1 and so on, checked with that log's "
        + "verifier key."
    ]
  ) { arguments, terminal in
    guard arguments.has("prove") else {
      throw CommandFailure(.usage, "say what to do: --prove makes the file")
    }
    let out = try arguments.required("out")
    let client = try ServiceClient(arguments)
    let patient = try await find(try arguments.requiredOperand(0), client)
    let purpose = try arguments.required("purpose")
    let logs = try await ServiceLog.all(client)
    var document = JSONObject()
    var parts: [JSONValue] = []
    var lines: [String] = []
    for log in logs {
      let bytes: [UInt8]
      do throws(CommandFailure) {
        bytes = try await client.get(
          "/v1/subjects/\(patient)/proof", query: log.query,
          headers: [("Purpose-Of-Use", purpose)]
        ).body
      } catch {
        // Nobody knew of the patient before that log ended.
        guard error.code == .notFound, log.isEarlier else { throw error }
        continue
      }
      let path = log.isEarlier ? "\(out).log-\(log.number)" : out
      let file = try OutputFile(path)
      try file.write(bytes)
      try file.commit()
      lines.append(logs.count > 1 ? "\(path)\tchecked with --key \(log.verifierKey)" : path)
      var part = log.document
      part["file"] = .string(path)
      parts.append(.object(part))
      document = ["file": .string(path), "bytes": .integer(Int64(bytes.count))]
    }
    document["logs"] = .array(parts)
    terminal.result(lines.joined(separator: "\n"), document)
    return ExitCode.success.rawValue
  }

  /// The patient's id: as given, or by the practice's reference.
  static func find(
    _ text: String, _ client: ServiceClient
  ) async throws(CommandFailure) -> Identifier {
    if let id = Identifier(text) { return id }
    let answer = try await client.post(
      "/v1/subjects/search", json: ["reference": .string(text)]
    ).object()
    guard let id = Identifier(try answer.requiredString("subject")) else {
      throw CommandFailure(.internal, "the service's answer cannot be read")
    }
    return id
  }
}
