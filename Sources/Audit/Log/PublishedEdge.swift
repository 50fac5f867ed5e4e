import Cryptography

/// What is published already, as far as it is needed to publish more: the right edge of the tree and
/// the bundle that is not full.
///
/// A value: the publisher copies it, adds entries, stores the publication and then keeps the copy.
struct PublishedEdge: Sendable {
  private(set) var tree: TreeEdge
  /// Content of the bundle that is not full; empty if the last one is.
  private var bundle: [UInt8]
  /// Leaf hash of the last entry published; zeros if there is none.
  private(set) var last: SHA256Digest

  /// Nothing is published.
  init() {
    tree = TreeEdge()
    bundle = []
    last = Self.zeros
  }

  static let zeros = SHA256Digest(bytes: [UInt8](repeating: 0, count: 32)) ?? SHA256.hash([])

  var size: Int64 { tree.size }

  /// Takes up a published log of the given head.
  ///
  /// - Throws: ``AuditError/Code/damaged`` if the tiles do not lead to the head's root, or the
  ///   bundle does not hold the leaves that the tile names.
  init(
    of head: Checkpoint, read: (TilePath) async throws(AuditError) -> [UInt8]
  ) async throws(AuditError) {
    // The tree's initialiser asks for exactly these, and waits for nothing.
    var tiles: [TilePath: [UInt8]] = [:]
    for level in 0...7 {
      let width = Int(head.size >> Int64(8 * level)) & 0xff
      let number = (head.size >> Int64(8 * level)) >> 8
      guard width > 0, let path = TilePath(.hashes(level), number, width: width) else { continue }
      tiles[path] = try await read(path)
    }
    tree = try TreeEdge(size: head.size) { path throws(AuditError) in
      guard let bytes = tiles[path] else {
        throw AuditError(.damaged, during: "taking up the published tree")
      }
      return bytes
    }
    guard tree.root == head.root else {
      throw AuditError(.damaged, during: "comparing the published tree with its signed head")
    }
    bundle = []
    last = Self.zeros
    guard head.size > 0, let path = TilePath.bundle((head.size - 1) >> 8, inLogOf: head.size) else {
      return
    }
    let bytes = try await read(path)
    guard let entry = try EntryBundle.parse(bytes, count: path.width).last else { return }
    last = MerkleTree.leafHash(entry)
    if path.width < TilePath.fullWidth { bundle = bytes }
  }

  /// Adds entries and returns what a publication of the log up to them must hold.
  ///
  /// - Throws: ``AuditError/Code/invalidDraft`` for an entry that no bundle can hold.
  mutating func add(
    _ entries: some Collection<UnpublishedEntry>
  ) throws(AuditError) -> Publication {
    var publication = Publication(openings: [], full: [], partial: [], history: nil, checkpoint: [])
    for entry in entries {
      let number = tree.size >> 8
      if !entry.openings.isEmpty {
        if publication.openings.last?.bundle != number {
          publication.openings.append((number, []))
        }
        var frames = publication.openings.removeLast()
        for opening in entry.openings {
          JournalFrame.append(.opening, opening, to: &frames.frames)
        }
        publication.openings.append(frames)
      }
      try EntryBundle.append(entry.bytes, to: &bundle)
      let filled = tree.append(entry.leafHash)
      last = entry.leafHash
      guard !filled.isEmpty, let path = TilePath(.entries, number) else { continue }
      publication.full.append(.init(path: path.description, bytes: bundle))
      bundle = []
      for tile in filled {
        publication.full.append(.init(path: tile.path.description, bytes: tile.encoded))
      }
    }
    if !bundle.isEmpty, let path = TilePath.bundle(tree.size >> 8, inLogOf: tree.size) {
      publication.partial.append(.init(path: path.description, bytes: bundle))
    }
    for tile in tree.partialTiles {
      publication.partial.append(.init(path: tile.path.description, bytes: tile.encoded))
    }
    return publication
  }
}

/// An entry that is durable in the journal and not published yet.
struct UnpublishedEntry: Sendable {
  let bytes: [UInt8]
  let leafHash: SHA256Digest
  /// Bodies of opening frames.
  let openings: [[UInt8]]
}
