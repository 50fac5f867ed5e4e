import Cryptography

/// Hashes many leaves and nodes with one context: what checking millions of entries needs.
struct MerkleHasher: ~Copyable {
  private var hasher: SHA256Hasher
  private let leafPrefix: [UInt8] = [0x00]
  private let nodePrefix: [UInt8] = [0x01]

  /// - Throws: ``AuditError/Code/unavailable`` when memory is exhausted.
  init() throws(AuditError) {
    do {
      hasher = try SHA256Hasher()
    } catch {
      throw AuditError(.unavailable, during: "starting a hash", cause: error)
    }
  }

  mutating func leaf(_ entry: Span<UInt8>) -> SHA256Digest {
    hasher.update(leafPrefix)
    hasher.update(entry)
    return hasher.finish()
  }

  mutating func node(_ left: SHA256Digest, _ right: SHA256Digest) -> SHA256Digest {
    hasher.update(nodePrefix)
    hasher.update(left)
    hasher.update(right)
    return hasher.finish()
  }

  /// The root over 256 hashes: that of a full tile.
  mutating func root(ofFullTile hashes: [SHA256Digest]) -> SHA256Digest {
    precondition(hashes.count == TilePath.fullWidth, "not a full tile")
    var level = hashes
    var width = level.count
    while width > 1 {
      width /= 2
      for position in 0..<width {
        level[position] = node(level[2 * position], level[2 * position + 1])
      }
    }
    return level[0]
  }
}
