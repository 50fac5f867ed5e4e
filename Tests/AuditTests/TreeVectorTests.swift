import Audit
import Cryptography
import Encoding
import Foundation
import Testing

private struct TreeFile: Decodable {
  struct Entry: Decodable {
    let entryHex: String
    let leafHashHex: String
  }
  struct Head: Decodable {
    let size: Int
    let rootHex: String
    let checkpointText: String
    let signedCheckpoint: String
  }
  let entries: [Entry]
  let heads: [Head]
}

private struct ProofFile<Proof: Decodable>: Decodable { let proofs: [Proof] }

private struct Inclusion: Decodable {
  let index: Int64
  let size: Int64
  let proofHex: [String]
  let leafHashHex: String?
  let rootHex: String?
}

private struct Consistency: Decodable {
  let size1: Int64
  let size2: Int64
  let proofHex: [String]
  let root1Hex: String?
  let root2Hex: String?
}

private struct BadProofFile: Decodable {
  let inclusion: [Inclusion]
  let consistency: [Consistency]
}

private struct TileFile: Decodable {
  struct Path: Decodable {
    let level: Level
    let index: Int64
    let width: Int
    let path: String
  }
  enum Level: Decodable {
    case hashes(Int), entries
    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      self = (try? value.decode(Int.self)).map { .hashes($0) } ?? .entries
    }
  }
  struct Tree: Decodable {
    let size: Int64
    let rootHex: String
    let tileCount: Int
    let tilesDigest: String
    let bundleCount: Int
    let bundlesDigest: String
  }
  struct Bundle: Decodable {
    let id: String
    let expect: Expectation
    let bundleHex: String
    let expectedEntries: Int
    let entriesHex: [String]?
  }
  let paths: [Path]
  let badPaths: [String]
  let leafFormula: String
  let trees: [Tree]
  let inclusion: [Inclusion]
  let consistency: [Consistency]
  let entryBundles: [Bundle]
}

