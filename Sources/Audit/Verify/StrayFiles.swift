extension LogExamination {
  /// Looks at the files that the head does not need: older partial tiles must still be the
  /// beginnings of what replaced them, and what does not belong is named.
  func checkRest() {
    do {
      for item in try reader.list("") ?? [] {
        switch item.name {
        case "checkpoint" where !item.isFolder, HistoryReader.folder where item.isFolder,
          "tile" where item.isFolder, Keyring.path where !item.isFolder,
          MinimumIndex.path where !item.isFolder, RecoveryNote.path where !item.isFolder:
          break
        default: note("a file that does not belong to the log: \(item.name)")
        }
      }
      var beyond = 0
      // What is damaged has its finding; comparing old files with it would only repeat that.
      let isSound = findings.isEmpty
      try walk("tile", depth: 1) { path, name in
        guard let path, let current = current(path) else {
          if path == nil {
            note("a file that does not belong to the log: \(name)")
          } else {
            beyond += 1
          }
          return
        }
        if path.width > current.width { beyond += 1 }
        if isSound, path.width < current.width, !leftEdge.hides(path) {
          compare(path, with: current)
        }
      }
      if beyond > 0 { note("\(beyond) files were published beyond the newest head") }
    } catch {
      find(.init(.unreadable, path: "tile", "it could not be listed: \(error)"))
    }
  }

  /// The tile or bundle that now stands at the place of `path`; nil beyond the head.
  private func current(_ path: TilePath) -> TilePath? {
    switch path.level {
    case .entries: TilePath.bundle(path.number, inLogOf: size)
    case .hashes(let level): TilePath.tile(level, path.number, inTreeOf: size)
    }
  }

  /// Compares an older partial file with the beginning of the one that replaced it.
  private func compare(_ old: TilePath, with current: TilePath) {
    // Gone meanwhile: a writer removes what it replaced.
    guard let oldBytes = content(old), let bytes = content(current) else { return }
    let length: Int
    switch old.level {
    case .hashes: length = old.width * MerkleTree.hashByteCount
    case .entries:
      let ranges = EntryBundle.ranges(bytes)
      length = old.width <= ranges.count ? ranges[old.width - 1].upperBound : 0
    }
    guard oldBytes.count != length || !bytes.starts(with: oldBytes) else { return }
    let same = zip(bytes, oldBytes).prefix { $0 == $1 }.count
    let offset: Int
    var scale: Int64 = 1
    switch old.level {
    case .hashes(let level):
      offset = same / MerkleTree.hashByteCount
      scale = 1 << Int64(8 * level)
    case .entries:
      offset = EntryBundle.ranges(bytes).prefix { $0.upperBound <= same }.count
    }
    let column = Int64(min(offset, old.width - 1))
    find(
      .init(
        .altered, kind: .edited, index: (old.number * Int64(TilePath.fullWidth) + column) * scale,
        path: "\(old)", "it is not the beginning of the file that replaced it"))
  }

  /// Visits every file below `folder`; those whose path is no tile's come with nil.
  private func walk(
    _ folder: String, depth: Int, _ visit: (TilePath?, String) -> Void
  ) throws {
    // tile, level, seven groups of the number, .p
    guard depth <= 10 else { return visit(nil, folder) }
    for item in try reader.list(folder) ?? [] {
      let name = "\(folder)/\(item.name)"
      if item.isFolder {
        try walk(name, depth: depth + 1, visit)
      } else {
        visit(TilePath(name), name)
      }
    }
  }
}
