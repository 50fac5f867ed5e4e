import Cryptography
import Encoding

/// Openings by what there is of them, as far as can be told without keys.
///
/// `Documentation/formats/audit-log.md`, 13.
public struct OpeningTally: Hashable, Sendable {
  /// Openings whose key one entry says was destroyed.
  public struct Erasure: Hashable, Sendable {
    /// The entry that says so.
    public let entry: Int64
    public let count: Int64
  }

  /// Kept, under a key that no entry says was destroyed.
  public internal(set) var present: Int64 = 0
  /// In order of the entries.
  public internal(set) var erased: [Erasure] = []
  public internal(set) var missing: Int64 = 0
  /// The first entry that lacks one.
  public internal(set) var firstMissing: Int64?
}

/// What is counted on the way through a log, before it is known which keys were destroyed.
struct OpeningCount: Sendable {
  /// The openings under one key.
  private struct Group {
    var count: Int64 = 0
    /// When its first entry was taken, and which one that is; likewise the last.
    var earliest: (time: Int64, entry: Int64)
    var latest: (time: Int64, entry: Int64)

    init(at time: Int64, _ entry: Int64) {
      (earliest, latest) = ((time, entry), (time, entry))
    }

    mutating func take(
      _ more: Int64, from first: (time: Int64, entry: Int64), to last: (time: Int64, entry: Int64)
    ) {
      count += more
      if first.time < earliest.time { earliest = first }
      if last.time > latest.time { latest = last }
    }
  }
  /// What an entry says that it erased.
  private struct Destruction {
    let entry: Int64
    let times: ClosedRange<Int64>
  }

  /// More keys than a ring can hold were made up: they open nothing.
  private static let maximumKeys = 16_384

  private var groups: [Identifier: Group] = [:]
  private var destroyed: [Identifier: Destruction] = [:]
  private var missing: Int64 = 0
  private var firstMissing: Int64?

  /// Takes up an entry of the log.
  ///
  /// - Parameters:
  ///   - frame: what was found of the entry.
  ///   - bytes: those of its bundle.
  ///   - range: where in them it stands.
  ///   - keys: under which keys the openings of its bundle are sealed; nil if they could not be read.
  mutating func take(
    _ frame: EntryFrame, _ bytes: Span<UInt8>, _ range: Range<Int>,
    keys: [OpeningName: Identifier]?
  ) {
    guard frame.version == Entry.currentVersion, let index = frame.index, let time = frame.time
    else { return }
    if frame.isDestruction { takeDestruction(bytes.extracting(range), index: index) }
    guard let keys, let commits = frame.commits,
      let id = frame.id.flatMap({ EntryFrame.string(bytes, at: $0) }).flatMap({ Identifier($0) })
    else { return }
    for field in EntryFrame.keys(bytes, of: commits) {
      guard let key = keys[OpeningName(entry: id, field: field)],
        groups[key] != nil || groups.count < Self.maximumKeys
      else {
        missing += 1
        firstMissing = firstMissing ?? index
        continue
      }
      groups[key, default: Group(at: time, index)].take(1, from: (time, index), to: (time, index))
    }
  }

  /// Takes up what was counted of the entries that follow.
  mutating func add(_ next: OpeningCount) {
    for (key, group) in next.groups {
      guard groups[key] != nil || groups.count < Self.maximumKeys else {
        missing += group.count
        firstMissing = min(firstMissing ?? group.earliest.entry, group.earliest.entry)
        continue
      }
      groups[key, default: Group(at: group.earliest.time, group.earliest.entry)].take(
        group.count, from: group.earliest, to: group.latest)
    }
    destroyed.merge(next.destroyed) { first, _ in first }
    missing += next.missing
    firstMissing = firstMissing ?? next.firstMissing
  }

  /// Deeper than any entry: what a later version nests is counted, too.
  private static let entryLimits = JSONLimits(byteCount: Entry.maximumByteCount, depth: 8)

  private mutating func takeDestruction(_ bytes: Span<UInt8>, index: Int64) {
    let bytes = unsafe bytes.withUnsafeBufferPointer { unsafe Array($0) }
    // What JSON does not allow was found before, and is no entry of ours.
    guard let entry = (try? JSONValue(parsing: bytes, limits: Self.entryLimits))?.object,
      entry["phase"]?.string == Phase.outcome.rawValue,
      let outcome = entry["outcome"]?.string.flatMap({ OutcomeCode(rawValue: $0) }),
      outcome == .success || outcome == .presumed,
      let key = entry["key_id"]?.string.flatMap({ Identifier($0) }), destroyed[key] == nil,
      let first = entry["first"]?.integer, let last = entry["last"]?.integer, first <= last
    else { return }
    destroyed[key] = Destruction(entry: index, times: first...last)
  }

