public import Cryptography

/// Which parts of a tree a proof needs: decided without reading anything.
public struct ProofPlan: Hashable, Sendable {
  /// How many leaves the tree has.
  public let size: Int64
  /// Runs of leaves, each the leaves of one node of the tree, whose roots are the proof.
  public let ranges: [Range<Int64>]

  /// The tiles that hold what is needed, each once, in the order of use.
  public var tiles: [TilePath] {
    var paths: [TilePath] = []
    for place in ranges.flatMap(perfectSubtrees).map(\.place) where !paths.contains(place.tile) {
      paths.append(place.tile)
    }
    return paths
  }

  /// Makes the proof's hashes out of tiles.
  ///
  /// - Throws: ``AuditError/Code/malformed`` for a tile of the wrong length; and whatever `read`
  ///   throws.
  public func hashes(
    read: (TilePath) async throws(AuditError) -> [UInt8]
  ) async throws(AuditError) -> [SHA256Digest] {
    var tiles: [TilePath: Tile] = [:]
    for path in self.tiles { tiles[path] = try Tile(path, parsing: try await read(path)) }
    var hashes: [SHA256Digest] = []
    for range in ranges {
      var frontier = MerkleFrontier()
      for subtree in perfectSubtrees(range) {
        let place = subtree.place
        guard let tile = tiles[place.tile], place.hashes.upperBound <= tile.hashes.count else {
          throw AuditError(.malformed, during: "making a proof from a short tile")
        }
        frontier.append(
          subtree: MerkleTree.root(of: tile.hashes[place.hashes]), height: subtree.height)
      }
      hashes.append(frontier.root)
    }
    return hashes
  }

  /// The perfect subtrees that a run of leaves falls into, from left to right.
  private func perfectSubtrees(_ range: Range<Int64>) -> [Subtree] {
    var subtrees: [Subtree] = []
    var start = range.lowerBound
    while start < range.upperBound {
      let height = 63 - (range.upperBound - start).leadingZeroBitCount
      subtrees.append(Subtree(start: start, height: height, size: size))
      start += 1 << height
    }
    return subtrees
  }

  /// 2^height leaves from `start`, which is a multiple of that.
  private struct Subtree {
    let start: Int64
    let height: Int
    let size: Int64

    /// Where its root can be made from: up to 128 neighbouring hashes of one tile.
    var place: (tile: TilePath, hashes: Range<Int>) {
      let level = height / 8
      let first = start >> Int64(8 * level)
      let offset = Int(first & 0xff)
      guard let tile = TilePath.tile(level, first >> 8, inTreeOf: size) else {
        preconditionFailure("a plan names only subtrees of its tree")
      }
      return (tile, offset..<(offset + 1 << (height % 8)))
    }
  }
}

/// The largest power of two below `count`, which is at least 2.
func largestPowerOfTwo(below count: Int64) -> Int64 {
  1 << Int64(63 - (count - 1).leadingZeroBitCount)
}
