import Audit
import Cryptography
import Foundation
import Mutation
import Testing

/// What must hold of every tree, tried on trees of random sizes.
@Suite struct ProofPropertyTests {
  private static let leaves: [SHA256Digest] = (0..<70_001).map {
    SHA256.hash(Array("leaf \($0)".utf8))
  }

  /// A size that is often at or beside a power of two, where proofs change shape.
  private func size(_ dice: inout Dice) -> Int {
    let power = 1 << Int.random(in: 0...16, using: &dice)
    return Bool.random(using: &dice)
      ? min(max(1, power + Int.random(in: -1...1, using: &dice)), Self.leaves.count)
      : Int.random(in: 1...Self.leaves.count, using: &dice)
  }

  /// Stored tiles of every width, made once.
  private final class Tiles: @unchecked Sendable {
    private let lock = NSLock()
    private var full: [TilePath: [SHA256Digest]] = [:]
    private var edge = TreeEdge()

    init(_ leaves: [SHA256Digest]) {
      for leaf in leaves {
        for tile in edge.append(leaf) { full[tile.path] = tile.hashes }
      }
      for tile in edge.partialTiles {
        if let path = TilePath(tile.path.level, tile.path.number) { full[path] = tile.hashes }
      }
    }

    func read(_ path: TilePath) throws(AuditError) -> [UInt8] {
      guard let whole = TilePath(path.level, path.number), let hashes = full[whole],
        hashes.count >= path.width
      else { throw AuditError(.notFound, during: "reading a test's tile") }
      return hashes.prefix(path.width).flatMap(\.bytes)
    }
  }

  private static let tiles = Tiles(leaves)

  private func changed(_ hash: SHA256Digest, _ dice: inout Dice) throws -> SHA256Digest {
    var bytes = hash.bytes
    bytes[Int.random(in: 0..<32, using: &dice)] ^= 1 << UInt8.random(in: 0..<8, using: &dice)
    return try demand(SHA256Digest(bytes: bytes))
  }

  /// Ways to spoil a list of hashes; none leaves it as it was.
  private func spoiled(
    _ hashes: [SHA256Digest], _ dice: inout Dice
  ) throws -> [[SHA256Digest]] {
    var lists = [hashes + [Self.leaves[0]], [Self.leaves[0]] + hashes]
    guard !hashes.isEmpty else { return lists }
    let place = Int.random(in: 0..<hashes.count, using: &dice)
    var list = hashes
    list[place] = try changed(list[place], &dice)
    lists += [list, Array(hashes.dropLast()), Array(hashes.dropFirst())]
    if hashes.count > 1 { lists.append(Array(hashes.dropFirst()) + [hashes[0]]) }
    return lists
  }

  @Test func inclusionProofsHoldForTheirLeafOnly() async throws {
    var dice = Dice(seed: 1)
    for _ in 0..<Mutation.rounds(otherwise: 300) {
      let size = size(&dice)
      let index = Int.random(in: 0..<size, using: &dice)
      let root = try TreeEdge(size: Int64(size), read: Self.tiles.read).root
      let proof = try await InclusionProof(index: Int64(index), size: Int64(size)) {
        path throws(AuditError) in try Self.tiles.read(path)
      }
      let leaf = Self.leaves[index]
      #expect(proof.verifies(leaf: leaf, root: root), "\(index) of \(size)")
      #expect(!proof.verifies(leaf: try changed(leaf, &dice), root: root))
      #expect(!proof.verifies(leaf: leaf, root: try changed(root, &dice)))
      for hashes in try spoiled(proof.hashes, &dice) {
        let bad = InclusionProof(index: proof.index, size: proof.size, hashes: hashes)
        #expect(!bad.verifies(leaf: leaf, root: root), "\(index) of \(size)")
      }
      for other in [index - 1, index + 1, size, -1] where other != index {
        let bad = InclusionProof(index: Int64(other), size: proof.size, hashes: proof.hashes)
        #expect(!bad.verifies(leaf: leaf, root: root), "\(other) for \(index) of \(size)")
      }
    }
  }

  @Test func consistencyProofsHoldForTheirTreesOnly() async throws {
    var dice = Dice(seed: 2)
    for _ in 0..<Mutation.rounds(otherwise: 300) {
      let new = size(&dice)
      let old = Int.random(in: 1...new, using: &dice)
      let oldRoot = try TreeEdge(size: Int64(old), read: Self.tiles.read).root
      let newRoot = try TreeEdge(size: Int64(new), read: Self.tiles.read).root
      let proof = try await ConsistencyProof(oldSize: Int64(old), newSize: Int64(new)) {
        path throws(AuditError) in try Self.tiles.read(path)
      }
      #expect(proof.verifies(oldRoot: oldRoot, newRoot: newRoot), "\(old) to \(new)")
      #expect(!proof.verifies(oldRoot: try changed(oldRoot, &dice), newRoot: newRoot))
      #expect(!proof.verifies(oldRoot: oldRoot, newRoot: try changed(newRoot, &dice)))
      for hashes in try spoiled(proof.hashes, &dice) {
        let bad = ConsistencyProof(oldSize: Int64(old), newSize: Int64(new), hashes: hashes)
        #expect(!bad.verifies(oldRoot: oldRoot, newRoot: newRoot), "\(old) to \(new)")
      }
    }
  }

  /// The right edge grown leaf by leaf is the one read back from its tiles, at every size.
  @Test func theEdgeIsTheSameHoweverItWasReached() throws {
    var edge = TreeEdge()
    var dice = Dice(seed: 3)
    for (index, leaf) in Self.leaves.prefix(2000).enumerated() {
      edge.append(leaf)
      guard index < 600 || Int.random(in: 0..<50, using: &dice) == 0 else { continue }
      let read = try TreeEdge(size: Int64(index + 1), read: Self.tiles.read)
      #expect(read == edge)
    }
  }

  /// Claims no tree can have are refused, not followed.
  @Test func impossibleClaimsAreRefused() async {
    let hash = Self.leaves[0]
    for (index, size) in [(0, 0), (-1, 1), (1, 1), (0, -1), (Int64.max, Int64.max), (.min, .max)] {
      let proof = InclusionProof(index: Int64(index), size: Int64(size), hashes: [])
      #expect(!proof.verifies(leaf: hash, root: hash))
    }
    for (old, new) in [(-1, 1), (2, 1), (Int64.max, 1), (.min, .max), (0, 1)] {
      let proof = ConsistencyProof(oldSize: Int64(old), newSize: Int64(new), hashes: [hash])
      #expect(!proof.verifies(oldRoot: hash, newRoot: hash))
    }
    let huge = InclusionProof(
      index: .max - 1, size: .max, hashes: Array(repeating: hash, count: 63))
    #expect(!huge.verifies(leaf: hash, root: hash))
    await #expect(throws: AuditError.self) {
      try await InclusionProof(index: 5, size: 5) { _ throws(AuditError) in [] }
    }
    #expect(throws: AuditError.self) {
      try TreeEdge(size: -1) { _ throws(AuditError) in [] }
    }
  }
}
