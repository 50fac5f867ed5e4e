import Encoding
import Foundation
import PDF
import Spreadsheet
import Testing

@testable import callvault

/// The same range and head give the same bytes: package.md, 1.3.
@Suite struct ReportTests {
  private static func facts() -> EvidencePackage.Facts {
    EvidencePackage.Facts(
      origin: "vault.example.org/callvault", size: 40,
      root: "3NwFukpTtDwyn62mC21XZJXGEXijyja1A7cobV5MVY8=",
      time: Timestamp(milliseconds: 1_795_188_000_123), range: 3...20,
      from: Timestamp(milliseconds: 1_795_000_000_000),
      to: Timestamp(milliseconds: 1_796_000_000_000))
  }

  @Test func aDocumentHasNoTimeOfItsMaking() throws {
    let tally = RangeTally(names: [:])
    let first = try ReportDocument.encoded(Self.facts(), tally)
    #expect(first.starts(with: Array("%PDF-".utf8)))
    #expect(first == (try ReportDocument.encoded(Self.facts(), tally)))
  }

  @Test func aWorkbookHasNoTimeOfItsMaking() throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "callvault-report-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var files: [Data] = []
    for _ in 0..<2 {
      let workbook = try ReportWorkbook(Self.facts(), at: folder.path())
      try workbook.finish(RangeTally(names: [:]))
      files.append(try Data(contentsOf: folder.appending(path: "report.xlsx")))
    }
    #expect(files[0] == files[1] && files[0].count > 4000)
  }

  @Test func textOutsideOfASCIIDoesNotBreakAPage() throws {
    var document = try PDFDocument(title: "\u{1F600}", date: (2026, 11, 28, 1, 2, 3))
    try document.beginPage()
    try document.write("(\\ \u{e4}\n)", x: 50, y: 50, size: 10)
    #expect(try document.encoded().count > 300)
  }

  @Test func aWorkbookThatCannotBeWrittenSaysSo() {
    #expect(throws: SpreadsheetError.self) {
      var workbook = try Workbook(
        "/nonexistent/report.xlsx", scratch: "/tmp", title: "t", created: 0)
      try workbook.addSheet("s", widths: [10])
      try workbook.close()
    }
  }
}
