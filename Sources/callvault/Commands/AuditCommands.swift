import Encoding

/// `audit show`, `audit export`: the log, read through the service by someone who may.
///
/// `audit verify` needs no service and is in `AuditVerifyCommand.swift`.
enum AuditCommands {
  static let show = Command(
    name: "audit show",
    summary: "show entries of the log",
    options: [
      .value("first", "N", "from this index, counted from 0"),
      .value("limit", "N", "at most so many, 1 to 100; 50 if not given"),
      .value("action", "A", "only this action, such as recording.opened"),
      .value("object", "ID", "only entries that name this call, recording or token"),
      .value("actor", "ID", "only entries of this person or service"),
      .value("request", "ID", "only entries of this request"),
      .value("since", "T", "only at or after this time (RFC 3339)"),
      .value("until", "T", "only before this time (RFC 3339)"),
      .flag("openings", "also what commitments stand for, for whom the policy lets see it"),
      .value("purpose", "P", "why openings are asked for, such as HOPERAT"),
    ] + Command.client,
    examples: [
      ("callvault audit show --action recording.opened", "who heard what, and when"),
      ("callvault audit show --object c1d2… --json", "everything that was done to one recording"),
    ],
    discussion: ["For an auditor; the reading is itself in the log."]
  ) { arguments, terminal in
    let client = try ServiceClient(arguments)
    var query: [(String, String)] = []
    for name in ["first", "limit", "action", "object", "actor", "request", "since", "until"] {
      if let value = arguments.value(name) { query.append((name, value)) }
    }
    var headers: [(String, String)] = []
    if arguments.has("openings") {
      query.append(("openings", "true"))
      headers.append(("Purpose-Of-Use", try arguments.required("purpose")))
    }
    let answer = try await client.get("/v1/audit/entries", query: query, headers: headers).object()
    let entries = answer["entries"]?.array?.compactMap { $0.object } ?? []
    let lines = entries.flatMap { [$0["leaf"]?.string ?? ""] + openingLines($0) }
    var text = lines.isEmpty ? "no entries" : lines.joined(separator: "\n")
    if let next = answer["next"]?.integer { text += "\nmore: --first \(next)" }
    terminal.result(text, answer)
    return ExitCode.success.rawValue
  }

  private static func openingLines(_ entry: JSONObject) -> [String] {
    (entry["openings"]?.object?.members ?? []).map { field in
      let opening = field.value.object ?? JSONObject()
      let value = opening["text"]?.string ?? opening["hex"]?.string
      return "  \(field.key): " + (value ?? opening["state"]?.string ?? "")
    }
  }

  static let openings = Command(
    name: "audit openings",
    summary: "count what commitments stand for: present, erased, missing",
    options: Command.client,
    examples: [("callvault audit openings", "whether every value that the log commits to is kept")],
    discussion: [
      "Erased means that the key was destroyed on purpose. One that is missing and was not erased is a "
        + "loss. Either way every proof of the log holds."
    ]
  ) { arguments, terminal in
    let client = try ServiceClient(arguments)
    var counts: [String: Int64] = [:]
    var firstMissing: Int64?
    var next: Int64? = 0
    while let first = next {
      let page = try await client.get("/v1/audit/openings", query: [("first", "\(first)")]).object()
      for name in ["present", "erased", "missing"] {
        counts[name, default: 0] += page[name]?.integer ?? 0
      }
      firstMissing = firstMissing ?? page["first_missing"]?.integer
      next = page["next"]?.integer
    }
    var document = JSONObject()
    for name in ["present", "erased", "missing"] { document[name] = .integer(counts[name] ?? 0) }
    if let firstMissing { document["first_missing"] = .integer(firstMissing) }
    let text = ["present", "erased", "missing"].map { "\(counts[$0] ?? 0) \($0)" }
    terminal.result(
      text.joined(separator: ", ") + (firstMissing.map { ", the first at entry \($0)" } ?? ""),
      document)
    return ExitCode.success.rawValue
  }

  static let export = Command(
    name: "audit export",
    summary: "copy the log as it stands, for anyone to verify",
    operands: [Operand(name: "OUT", summary: "the folder to write to, made if absent")],
    options: Command.client,
    examples: [
      (
        "callvault audit export evidence && callvault audit verify evidence --key \"$VKEY\"",
        "a copy, and its verdict"
      )
    ],
    discussion: [
      "The folder has the layout of c2sp.org/tlog-tiles; the checkpoint is written last, so a copy "
        + "that was interrupted has none."
    ]
  ) { arguments, terminal in
    let folder = try arguments.requiredOperand(0)
    let client = try ServiceClient(arguments)
    let (size, files) = try await LogCopy(client: client, folder: folder).make(terminal)
    terminal.result(
      "\(size) entries in \(folder)",
      ["folder": .string(folder), "size": .integer(size), "files": .integer(Int64(files))])
    return ExitCode.success.rawValue
  }
}
