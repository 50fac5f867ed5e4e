import Audit
import Encoding

/// `audit sample`: which entries an auditor looks at, drawn so that anybody draws the same.
enum AuditSampleCommand {
  static let sample = Command(
    name: "audit sample",
    summary: "draw a reproducible sample of one action",
    options: [
      .value("from", "T", "entries at or after this time (RFC 3339)", required: true),
      .value("to", "T", "and before this time", required: true),
      .value("action", "A", "such as recording.opened", required: true),
      .value("confidence", "PERCENT", "1 to 99; 95 if not given"),
      .value("tolerable", "PERCENT", "the rate of deviations that is tolerable; 5 if not given"),
      .value("seed", "TEXT", "the auditor's, best named after the period", required: true),
      ServiceLog.option,
      .value("out", "FILE", "the list as a file that verify.py draws again", short: "o"),
    ] + Command.client,
    examples: [
      (
        "callvault audit sample --from 2026-10-01T00:00:00Z --to 2026-11-01T00:00:00Z "
          + "--action recording.opened --seed 'Q4 2026 / 7731' -o sample.json",
        "59 of any large number: none of them wrong means, with 95 %, that fewer than 5 % are"
      )
    ],
    discussion: [
      "Discovery sampling: attribute sampling with no deviation expected. The same population, seed, "
        + "confidence and rate give the same list. Without --log it is drawn from the log that goes on. "
        + "See Documentation/formats/package.md, 7."
    ]
  ) { arguments, terminal in
    let from = try AuditPackageCommand.time(arguments, "from")
    let to = try AuditPackageCommand.time(arguments, "to")
    let action = try arguments.required("action")
    let seed = try arguments.required("seed")
    let confidence = try percent(arguments, "confidence", 95)
    let tolerable = try percent(arguments, "tolerable", 5)
    guard from < to,
      var sample = AuditSample(seed: seed, confidence: confidence, tolerable: tolerable)
    else {
      throw CommandFailure(
        .usage,
        "--from must be before --to, --seed 1 to 256 printable characters without quote and "
          + "backslash")
    }
    let client = try ServiceClient(arguments)
    let logs = try await ServiceLog.all(client)
    let log = try ServiceLog.chosen(arguments, among: logs)
    // A population that lacks what a recovery put into another log would be smaller than it looks.
    for other in logs where other.number != log.number && other.isEarlier {
      // One that is not what the log after it names cannot be asked.
      var mayHold = other.verifierKey.isEmpty
      if !mayHold { mayHold = try await other.hasEntries(from: from, to: to, client) }
      guard mayHold else { continue }
      terminal.note(
        "log \(other.number) may hold entries of this period too: draw from it as well (--log \(other.number))"
      )
    }
    // The population ends with this head: later entries would change the draw.
    let note = try await client.get("/v1/audit/checkpoint", query: log.query).body
    let size = try LogCopy.treeSize(note)
    let origin = String(decoding: note.prefix { $0 != 0x0A }, as: UTF8.self)
    let query = log.query + [("action", action), ("since", from.rfc3339), ("until", to.rfc3339)]
    try await EntryPages(client: client, query: query).forEach { (entry) throws in
      let index = entry["idx"]?.integer ?? 0
      let phase = entry["phase"]?.string
      guard index < size, phase == Phase.intent.rawValue || phase == Phase.single.rawValue else {
        return
      }
      try sample.take(id: try entry.requiredString("id"), index: index)
    }
    let drawn = sample.draw()
    let document: JSONObject = [
      "v": .integer(1), "kind": .string("callvault-sample"), "origin": .string(origin),
      "size": .integer(size), "from": .string(from.rfc3339), "to": .string(to.rfc3339),
      "action": .string(action), "confidence": .integer(Int64(confidence)),
      "tolerable": .integer(Int64(tolerable)), "seed": .string(seed),
      "population": .integer(sample.population),
      "sample": .array(
        drawn.map { .object(["id": .string($0.id), "index": .integer($0.index)]) }),
    ]
    if let out = arguments.value("out") {
      let file = try OutputFile(out)
      try file.write(try JSONValue.object(document).canonical() + [0x0A])
      try file.commit()
    }
    let lines = drawn.map { "\($0.index)\t\($0.id)" }
    terminal.result(
      (lines + ["\(drawn.count) of \(sample.population) entries of \(action)"])
        .joined(separator: "\n"), document)
    return ExitCode.success.rawValue
  }

  private static func percent(
    _ arguments: Arguments, _ name: String, _ usual: Int
  ) throws(CommandFailure) -> Int {
    guard let text = arguments.value(name) else { return usual }
    guard let number = Int(text), (1...99).contains(number) else {
      throw CommandFailure(.usage, "--\(name) must be a whole number from 1 to 99")
    }
    return number
  }
}

/// Entries that the service finds, page by page.
struct EntryPages {
  let client: ServiceClient
  let query: [(String, String)]

  /// Hands each entry, read as JSON, to `body`, oldest first.
  func forEach(_ body: (JSONObject) throws -> Void) async throws {
    var next: Int64? = 0
    while let first = next {
      let page = try await client.get(
        "/v1/audit/entries", query: query + [("first", "\(first)"), ("limit", "100")]
      ).object()
      for row in page["entries"]?.array ?? [] {
        guard let leaf = row.object?["leaf"]?.string,
          case .object(let entry) = try JSONValue(parsing: Array(leaf.utf8))
        else { throw CommandFailure(.internal, "the service's answer cannot be read") }
        try body(entry)
      }
      next = page["next"]?.integer
    }
  }
}
