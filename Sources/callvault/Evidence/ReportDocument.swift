import Encoding
import PDF

/// `report.pdf`: what happened in a range in numbers, and the head that they were taken from.
struct ReportDocument: ~Copyable {
  private static let margin = 56.0
  private static let lineHeight = 14.0

  private var document: PDFDocument
  private let footer: String
  private var y: Double

  /// - Throws: `PDFError`.
  static func encoded(
    _ facts: EvidencePackage.Facts, _ tally: RangeTally
  ) throws -> [UInt8] {
    var report = try ReportDocument(facts)
    try report.begin()
    try report.line("Audit log report", size: 20, font: .bold, advance: 30)
    for (name, value) in ReportWording.head(facts) {
      try report.room(1)
      try report.document.write(name, x: margin, y: report.y, size: 10, font: .bold)
      try report.document.write(
        value, x: margin + 130, y: report.y, size: value.utf8.count > 60 ? 7.5 : 10, font: .mono)
      report.y -= lineHeight
    }
    report.y -= lineHeight
    for sentence in ReportWording.limits { try report.line(sentence, size: 9, advance: 12) }
    report.y -= lineHeight
    try report.line(
      "\(tally.total.entries) entries, \(tally.total.refused) refused, \(tally.total.failed) failed, "
        + "\(tally.presumed) presumed, \(tally.clockSteps) with a stepped clock", size: 11,
      font: .bold, advance: 24)
    try report.table(
      "By action", tally.byAction.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    try report.table(
      "By actor",
      tally.byActor.sorted { ($1.value.entries, $0.key) < ($0.value.entries, $1.key) }
        .map { (tally.name($0.key), $0.value) })
    return try report.finish()
  }

  private init(_ facts: EvidencePackage.Facts) throws {
    // The one spelling of a time has its numbers in fixed places.
    let numbers = facts.time.rfc3339.utf8.split { !(0x30...0x39).contains($0) }
      .compactMap { Int(String(decoding: $0, as: UTF8.self)) }
    let document = try PDFDocument(
      title: "Audit log of \(facts.origin)",
      date: (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]))
    self.document = document
    y = 0
    footer = "Head: \(facts.size) entries, root \(facts.root), \(facts.time.rfc3339)"
  }

  private consuming func finish() throws -> [UInt8] { try document.encoded() }

  private mutating func begin() throws {
    try document.beginPage()
    y = PDFDocument.height - Self.margin
    try document.rule(x: Self.margin, y: 46, length: PDFDocument.width - 2 * Self.margin)
    try document.write(footer, x: Self.margin, y: 34, size: 7, font: .mono)
    try document.write(
      "page \(document.pages)", x: PDFDocument.width - Self.margin - 36, y: 22, size: 7)
  }

  /// Begins a page if `lines` do not fit on this one.
  private mutating func room(_ lines: Double) throws {
    if y - lines * Self.lineHeight < 60 { try begin() }
  }

  private mutating func line(
    _ text: String, size: Double, font: PDFDocument.Font = .regular, advance: Double
  ) throws {
    try room(2)
    try document.write(text, x: Self.margin, y: y, size: size, font: font)
    y -= advance
  }

  private mutating func table(_ title: String, _ rows: [(String, RangeTally.Line)]) throws {
    try room(4)
    try heading(title)
    for (name, line) in rows {
      if y < 60 + Self.lineHeight {
        try begin()
        try heading(title)
      }
      try document.write(String(name.prefix(60)), x: Self.margin, y: y, size: 9)
      for (column, number) in [line.entries, line.refused, line.failed].enumerated() {
        try document.write(
          String(repeating: " ", count: max(0, 9 - "\(number)".utf8.count)) + "\(number)",
          x: 360 + 60 * Double(column), y: y, size: 9, font: .mono)
      }
      y -= Self.lineHeight
    }
    y -= Self.lineHeight
  }

  private mutating func heading(_ title: String) throws {
    try document.write(title, x: Self.margin, y: y, size: 11, font: .bold)
    for (column, name) in ["entries", "refused", "failed"].enumerated() {
      try document.write(name, x: 372 + 60 * Double(column), y: y, size: 9, font: .bold)
    }
    try document.rule(x: Self.margin, y: y - 4, length: PDFDocument.width - 2 * Self.margin)
    y -= Self.lineHeight + 4
  }
}
