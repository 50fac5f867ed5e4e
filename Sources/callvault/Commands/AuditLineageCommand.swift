import Audit
import Encoding

/// `audit lineage`: what became of one recording, from intake to destruction.
enum AuditLineageCommand {
  static let lineage = Command(
    name: "audit lineage",
    summary: "everything the log has about one recording, from intake on",
    operands: [Operand(name: "RECORDING", summary: "its id")],
    options: Command.client,
    examples: [
      ("callvault audit lineage c1d2…", "its call, its storing, each access, what ended it")
    ],
    discussion: [
      "Each line has the entry's index, so that `audit show --first N` and proofs find it. Entries "
        + "about the call itself are part of it; those about other recordings of the call are not. Where "
        + "a recovery began another log, the earlier ones come first and each index has its log's number "
        + "before it."
    ]
  ) { arguments, terminal in
    let recording = try arguments.requiredOperand(0)
    guard Identifier(recording) != nil else {
      throw CommandFailure(.usage, "RECORDING must be an id: a UUID in lower case")
    }
    let client = try ServiceClient(arguments)
    let logs = try await ServiceLog.all(client)
    var found = [[Int64: JSONObject]](repeating: [:], count: logs.count)
    var call: String?
    for (place, log) in logs.enumerated() {
      let pages = EntryPages(client: client, query: log.query + [("object", recording)])
      try await pages.forEach { entry in
        if let index = entry["idx"]?.integer { found[place][index] = entry }
        if entry["action"]?.string == Action.recordingStored.rawValue, call == nil {
          call = entry["objects"]?.array?.first?.string
        }
      }
    }
    guard found.contains(where: { !$0.isEmpty }) else {
      throw CommandFailure(.notFound, "the log has no entry about this recording")
    }
    if let call {
      for (place, log) in logs.enumerated() {
        let pages = EntryPages(client: client, query: log.query + [("object", call)])
        try await pages.forEach { entry in
          if let index = entry["idx"]?.integer, isAboutCall(entry) { found[place][index] = entry }
        }
      }
    }
    var lines: [String] = []
    var entries: [JSONValue] = []
    var parts: [JSONValue] = []
    for (log, rows) in zip(logs, found) {
      for (index, entry) in rows.sorted(by: { $0.key < $1.key }) {
        lines.append((logs.count > 1 ? "\(log.number)/" : "") + "\(index)\t\(line(entry))")
        entries.append(.object(entry))
      }
      var part = log.document
      part["entries"] = .integer(Int64(rows.count))
      parts.append(.object(part))
    }
    terminal.result(
      lines.joined(separator: "\n"),
      [
        "recording": .string(recording), "call": call.map { .string($0) } ?? .null,
        "logs": .array(parts), "entries": .array(entries),
      ])
    return ExitCode.success.rawValue
  }

  /// Whether an entry is about the call as a whole: it was made, linked, held or changed.
  private static func isAboutCall(_ entry: JSONObject) -> Bool {
    guard let action = entry["action"]?.string else { return false }
    return ["call.", "subject.", "hold.", "retention.", "consent.", "incident."].contains {
      action.hasPrefix($0)
    }
  }

  private static func line(_ entry: JSONObject) -> String {
    let time = entry["time"]?.integer.map { Timestamp(milliseconds: $0).rfc3339 } ?? ""
    var words = [time]
    for name in ["action", "phase", "outcome", "reason", "purpose"] {
      if let word = entry[name]?.string { words.append(word) }
    }
    if let actor = entry["actor"]?.object?["id"]?.string { words.append("by \(actor)") }
    if let released = entry["released"]?.integer { words.append("\(released) bytes") }
    return words.joined(separator: " ")
  }
}
