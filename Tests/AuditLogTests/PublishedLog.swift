import Audit
import ChildProcess
import Cryptography
import Drivers
import Foundation
import Testing

/// A published log read back as an auditor would: files only, every byte checked against the head.
struct PublishedLog {
  let entries: [[UInt8]]
  let size: Int64

  /// Reads a log's folder.
  ///
  /// - Throws: if anything that the checkpoint covers is missing or does not fit.
  init(_ folder: String, key: VerifierKey) throws {
    func read(_ path: String) throws -> [UInt8] {
      Array(try Data(contentsOf: URL(fileURLWithPath: folder + "/" + path)))
    }
    let note = try SignedNote(parsing: read("checkpoint"))
    let head = try VerifiedCheckpoint(note, key: key).checkpoint
    size = head.size
    var entries: [[UInt8]] = []
    for number in 0..<((head.size + 255) / 256) {
      let path = try #require(TilePath.bundle(number, inLogOf: head.size))
      entries += try EntryBundle.parse(read(path.description), count: path.width)
    }
    self.entries = entries
    let leaves = entries.map(MerkleTree.leafHash)
    try #require(MerkleTree.root(of: leaves) == head.root)
    for path in TilePath.added(from: 0, to: head.size) where path.level == .hashes(0) {
      let tile = try Tile(path, parsing: read(path.description))
      let start = Int(path.number) * 256
      try #require(tile.hashes == Array(leaves[start..<(start + path.width)]))
    }
    let edge = try TreeEdge(size: head.size) { path throws(AuditError) in
      do {
        return try read(path.description)
      } catch {
        throw AuditError(.notFound, during: "reading a tile", cause: error)
      }
    }
    try #require(edge.root == head.root)
    var previous = SHA256Digest(bytes: [UInt8](repeating: 0, count: 32))
    for (index, bytes) in entries.enumerated() {
      let entry = try Entry(parsing: bytes)
      try #require(entry.index == Int64(index))
      try #require(entry.previous == previous)
      previous = leaves[index]
    }
  }

  func parsed() throws -> [Entry] { try entries.map { try Entry(parsing: $0) } }

  /// Whether every receipt's entry is where it said.
  func holds(_ receipts: some Sequence<Acknowledged>) -> Bool {
    receipts.allSatisfy { receipt in
      receipt.index < entries.count
        && MerkleTree.leafHash(entries[Int(receipt.index)]) == receipt.leafHash
    }
  }
}

/// This project's own verifier, with the key and a head kept from the beginning given.
enum OwnVerifier {
  /// What it finds besides that the end is not anchored; empty for a sound log.
  static func findings(_ folder: String, key: VerifierKey) async throws -> [String] {
    let report = try await LogVerifier(key: key).verify(LogFolder(folder))
    let notes = report.notes.filter { !$0.hasPrefix("the keyring lists") }
    var findings = report.findings.map(\.description) + notes
    if report.verdict != .unanchored { findings.append(report.verdict.name) }
    return findings
  }
}

/// `verify.go`: Debian's Go packages check the same folder, with nothing of ours.
enum GoVerifier {
  /// Where the built verifier lies, or nil where there is no Go.
  static let program: String? = {
    let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Outside/gotlog/verify.go").path
    let target = NSTemporaryDirectory() + "callvault-verify-\(getpid())"
    let built = try? ChildProcess.run(
      "/usr/bin/go", ["build", "-o", target, source],
      environment: ["GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOPROXY": "off"])
    return built?.status == 0 ? target : nil
  }()

  static func accepts(
    _ folder: String, key: VerifierKey, isExpected: Bool = true
  ) throws -> Bool {
    let program = try #require(program)
    let result = try ChildProcess.run(program, [key.description, folder])
    if result.status != 0, isExpected { print(result.output, result.errors) }
    return result.status == 0
  }
}
