public import Cryptography

/// The least that is needed to go on growing a tree: the roots of its perfect subtrees, one for
/// each bit of the size, largest first.
public struct MerkleFrontier: Hashable, Sendable {
  /// How many leaves the tree has.
  public private(set) var size: Int64 = 0
  private var roots: [SHA256Digest] = []

  public init() {}

  /// Adds one leaf.
  public mutating func append(_ leaf: SHA256Digest) {
    append(subtree: leaf, height: 0)
  }

  /// Adds 2^`height` leaves of which `subtree` is the root.
  ///
  /// - Precondition: the size is a multiple of 2^`height` and stays below 2^62.
  public mutating func append(subtree: SHA256Digest, height: Int) {
    precondition((0..<61).contains(height) && size & (1 << height - 1) == 0, "does not fit here")
    precondition(size < 1 << 61, "no log is this long")
    var hash = subtree
    var bit: Int64 = 1 << height
    while size & bit != 0, let left = roots.popLast() {
      hash = MerkleTree.nodeHash(left, hash)
      size -= bit
      bit <<= 1
    }
    roots.append(hash)
    size += bit
  }

  /// The root of the tree as it stands.
  public var root: SHA256Digest {
    guard var hash = roots.last else { return MerkleTree.emptyRoot }
    for left in roots.dropLast().reversed() { hash = MerkleTree.nodeHash(left, hash) }
    return hash
  }
}
