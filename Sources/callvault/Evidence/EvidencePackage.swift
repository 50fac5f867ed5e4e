import Audit
import CAssets
import Cryptography
import Encoding

/// Makes an evidence package: `Documentation/formats/package.md`.
///
/// Everything is put into a folder beside the package first, in pieces, and then into one tar: what is
/// held in memory does not grow with the log.
struct EvidencePackage {
  /// Entries in one file of `entries/`.
  private static let entriesInFile: Int64 = 4096

  let from: Timestamp
  let to: Timestamp
  /// The folder, which has `log/` in it.
  let folder: String
  /// Whose `log/` it is: an earlier one lies in a package as a package of its own.
  let log: ServiceLog

  /// What a package is about.
  struct Facts: Sendable {
    let origin: String
    let size: Int64
    let root: String
    /// When the newest entry under the head was taken.
    let time: Timestamp
    /// Nil if the log has no entry of that time.
    let range: ClosedRange<Int64>?
    let from: Timestamp
    let to: Timestamp

    /// What is said to whoever made it.
    var sentence: String {
      (range.map { "entries \($0.lowerBound) to \($0.upperBound)" } ?? "no entries of the range")
        + " of \(origin), under its head of \(size) entries"
    }

    var document: JSONObject {
      var document: JSONObject = ["size": .integer(size), "root": .string(root)]
      if let range {
        document["first"] = .integer(range.lowerBound)
        document["last"] = .integer(range.upperBound)
      }
      return document
    }
  }

  /// Makes the folder and those above it, below `root`.
  func makeFolders(in root: String) throws {
    var path = root
    for name in folder.dropFirst(root.count).split(separator: "/") {
      path += "/" + name
      try makeFolder(path)
    }
  }

  /// Fetches what the service has beside the log.
  func fetch(from client: ServiceClient) async throws {
    let names = try OutputFile(folder + "/identities.jsonl")
    var next: Int64? = 0
    while let first = next {
      let page = try await client.get(
        "/v1/audit/identities", query: log.query + [("first", "\(first)")]
      )
      .object()
      for identity in page["identities"]?.array ?? [] {
        try names.write(try identity.canonical() + [0x0A])
      }
      next = page["next"]?.integer
    }
    try names.commit()
    let files =
      try await client.get("/v1/audit/anchors", query: log.query).object()["files"]?.array ?? []
    for name in files.compactMap(\.string) {
      let bytes = try await client.get("/v1/audit/anchors/\(name)", query: log.query).body
      try LogCopy.write(bytes, to: "anchors/\(name)", below: folder)
    }
  }

  /// Fetches the policies that were in force in the range.
  static func fetchPolicies(
    _ hashes: Set<String>, from client: ServiceClient, to folder: String
  ) async throws {
    for hash in hashes.sorted() {
      do throws(CommandFailure) {
        let bytes = try await client.get("/v1/audit/policies/\(hash)").body
        try LogCopy.write(bytes, to: "policies/\(hash).yaml", below: folder)
      } catch {
        // Announced by a version that did not keep them: the checker notes it.
        guard error.code == .notFound else { throw error }
      }
    }
  }

  /// Writes the range's entries, proofs and reports.
  ///
  /// - Returns: what the package is about, and the policies that were in force in the range.
  /// - Throws: ``CommandFailure`` if the copied log cannot be read.
  func derive() async throws -> (facts: Facts, policies: Set<String>) {
    let log = try CopiedLog(folder + "/log")
    let range = try log.range(from: from, to: to)
    let facts = Facts(
      origin: log.checkpoint.origin, size: log.checkpoint.size,
      root: Base64.encode(log.checkpoint.root.bytes), time: try log.headTime(), range: range,
      from: from, to: to)
    var tally = RangeTally(names: try identityNames())
    let workbook = try ReportWorkbook(facts, at: folder)
    let policies = try write(log, facts, range, tally: &tally, workbook: workbook)
    try LogCopy.write(Self.document(facts), to: "package.json", below: folder)
    if let range { try await prove(log, range) }
    try LogCopy.write(try ReportDocument.encoded(facts, tally), to: "report.pdf", below: folder)
    return (facts, policies)
  }

