import Audit
import Durable
import Vault

/// Writes the log as it was at a head into a set, from the files of the log that has grown since.
struct LogState {
  let cut: LogCut
  let layout: StorageLayout
  let fileSystem: any FileSystem

  /// Gives each file of `log/`, `openings/`, `journal/` and `anchors/`, by its path below the set.
  ///
  /// - Throws: ``VaultError/Code/tampered`` where the published files have not this head's root.
  func files(_ take: (String, [UInt8]) throws(VaultError) -> Void) throws(VaultError) {
    try failingAsVault("copying the log") {
      let minimum = try optional(layout.log + "/" + MinimumIndex.path)
      let first = try minimum.map { try MinimumIndex(parsing: $0, key: nil).index } ?? 0
      guard
        try cut.isRoot(ofTiles: { path throws(AuditError) in
          do {
            return try part(path)
          } catch {
            throw AuditError(.damaged, during: "reading a tile for a backup", cause: error)
          }
        })
      else { throw AuditError(.damaged, during: "comparing the log's tiles with its head") }
      for path in cut.paths(from: first) { try take("log/\(path)", try part(path)) }
      if let minimum { try take("log/" + MinimumIndex.path, minimum) }
      if let keyring = try optional(layout.log + "/" + Keyring.path) {
        try take("log/" + Keyring.path, try cut.keyring(keyring))
      }
      if let recovery = try optional(layout.log + "/" + RecoveryNote.path) {
        try take("log/" + RecoveryNote.path, recovery)
      }
      try history(take)
      try take("log/checkpoint", cut.note)
      let piece = cut.journalPiece
      try take("journal/" + piece.name, piece.bytes)
      try openings(from: first, take)
      try anchors(take)
    }
  }

  /// A tile or bundle as the head's tree has it.
  private func part(_ path: TilePath) throws -> [UInt8] {
    // What is superseded is removed; then a wider one, or the full one, is there.
    for _ in 0..<4 {
      for candidate in try candidates(path) {
        if let bytes = try optional(layout.log + "/\(candidate)") {
          return try cut.part(of: bytes, at: path)
        }
      }
    }
    throw AuditError(.damaged, during: "looking for a tile or a bundle")
  }

  private func candidates(_ path: TilePath) throws -> [TilePath] {
    guard let full = TilePath(path.level, path.number) else { return [] }
    guard path.width < TilePath.fullWidth else { return [full] }
    let folder = "\(layout.log)/\(full).p"
    let widths = try namesIfPresent(in: folder, on: fileSystem).compactMap { Int($0) }
    return widths.filter { $0 >= path.width }.sorted()
      .compactMap { TilePath(path.level, path.number, width: $0) } + [full]
  }

  private func history(_ take: (String, [UInt8]) throws(VaultError) -> Void) throws {
    let folder = layout.log + "/checkpoints"
    var last: (month: String, bytes: [UInt8])?
    var hasHead = false
    for month in try namesIfPresent(in: folder, on: fileSystem) where !month.hasPrefix(".") {
      guard let bytes = try optional(folder + "/" + month) else { continue }
      let (length, isHead) = try cut.history(in: bytes)
      guard length > 0 else { break }
      if let last { try take("log/checkpoints/" + last.month, last.bytes) }
      last = (month, Array(bytes.prefix(length)))
      hasHead = isHead
      guard length == bytes.count else { break }
    }
    guard var last else { return }
    if !hasHead { last.bytes += cut.historyRecord }
    try take("log/checkpoints/" + last.month, last.bytes)
  }

  /// Openings of entries beyond the head may follow in the last file; nothing asks for them.
  private func openings(
    from minimum: Int64, _ take: (String, [UInt8]) throws(VaultError) -> Void
  ) throws {
    for number in (minimum / 256)...((cut.size - 1) / 256) {
      guard let path = TilePath(.entries, number) else { continue }
      let name = path.description.dropFirst("tile/entries/".count)
      if let bytes = try optional(layout.openings + "/" + name) {
        try take("openings/" + name, bytes)
      }
    }
  }

  /// What anchors said of heads up to this one.
  private func anchors(_ take: (String, [UInt8]) throws(VaultError) -> Void) throws {
    for kind in ["cosigned", "stamps"] {
      for month in try namesIfPresent(in: layout.anchors + "/" + kind, on: fileSystem)
      where !month.hasPrefix(".") {
        let folder = "\(kind)/\(month)"
        for name in try namesIfPresent(in: layout.anchors + "/" + folder, on: fileSystem) {
          guard let size = Int64(name.prefix(20)), size <= cut.size,
            let bytes = try optional("\(layout.anchors)/\(folder)/\(name)")
          else { continue }
          try take("anchors/\(folder)/\(name)", bytes)
        }
      }
    }
    for name in try namesIfPresent(in: layout.anchors + "/renewals", on: fileSystem)
    where !name.hasPrefix(".") {
      if let bytes = try optional(layout.anchors + "/renewals/" + name) {
        try take("anchors/renewals/" + name, bytes)
      }
    }
  }

  private func optional(_ path: String) throws(DurableError) -> [UInt8]? {
    try readIfPresent(path, limit: 1 << 30, on: fileSystem)
  }
}
