import Audit
import Encoding
import Foundation
import Testing

/// The log of `Tests/Vectors/keyring/keyring.json`, made from the format's page by another program.
struct KeyringVectors: Decodable {
  struct Case: Decodable {
    let name: String
    let verdict: String
    let rootVkey: String
    let files: [String: String]
    let removed: [String]
  }
  let origin: String
  let logVkey: String
  let rootVkey: String
  let anchor: String
  /// The newest head without any epoch's line.
  let bare: String
  let files: [String: String]
  let cases: [Case]

  static let loaded = Result { () throws -> KeyringVectors in
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Vectors/keyring/keyring.json")
    // Paths are keys, too; they hold no underscore.
    return try decoder.decode(KeyringVectors.self, from: try Data(contentsOf: url))
  }

  func folder(changing changes: [String: String] = [:], removing removed: [String] = []) throws
    -> MemoryLog
  {
    var log = MemoryLog()
    for (path, text) in files.merging(changes, uniquingKeysWith: { $1 })
    where !removed.contains(path) {
      log.files[path] = try demand(Base64.decode(text))
    }
    return log
  }

  func verifier(root: String = "") throws -> LogVerifier {
    var verifier = try LogVerifier(
      key: demand(VerifierKey(logVkey)), anchors: [Array(anchor.utf8)])
    if !root.isEmpty { verifier.rootKey = try demand(VerifierKey(root)) }
    verifier.workers = 1
    return verifier
  }
}

/// A log's folder in memory.
struct MemoryLog: LogFolderReader {
  var files: [String: [UInt8]] = [:]

  func read(_ path: String, from offset: Int64, count: Int) throws -> [UInt8]? {
    files[path].map { Array($0.dropFirst(Int(offset)).prefix(count)) }
  }

  func list(_ folder: String) throws -> [LogFolderItem]? {
    let prefix = folder.isEmpty ? "" : folder + "/"
    var items: Set<LogFolderItem> = []
    for path in files.keys where path.hasPrefix(prefix) {
      let rest = path.dropFirst(prefix.count).split(separator: "/", maxSplits: 1)
      items.insert(LogFolderItem(name: String(rest[0]), isFolder: rest.count > 1))
    }
    return items.isEmpty ? nil : Array(items)
  }
}

@Suite struct KeyringVectorTests {
  @Test func everyCaseHasItsVerdict() async throws {
    let vectors = try KeyringVectors.loaded.get()
    for vector in vectors.cases {
      let folder = try vectors.folder(changing: vector.files, removing: vector.removed)
      let report = try await vectors.verifier(root: vector.rootVkey).verify(folder)
      #expect(report.verdict.name == vector.verdict, "\(vector.name): \(report.findings)")
    }
    print(": \(vectors.cases.count) keyrings and heads, each with its verdict")
  }

  @Test func whatIsReadIsWrittenTheSame() throws {
    let vectors = try KeyringVectors.loaded.get()
    let bytes = try demand(vectors.files["keyring"].flatMap { Base64.decode($0) })
    let keyring = try Keyring(parsing: bytes)
    #expect(keyring.encoded == bytes)
    #expect(keyring.certified(by: try demand(VerifierKey(vectors.rootVkey))) == [true, true, true])
    #expect((0..<3).map { keyring.window(of: $0) } == [1...9, 9...17, 17...Int64.max])
  }

  /// Without the log's key only the form of the keyring is looked at.
  @Test func withoutAKeyTheKeyringIsOnlyNoted() async throws {
    let vectors = try KeyringVectors.loaded.get()
    let report = try await LogVerifier(key: nil).verify(vectors.folder())
    #expect(report.verdict == .unanchored && report.findings.isEmpty)
    #expect(report.notes.contains { $0.contains("keyring lists 3 epochs") })
  }
}
