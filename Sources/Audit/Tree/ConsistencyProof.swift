public import Cryptography

/// A proof that a tree grew from an older one without a change (RFC 9162, 2.1.4).
public struct ConsistencyProof: Hashable, Sendable {
  public let oldSize: Int64
  public let newSize: Int64
  public let hashes: [SHA256Digest]

  /// Claims; ``verifies(oldRoot:newRoot:)`` says whether they hold.
  public init(oldSize: Int64, newSize: Int64, hashes: [SHA256Digest]) {
    self.oldSize = oldSize
    self.newSize = newSize
    self.hashes = hashes
  }

  /// Whether the proof shows the tree of `newRoot` to begin with the tree of `oldRoot`.
  ///
  /// A tree of no leaves is the beginning of every tree; its root must still be the empty one.
  public func verifies(oldRoot: SHA256Digest, newRoot: SHA256Digest) -> Bool {
    guard oldSize >= 0, oldSize <= newSize else { return false }
    if oldSize == newSize {
      return hashes.isEmpty && oldRoot == newRoot
        && (oldSize > 0 || oldRoot == MerkleTree.emptyRoot)
    }
    if oldSize == 0 { return hashes.isEmpty && oldRoot == MerkleTree.emptyRoot }
    var (place, last) = (oldSize - 1, newSize - 1)
    var proof = hashes[...]
    while place & 1 == 1 {
      place >>= 1
      last >>= 1
    }
    // The old tree is one perfect subtree of the new: its root is known and not in the proof.
    let isPerfect = oldSize & (oldSize - 1) == 0
    guard let first = isPerfect ? oldRoot : proof.popFirst() else { return false }
    var (old, new) = (first, first)
    for hash in proof {
      guard last != 0 else { return false }
      if place & 1 == 1 || place == last {
        old = MerkleTree.nodeHash(hash, old)
        new = MerkleTree.nodeHash(hash, new)
        while place & 1 == 0 && place != 0 {
          place >>= 1
          last >>= 1
        }
      } else {
        new = MerkleTree.nodeHash(new, hash)
      }
      place >>= 1
      last >>= 1
    }
    return last == 0 && old == oldRoot && new == newRoot
  }
}

extension ConsistencyProof {
  /// The subtrees whose roots make the proof between two sizes.
  ///
  /// - Throws: ``AuditError/Code/notFound`` unless 0 ≤ oldSize ≤ newSize.
  public static func plan(oldSize: Int64, newSize: Int64) throws(AuditError) -> ProofPlan {
    guard oldSize >= 0, oldSize <= newSize else {
      throw AuditError(.notFound, during: "proving growth from a size that the log never had")
    }
    var ranges: [Range<Int64>] = []
    var leaves = 0..<newSize
    if oldSize > 0 {
      while leaves.upperBound != oldSize {
        let middle = leaves.lowerBound + largestPowerOfTwo(below: Int64(leaves.count))
        if oldSize <= middle {
          ranges.append(middle..<leaves.upperBound)
          leaves = leaves.lowerBound..<middle
        } else {
          ranges.append(leaves.lowerBound..<middle)
          leaves = middle..<leaves.upperBound
        }
      }
      // What is left ends where the old tree ends. It is the whole old tree, whose root the
      // verifier has, or a part of it, whose root it needs.
      if leaves.lowerBound > 0 { ranges.append(leaves) }
    }
    return ProofPlan(size: newSize, ranges: ranges.reversed())
  }

  /// Makes the proof from stored tiles, which are not trusted.
  ///
  /// - Throws: as ``plan(oldSize:newSize:)``; ``AuditError/Code/malformed`` for a tile of the wrong
  ///   length; and whatever `read` throws.
  public init(
    oldSize: Int64, newSize: Int64, read: (TilePath) async throws(AuditError) -> [UInt8]
  ) async throws(AuditError) {
    let hashes = try await Self.plan(oldSize: oldSize, newSize: newSize).hashes(read: read)
    self.init(oldSize: oldSize, newSize: newSize, hashes: hashes)
  }
}
