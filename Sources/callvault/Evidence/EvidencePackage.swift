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

  /// What a package is about.
  struct Facts: Sendable {
    let origin: String
    let size: Int64
    let root: String
    /// When the newest entry under the head was taken.
    let time: Timestamp
    let range: ClosedRange<Int64>
    let from: Timestamp
    let to: Timestamp
  }

  /// Fetches what the service has beside the log.
  func fetch(from client: ServiceClient) async throws {
    let names = try OutputFile(folder + "/identities.jsonl")
    var next: Int64? = 0
    while let first = next {
      let page = try await client.get("/v1/audit/identities", query: [("first", "\(first)")])
        .object()
      for identity in page["identities"]?.array ?? [] {
        try names.write(try identity.canonical() + [0x0A])
      }
      next = page["next"]?.integer
    }
    try names.commit()
    let files = try await client.get("/v1/audit/anchors").object()["files"]?.array ?? []
    for name in files.compactMap(\.string) {
      let bytes = try await client.get("/v1/audit/anchors/\(name)").body
      try LogCopy.write(bytes, to: "anchors/\(name)", below: folder)
    }
  }

  /// Fetches the policies that were in force in the range.
  func fetchPolicies(_ hashes: Set<String>, from client: ServiceClient) async throws {
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
  /// - Throws: ``CommandFailure`` with ``ExitCode/notFound`` if no entry is in the range.
  func derive() async throws -> (facts: Facts, policies: Set<String>) {
    let log = try CopiedLog(folder + "/log")
    guard let range = try log.range(from: from, to: to) else {
      throw CommandFailure(.notFound, "the log has no entry from \(from) to \(to)")
    }
    let facts = Facts(
      origin: log.checkpoint.origin, size: log.checkpoint.size,
      root: Base64.encode(log.checkpoint.root.bytes), time: try log.headTime(), range: range,
      from: from, to: to)
    var tally = RangeTally(names: try identityNames())
    let workbook = try ReportWorkbook(facts, at: folder)
    let policies = try write(log, facts, tally: &tally, workbook: workbook)
    try LogCopy.write(Self.document(facts), to: "package.json", below: folder)
    try await prove(log, range)
    try LogCopy.write(try ReportDocument.encoded(facts, tally), to: "report.pdf", below: folder)
    for (name, bytes) in [
      ("VERIFY.md", unsafe InitCommand.asset(callvault_verify_md())),
      ("verify.py", unsafe InitCommand.asset(callvault_verify_py())),
      ("verify.html", unsafe InitCommand.asset(callvault_verify_html())),
    ] { try LogCopy.write(bytes, to: name, below: folder) }
    return (facts, policies)
  }

  /// Goes through the log once: entries of the range to their files and the reports, and what policies
  /// were in force.
  private func write(
    _ log: CopiedLog, _ facts: Facts, tally: inout RangeTally, workbook: consuming ReportWorkbook
  ) throws -> Set<String> {
    try makeFolder(folder + "/entries")
    var file: OutputFile?
    var policies: Set<String> = []
    var inForce: [String] = []
    var counted = tally
    var rows = workbook
    // The log's beginning says what was in force when the range began.
    try log.forEach(0...facts.range.upperBound) { entry, bytes in
      if entry.action == .policyChanged, let hash = entry.policy?.hex { inForce.append(hash) }
      guard facts.range.contains(entry.index) else { return }
      if let hash = entry.policy?.hex { policies.insert(hash) }
      if (entry.index - facts.range.lowerBound).isMultiple(of: Self.entriesInFile) {
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
    let document: JSONObject = [
      "entries": .integer(Int64(facts.range.count)), "first": .integer(facts.range.lowerBound),
      "from": .string(facts.from.rfc3339), "last": .integer(facts.range.upperBound),
      "origin": .string(facts.origin), "root": .string(facts.root), "size": .integer(facts.size),
      "time": .string(facts.time.rfc3339), "to": .string(facts.to.rfc3339), "v": .integer(1),
    ]
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
