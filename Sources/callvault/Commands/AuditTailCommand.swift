import Audit
import Encoding
import Views

/// `audit tail`: the newest entries, and those to come, one line each.
enum AuditTailCommand {
  /// Entries shown where no beginning is named.
  private static let last: Int64 = 10

  static let tail = Command(
    name: "audit tail",
    summary: "show the newest entries of the log, and go on as they come",
    options: [
      .value("from", "N", "from this index, counted from 0; else the last 10"),
      .flag("follow", "go on until interrupted, looking every 2 seconds"),
    ] + Command.client,
    examples: [
      ("callvault audit tail --follow", "what happens now"),
      ("callvault audit tail --json --from 0 > entries.jsonl", "everything, for a SIEM"),
    ],
    discussion: [
      "With --json each line is one JSON object: the entry as it is in the log, its index and leaf "
        + "hash, the log's name and the time (Documentation/formats/views.md, section 4).",
      "For an auditor; the reading is itself in the log, and following adds an entry each time "
        + "there is something new.",
    ]
  ) { arguments, terminal in
    let client = try ServiceClient(arguments)
    let note = try await client.get("/v1/audit/checkpoint").body
    let lines = note.split(separator: 0x0A, maxSplits: 2, omittingEmptySubsequences: false)
    guard lines.count == 3, let size = Int64(String(decoding: lines[1], as: UTF8.self)) else {
      throw CommandFailure(.damaged, "the service's checkpoint cannot be read")
    }
    let origin = String(decoding: lines[0], as: UTF8.self)
    var next = try start(arguments) ?? max(0, size - last)
    while true {
      let page = try await client.get(
        "/v1/audit/entries", query: [("first", "\(next)"), ("limit", "100")]
      ).object()
      let entries = page["entries"]?.array ?? []
      for entry in entries {
        let view = try read(entry, origin: origin)
        try terminal.bytes(terminal.isJSON ? view.jsonLine : Array((text(view) + "\n").utf8))
        next = view.entry.index + 1
      }
      if page["next"]?.integer != nil { continue }
      guard arguments.has("follow") else { return ExitCode.success.rawValue }
      try await Task.sleep(for: .seconds(2))
    }
  }

  private static func start(_ arguments: Arguments) throws(CommandFailure) -> Int64? {
    guard let text = arguments.value("from") else { return nil }
    guard let number = Int64(text), (0..<1 << 53).contains(number) else {
      throw CommandFailure(.usage, "--from must be an index: a whole number from 0")
    }
    return number
  }

  private static func read(
    _ item: JSONValue, origin: String
  ) throws(CommandFailure) -> EntryView {
    guard let leaf = item.object?["leaf"]?.string else {
      throw CommandFailure(.internal, "the service's answer lacks an entry")
    }
    do {
      return EntryView(
        try Entry(parsing: Array(leaf.utf8)), bytes: Array(leaf.utf8), origin: origin)
    } catch {
      throw CommandFailure(.damaged, "an entry cannot be read: \(error)")
    }
  }

  private static func text(_ view: EntryView) -> String {
    let entry = view.entry
    var words = [
      "\(entry.index)", entry.time.rfc3339, entry.action.rawValue,
      entry.outcome?.rawValue ?? entry.phase.rawValue,
    ]
    if let reason = entry.reason { words.append(reason.rawValue) }
    words.append("\(entry.actor.kind.rawValue) \(entry.actor.id)")
    if let object = entry.objects.first { words.append("on \(object)") }
    return words.joined(separator: "  ")
  }
}
