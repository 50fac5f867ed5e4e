import Audit
import Cryptography
import Encoding
import Foundation

/// A log's folder in memory, made with nothing but the pure half of the module.
///
/// Deterministic: the key and every id follow from the seed.
struct SampleLog: Sendable {
  static let origin = "vault.example.org/callvault"

  var entries: [[UInt8]]
  var files: [String: [UInt8]] = [:]
  let key: VerifierKey
  /// A signed head of each size that ``publish(upTo:)`` was called with.
  private(set) var heads: [Int64: [UInt8]] = [:]

  /// Makes a log of `count` entries and publishes it at each of `sizes`.
  init(_ count: Int, publishedAt sizes: [Int], seed: String = "sample") throws {
    entries = []
    key = try Self.signer(seed).verifierKey
    var previous = try demand(SHA256Digest(bytes: [UInt8](repeating: 0, count: 32)))
    for index in 0..<count {
      let entry = try Self.entry(Int64(index), previous: previous, seed: seed)
      entries.append(try entry.encoded())
      previous = try entry.leafHash()
    }
    for size in sizes { try publish(upTo: size, seed: seed) }
  }

  static func signer(_ seed: String = "sample") throws -> NoteSigner {
    let digest = SHA256.hash(Array("callvault test key \(seed)".utf8))
    let bytes = digest.bytes
    let secret = try SecretBytes(count: 32) { (span: inout MutableRawSpan) in
      for (offset, byte) in bytes.enumerated() {
        span.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
      }
    }
    return try NoteSigner(name: origin, seed: secret)
  }

  static func identifier(_ text: String) throws -> Identifier {
    var bytes = Array(SHA256.hash(Array(text.utf8)).bytes.prefix(16))
    bytes[6] = bytes[6] & 0x0f | 0x40
    bytes[8] = bytes[8] & 0x3f | 0x80
    return try demand(Identifier(bytes: bytes))
  }

  static func entry(
    _ index: Int64, previous: SHA256Digest, seed: String
  ) throws -> Entry {
    let actor = Actor(
      id: try identifier("\(seed) actor \(index % 3)"), kind: .person, role: .clinician,
      method: .token, strength: 1)
    var entry = Entry(
      index: index, previous: previous,
      time: Timestamp(milliseconds: 1_795_188_000_123 + index * 1000), clock: .synced,
      id: try identifier("\(seed) entry \(index)"), action: .recordingOpened,
      phase: index % 2 == 0 ? .intent : .outcome, actor: actor,
      node: try demand(NodeName("n1")), software: try demand(SoftwareName("callvault 0.1.0")))
    if index % 2 == 1 {
      entry.reference = try identifier("\(seed) entry \(index - 1)")
      entry.outcome = .success
      entry.released = 65_536
    }
    entry.objects = [try identifier("\(seed) call \(index / 2)")]
    entry.parts = [try demand(PartName("recording-1"))]
    entry.purpose = .treatment
    entry.policy = SHA256.hash(Array("policy".utf8))
    entry.request = try identifier("\(seed) request \(index)")
    entry.subjects = [
      try demand(SubjectTag(bytes: Array(SHA256.hash(Array("s\(index)".utf8)).bytes[..<16])))
    ]
    entry.commits = [
      .via: try demand(CommitmentDigest(bytes: SHA256.hash(Array("via \(index)".utf8)).bytes))
    ]
    return entry
  }

  /// Publishes the first `size` entries; older partial files stay, as a writer may leave them.
  mutating func publish(upTo size: Int, seed: String = "sample") throws {
    for (path, bytes) in try Self.tiles(Array(entries.prefix(size))) { files[path] = bytes }
    let note = try Self.head(Array(entries.prefix(size)), seed: seed)
    heads[Int64(size)] = note
    files["checkpoints/2026-11", default: []] +=
      [UInt8(note.count >> 8), UInt8(note.count & 255)] + note
    files["checkpoint"] = note
  }

  /// The tiles and bundles of `entries`.
  static func tiles(_ entries: [[UInt8]]) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    var edge = TreeEdge()
    for entry in entries {
      for tile in edge.append(MerkleTree.leafHash(entry)) {
        files[tile.path.description] = tile.encoded
      }
    }
    for tile in edge.partialTiles { files[tile.path.description] = tile.encoded }
    for start in stride(from: 0, to: entries.count, by: 256) {
      let end = min(start + 256, entries.count)
      let path = try demand(
        TilePath.bundle(Int64(start / 256), inLogOf: Int64(entries.count)))
      files[path.description] = try EntryBundle.encode(entries[start..<end])
    }
    return files
  }

  /// A signed head of `entries`.
  static func head(_ entries: [[UInt8]], seed: String = "sample") throws -> [UInt8] {
    let checkpoint = try demand(
      Checkpoint(
        origin: origin, size: Int64(entries.count),
        root: MerkleTree.root(of: entries.map(MerkleTree.leafHash))))
    return try signer(seed).sign(checkpoint).encoded
  }

  /// Chains entries anew, as someone would who changes one and covers it up.
  static func rechained(_ entries: [[UInt8]]) throws -> [[UInt8]] {
    var previous = try demand(SHA256Digest(bytes: [UInt8](repeating: 0, count: 32)))
    return try entries.enumerated().map { index, bytes in
      var entry = try Entry(parsing: bytes)
      entry.index = Int64(index)
      entry.previous = previous
      previous = try entry.leafHash()
      return try entry.encoded()
    }
  }
}

extension SampleLog: LogFolderReader {
  func read(_ path: String, from offset: Int64, count: Int) throws -> [UInt8]? {
    files[path].map { Array($0.dropFirst(Int(offset)).prefix(count)) }
  }

  func list(_ folder: String) throws -> [LogFolderItem]? {
    let prefix = folder.isEmpty ? "" : folder + "/"
    var items: Set<LogFolderItem> = []
    for path in files.keys where path.hasPrefix(prefix) {
      let rest = path.dropFirst(prefix.count).split(separator: "/", maxSplits: 1)
      items.insert(LogFolderItem(name: String(rest[0]), isFolder: rest.count > 1))
    }
    return items.isEmpty ? nil : Array(items)
  }
}