private func digest(_ hex: String) throws -> SHA256Digest { try #require(SHA256Digest(hex: hex)) }

/// A whole log in memory: every tile and bundle of every size it ever had that was asked for.
struct TreeInMemory {
  let leaves: [SHA256Digest]

  /// The content of a tile, made the slow and obvious way.
  func tile(_ path: TilePath) throws -> [UInt8] {
    guard case .hashes(let level) = path.level else { throw AuditError(.notFound, during: "test") }
    let span = 1 << (8 * level)
    return (0..<path.width).flatMap { column -> [UInt8] in
      let start = (Int(path.number) * 256 + column) * span
      return MerkleTree.root(of: leaves[start..<(start + span)]).bytes
    }
  }
}

@Suite struct TreeVectorTests {
  private let trees: TreeFile
  private let leaves: [SHA256Digest]

  init() throws {
    trees = try Vectors.load(TreeFile.self, from: "trees.json")
    leaves = try trees.entries.map {
      MerkleTree.leafHash(try #require(Hex.decode($0.entryHex)))
    }
  }

  @Test func leavesAndHeads() throws {
    #expect(leaves.map(\.hex) == trees.entries.map(\.leafHashHex))
    #expect(trees.heads.count == 21)
    for head in trees.heads {
      let root = MerkleTree.root(of: leaves.prefix(head.size))
      #expect(root.hex == head.rootHex)
      var edge = TreeEdge()
      for leaf in leaves.prefix(head.size) { edge.append(leaf) }
      #expect(edge.root == root)
      let note = try SignedNote(parsing: Array(head.signedCheckpoint.utf8))
      #expect(note.text == Array(head.checkpointText.utf8))
      let checkpoint = try Checkpoint(parsing: note.text)
      #expect(checkpoint.size == head.size && checkpoint.root == root)
    }
  }

  @Test func everyProofIsMadeAndVerifies() async throws {
    let tree = TreeInMemory(leaves: leaves)
    let inclusion = try Vectors.load(ProofFile<Inclusion>.self, from: "inclusion.json").proofs
    #expect(inclusion.count == 210)
    for vector in inclusion {
      let hashes = try vector.proofHex.map(digest)
      let proof = InclusionProof(index: vector.index, size: vector.size, hashes: hashes)
      let root = MerkleTree.root(of: leaves.prefix(Int(vector.size)))
      #expect(proof.verifies(leaf: leaves[Int(vector.index)], root: root))
      let made = try await InclusionProof(index: vector.index, size: vector.size) {
        path throws(AuditError) in try content(of: path, in: tree)
      }
      #expect(made == proof)
    }
    let consistency = try Vectors.load(ProofFile<Consistency>.self, from: "consistency.json").proofs
    #expect(consistency.count == 210)
    for vector in consistency {
      let hashes = try vector.proofHex.map(digest)
      let proof = ConsistencyProof(
        oldSize: vector.size1, newSize: vector.size2, hashes: hashes)
      #expect(
        proof.verifies(
          oldRoot: MerkleTree.root(of: leaves.prefix(Int(vector.size1))),
          newRoot: MerkleTree.root(of: leaves.prefix(Int(vector.size2)))))
      let made = try await ConsistencyProof(oldSize: vector.size1, newSize: vector.size2) {
        path throws(AuditError) in try content(of: path, in: tree)
      }
      #expect(made == proof)
    }
  }

  @Test func badProofsAreRefused() throws {
    let file = try Vectors.load(BadProofFile.self, from: "proofs_bad.json")
    #expect(file.inclusion.count >= 76 && file.consistency.count >= 72)
    for vector in file.inclusion {
      let proof = InclusionProof(
        index: vector.index, size: vector.size, hashes: try vector.proofHex.map(digest))
      let leaf = try digest(try #require(vector.leafHashHex))
      #expect(!proof.verifies(leaf: leaf, root: try digest(try #require(vector.rootHex))))
    }
    for vector in file.consistency {
      let proof = ConsistencyProof(
        oldSize: vector.size1, newSize: vector.size2, hashes: try vector.proofHex.map(digest))
      #expect(
        !proof.verifies(
          oldRoot: try digest(try #require(vector.root1Hex)),
          newRoot: try digest(try #require(vector.root2Hex))))
    }
  }
}

@Suite struct TileVectorTests {
  private let file: TileFile
  private let entries: [[UInt8]]
  private let leaves: [SHA256Digest]

  init() throws {
    file = try Vectors.load(TileFile.self, from: "tiles.json")
    #expect(file.leafFormula.contains("leaf-") || file.leafFormula.contains("|"))
    let plain = file.leafFormula.contains("leaf-")
    entries = (0..<70_000).map { Array((plain ? "leaf-\($0)" : "\($0 * $0 + 3)|\($0)").utf8) }
    leaves = entries.map(MerkleTree.leafHash)
  }

  @Test func pathsHaveOneSpelling() throws {
    for vector in file.paths {
      let level: TilePath.Level =
        switch vector.level {
        case .entries: .entries
        case .hashes(let height): .hashes(height)
        }
      let path = try #require(TilePath(level, vector.index, width: vector.width))
      #expect(path.description == vector.path)
      #expect(TilePath(vector.path) == path)
    }
    #expect(file.badPaths.count >= 22)
    for path in file.badPaths { #expect(TilePath(path) == nil, "\(path)") }
  }

  @Test func everyTileAndBundleOfEveryTree() throws {
    #expect(file.trees.count == 12)
    for tree in file.trees {
      #expect(MerkleTree.root(of: leaves.prefix(Int(tree.size))).hex == tree.rootHex)
      var edge = TreeEdge()
      var tiles: [TilePath: [UInt8]] = [:]
      for leaf in leaves.prefix(Int(tree.size)) {
        for tile in edge.append(leaf) { tiles[tile.path] = tile.encoded }
      }
      for tile in edge.partialTiles { tiles[tile.path] = tile.encoded }
      #expect(edge.root.hex == tree.rootHex)
      let paths = TilePath.added(from: 0, to: tree.size)
      let levels = paths.filter { $0.level != .entries }.sorted { left, right in
        guard case .hashes(let l) = left.level, case .hashes(let r) = right.level else {
          return false
        }
        return (l, left.number) < (r, right.number)
      }
      #expect(levels.count == tree.tileCount)
      var lines = ""
      for path in levels {
        let content = try #require(tiles[path])
        lines += "\(path) \(SHA256.hash(content).hex)\n"
      }
      #expect(SHA256.hash(Array(lines.utf8)).hex == tree.tilesDigest)
      lines = ""
      let bundles = paths.filter { $0.level == .entries }
      #expect(bundles.count == tree.bundleCount)
      for path in bundles {
        let first = Int(path.number) * 256
        let content = try EntryBundle.encode(entries[first..<(first + path.width)])
        lines += "\(path) \(SHA256.hash(content).hex)\n"
      }
      #expect(SHA256.hash(Array(lines.utf8)).hex == tree.bundlesDigest)
      // A writer that comes back after a crash takes the edge up from its tiles.
      let again = try TreeEdge(size: tree.size) { path throws(AuditError) in
        guard let content = tiles[path] else { throw AuditError(.notFound, during: "test") }
        return content
      }
      #expect(again == edge)
    }
  }

  @Test func proofsOfLargeTrees() async throws {
    let tree = TreeInMemory(leaves: leaves)
    for vector in file.inclusion {
      let proof = InclusionProof(
        index: vector.index, size: vector.size, hashes: try vector.proofHex.map(digest))
      let root = try digest(try #require(vector.rootHex))
      #expect(proof.verifies(leaf: leaves[Int(vector.index)], root: root))
      let made = try await InclusionProof(index: vector.index, size: vector.size) {
        path throws(AuditError) in try content(of: path, in: tree)
      }
      #expect(made == proof)
    }
    for vector in file.consistency {
      let proof = ConsistencyProof(
        oldSize: vector.size1, newSize: vector.size2, hashes: try vector.proofHex.map(digest))
      #expect(
        proof.verifies(
          oldRoot: try digest(try #require(vector.root1Hex)),
          newRoot: try digest(try #require(vector.root2Hex))))
      let made = try await ConsistencyProof(oldSize: vector.size1, newSize: vector.size2) {
        path throws(AuditError) in try content(of: path, in: tree)
      }
      #expect(made == proof)
    }
  }

  @Test func bundlesAreTakenOrRefused() throws {
    for vector in file.entryBundles {
      let bytes = try #require(Hex.decode(vector.bundleHex))
      let accepted = succeeds {
        let entries = try EntryBundle.parse(bytes, count: vector.expectedEntries)
        try demand(try EntryBundle.encode(entries) == bytes)
        if let expected = vector.entriesHex { try demand(entries.map(Hex.encode) == expected) }
      }
      vector.expect.check(accepted, vector.id)
    }
  }
}

/// Adapts a test's errors to the one type a reader may throw.
func content(of path: TilePath, in tree: TreeInMemory) throws(AuditError) -> [UInt8] {
  do { return try tree.tile(path) } catch { throw AuditError(.notFound, during: "reading a tile") }
}
