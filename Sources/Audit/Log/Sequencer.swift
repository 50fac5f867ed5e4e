import Cryptography
import Encoding
import Threading

/// Gives entries their place: index, hash of the one before, leaf in the tree.
///
/// A value without time or storage. It runs ahead of the disk: what it has staged becomes true when
/// its batch is durable, and if a batch fails the whole sequencer is dropped.
struct Sequencer {
  private(set) var edge: TreeEdge
  /// Leaf hash of the last entry staged; zeros before the first.
  private(set) var last: SHA256Digest
  /// What waits for the next append.
  private(set) var batch = Batch()

  /// Entries and openings of one append, still without the head that covers them.
  struct Batch {
    var frames: [UInt8] = []
    var entries: [StagedEntry] = []
  }

  /// Goes on after a tree of which `last` is the last leaf.
  init(edge: TreeEdge, last: SHA256Digest) {
    self.edge = edge
    self.last = last
  }

  var size: Int64 { edge.size }

  /// Places an entry at the end.
  ///
  /// - Parameters:
  ///   - entry: complete but for `index` and `previous`.
  ///   - openings: already sealed.
  ///   - counts: the subjects' numbers after this entry.
  /// - Returns: the entry in its place.
  /// - Throws: as ``Entry/encoded()``; nothing is staged then.
  mutating func stage(
    _ entry: consuming Entry, openings: [SealedOpening], counts: [(Identifier, Int64)]
  ) throws(AuditError) -> StagedEntry {
    entry.index = edge.size
    entry.previous = last
    let bytes = try entry.encoded()
    let leaf = MerkleTree.leafHash(bytes)
    // Before their entry, so that wherever a write tears no entry stands without its openings.
    let sealed = openings.map(\.encoded)
    for opening in sealed { JournalFrame.append(.opening, opening, to: &batch.frames) }
    JournalFrame.append(.entry, bytes, to: &batch.frames)
    let staged = StagedEntry(
      entry: entry, bytes: bytes, leafHash: leaf, openings: sealed, counts: counts)
    batch.entries.append(staged)
    edge.append(leaf)
    last = leaf
    return staged
  }

  /// Takes what waits.
  mutating func takeBatch() -> Batch {
    defer { batch = Batch() }
    return batch
  }
}

/// An entry with its place, on its way to the disk or to publishing.
struct StagedEntry: Sendable {
  let entry: Entry
  let bytes: [UInt8]
  let leafHash: SHA256Digest
  /// Bodies of opening frames.
  let openings: [[UInt8]]
  /// How many entries each of its subjects has through this one.
  let counts: [(Identifier, Int64)]

  var position: LogPosition { LogPosition(index: entry.index, leafHash: leafHash) }
}
