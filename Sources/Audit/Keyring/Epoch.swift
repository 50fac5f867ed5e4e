public import Cryptography
import Encoding

/// What an epoch note says: which key signs beside the log's, and from which size on.
///
/// Specified in `Documentation/formats/keyring.md`, 3. Nothing is proved: the lines of the note say
/// who vouches for it.
public struct Epoch: Hashable, Sendable {
  private static let header = "callvault/epoch/v1"
  /// No log is longer; places in the tree are counted without overflow.
  private static let largestSize: Int64 = 1 << 61

  public let origin: String
  /// Counted from 0.
  public let number: Int64
  public let key: VerifierKey
  /// The smallest head that the key may sign; the entry before it introduces the epoch.
  public let firstSize: Int64
  /// The root of the tree of the entries before the one that introduces the epoch.
  public let tree: SHA256Digest
  /// The root key that the log is under.
  public let rootKey: VerifierKey

  /// Is nil if a key has not the name and type of its part, or the size is not 1 to 2^61 − 1.
  public init?(
    origin: String, number: Int64, key: VerifierKey, firstSize: Int64, tree: SHA256Digest,
    rootKey: VerifierKey
  ) {
    guard number >= 0, (1..<Self.largestSize).contains(firstSize),
      key.type == .ed25519, key.name == Self.name(of: number, in: origin),
      rootKey.type == .ed25519, rootKey.name == Self.rootName(in: origin)
    else { return nil }
    self.origin = origin
    self.number = number
    self.key = key
    self.firstSize = firstSize
    self.tree = tree
    self.rootKey = rootKey
  }

  /// The name of an epoch's key.
  public static func name(of number: Int64, in origin: String) -> String {
    prefix(in: origin) + String(number)
  }

  /// What the names of all epoch keys of a log begin with.
  static func prefix(in origin: String) -> String { origin + "/epoch/" }

  /// The name of a log's root key.
  public static func rootName(in origin: String) -> String { origin + "/root" }

  /// Reads the text of an epoch note.
  ///
  /// - Throws: ``AuditError/Code/malformed`` for any spelling but the one ``text`` has.
  public init(parsing text: [UInt8]) throws(AuditError) {
    let lines = String(decoding: text, as: UTF8.self).utf8
      .split(separator: 0x0a, omittingEmptySubsequences: false).map { String(Substring($0)) }
    func value(_ line: Int, _ label: String) -> String? {
      lines[line].hasPrefix(label + " ") ? String(lines[line].dropFirst(label.count + 1)) : nil
    }
    guard lines.count == 8, lines[0] == Self.header, lines[7].isEmpty,
      let number = value(2, "epoch").flatMap(Checkpoint.size),
      let key = value(3, "key").flatMap({ VerifierKey($0) }),
      let firstSize = value(4, "from").flatMap(Checkpoint.size),
      let tree = value(5, "tree").flatMap({ Base64.decode($0) })
        .flatMap({ SHA256Digest(bytes: $0) }),
      let rootKey = value(6, "root").flatMap({ VerifierKey($0) }),
      let epoch = Epoch(
        origin: lines[1], number: number, key: key, firstSize: firstSize, tree: tree,
        rootKey: rootKey)
    else { throw AuditError(.malformed, during: "parsing an epoch note") }
    self = epoch
  }

  /// What is signed.
  public var text: [UInt8] {
    let lines = [
      Self.header, origin, "epoch \(number)", "key \(key)", "from \(firstSize)",
      "tree \(Base64.encode(tree.bytes))", "root \(rootKey)",
    ]
    return Array(lines.map { $0 + "\n" }.joined().utf8)
  }

  /// The head of the tree that the epoch began with.
  var leftBehind: Checkpoint? { Checkpoint(origin: origin, size: firstSize - 1, root: tree) }

  /// Whether `entry` introduces this epoch.
  func isIntroduced(by entry: Entry, certifiedByPredecessor: Bool) -> Bool {
    let action: Action =
      firstSize == 1 ? .logGenesis : certifiedByPredecessor ? .keyRotate : .keyCreate
    return entry.index == firstSize - 1 && entry.action == action
      && entry.digest == SHA256.hash(text) && entry.length == Int64(text.count)
  }
}

/// An epoch with the lines that vouch for it.
public struct EpochNote: Hashable, Sendable {
  public let epoch: Epoch
  public let note: SignedNote
  /// Whether the key of the epoch before has a line on it.
  public let hasPredecessorLine: Bool
  public let hasRootLine: Bool

  /// Finds whose line each is; whether they hold is not looked at.
  ///
  /// - Parameters:
  ///   - note: what was read.
  ///   - logKey: whose line must be there.
  ///   - predecessor: the epoch before; nil for the first.
  /// - Throws: ``AuditError/Code/malformed`` if the text is no epoch's, a line is another's, or they
  ///   stand in another order.
  init(_ note: SignedNote, logKey: VerifierKey, predecessor: Epoch?) throws(AuditError) {
    epoch = try Epoch(parsing: note.text)
    self.note = note
    var lines = note.signatures[...]
    func take(_ key: VerifierKey?) -> Bool {
      guard let key, let line = lines.first, line.name == key.name, line.keyID == key.keyID
      else { return false }
      lines.removeFirst()
      return true
    }
    guard take(logKey) else {
      throw AuditError(.malformed, during: "looking for the log's line of an epoch note")
    }
    hasPredecessorLine = take(predecessor?.key)
    hasRootLine = take(epoch.rootKey)
    guard lines.isEmpty else {
      throw AuditError(.malformed, during: "reading a strange line of an epoch note")
    }
  }
}
