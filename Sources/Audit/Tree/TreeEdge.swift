public import Cryptography

/// The right edge of a growing tree: the tiles that are not full yet, level by level.
///
/// A value: a writer copies it, appends a batch, makes that durable and then keeps the copy, so
/// that a batch that could not be written leaves no trace.
public struct TreeEdge: Hashable, Sendable {
  /// Levels of 256-ary tiles that a tree below 2^61 leaves can have.
  static let levels = 8

  /// The hashes of the partial tile at each level; never a full one.
  private var partial: [[SHA256Digest]] = [[]]
  private var frontier = MerkleFrontier()

  public init() {}

  /// How many leaves the tree has.
  public var size: Int64 { frontier.size }
  /// The root of the tree.
  public var root: SHA256Digest { frontier.root }

  /// Adds one leaf and returns the tiles it filled, level 0 first.
  @discardableResult
  public mutating func append(_ leaf: SHA256Digest) -> [Tile] {
    frontier.append(leaf)
    var filled: [Tile] = []
    var hash = leaf
    for level in 0..<Self.levels {
      if partial.count == level { partial.append([]) }
      partial[level].append(hash)
      guard partial[level].count == TilePath.fullWidth else { break }
      let number = (size >> Int64(8 * (level + 1))) - 1
      if let path = TilePath(.hashes(level), number) {
        filled.append(Tile(path, hashes: partial[level]))
      }
      hash = MerkleTree.root(of: partial[level])
      partial[level] = []
    }
    return filled
  }

  /// The partial tiles of the tree as it stands, level 0 first; levels without one are left out.
  public var partialTiles: [Tile] {
    partial.enumerated().compactMap { level, hashes in
      guard !hashes.isEmpty else { return nil }
      let number = size >> Int64(8 * (level + 1))
      return TilePath.tile(level, number, inTreeOf: size).map { Tile($0, hashes: hashes) }
    }
  }

  /// Takes up a tree of `size` leaves from its stored tiles.
  ///
  /// The tiles are not trusted: the caller compares ``root`` with a signed head.
  ///
  /// - Parameters:
  ///   - size: how many leaves the tree has.
  ///   - read: returns the content of a tile; only the partial ones are asked for.
  /// - Throws: ``AuditError/Code/malformed`` if the size is negative or not below 2^61, or a tile
  ///   has another length than its width says; and whatever `read` throws.
  public init(
    size: Int64, read: (TilePath) throws(AuditError) -> [UInt8]
  ) throws(AuditError) {
    guard (0..<(1 << 61)).contains(size) else {
      throw AuditError(.malformed, during: "taking up a tree of an impossible size")
    }
    partial = Array(repeating: [], count: Self.levels)
    // From the top level down, as the perfect subtrees of a tree go from left to right.
    for level in (0..<Self.levels).reversed() {
      let width = Int(size >> Int64(8 * level)) & 0xff
      guard width > 0 else { continue }
      guard let path = TilePath(.hashes(level), size >> Int64(8 * (level + 1)), width: width) else {
        throw AuditError(.malformed, during: "taking up a tree")
      }
      let tile = try Tile(path, parsing: try read(path))
      partial[level] = tile.hashes
      for hash in tile.hashes { frontier.append(subtree: hash, height: 8 * level) }
    }
    while partial.count > 1, partial.last?.isEmpty == true { partial.removeLast() }
  }
}
