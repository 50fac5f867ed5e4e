public import Cryptography
public import Encoding

/// One line of the audit log: who did or tried what, to which object, when and why.
///
/// The bytes of ``encoded()`` are the leaf that is hashed and stored; an entry is never
/// re-serialised to check a hash. Specified in `Documentation/formats/audit-log.md`. No field can
/// hold text from outside: strings are from closed lists, or are ids and tags we minted.
public struct Entry: Hashable, Sendable {
  /// The format this program writes.
  public static let currentVersion: Int64 = 1
  /// No entry is longer than this.
  public static let maximumByteCount = 16 * 1024
  /// No entry names more objects, parts or subjects than this.
  public static let maximumObjects = 100
  /// Integers stay below 2^53, where every JSON reader agrees.
  static let integerBound: Int64 = 1 << 53

  /// Position in the log, counted from 0.
  public var index: Int64
  /// Leaf hash of the entry before; 32 zero bytes at index 0.
  public var previous: SHA256Digest
  /// When the log took the entry; may step back, `index` orders.
  public var time: Timestamp
  public var clock: ClockState
  /// When it happened at its source, with the source's offset.
  public var originTime: OffsetTime?
  /// Random, known before the index is.
  public var id: Identifier
  public var action: Action
  public var phase: Phase
  /// The intent that this outcome closes.
  public var reference: Identifier?
  public var outcome: OutcomeCode?
  public var reason: Reason?
  public var actor: Actor
  /// On whose behalf the actor acted.
  public var behalf: Identifier?
  public var session: Identifier?
  /// Our id of the request, never the client's.
  public var request: Identifier?
  public var objects: [Identifier] = []
  public var parts: [PartName] = []
  public var subjects: [SubjectTag] = []
  /// SHA-256 of the ciphertext that was stored, repaired or excised.
  public var digest: SHA256Digest?
  /// Its length in bytes.
  public var length: Int64?
  /// The key that seals it.
  public var keyID: Identifier?
  /// Plaintext bytes that left.
  public var released: Int64?
  public var purpose: PurposeOfUse?
  /// SHA-256 of the access policy that decided.
  public var policy: SHA256Digest?
  public var recipient: Identifier?
  /// SHA-256 of an approval kept as an opening.
  public var evidence: SHA256Digest?
  /// The batch this entry belongs to.
  public var run: Identifier?
  public var node: NodeName
  public var software: SoftwareName
  public var entryClass: EntryClass
  public var commits: [CommitField: CommitmentDigest] = [:]
  /// How many attempts an aggregate stands for.
  public var count: Int64?
  /// Time of the first and the last attempt of an aggregate.
  public var first: Timestamp?
  public var last: Timestamp?
  public var flags: Set<EntryFlag> = []

  public init(
    index: Int64, previous: SHA256Digest, time: Timestamp, clock: ClockState, id: Identifier,
    action: Action, phase: Phase, actor: Actor, node: NodeName, software: SoftwareName,
    entryClass: EntryClass = .neutral
  ) {
    self.index = index
    self.previous = previous
    self.time = time
    self.clock = clock
    self.id = id
    self.action = action
    self.phase = phase
    self.actor = actor
    self.node = node
    self.software = software
    self.entryClass = entryClass
  }

  /// The hash of the tree's leaf for this entry.
  ///
  /// - Throws: as ``encoded()``.
  public func leafHash() throws(AuditError) -> SHA256Digest {
    MerkleTree.leafHash(try encoded())
  }
}

/// The name of the machine that wrote an entry: 1 to 63 of `a-z`, `0-9` and inner hyphens.
public struct NodeName: Hashable, Sendable, LosslessStringConvertible {
  public let description: String

  /// Is nil for a name of another form.
  public init?(_ description: String) {
    let bytes = Array(description.utf8)
    guard (1...63).contains(bytes.count), bytes.first != 0x2d, bytes.last != 0x2d,
      bytes.allSatisfy({ isLowerOrDigit($0) || $0 == 0x2d })
    else { return nil }
    self.description = description
  }
}

/// The program that wrote an entry: `name version`, as `callvault 0.1.0`.
public struct SoftwareName: Hashable, Sendable, LosslessStringConvertible {
  public let description: String

  /// Is nil unless the name is 1 to 32 of `a-z`, `0-9`, `-`, and the version 1 to 32 of `a-z`,
  /// `0-9`, `.`, `-` and `+`.
  public init?(_ description: String) {
    let halves = description.utf8.split(separator: 0x20, omittingEmptySubsequences: false)
    guard halves.count == 2, (1...32).contains(halves[0].count), (1...32).contains(halves[1].count),
      halves[0].allSatisfy({ isLowerOrDigit($0) || $0 == 0x2d }),
      halves[1].allSatisfy({ isLowerOrDigit($0) || [0x2b, 0x2d, 0x2e].contains($0) })
    else { return nil }
    self.description = description
  }
}

/// A part of a call: a word and, where a call has several, a number from 1 (`recording-1`).
public struct PartName: Hashable, Sendable, LosslessStringConvertible, Comparable {
  public let description: String

  /// Is nil unless the word is 1 to 20 of `a-z` and the number, if any, has no leading zero and at
  /// most nine digits.
  public init?(_ description: String) {
    let halves = description.utf8.split(separator: 0x2d, omittingEmptySubsequences: false)
    guard halves.count <= 2, let word = halves.first, (1...20).contains(word.count),
      word.allSatisfy({ (0x61...0x7a).contains($0) })
    else { return nil }
    if halves.count == 2 {
      guard (1...9).contains(halves[1].count), halves[1].first != 0x30,
        halves[1].allSatisfy({ (0x30...0x39).contains($0) })
      else { return nil }
    }
    self.description = description
  }

  public static func < (left: Self, right: Self) -> Bool { left.description < right.description }
}

private func isLowerOrDigit(_ byte: UInt8) -> Bool {
  (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte)
}
