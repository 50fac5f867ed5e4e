import Cryptography
import Encoding

/// What a start finds: the published log, and the journal that goes beyond it.
///
/// The rules, and what each refusal means, are in `Documentation/formats/journal.md`.
struct LogRecovery: Sendable {
  /// An entry that the journal holds.
  struct Entry: Sendable {
    let entry: Audit.Entry
    let bytes: [UInt8]
  }

  let published: PublishedEdge
  /// The signed note of `published`.
  let publishedNote: [UInt8]?
  private(set) var sequencer: Sequencer
  /// Entries of the journal from `published.size` on.
  private(set) var unpublished: [UnpublishedEntry] = []
  /// All entries of the journal, from the first index it holds.
  private(set) var replayed: [Entry] = []
  private(set) var firstReplayed: Int64 = 0
  /// The epochs that the journal introduces, in order.
  private(set) var epochs: [SignedNote] = []
  /// Begin of the oldest piece of the journal.
  private(set) var firstSegment: Int64 = 0
  /// What of the newest piece a head covers; nil where there is no journal.
  private(set) var newestPiece: CoveredPiece?
  /// What follows the last signed head in it.
  private(set) var cut: CutTail?
  /// The signed note of the newest head, that of `size`.
  private(set) var newestNote: [UInt8]?

  /// Bytes that no head covered: the rest of an append that a crash tore.
  ///
  /// Nobody was ever answered for them, and anybody who can write to the journal could have put
  /// them there.
  struct CutTail: Sendable {
    let digest: SHA256Digest
    /// Bytes.
    let length: Int
    /// Those that were whole.
    let entries: [Audit.Entry]
  }

  /// A piece of the journal up to its last head.
  struct CoveredPiece: Sendable {
    /// The index it begins with.
    let first: Int64
    let bytes: [UInt8]
  }

  var size: Int64 { sequencer.size }

  /// Reads everything, and changes nothing.
  ///
  /// - Parameters:
  ///   - store: what is read.
  ///   - key: the log's.
  /// - Throws: ``AuditError/Code/damaged``, ``AuditError/Code/notAuthentic``, or
  ///   ``AuditError/Code/unavailable`` when the store cannot be read.
  init(from store: any LogStore, key: VerifierKey) async throws(AuditError) {
    let published: PublishedEdge
    if let note = try await store.reading({ store in try await store.published("checkpoint") }) {
      let checkpoint = try Self.head(note, key: key)
      published = try await PublishedEdge(of: checkpoint) { path throws(AuditError) in
        try await store.file(path)
      }
      publishedNote = note
    } else {
      published = PublishedEdge()
      publishedNote = nil
    }
    self.published = published
    newestNote = publishedNote
    sequencer = Sequencer(edge: published.tree, last: published.last)

    let segments = try await store.reading { store in try await store.journalSegments() }
    guard let first = segments.first else {
      // Published entries come from a journal, whose last piece is never removed.
      guard published.size == 0 else {
        throw AuditError(.damaged, during: "looking for the journal of a published log")
      }
      return
    }
    guard first <= published.size else {
      throw AuditError(.damaged, during: "joining the journal to the published log")
    }
    firstSegment = first
    firstReplayed = first
    var replay = Replay(index: first, published: published, key: key)
    for (number, segment) in segments.enumerated() {
      guard segment == replay.index else {
        throw AuditError(.damaged, during: "joining two pieces of the journal")
      }
      let bytes = try await store.reading { store in
        try await store.journal(beginningAt: segment)
      }
      var offset = 0
      var covered = 0
      var frames: [JournalFrame] = []
      while let frame = JournalFrame(in: bytes, at: &offset) {
        frames.append(frame)
        if frame.kind == .head { covered = offset }
      }
      for (frame, entry) in zip(frames, await Self.entries(in: frames)) {
        try replay.take(frame, entry)
      }
      if number == segments.count - 1 {
        newestPiece = CoveredPiece(first: segment, bytes: Array(bytes[..<covered]))
      }
      if covered == bytes.count { continue }
      guard number == segments.count - 1, covered > 0 || segment == 0,
        JournalFrame.isTornAppend(bytes, from: offset)
      else { throw AuditError(.damaged, during: "reading the journal") }
      let tail = Array(bytes[covered...])
      cut = CutTail(
        digest: SHA256.hash(tail), length: tail.count, entries: replay.dropUncovered())
    }
    guard replay.index >= published.size else {
      throw AuditError(.damaged, during: "comparing the journal with what is published from it")
    }
    // Only the last signature is checked: it covers the roots of all before it.
    if let note = replay.lastHead { _ = try Self.head(note, key: key) }
    sequencer = Sequencer(edge: replay.edge, last: replay.last ?? published.last)
    unpublished = replay.unpublished
    replayed = replay.entries
    epochs = replay.epochs
    if replay.index > published.size { newestNote = replay.lastHead }
  }

  /// What the frames of entries hold, read by all processors: after a crash a start waits for
  /// thousands of them.
  private static func entries(
    in frames: [JournalFrame]
  ) async -> [Result<Audit.Entry, AuditError>?] {
    let share = 256
    return await withTaskGroup(of: (Int, [Result<Audit.Entry, AuditError>?]).self) { group in
      for start in stride(from: 0, to: frames.count, by: share) {
        group.addTask {
          (start, frames[start..<min(start + share, frames.count)].map(entry))
        }
      }
      var entries = [Result<Audit.Entry, AuditError>?](repeating: nil, count: frames.count)
      for await (start, part) in group {
        entries.replaceSubrange(start..<(start + part.count), with: part)
      }
      return entries
    }
  }