  /// What was counted, and of each key that was destroyed for other entries one that names it, and the
  /// entry that destroyed it; in order of index.
  func result() -> (tally: OpeningTally, misplaced: [(entry: Int64, destroyed: Int64)]) {
    var tally = OpeningTally()
    tally.missing = missing
    tally.firstMissing = firstMissing
    var erased: [Int64: Int64] = [:]
    var misplaced: [(entry: Int64, destroyed: Int64)] = []
    for (key, group) in groups {
      guard let destruction = destroyed[key] else {
        tally.present += group.count
        continue
      }
      erased[destruction.entry, default: 0] += group.count
      if group.earliest.time < destruction.times.lowerBound {
        misplaced.append((group.earliest.entry, destruction.entry))
      } else if group.latest.time > destruction.times.upperBound {
        misplaced.append((group.latest.entry, destruction.entry))
      }
    }
    misplaced.sort { $0.entry < $1.entry }
    tally.erased = erased.sorted { $0.key < $1.key }.map {
      OpeningTally.Erasure(entry: $0.key, count: $0.value)
    }
    return (tally, misplaced)
  }
}

/// What an opening belongs to, as its frame says; a field of a later version included.
struct OpeningName: Hashable, Sendable {
  let entry: Identifier
  let field: String
}

/// The files of openings that lie beside a log.
struct OpeningFiles: Sendable {
  let folder: any LogFolderReader
  /// How many entries the log has.
  let size: Int64

  /// No file of openings is longer.
  private static let maximumFile = 64 << 20

  /// Under which keys the openings of a bundle are sealed, nil if they cannot be read; and what was
  /// found to be wrong with them.
  func keys(
    ofBundle number: Int64
  ) -> (keys: [OpeningName: Identifier]?, finding: LogReport.Finding?) {
    let path = Self.path(ofBundle: number)
    let bytes: [UInt8]
    do {
      let name = String(path.dropFirst("openings/".count))
      bytes = try folder.read(name, limit: Self.maximumFile) ?? []
    } catch {
      return (
        nil, .init(.unreadable, index: number * 256, path: path, "it could not be read: \(error)")
      )
    }
    var keys: [OpeningName: Identifier] = [:]
    var offset = 0
    while let frame = JournalFrame(in: bytes, at: &offset) {
      guard frame.kind == .opening, let (name, key) = Self.opening(frame.body) else { continue }
      keys[name] = key
    }
    // A writer may be appending to the newest entries' file, or a crash have cut it.
    guard offset < bytes.count, (number + 1) * 256 < size else { return (keys, nil) }
    return (
      keys,
      .init(
        .altered, kind: .edited, index: number * 256, path: path,
        "it does not hold whole openings from byte \(offset) on")
    )
  }

  /// Reads a frame's body: what it belongs to, and the key that seals it.
  private static func opening(_ body: [UInt8]) -> (OpeningName, Identifier)? {
    guard body.count >= 17, let entry = Identifier(bytes: Array(body[..<16])) else { return nil }
    let sealed = 17 + Int(body[16])
    guard body.count >= sealed + 45, body[sealed] == 1,
      let key = Identifier(bytes: Array(body[(sealed + 1)..<(sealed + 17)]))
    else { return nil }
    let field = String(decoding: body[17..<sealed], as: UTF8.self)
    return (OpeningName(entry: entry, field: field), key)
  }

  static func path(ofBundle number: Int64) -> String {
    let path = TilePath(.entries, number).map { "\($0)" } ?? ""
    return "openings/" + path.dropFirst("tile/entries/".count)
  }
}

extension LogExamination {
  /// Says what was counted of the openings, now that the entries were found to be what was signed.
  func concludeOpenings() {
    guard let count = openingCount else { return }
    for finding in openingFindings { find(finding) }
    let (tally, misplaced) = count.result()
    openings = tally
    for (index, entry) in misplaced {
      find(
        .init(
          .altered, kind: .edited, index: index, path: OpeningFiles.path(ofBundle: index / 256),
          "an opening names a key that entry \(entry) destroyed for other entries"))
    }
    if let first = tally.firstMissing {
      find(
        .init(
          .altered, kind: .removed, index: first, path: OpeningFiles.path(ofBundle: first / 256),
          "what it commits to is not there, and nothing says that it was erased; openings missing: "
            + "\(tally.missing)"))
    }
  }
}
