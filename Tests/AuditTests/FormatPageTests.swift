import Audit
import Encoding
import Foundation
import Testing

/// The examples of `Documentation/formats/audit-log.md` are real: they are made here, and checked.
@Suite struct FormatPageTests {
  private static let page = Result { try read("audit-log.md") }

  private static func read(_ name: String) throws -> String {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Documentation/formats/\(name)")
    return try String(contentsOf: url, encoding: .utf8)
  }

  private func blocks(of page: String) -> [String] {
    page.components(separatedBy: "\n```\n").enumerated()
      .filter { $0.offset % 2 == 1 }.map(\.element)
  }

  @Test func theExamplesAreOneLog() throws {
    let blocks = blocks(of: try Self.page.get())
    let log = try SampleLog(1, publishedAt: [1])
    let shown = [
      String(decoding: log.entries[0], as: UTF8.self),
      String(decoding: log.heads[1] ?? [], as: UTF8.self).trimmingCharacters(in: .newlines),
      log.key.description,
    ]
    #expect(Array(blocks.prefix(3)) == shown, "\(shown.joined(separator: "\n\n"))")
  }

  /// Made by another program from the page alone: every bit of it counts.
  @Test func theRecoveryNoteOfThePageHolds() throws {
    let block = try #require(blocks(of: Self.read("recovery.md")).first)
    let bytes = Array((block + "\n").utf8)
    let note = try SignedNote(parsing: bytes)
    let recovery = try RecoveryNote(parsing: note.text)
    #expect(recovery.text == note.text && recovery.holds(note))
    #expect(
      recovery.loss == "entries 412–590 of vault.example.org/callvault were lost")
    for place in bytes.indices {
      var changed = bytes
      changed[place] ^= 1
      guard let note = try? SignedNote(parsing: changed),
        let recovery = try? RecoveryNote(parsing: note.text)
      else { continue }
      #expect(!recovery.holds(note), "byte \(place)")
    }
  }

  @Test func theClosedListsAreThoseOfTheProgram() throws {
    let page = try Self.page.get()
    let names =
      Action.allCases.map(\.rawValue) + Reason.allCases.map(\.rawValue)
      + PurposeOfUse.allCases.map(\.rawValue) + CommitField.allCases.map(\.rawValue)
      + EntryFlag.allCases.map(\.rawValue) + OutcomeCode.allCases.map(\.rawValue)
      + Role.allCases.map(\.rawValue) + AuthMethod.allCases.map(\.rawValue)
      + ActorKind.allCases.map(\.rawValue) + Phase.allCases.map(\.rawValue)
      + ClockState.allCases.map(\.rawValue) + EntryClass.allCases.map(\.rawValue)
    let missing = names.filter { !page.contains("`\($0)`") }
    #expect(missing == [])
    for verdict in Verdict.allCases where verdict != .verifierFault {
      let hasRow = page.contains("| \(verdict.rawValue) | \(verdict.name) |")
      #expect(hasRow, "\(verdict)")
    }
  }
}
