import Encoding

/// `audit show`, `audit export`: the log, read through the service by someone who may.
///
/// `audit verify` needs no service and is in `AuditVerifyCommand.swift`.
enum AuditCommands {
  static let show = Command(
    name: "audit show",
    summary: "show entries of the log",
    options: [
      .value("first", "N", "from this index of one log, counted from 0"),
      ServiceLog.option,
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
    discussion: [
      "For an auditor; the reading is itself in the log. Where a recovery began another log, entries of "
        + "the earlier ones come first, unless --log or --first says otherwise."
    ]
  ) { arguments, terminal in
    let client = try ServiceClient(arguments)
    var query: [(String, String)] = []
    for name in ["action", "object", "actor", "request", "since", "until"] {
      if let value = arguments.value(name) { query.append((name, value)) }
    }
    var headers: [(String, String)] = []
    if arguments.has("openings") {
      query.append(("openings", "true"))
      headers.append(("Purpose-Of-Use", try arguments.required("purpose")))
    }
    guard let limit = Int(arguments.value("limit") ?? "50"), (1...100).contains(limit) else {
      throw CommandFailure(.usage, "--limit must be a number from 1 to 100")
    }
    let all = try await ServiceLog.all(client)
    let asked =
      arguments.value("log") == nil && arguments.value("first") == nil
      ? all : [try ServiceLog.chosen(arguments, among: all)]
    var entries: [JSONObject] = []
    var document = JSONObject()
    var next: (log: Int64, index: Int64)?
    for log in asked {
      guard entries.count < limit else {
        next = (log.number, 0)
        break
      }
      var first = arguments.value("first")
      // How much one answer looks at is bounded: of a log that another follows, ask on.
      repeat {
        var page = query + log.query + [("limit", "\(limit - entries.count)")]
        if let first { page.append(("first", first)) }
        document = try await client.get("/v1/audit/entries", query: page, headers: headers).object()
        entries +=
          document["entries"]?.array?.compactMap { entry in
            var entry = entry.object ?? JSONObject()
            if all.count > 1 { entry["log"] = .integer(log.number) }
            return entry
          } ?? []
        next = document["next"]?.integer.map { (log.number, $0) }
        first = document["next"]?.integer.map(String.init)
      } while next != nil && entries.count < limit && log.number != asked.last?.number
      if next != nil { break }
    }
    document["entries"] = .array(entries.map { .object($0) })
    document["logs"] = .array(asked.map { .object($0.document) })
    if let next { document["next_log"] = .integer(next.log) }
    document["next"] = next.map { .integer($0.index) }
    let lines = entries.flatMap { [$0["leaf"]?.string ?? ""] + openingLines($0) }
    var text = lines.isEmpty ? "no entries" : lines.joined(separator: "\n")
    if let next {
      text += "\nmore: " + (all.count > 1 ? "--log \(next.log) " : "") + "--first \(next.index)"
    }
    terminal.result(text, document)
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
    options: [ServiceLog.option] + Command.client,
    examples: [("callvault audit openings", "whether every value that the log commits to is kept")],
    discussion: [
      "Erased means that the key was destroyed on purpose. One that is missing and was not erased is a "
        + "loss. Either way every proof of the log holds. Without --log the log that goes on is counted."
    ]
  ) { arguments, terminal in
    let client = try ServiceClient(arguments)
    let log = try await ServiceLog.chosen(arguments, client)
    var counts: [String: Int64] = [:]
    var firstMissing: Int64?
    var next: Int64? = 0
    while let first = next {
      let page = try await client.get(
        "/v1/audit/openings", query: log.query + [("first", "\(first)")]
      ).object()
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
    options: [ServiceLog.option] + Command.client,
    examples: [
      (
        "callvault audit export evidence && callvault audit verify evidence --key \"$VKEY\"",
        "a copy, and its verdict"
      )
    ],
    discussion: [
      "The folder has the layout of c2sp.org/tlog-tiles; the checkpoint is written last, so a copy "
        + "that was interrupted has none. Without --log it is the log that goes on; one that a recovery "
        + "ended is copied by its number, and checked with its own verifier key."
    ]
  ) { arguments, terminal in
    let folder = try arguments.requiredOperand(0)
    let client = try ServiceClient(arguments)
    let log = try await ServiceLog.chosen(arguments, client)
    let (size, files) = try await LogCopy(client: client, folder: folder, log: log).make(terminal)
    terminal.result(
      "\(size) entries in \(folder)"
        + (log.number > 1 || log.isEarlier ? ", of log \(log.number), \(log.origin)" : ""),
      [
        "folder": .string(folder), "size": .integer(size), "files": .integer(Int64(files)),
        "log": .integer(log.number), "origin": .string(log.origin),
        "verifier_key": .string(log.verifierKey),
      ])
    return ExitCode.success.rawValue
  }
}
