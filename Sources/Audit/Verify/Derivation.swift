import Cryptography

/// A tree as one source of leaf hashes makes it: the entries, or the tiles of level 0.
///
/// Two are kept from the first place where the sources differ; the one that leads to the signed
/// root says what is true.
struct Derivation {
  /// A head that must be one of this tree.
  struct Claim {
    let head: LogHead
    let source: Source
  }
  enum Source: Equatable {
    case history(path: String)
    case anchor
    /// An epoch note's word about the tree that the epoch began with.
    case keyring
    /// What an earlier run of the verifier found.
    case earlierRun
  }

  /// The first stored tile above level 0 that is not as derived.
  struct TileDamage {
    let path: TilePath
    let index: Int64
    let kind: LogReport.Finding.Kind
    /// Why the tile could not be read; nil if it was, and is another.
    let cause: String?
  }

  private(set) var frontier = MerkleFrontier()
  /// Hashes of the partial tiles from level 1 up.
  private var upper: [[SHA256Digest]] = []
  /// Whether every leaf so far was there.
  private(set) var isWhole = true
  /// The largest size at which a claim held.
  private(set) var lastMatch: Int64 = 0
  private(set) var lastAnchorMatch: Int64 = 0
  /// The first claim that does not hold.
  private(set) var contradiction: Claim?
  /// The largest size below that one at which a claim held.
  private(set) var matchBeforeContradiction: Int64 = 0
  private var matchBeforeLast: Int64 = 0
  private(set) var tileDamage: TileDamage?

  /// Goes on by one bundle's leaves.
  ///
  /// - Parameters:
  ///   - hashes: what the source has of them; nil for nothing.
  ///   - width: how many there should be.
  ///   - root: the root over `hashes` if they are 256 and it is known.
  ///   - claims: heads of sizes within this bundle, ascending.
  ///   - tile: compares a full tile of level 1 or more with what is stored.
  mutating func extend(
    by hashes: [SHA256Digest]?, width: Int, root: SHA256Digest?, claims: [Claim],
    tile: (Tile) -> TileDamage?
  ) {
    guard isWhole else { return }
    let leaves = hashes ?? []
    if claims.isEmpty, leaves.count == TilePath.fullWidth, let root {
      frontier.append(subtree: root, height: 8)
    } else {
      var claims = claims[...]
      for leaf in leaves {
        frontier.append(leaf)
        while let claim = claims.first, claim.head.size == frontier.size {
          judge(claim)
          claims.removeFirst()
        }
      }
    }
    guard leaves.count == width else {
      isWhole = false
      return
    }
    if width == TilePath.fullWidth {
      push(root ?? MerkleTree.root(of: leaves), level: 1, tile: tile)
    }
  }

  /// Goes on by one whole bundle of which only the root is known.
  ///
  /// - Parameters:
  ///   - root: from the tile of level 1; nil if it is not there.
  ///   - claims: heads of sizes within this bundle; only one of its end can be compared.
  ///   - tile: as ``extend(by:width:root:claims:tile:)``.
  mutating func extend(
    bySubtree root: SHA256Digest?, claims: [Claim], tile: (Tile) -> TileDamage?
  ) {
    guard isWhole else { return }
    guard let root else {
      isWhole = false
      return
    }
    frontier.append(subtree: root, height: 8)
    for claim in claims where claim.head.size == frontier.size { judge(claim) }
    push(root, level: 1, tile: tile)
  }

  /// Compares a head with the tree as it stands.
  mutating func judge(_ claim: Claim) {
    if claim.head.root == frontier.root {
      if frontier.size > lastMatch { (matchBeforeLast, lastMatch) = (lastMatch, frontier.size) }
      if claim.source == .anchor, claim.head.isAnchoring {
        lastAnchorMatch = max(lastAnchorMatch, frontier.size)
      }
    } else if contradiction == nil {
      contradiction = claim
      matchBeforeContradiction = lastMatch < frontier.size ? lastMatch : matchBeforeLast
    }
  }

  private mutating func push(_ hash: SHA256Digest, level: Int, tile: (Tile) -> TileDamage?) {
    if upper.count < level { upper.append([]) }
    upper[level - 1].append(hash)
    guard upper[level - 1].count == TilePath.fullWidth else { return }
    let hashes = upper[level - 1]
    upper[level - 1] = []
    compare(hashes, level: level, tile: tile)
    push(MerkleTree.root(of: hashes), level: level + 1, tile: tile)
  }

  /// Compares the partial tiles that are left at the end.
  mutating func finish(tile: (Tile) -> TileDamage?) {
    guard isWhole else { return }
    for (position, hashes) in upper.enumerated() where !hashes.isEmpty {
      compare(hashes, level: position + 1, tile: tile)
    }
  }

  private mutating func compare(
    _ hashes: [SHA256Digest], level: Int, tile: (Tile) -> TileDamage?
  ) {
    let number = (frontier.size - 1) >> Int64(8 * (level + 1))
    guard tileDamage == nil,
      let path = TilePath(.hashes(level), number, width: hashes.count)
    else { return }
    tileDamage = tile(Tile(path, hashes: hashes))
  }
}
