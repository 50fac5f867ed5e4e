public import Cryptography

/// The hashes of an RFC 6962 tree over SHA-256: pure arithmetic, no storage.
public enum MerkleTree {
  /// Bytes of one hash.
  public static let hashByteCount = 32

  /// SHA-256(0x00 ‖ entry).
  ///
  /// The prefix keeps a leaf from ever being read as a node.
  public static func leafHash(_ entry: [UInt8]) -> SHA256Digest {
    SHA256.hash([0x00] + entry)
  }

  /// SHA-256(0x01 ‖ left ‖ right).
  public static func nodeHash(_ left: SHA256Digest, _ right: SHA256Digest) -> SHA256Digest {
    SHA256.hash([0x01] + left.bytes + right.bytes)
  }

  /// The root of a tree of no leaves: SHA-256 of nothing.
  public static var emptyRoot: SHA256Digest { SHA256.hash([]) }

  /// The root over `leaves`, split at the largest power of two below their number.
  public static func root(of leaves: some Sequence<SHA256Digest>) -> SHA256Digest {
    var frontier = MerkleFrontier()
    for leaf in leaves { frontier.append(leaf) }
    return frontier.root
  }
}
