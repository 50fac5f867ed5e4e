import Audit
import Encoding

/// A consistent copy of a running service's log, in the layout of c2sp.org/tlog-tiles.
struct LogCopy {
  let client: ServiceClient
  let folder: String
  let log: ServiceLog

  /// Copies the log as it stands; the checkpoint is written last.
  ///
  /// - Returns: how many entries the copy has, and how many files of the tree.
  func make(_ terminal: Terminal) async throws -> (size: Int64, files: Int) {
    let note = try await client.get("/v1/audit/checkpoint", query: log.query).body
    let size = try Self.treeSize(note)
    try makeFolder(folder)
    // Both after the head: they may speak of more than it, and never of less.
    let minimum = try await published("minimum")
    let keyring = try await published("keyring")
    let recovery = try await published("recovery")
    let first = try minimum.map { bytes in try MinimumIndex(parsing: bytes, key: nil).index } ?? 0
    let paths = try Self.tilePaths(size: size, from: first)
    for (count, path) in paths.enumerated() {
      let bytes = try await client.get("/v1/audit/\(path)", query: log.query).body
      try Self.write(bytes, to: path, below: folder)
      if paths.count > 200, count % 100 == 99 {
        terminal.note("\(count + 1) of \(paths.count) files")
      }
    }
    if let minimum { try Self.write(minimum, to: MinimumIndex.path, below: folder) }
    if let keyring { try Self.write(keyring, to: Keyring.path, below: folder) }
    if let recovery { try Self.write(recovery, to: RecoveryNote.path, below: folder) }
    try await copyHistory(through: size)
    try Self.write(note, to: "checkpoint", below: folder)
    return (size, paths.count)
  }

  /// A signed text beside the head, if the log has it.
  private func published(_ name: String) async throws(CommandFailure) -> [UInt8]? {
    do {
      return try await client.get("/v1/audit/\(name)", query: log.query).body
    } catch {
      guard error.code == .notFound else { throw error }
      return nil
    }
  }

  /// Copies the heads published up to the tree of `size` entries.
  ///
  /// The log grows while it is copied: a later head would say that the copy was cut.
  private func copyHistory(through size: Int64) async throws(CommandFailure) {
    let months =
      try await client.get("/v1/audit/checkpoints", query: log.query).object()["months"]?.array
      ?? []
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
          "/v1/audit/checkpoints/\(month)", query: log.query + [("from", "\(offset)")]
        ).body
        if piece.isEmpty { break }
        offset += piece.count
        rest += piece
        var taken = 0
        while !isPast, rest.count - taken >= 2 {
          let end = taken + 2 + (Int(rest[taken]) << 8 | Int(rest[taken + 1]))
          guard end <= rest.count else { break }
          isPast = try Self.treeSize(Array(rest[(taken + 2)..<end])) > size
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
  static func treeSize(_ note: [UInt8]) throws(CommandFailure) -> Int64 {
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

  /// Writes a file below a folder, making the folders in between.
  static func write(
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
