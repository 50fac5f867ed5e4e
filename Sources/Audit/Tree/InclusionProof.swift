public import Cryptography

/// A proof that one leaf is in a tree (RFC 9162, 2.1.3).
public struct InclusionProof: Hashable, Sendable {
  /// A tree below 2^63 leaves needs no more.
  public static let maximumHashes = 63

  /// The leaf's place, counted from 0.
  public let index: Int64
  /// How many leaves the tree has.
  public let size: Int64
  /// From the leaf's sibling to the root's child.
  public let hashes: [SHA256Digest]

  /// Claims; ``verifies(leaf:root:)`` says whether they hold.
  public init(index: Int64, size: Int64, hashes: [SHA256Digest]) {
    self.index = index
    self.size = size
    self.hashes = hashes
  }

  /// Whether the proof leads from `leaf` to `root`.
  public func verifies(leaf: SHA256Digest, root: SHA256Digest) -> Bool {
    guard index >= 0, index < size else { return false }
    var (place, last) = (index, size - 1)
    var hash = leaf
    for sibling in hashes {
      guard last != 0 else { return false }
      if place & 1 == 1 || place == last {
        hash = MerkleTree.nodeHash(sibling, hash)
        while place & 1 == 0 && place != 0 {
          place >>= 1
          last >>= 1
        }
      } else {
        hash = MerkleTree.nodeHash(hash, sibling)
      }
      place >>= 1
      last >>= 1
    }
    return last == 0 && hash == root
  }
}

extension InclusionProof {
  /// The subtrees whose roots make the proof of `index` in a tree of `size` leaves.
  ///
  /// - Throws: ``AuditError/Code/notFound`` unless 0 ≤ index < size.
  public static func plan(index: Int64, size: Int64) throws(AuditError) -> ProofPlan {
    guard index >= 0, index < size else {
      throw AuditError(.notFound, during: "proving an entry that the log does not have")
    }
    var siblings: [Range<Int64>] = []
    var leaves = 0..<size
    while leaves.count > 1 {
      let middle = leaves.lowerBound + largestPowerOfTwo(below: Int64(leaves.count))
      if index < middle {
        siblings.append(middle..<leaves.upperBound)
        leaves = leaves.lowerBound..<middle
      } else {
        siblings.append(leaves.lowerBound..<middle)
        leaves = middle..<leaves.upperBound
      }
    }
    return ProofPlan(size: size, ranges: siblings.reversed())
  }

  /// Makes the proof from stored tiles, which are not trusted: a wrong one makes a proof that does
  /// not verify.
  ///
  /// - Throws: as ``plan(index:size:)``; ``AuditError/Code/malformed`` for a tile of the wrong
  ///   length; and whatever `read` throws.
  public init(
    index: Int64, size: Int64, read: (TilePath) async throws(AuditError) -> [UInt8]
  ) async throws(AuditError) {
    let hashes = try await Self.plan(index: index, size: size).hashes(read: read)
    self.init(index: index, size: size, hashes: hashes)
  }
}
