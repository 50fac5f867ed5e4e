public import Cryptography

/// One tile: up to 256 hashes of one level, 32 bytes each, nothing else.
public struct Tile: Hashable, Sendable {
  public let path: TilePath
  /// As many as the path's width says.
  public let hashes: [SHA256Digest]

  /// Reads the content of the tile named `path`.
  ///
  /// - Throws: ``AuditError/Code/malformed`` if the length is not 32 × width, or `path` names a
  ///   bundle.
  public init(_ path: TilePath, parsing bytes: [UInt8]) throws(AuditError) {
    guard path.level != .entries, bytes.count == path.width * MerkleTree.hashByteCount else {
      throw AuditError(.malformed, during: "parsing a tile")
    }
    var hashes: [SHA256Digest] = []
    hashes.reserveCapacity(path.width)
    for start in stride(from: 0, to: bytes.count, by: MerkleTree.hashByteCount) {
      let slice = Array(bytes[start..<(start + MerkleTree.hashByteCount)])
      guard let hash = SHA256Digest(bytes: slice) else {
        throw AuditError(.malformed, during: "parsing a tile")
      }
      hashes.append(hash)
    }
    self.init(path, hashes: hashes)
  }

  /// - Precondition: `hashes` are as many as the path says.
  init(_ path: TilePath, hashes: [SHA256Digest]) {
    precondition(hashes.count == path.width, "a tile of another width than its path says")
    self.path = path
    self.hashes = hashes
  }

  /// The tile's content.
  public var encoded: [UInt8] { hashes.flatMap(\.bytes) }
}
