import Audit
import Encoding

/// `audit show`, `audit export`: the log, read through the service by someone who may.
///
/// `audit verify` needs no service and is in `AuditVerifyCommand.swift`.
enum AuditCommands {
  static let show = Command(
    name: "audit show",
    summary: "show entries of the log",
    options: [
      .value("first", "N", "from this index, counted from 0"),
      .value("limit", "N", "at most so many, 1 to 100; 50 if not given"),
      .value("action", "A", "only this action, such as recording.opened"),
      .value("object", "ID", "only entries that name this call, recording or token"),
      .value("actor", "ID", "only entries of this person or service"),
      .value("request", "ID", "only entries of this request"),
      .value("since", "T", "only at or after this time (RFC 3339)"),
      .value("until", "T", "only before this time (RFC 3339)"),
    ] + Command.client,
    examples: [
      ("callvault audit show --action recording.opened", "who heard what, and when"),
      ("callvault audit show --object c1d2… --json", "everything that was done to one recording"),
    ],
    discussion: ["For an auditor; the reading is itself in the log."]
  ) { arguments, terminal in
    let client = try ServiceClient(arguments)
    var query: [(String, String)] = []
    for name in ["first", "limit", "action", "object", "actor", "request", "since", "until"] {
      if let value = arguments.value(name) { query.append((name, value)) }
    }
    let answer = try await client.get("/v1/audit/entries", query: query).object()
    let entries = answer["entries"]?.array?.compactMap { $0.object } ?? []
    let lines = entries.map { $0["leaf"]?.string ?? "" }
    var text = lines.isEmpty ? "no entries" : lines.joined(separator: "\n")
    if let next = answer["next"]?.integer { text += "\nmore: --first \(next)" }
    terminal.result(text, answer)
    return ExitCode.success.rawValue
  }

  static let export = Command(
    name: "audit export",
    summary: "copy the log as it stands, for anyone to verify",
    operands: [Operand(name: "OUT", summary: "the folder to write to, made if absent")],
    options: Command.client,
    examples: [
      (
        "callvault audit export evidence && callvault audit verify evidence --key \"$VKEY\"",
        "a copy, and its verdict"
      )
    ],
    discussion: [
      "The folder has the layout of c2sp.org/tlog-tiles; the checkpoint is written last, so a copy "
        + "that was interrupted has none."
    ]
  ) { arguments, terminal in
    let folder = try arguments.requiredOperand(0)
    let client = try ServiceClient(arguments)
    let note = try await client.get("/v1/audit/checkpoint").body
    let size = try treeSize(note)
    try makeFolder(folder)
    // Both after the head: they may speak of more than it, and never of less.
    let minimum = try await publishedNote("minimum", client)
    let keyring = try await publishedNote("keyring", client)
    let first = try minimum.map { bytes in try MinimumIndex(parsing: bytes, key: nil).index } ?? 0
    let paths = try tilePaths(size: size, from: first)
    for (count, path) in paths.enumerated() {
      let bytes = try await client.get("/v1/audit/\(path)").body
      try write(bytes, to: path, below: folder)
      if paths.count > 200, count % 100 == 99 {
        terminal.note("\(count + 1) of \(paths.count) files")
      }
    }
    if let minimum { try write(minimum, to: MinimumIndex.path, below: folder) }
    if let keyring { try write(keyring, to: Keyring.path, below: folder) }
    try await copyHistory(through: size, from: client, to: folder)
    try write(note, to: "checkpoint", below: folder)
    terminal.result(
      "\(size) entries in \(folder)",
      ["folder": .string(folder), "size": .integer(size), "files": .integer(Int64(paths.count))])
    return ExitCode.success.rawValue
  }

  /// A signed text beside the head, if the log has it.
  private static func publishedNote(
    _ name: String, _ client: ServiceClient
  ) async throws(CommandFailure) -> [UInt8]? {
    do {
      return try await client.get("/v1/audit/\(name)").body
    } catch {
      guard error.code == .notFound else { throw error }
      return nil
    }
  }

  /// Copies the heads published up to the tree of `size` entries.
  ///
  /// The log grows while it is copied: a later head would say that the copy was cut.
  private static func copyHistory(
    through size: Int64, from client: ServiceClient, to folder: String
  ) async throws {
    let months = try await client.get("/v1/audit/checkpoints").object()["months"]?.array ?? []
    for month in months.compactMap(\.string) {
      guard month.utf8.count == 7,
        month.utf8.allSatisfy({ $0 == 0x2D || (0x30...0x39).contains($0) })
      else { throw CommandFailure(.damaged, "the service's history cannot be read") }
      try makeFolder(folder + "/checkpoints")
      let file = try OutputFile(folder + "/checkpoints/" + month)
      var rest: [UInt8] = []
      var offset = 0
      var isPast = false
      while !isPast {
        let piece = try await client.get(
          "/v1/audit/checkpoints/\(month)", query: [("from", "\(offset)")]
        ).body
        if piece.isEmpty { break }
        offset += piece.count
        rest += piece
        var taken = 0
        while !isPast, rest.count - taken >= 2 {
          let end = taken + 2 + (Int(rest[taken]) << 8 | Int(rest[taken + 1]))
          guard end <= rest.count else { break }
          isPast = try treeSize(Array(rest[(taken + 2)..<end])) > size
          if !isPast { taken = end }
        }
        try file.write(Array(rest[..<taken]))
        rest.removeFirst(taken)
      }
      try file.commit()
      if isPast { return }
    }
  }

  /// The second line of a checkpoint.
  private static func treeSize(_ note: [UInt8]) throws(CommandFailure) -> Int64 {
    let lines = note.split(separator: 0x0A, maxSplits: 3, omittingEmptySubsequences: false)
    guard lines.count > 2, let size = Int64(String(decoding: lines[1], as: UTF8.self)), size >= 0,
      size < 1 << 53
    else { throw CommandFailure(.damaged, "the service's checkpoint cannot be read") }
    return size
  }

  /// Every tile and bundle of a tree of `size` entries, full ones before the right edge; of a log that
  /// was pruned, those from the entry `minimum` on.
  static func tilePaths(size: Int64, from minimum: Int64 = 0) throws(CommandFailure) -> [String] {
    var paths: [String] = []
    func add(_ level: TilePath.Level, _ count: Int64) throws(CommandFailure) {
      let isWhole = level != .entries && level != .hashes(0)
      for number in (isWhole ? 0 : minimum / 256)..<(count / 256) {
        if let path = TilePath(level, number) { paths.append(path.description) }
      }
      let rest = Int(count % 256)
      if rest > 0, let path = TilePath(level, count / 256, width: rest) {
        paths.append(path.description)
      }
    }
    try add(.entries, size)
    var count = size
    var height = 0
    while count > 0 {
      try add(.hashes(height), count)
      count /= 256
      height += 1
    }
    return paths
  }

  private static func write(
    _ bytes: [UInt8], to path: String, below folder: String
  ) throws(CommandFailure) {
    var directory = folder
    let names = path.split(separator: "/")
    for name in names.dropLast() {
      directory += "/" + name
      try makeFolder(directory)
    }
    let file = try OutputFile(directory + "/" + (names.last ?? ""))
    try file.write(bytes)
    try file.commit()
  }
}
