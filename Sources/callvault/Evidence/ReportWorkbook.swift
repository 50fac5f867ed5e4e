import Audit
import Encoding
import Spreadsheet

/// `report.xlsx`: every entry of a range as a row, the counts, and the head they were taken from.
struct ReportWorkbook: ~Copyable {
  private var workbook: Workbook
  private let facts: EvidencePackage.Facts
  private var rows: Int

  init(_ facts: EvidencePackage.Facts, at folder: String) throws {
    var workbook = try Workbook(
      folder + "/report.xlsx", scratch: folder,
      title: "Audit log of \(facts.origin), " + ReportWording.range(facts),
      created: facts.time.milliseconds / 1000)
    try workbook.addSheet("Head", widths: [28, 100])
    for (name, value) in ReportWording.head(facts) {
      try workbook.append([.text(name), .text(value)])
    }
    try workbook.addSheet(
      "Entries", widths: [10, 26, 24, 10, 12, 18, 40, 18, 10, 12, 40, 26])
    try workbook.appendHeading([
      "index", "time (UTC)", "action", "phase", "outcome", "reason", "actor", "role", "purpose",
      "bytes released", "objects", "parts",
    ])
    self.workbook = workbook
    self.facts = facts
    rows = 1
  }

  mutating func append(_ entry: Entry, names: [String: String]) throws {
    // A sheet has an end; `entries/` has them all.
    guard rows < Workbook.maximumRows else { return }
    rows += 1
    let actor = entry.actor.id.description
    try workbook.append([
      .number(entry.index), .text(entry.time.rfc3339), .text(entry.action.rawValue),
      .text(entry.phase.rawValue), Self.cell(entry.outcome?.rawValue),
      Self.cell(entry.reason?.rawValue), .text(names[actor].map { "\($0) (\(actor))" } ?? actor),
      Self.cell(entry.actor.role?.rawValue), Self.cell(entry.purpose?.rawValue),
      entry.released.map { .number($0) } ?? .empty,
      .text(entry.objects.map(\.description).joined(separator: " ")),
      .text(entry.parts.map(\.description).joined(separator: " ")),
    ])
  }

  private static func cell(_ text: String?) -> Workbook.Cell { text.map { .text($0) } ?? .empty }

  consuming func finish(_ tally: RangeTally) throws {
    try workbook.addSheet("Counts", widths: [48, 12, 12, 12])
    try workbook.appendHeading(["action", "entries", "refused", "failed"])
    for (name, line) in tally.byAction.sorted(by: { $0.key < $1.key }) {
      try workbook.append(Self.row(name, line))
    }
    try workbook.append([])
    try workbook.appendHeading(["actor", "entries", "refused", "failed"])
    for (id, line) in tally.byActor.sorted(by: { $0.key < $1.key }) {
      try workbook.append(Self.row(tally.name(id), line))
    }
    try workbook.close()
  }

  private static func row(_ name: String, _ line: RangeTally.Line) -> [Workbook.Cell] {
    [
      .text(name), .number(Int64(line.entries)), .number(Int64(line.refused)),
      .number(Int64(line.failed)),
    ]
  }
}

/// What both reports say of where their figures come from.
enum ReportWording {
  static func range(_ facts: EvidencePackage.Facts) -> String {
    facts.range.map { "entries \($0.lowerBound) to \($0.upperBound)" } ?? "no entries of the time"
  }

  static func head(_ facts: EvidencePackage.Facts) -> [(String, String)] {
    [
      ("Log", facts.origin),
      ("The range", range(facts)),
      ("Asked for", "\(facts.from.rfc3339) to \(facts.to.rfc3339)"),
      ("Head: entries", "\(facts.size)"), ("Head: root (base64)", facts.root),
      ("Head: newest entry", facts.time.rfc3339),
      ("Checked with", "python3 verify.py package FILE.tar --key VERIFIER_KEY"),
    ]
  }

  static let limits = [
    "This report was made from the log under the head named above. It is for reading: what counts",
    "are the entries and signatures in the package, which verify.py and programs of others check.",
    "The log shows what was logged, and that nothing of it was changed below an outside anchor. It",
    "cannot show what was never logged. Names are those that the log itself commits to.",
  ]
}
