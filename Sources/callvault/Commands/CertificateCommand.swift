import Audit
import Encoding

/// `retention certificates`: what proves that something was destroyed.
enum CertificateCommand {
  static let certificates = Command(
    name: "retention certificates",
    summary: "certificates of destruction, of a run or a call, signed by the log's key",
    operands: [
      Operand(
        name: "ID", summary: "a plan's hash or a call's id; none: runs that are done",
        isOptional: true)
    ],
    options: [
      .flag("calls", "of a plan: the calls it purged, with T0 and T1"),
      .value("out", "FILE", "write the signed certificate", short: "o"),
      .value("pdf", "FILE", "write it as a page to print"),
    ] + Command.client,
    examples: [
      ("callvault retention certificates 3f0c… -o run.txt --pdf run.pdf", "of a whole run"),
      ("callvault retention certificates 6ecac469-…", "of one call"),
    ],
    discussion: [
      "A certificate is a signed note: lines of text, an empty line, and the signature of the log's "
        + "key over what comes before. Documentation/formats/destruction.md says how openssl checks it. "
        + "After callvault keys ratchet it has T1 beside T0."
    ]
  ) { arguments, terminal in
    let client = try ServiceClient(arguments)
    guard let id = arguments.operand(0) else { return try await list(client, terminal) }
    if arguments.has("calls") { return try await calls(of: id, client, terminal) }
    let note = try await client.get("/v1/retention/certificates/\(id)").body
    let certificate = try DestructionCertificate(note)
    if let path = arguments.value("out") {
      let file = try OutputFile(path)
      try file.write(note)
      try file.commit()
    }
    if let path = arguments.value("pdf") {
      let file = try OutputFile(path)
      try file.write(try CertificateDocument.encoded(certificate))
      try file.commit()
    }
    var members: JSONObject = ["certificate": .object(certificate.contents)]
    members["note"] = .string(String(decoding: note, as: UTF8.self))
    terminal.result(
      certificate.lines.map { "\($0.name): \($0.value)" }.joined(separator: "\n"), members)
    return ExitCode.success.rawValue
  }

  private static func list(_ client: ServiceClient, _ terminal: Terminal) async throws -> Int32 {
    let answer = try await client.get("/v1/retention").object()
    let done = (answer["plans"]?.array ?? []).compactMap(\.object).filter {
      $0["stage"]?.string == "done"
    }
    terminal.result(
      done.map {
        "\($0["plan"]?.string ?? "")  \($0["ended"]?.string ?? "")  \($0["purged"]?.integer ?? 0) calls"
      }.joined(separator: "\n"), ["runs": .array(done.map { .object($0) })])
    return ExitCode.success.rawValue
  }

  private static func calls(
    of plan: String, _ client: ServiceClient, _ terminal: Terminal
  ) async throws -> Int32 {
    var all: [JSONValue] = []
    var after: String?
    repeat {
      var query = [("limit", "1000")]
      if let after { query.append(("after", after)) }
      let page = try await client.get("/v1/retention/plans/\(plan)/certificates", query: query)
        .object()
      all += page["certificates"]?.array ?? []
      after = page["next"]?.string
    } while after != nil
    let lines = all.compactMap(\.object).map { row in
      [
        row["call"]?.string ?? "", "T0 \(row["t0"]?.string ?? "")",
        row["t1"]?.string.map { "T1 \($0)" } ?? "not erased yet",
      ].joined(separator: "  ")
    }
    terminal.result(lines.joined(separator: "\n"), ["certificates": .array(all)])
    return ExitCode.success.rawValue
  }
}
