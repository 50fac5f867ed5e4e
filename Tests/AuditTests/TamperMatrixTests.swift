import Audit
import Foundation
import Testing

/// Every byte of every file changed, every file removed, emptied and cut, each on its own.
@Suite struct TamperMatrixTests {
  private static let log = Result { try SampleLog(7, publishedAt: [3, 7]) }

  /// The verdicts that damage to a file may have; the first is that of a changed byte.
  private static func allowed(_ path: String) -> Set<Verdict> {
    if path == "checkpoint" { return [.unauthentic, .unreadable] }
    if path.hasPrefix("checkpoints/") { return [.altered, .unauthentic] }
    if path.hasPrefix("tile/entries/000.p/7") { return [.altered, .truncated] }
    return [.altered]
  }

  @Test func everyChangedByteIsFound() async throws {
    let log = try Self.log.get()
    let verifier = try LogVerifier(key: log.key, anchors: [try #require(log.heads[3])])
    #expect(try await verifier.verify(log).verdict == .intact)
    var changes = 0
    for (path, bytes) in log.files {
      for place in bytes.indices {
        var damaged = log
        damaged.files[path]?[place] ^= 1 << UInt8(place % 8)
        let report = try await verifier.verify(damaged)
        #expect(
          Self.allowed(path).contains(report.verdict),
          "byte \(place) of \(path): \(report.verdict) \(report.findings)")
        // A changed entry is named to the index, whichever byte of it changed.
        if path == "tile/entries/000.p/7", report.findings.first?.kind == .edited {
          let index = try Self.index(ofByte: place, in: log.entries)
          #expect(report.findings.first?.index == index, "byte \(place): \(report.findings)")
        }
        changes += 1
      }
    }
    print("tamper matrix: \(changes) changed bytes, each found")
  }

  @Test func everyMissingEmptyAndCutFileIsFound() async throws {
    let log = try Self.log.get()
    let verifier = try LogVerifier(key: log.key, anchors: [try #require(log.heads[3])])
    // A writer may remove partial files that wider ones replaced, and there is a note for no history.
    let replaced = ["tile/0/000.p/3", "tile/entries/000.p/3"]
    for (path, bytes) in log.files {
      var damaged = log
      damaged.files[path] = nil
      var report = try await verifier.verify(damaged)
      if replaced.contains(path) {
        #expect(report.verdict == .intact)
      } else if path.hasPrefix("checkpoints/") {
        #expect(report.verdict == .intact && !report.notes.isEmpty)
      } else {
        #expect(report.verdict != .intact, "\(path) removed: \(report.findings)")
      }
      for length in [0, 1, bytes.count / 2, bytes.count - 1] {
        damaged.files[path] = Array(bytes.prefix(length))
        report = try await verifier.verify(damaged)
        #expect(
          Self.allowed(path).contains(report.verdict),
          "\(path) cut to \(length): \(report.verdict) \(report.findings)")
      }
    }
  }

  /// The entry that byte `place` of the bundle belongs to, its length included.
  private static func index(ofByte place: Int, in entries: [[UInt8]]) throws -> Int64 {
    var end = 0
    for (index, entry) in entries.enumerated() {
      end += 2 + entry.count
      if place < end { return Int64(index) }
    }
    throw Mismatch()
  }
}
