import Cryptography

/// How the entries of one log are read.
public enum EntryFormat: Sendable {
  /// Entries of `Documentation/formats/audit-log.md`, chained by `idx` and `prev`.
  case callVault
  /// Any bytes: only the tree is checked. For logs of others.
  case opaque
}

/// The first place where the chain of `idx` and `prev` does not go on.
struct ChainBreak: Sendable {
  enum Kind: Sendable {
    /// `idx` is not the entry's place; what it is, if anything.
    case index(claimed: Int64?)
    /// `prev` is not the hash of the entry before.
    case previous
  }
  let index: Int64
  let kind: Kind
}

/// What one bundle holds, beside the tile that records its hashes.
struct BundleReport: Sendable {
  enum Entries: Sendable {
    /// As many as the width says, and nothing after them.
    case whole
    case missing
    /// Fewer: the bytes end early.
    case short
    /// Fewer, but a whole entry is there that its length does not frame.
    case misframed
    /// Bytes follow the last entry.
    case long
    case unreadable(String)
  }
  enum Tile: Sendable {
    /// The hashes of the entries, as found.
    case matching
    case other([SHA256Digest])
    case missing
    /// Not 32 bytes for each hash.
    case malformed
    case unreadable(String)
  }
  let path: TilePath
  var entries = Entries.whole
  var tile = Tile.matching
  /// Leaf hashes of the entries that are there.
  var found: [SHA256Digest] = []
  /// The root over them, if they are 256.
  var root: SHA256Digest?
  /// Where the chain breaks inside the bundle; `prev` of its first entry is not looked at.
  var chainBreak: ChainBreak?
  /// The first entry, when it is of the version whose chain can be followed.
  var first: EntryFrame?
  var nonCanonical: Int64?
  /// The bytes of those entries that were wanted, by index.
  var kept: [Int64: [UInt8]] = [:]
  /// How many entries are of another version.
  var otherVersions = 0
  /// What was counted of the openings of its entries, if that was asked for.
  var openings: OpeningCount?
  var openingFinding: LogReport.Finding?

  /// The index of the first entry.
  var start: Int64 { path.number * Int64(TilePath.fullWidth) }

  /// The hashes that the tile records, if it could be read.
  var recorded: [SHA256Digest]? {
    switch tile {
    case .matching: found
    case .other(let hashes): hashes
    case .missing, .malformed, .unreadable: nil
    }
  }
}

extension BundleReport {
  /// Checks one bundle; reads its file and its tile, and nothing else.
  init(
    _ path: TilePath, format: EntryFormat, wanted: Set<Int64> = [],
    openings files: OpeningFiles? = nil, hasher: inout MerkleHasher,
    read: (TilePath, Int) throws -> [UInt8]?
  ) {
    self.path = path
    do {
      if let bytes = try read(path, EntryBundle.maximumByteCount) {
        take(bytes, format: format, wanted: wanted, openings: files, hasher: &hasher)
      } else {
        entries = .missing
      }
    } catch let error as AuditError where error.code == .malformed {
      entries = .long
    } catch {
      entries = .unreadable("\(error)")
    }
    if found.count == TilePath.fullWidth { root = hasher.root(ofFullTile: found) }
    guard let tilePath = TilePath(.hashes(0), path.number, width: path.width) else { return }
    let length = path.width * MerkleTree.hashByteCount
    do {
      if let bytes = try read(tilePath, length) {
        tile = bytes.count == length ? compare(bytes) : .malformed
      } else {
        tile = .missing
      }
    } catch let error as AuditError where error.code == .malformed {
      tile = .malformed
    } catch {
      tile = .unreadable("\(error)")
    }
  }

  private mutating func take(
    _ bytes: [UInt8], format: EntryFormat, wanted: Set<Int64>, openings files: OpeningFiles?,
    hasher: inout MerkleHasher
  ) {
    let (keys, finding) = files?.keys(ofBundle: path.number) ?? (nil, nil)
    openingFinding = finding
    var count = OpeningCount()
    let ranges = EntryBundle.ranges(bytes)
    let span = bytes.span
    found.reserveCapacity(TilePath.fullWidth)
    for range in ranges.prefix(path.width) {
      let hash = hasher.leaf(span.extracting(range))
      if format == .callVault {
        let frame = EntryFrame(span, range)
        check(frame)
        if files != nil, let frame { count.take(frame, span, range, keys: keys) }
      }
      let index = start + Int64(found.count)
      if !wanted.isEmpty, wanted.contains(index) { kept[index] = Array(bytes[range]) }
      found.append(hash)
    }
    if files != nil { openings = count }
    let end = found.isEmpty ? 0 : ranges[found.count - 1].upperBound
    if found.count < path.width {
      // A changed length leaves a whole entry behind it, a cut file does not.
      let rest = min(end + 2, bytes.count)..<bytes.count
      entries = EntryFrame.objectEnd(span, rest) == nil ? .short : .misframed
    } else if end < bytes.count {
      entries = .long
    }
  }

  /// Follows the chain; called before the entry's own hash is appended to ``found``.
  private mutating func check(_ frame: EntryFrame?) {
    let index = start + Int64(found.count)
    guard let frame, let version = frame.version else {
      if nonCanonical == nil { nonCanonical = index }
      return
    }
    guard version == Entry.currentVersion else {
      otherVersions += 1
      return
    }
    if let last = found.last {
      if chainBreak == nil, frame.index == index, frame.previous != last {
        chainBreak = ChainBreak(index: index, kind: .previous)
      }
    } else {
      first = frame
    }
    if chainBreak == nil, frame.index != index {
      chainBreak = ChainBreak(index: index, kind: .index(claimed: frame.index))
    }
  }

  private func compare(_ bytes: [UInt8]) -> Tile {
    var hashes: [SHA256Digest] = []
    hashes.reserveCapacity(path.width)
    for offset in stride(from: 0, to: bytes.count, by: MerkleTree.hashByteCount) {
      hashes.append(SHA256Digest(bytes.span, at: offset))
    }
    return hashes == found ? .matching : .other(hashes)
  }
}