  /// What the package is checked with.
  static func addPrograms(to folder: String) throws {
    for (name, bytes) in [
      ("VERIFY.md", unsafe InitCommand.asset(callvault_verify_md())),
      ("verify.py", unsafe InitCommand.asset(callvault_verify_py())),
      ("verify.html", unsafe InitCommand.asset(callvault_verify_html())),
    ] { try LogCopy.write(bytes, to: name, below: folder) }
  }

  /// Goes through the log once: entries of the range to their files and the reports, and what policies
  /// were in force.
  private func write(
    _ log: CopiedLog, _ facts: Facts, _ range: ClosedRange<Int64>?, tally: inout RangeTally,
    workbook: consuming ReportWorkbook
  ) throws -> Set<String> {
    guard let range else {
      try workbook.finish(tally)
      return []
    }
    try makeFolder(folder + "/entries")
    var file: OutputFile?
    var policies: Set<String> = []
    var inForce: [String] = []
    var counted = tally
    var rows = workbook
    // The log's beginning says what was in force when the range began.
    try log.forEach(0...range.upperBound) { entry, bytes in
      if entry.action == .policyChanged, let hash = entry.policy?.hex { inForce.append(hash) }
      guard range.contains(entry.index) else { return }
      if let hash = entry.policy?.hex { policies.insert(hash) }
      if (entry.index - range.lowerBound).isMultiple(of: Self.entriesInFile) {
        try file?.commit()
        file = try OutputFile("\(folder)/entries/\(Self.name(of: entry.index)).jsonl")
      }
      try file?.write(bytes + [0x0A])
      counted.count(entry)
      try rows.append(entry, names: counted.names)
    }
    try file?.commit()
    try rows.finish(counted)
    tally = counted
    // Two kinds of policy are announced; the last two before the range may both have ruled in it.
    return policies.union(inForce)
  }

  private static func name(of index: Int64) -> String {
    let digits = String(index)
    return String(repeating: "0", count: max(0, 12 - digits.utf8.count)) + digits
  }

  private func prove(_ log: CopiedLog, _ range: ClosedRange<Int64>) async throws {
    try LogCopy.write(
      try await log.proof(of: range.lowerBound), to: "proofs/first", below: folder)
    try LogCopy.write(try await log.proof(of: range.upperBound), to: "proofs/last", below: folder)
    guard let before = try log.head(before: range.lowerBound) else { return }
    try LogCopy.write(before.encoded, to: "proofs/before", below: folder)
    try LogCopy.write(
      try await log.growth(from: before), to: "proofs/consistency", below: folder)
  }

  private static func document(_ facts: Facts) throws -> [UInt8] {
    var document: JSONObject = [
      "entries": .integer(Int64(facts.range?.count ?? 0)), "from": .string(facts.from.rfc3339),
      "origin": .string(facts.origin), "root": .string(facts.root), "size": .integer(facts.size),
      "time": .string(facts.time.rfc3339), "to": .string(facts.to.rfc3339), "v": .integer(1),
    ]
    if let range = facts.range {
      document["first"] = .integer(range.lowerBound)
      document["last"] = .integer(range.upperBound)
    }
    return try JSONValue.object(document).canonical() + [0x0A]
  }

  /// Names by id, as the log commits to them.
  private func identityNames() throws -> [String: String] {
    let bytes = try UserFile.whole(folder + "/identities.jsonl", limit: 256 << 20)
    var names: [String: String] = [:]
    for line in bytes.split(separator: 0x0A) {
      if case .object(let row) = try JSONValue(parsing: Array(line)),
        let id = row["id"]?.string, let name = row["name"]?.string
      {
        names[id] = name
      }
    }
    return names
  }
}
