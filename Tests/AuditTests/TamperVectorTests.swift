import Audit
import Encoding
import Foundation
import Testing

private struct TamperFile: Decodable {
  struct Case: Decodable {
    let id: String
    let finding: String
    let servedCheckpoint: String
    let servedEntriesHex: [String]
    let trustedCheckpoint: String
  }
  let logVkey: String
  let origin: String
  let cases: [Case]
}

/// Files in memory.
struct MemoryFolder: LogFolderReader {
  var files: [String: [UInt8]]

  func read(_ path: String, from offset: Int64, count: Int) throws -> [UInt8]? {
    files[path].map { Array($0.dropFirst(Int(offset)).prefix(count)) }
  }

  func list(_ folder: String) throws -> [LogFolderItem]? { nil }
}

/// The scenarios of `tamper.json`, served as folders.
@Suite struct TamperVectorTests {
  /// What each finding of the vectors is on our scale.
  private static let verdicts: [String: Set<Verdict>] = [
    "": [.intact], "unanchored": [.unanchored],
    // Fewer entries than the head says are truncated or removed, more are inserted.
    "root-mismatch": [.altered], "size-mismatch": [.altered, .truncated],
    "rollback": [.behindAnchor], "inconsistent": [.forked], "equivocation": [.forked],
    "signature": [.unauthentic], "origin": [.unauthentic],
  ]

  @Test(arguments: [false, true]) func everyScenarioHasItsVerdict(tilesServed: Bool) async throws {
    let file = try Vectors.load(TamperFile.self, from: "tamper.json")
    #expect(file.cases.count >= 14)
    let key = try #require(VerifierKey(file.logVkey))
    let honest =
      try file.cases.filter { $0.finding == "" }
      .map { try $0.servedEntriesHex.map { try #require(Hex.decode($0)) } }
      .max { $0.count < $1.count } ?? []
    for vector in file.cases {
      let entries = try vector.servedEntriesHex.map { try #require(Hex.decode($0)) }
      let folder = try serve(
        entries, under: vector.servedCheckpoint, tilesOf: tilesServed ? entries : honest)
      let anchors = vector.trustedCheckpoint.isEmpty ? [] : [Array(vector.trustedCheckpoint.utf8)]
      var verifier = try LogVerifier(key: key, anchors: anchors)
      verifier.format = .opaque
      let report = try await verifier.verify(folder)
      var expected = try #require(Self.verdicts[vector.finding], "\(vector.finding)")
      // Nothing is intact for one who keeps nothing.
      if expected == [.intact], anchors.isEmpty { expected = [.unanchored] }
      #expect(expected.contains(report.verdict), "\(vector.id): \(report.findings)")
    }
  }

  /// Puts whatever was served under the names that the checkpoint's size asks for.
  private func serve(
    _ entries: [[UInt8]], under checkpoint: String, tilesOf recorded: [[UInt8]]
  ) throws -> MemoryFolder {
    var files = try SampleLog.tiles(recorded)
    let lines = checkpoint.split(separator: "\n")
    let size = try #require(Int64(lines[1]))
    if let path = TilePath.bundle(0, inLogOf: size) {
      files[path.description] = entries.isEmpty ? [] : try EntryBundle.encode(entries)
      if size <= 256, recorded.count != size {
        let tile = try SampleLog.tiles(Array(recorded.prefix(Int(size))))
        files.merge(tile.filter { !$0.key.contains("entries") }) { $1 }
      }
    }
    files["checkpoint"] = Array(checkpoint.utf8)
    return MemoryFolder(files: files)
  }
}
