extension LogExamination {
  func conclude(_ head: LogHead) {
    let tiles = byTiles ?? byEntries
    let entriesHold = byEntries.isWhole && byEntries.frontier.root == head.root
    let tilesHold = tiles.isWhole && tiles.frontier.root == head.root
    if entriesHold {
      concludeFromEntries()
      checkWanted()
      concludeOpenings()
    } else if tilesHold {
      concludeBesideTiles(head)
      if let damage = tiles.tileDamage { find(damage) }
    } else if byEntries.isWhole || byEntries.frontier.size >= leftEdge.firstIndex {
      concludeByChain(head)
    }
    let authority = entriesHold ? byEntries : tilesHold ? tiles : nil
    if let authority, let contradiction = authority.contradiction {
      find(contradiction, sharing: authority.matchBeforeContradiction, head: head)
    } else if authority == nil {
      // Two heads of one size and different roots are a fork, whatever lies in the folder.
      for anchor in anchors where anchor.size == head.size && anchor.root != head.root {
        find(.init(head: anchor, source: .anchor), sharing: 0, head: head)
      }
    }
    if let anchor = anchors.last, anchor.size > head.size {
      find(
        .init(
          .behindAnchor, index: head.size,
          "your anchor has \(anchor.size) entries, the log \(head.size)"))
    }
    confirmed = authority?.lastAnchorMatch ?? 0
    concludeHistory()
    if entriesHold {
      lastTime = time(ofEntry: size - 1)
      anchoredTime = time(ofEntry: confirmed - 1)
    }
  }

  /// The entries are what was signed: only what lies beside them can be wrong.
  private func concludeFromEntries() {
    if let divergence {
      let path = "tile/0" + "\(divergence.report.path)".dropFirst("tile/entries".count)
      switch divergence.report.tile {
      case .matching, .unreadable: break
      case .missing:
        find(.init(.altered, kind: .removed, index: divergence.index, path: path, "it is missing"))
      case .malformed, .other:
        find(
          .init(
            .altered, kind: .edited, index: divergence.index, path: path,
            "it does not hold the hashes of the entries that were signed"))
      }
    }
    if let damage = byEntries.tileDamage { find(damage) }
    if let surplus {
      find(
        .init(
          .altered, kind: .inserted, index: surplus.index, path: "\(surplus.path)",
          "bytes follow the entries that were signed"))
    }
    if let nonCanonical {
      find(
        .init(
          .altered, kind: .nonCanonical, index: nonCanonical,
          "it was signed, but is not an entry in the one spelling"))
    }
    if let chainBreak {
      let (kind, index) = window(around: chainBreak.index).kindByChain(chainBreak)
      find(.init(.altered, kind: kind, index: index, "the chain of idx and prev breaks"))
    }
  }

  /// The tiles are what was signed, the entries are not.
  private func concludeBesideTiles(_ head: LogHead) {
    guard let divergence else { return }
    if case .unreadable = divergence.report.entries { return }
    let path = "\(divergence.report.path)"
    let index = divergence.index
    if isCutTail(at: index, divergence.report) {
      find(
        .init(
          .truncated, index: index, path: path,
          "entries are missing from here up to \(head.size), which the log's head covers"))
    } else if case .misframed = divergence.report.entries,
      index == divergence.report.start + Int64(divergence.report.found.count)
    {
      find(.init(.altered, kind: .edited, index: index, path: path, "its length was changed"))
    } else {
      let kind = window(around: index).kindBesideTiles(at: index)
      find(
        .init(.altered, kind: kind, index: index, path: path, "it is not the entry that was signed")
      )
    }
  }

  /// Neither entries nor tiles are what was signed.
  private func concludeByChain(_ head: LogHead) {
    if let chainBreak {
      let (kind, index) = window(around: chainBreak.index).kindByChain(chainBreak)
      find(.init(.altered, kind: kind, index: index, "the chain of idx and prev breaks"))
    } else if let nonCanonical {
      find(.init(.altered, kind: .edited, index: nonCanonical, "it is not an entry"))
    } else if let divergence {
      if isCutTail(at: divergence.index, divergence.report) {
        find(
          .init(
            .truncated, index: divergence.index, path: "\(divergence.report.path)",
            "entries are missing from here up to \(head.size), which the log's head covers"))
      } else if case .unreadable = divergence.report.entries {
        return
      } else {
        find(
          .init(
            .altered, kind: .edited, index: divergence.index, path: "\(divergence.report.path)",
            "entry and tile differ, and neither leads to the signed root"))
      }
    } else {
      // The heads of the history say between which sizes the damage begins.
      let contradiction = byEntries.contradiction
      let first =
        contradiction == nil ? byEntries.lastMatch : byEntries.matchBeforeContradiction
      let last = (contradiction?.head.size ?? head.size) - 1
      find(
        .init(
          .altered, kind: .edited, index: first, through: last,
          "entries and tiles agree, but do not lead to the signed root"))
    }
  }

  /// Whether the entries simply end at `index`, with nothing after it.
  private func isCutTail(at index: Int64, _ report: BundleReport) -> Bool {
    switch report.entries {
    case .missing, .short: break
    case .whole, .misframed, .long, .unreadable: return false
    }
    return index == report.start + Int64(report.found.count) && lastPresent <= report.path.number
  }

  private func concludeHistory() {
    while history?.peek(signers: signers, upTo: size, findings: &findings) != nil {
      history?.drop()
    }
    // Publishing puts a head into the history before it becomes the checkpoint.
    guard let history, !history.isDamaged, !history.holdsSought else { return }
    find(
      .init(
        .altered, kind: .removed, path: HistoryReader.folder,
        "the history does not hold the log's own head"))
  }

  private func window(around index: Int64) -> DamageWindow {
    DamageWindow(around: index, size: size) { [pinned, reader] in
      Self.content($0, pinned, reader)
    }
  }

  /// What a tile or bundle holds; nil for one that cannot be read.
  ///
  /// That has a finding with its cause: whoever checked the file before, or follows it later, reads it
  /// by itself.
  func content(_ path: TilePath) -> [UInt8]? { Self.content(path, pinned, reader) }

  private static func content(
    _ path: TilePath, _ pinned: [String: [UInt8]], _ reader: any LogFolderReader
  ) -> [UInt8]? {
    let name = path.description
    return pinned[name] ?? (try? reader.read(name, limit: EntryBundle.maximumByteCount)) ?? nil
  }
}