  private static func entry(in frame: JournalFrame) -> Result<Audit.Entry, AuditError>? {
    guard frame.kind == .entry else { return nil }
    do throws(AuditError) {
      return .success(try Audit.Entry(parsing: frame.body))
    } catch {
      return .failure(error)
    }
  }

  /// Checks the signature of one of our heads.
  private static func head(_ note: [UInt8], key: VerifierKey) throws(AuditError) -> Checkpoint {
    try VerifiedCheckpoint(SignedNote(parsing: note), key: key).checkpoint
  }
}

/// The journal's frames in order, checked against each other and against the published log.
private struct Replay {
  /// The index that the next entry must have.
  var index: Int64
  let published: PublishedEdge
  let key: VerifierKey
  var edge: TreeEdge
  /// Leaf hash of the entry before `index`; nil where the journal begins in the middle.
  var last: SHA256Digest?
  var entries: [LogRecovery.Entry] = []
  var unpublished: [UnpublishedEntry] = []
  var openings: [SealedOpening] = []
  var lastHead: [UInt8]?
  var epochs: [SignedNote] = []
  private var uncoveredEpochs: [SignedNote] = []
  /// Entries that no head has covered yet, and the leaf hash before them.
  private var uncovered: [Uncovered] = []
  private var lastCovered: SHA256Digest?

  private struct Uncovered {
    let entry: LogRecovery.Entry
    let leafHash: SHA256Digest
    /// Bodies of opening frames.
    let openings: [[UInt8]]
  }

  init(index: Int64, published: PublishedEdge, key: VerifierKey) {
    self.index = index
    self.published = published
    self.key = key
    edge = published.tree
    if index == published.size { last = published.last }
    lastCovered = last
  }

  /// Takes the next frame, with the entry that it holds if it is one of an entry.
  mutating func take(
    _ frame: JournalFrame, _ entry: Result<Entry, AuditError>?
  ) throws(AuditError) {
    switch frame.kind {
    case .opening:
      guard let opening = SealedOpening(parsing: frame.body) else {
        throw AuditError(.damaged, during: "reading an opening in the journal")
      }
      openings.append(opening)
    case .entry:
      try take(entry: frame.body, entry)
    case .head:
      try take(head: frame.body)
    case .epoch:
      do {
        uncoveredEpochs.append(try SignedNote(parsing: frame.body))
      } catch {
        throw AuditError(.damaged, during: "reading an epoch in the journal", cause: error)
      }
    case .position:
      throw AuditError(.damaged, during: "reading a frame that no journal has")
    }
  }

  private mutating func take(
    entry bytes: [UInt8], _ parsed: Result<Entry, AuditError>?
  ) throws(AuditError) {
    let entry: Entry
    switch parsed {
    case .success(let parsed): entry = parsed
    case .failure(let error):
      throw AuditError(.damaged, during: "reading an entry in the journal", cause: error)
    case nil: throw AuditError(.damaged, during: "reading an entry in the journal")
    }
    guard entry.index == index, last == nil || entry.previous == last else {
      throw AuditError(.damaged, during: "chaining the entries of the journal")
    }
    guard openings.allSatisfy({ $0.entry == entry.id }) else {
      throw AuditError(.damaged, during: "joining openings to their entry")
    }
    let leaf = MerkleTree.leafHash(bytes)
    if index == published.size - 1, leaf != published.last {
      throw AuditError(.damaged, during: "comparing the journal with what is published from it")
    }
    uncovered.append(
      Uncovered(
        entry: LogRecovery.Entry(entry: entry, bytes: bytes), leafHash: leaf,
        openings: openings.map(\.encoded)))
    openings = []
    last = leaf
    index += 1
  }

  private mutating func take(head note: [UInt8]) throws(AuditError) {
    let checkpoint: Checkpoint
    do {
      checkpoint = try Checkpoint(parsing: SignedNote(parsing: note).text)
    } catch {
      throw AuditError(.damaged, during: "reading a head in the journal", cause: error)
    }
    for next in uncovered {
      entries.append(next.entry)
      guard next.entry.entry.index >= published.size else { continue }
      edge.append(next.leafHash)
      unpublished.append(
        UnpublishedEntry(
          bytes: next.entry.bytes, leafHash: next.leafHash, openings: next.openings))
    }
    guard checkpoint.origin == key.name, checkpoint.size == index,
      index < published.size || checkpoint.root == edge.root
    else { throw AuditError(.damaged, during: "comparing a head with the entries before it") }
    lastHead = note
    epochs += uncoveredEpochs
    (uncovered, uncoveredEpochs) = ([], [])
    lastCovered = last
  }

  /// Goes back to the last head; returns the entries after it.
  mutating func dropUncovered() -> [Entry] {
    let dropped = uncovered.map(\.entry.entry)
    index -= Int64(dropped.count)
    last = lastCovered
    (uncovered, uncoveredEpochs) = ([], [])
    openings = []
    return dropped
  }
}

extension PublishedLogFiles {
  /// Calls the store and says that the log is unavailable when it fails.
  func reading<Result: Sendable>(
    _ body: (Self) async throws -> Result
  ) async throws(AuditError) -> Result {
    do {
      return try await body(self)
    } catch {
      throw AuditError(.unavailable, during: "reading the stored log", cause: error)
    }
  }

  /// A published tile or bundle that must be there.
  ///
  /// - Throws: ``AuditError/Code/damaged`` when it is not.
  func file(_ path: TilePath) async throws(AuditError) -> [UInt8] {
    guard let bytes = try await reading({ store in try await store.published(path.description) })
    else { throw AuditError(.damaged, during: "reading a tile that should be published") }
    return bytes
  }
}
