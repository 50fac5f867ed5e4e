import Cryptography
import Encoding

/// What a log that was begun by a recovery says of the log before it: the file `recovery`.
///
/// Specified in `Documentation/formats/recovery.md`, 2. Nothing is proved until ``holds(_:)`` says so.
public struct RecoveryNote: Hashable, Sendable {
  /// The file's path below the log.
  public static let path = "recovery"
  private static let header = "callvault/recovery/v1"
  /// No log is longer.
  private static let largestSize: Int64 = 1 << 61

  /// The log that was begun.
  public let log: VerifierKey
  /// The root that it is under: the key that the old log's root was, under the new name.
  public let root: VerifierKey
  /// The log that goes no further.
  public let old: VerifierKey
  /// The largest head of it that an anchor holds.
  public let anchored: Checkpoint
  /// Its head as far as it is left.
  public let kept: Checkpoint

  /// Is nil if a key has not the name and type of its part, or the two heads are the same.
  public init?(
    log: VerifierKey, root: VerifierKey, old: VerifierKey, anchored: Checkpoint, kept: Checkpoint
  ) {
    guard log.type == .ed25519, root.type == .ed25519, old.type == .ed25519,
      LogOrigin.isRestart(log.name), root.name == Epoch.rootName(in: log.name),
      old.name != log.name, anchored.origin == old.name, kept.origin == old.name,
      anchored != kept, anchored.extensions.isEmpty, kept.extensions.isEmpty,
      (1..<Self.largestSize).contains(anchored.size), (1..<Self.largestSize).contains(kept.size)
    else { return nil }
    self.log = log
    self.root = root
    self.old = old
    self.anchored = anchored
    self.kept = kept
  }

  /// Reads the text of a note.
  ///
  /// - Throws: ``AuditError/Code/malformed`` for any spelling but the one ``text`` has.
  public init(parsing text: [UInt8]) throws(AuditError) {
    let lines = String(decoding: text, as: UTF8.self).utf8
      .split(separator: 0x0a, omittingEmptySubsequences: false).map { String(Substring($0)) }
    func value(_ line: Int, _ label: String) -> String? {
      lines[line].hasPrefix(label + " ") ? String(lines[line].dropFirst(label.count + 1)) : nil
    }
    func head(_ line: Int, _ label: String, of log: VerifierKey) -> Checkpoint? {
      let text = value(line, label) ?? ""
      let fields = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 2, let size = Checkpoint.size(fields[0]),
        let root = Base64.decode(fields[1]).flatMap({ SHA256Digest(bytes: $0) })
      else { return nil }
      return Checkpoint(origin: log.name, size: size, root: root)
    }
    guard lines.count == 7, lines[0] == Self.header, lines[6].isEmpty,
      let log = value(1, "log").flatMap({ VerifierKey($0) }),
      let root = value(2, "root").flatMap({ VerifierKey($0) }),
      let old = value(3, "old").flatMap({ VerifierKey($0) }),
      let anchored = head(4, "anchored", of: old), let kept = head(5, "kept", of: old),
      let note = RecoveryNote(log: log, root: root, old: old, anchored: anchored, kept: kept)
    else { throw AuditError(.malformed, during: "parsing a recovery note") }
    self = note
  }

  /// What is signed.
  public var text: [UInt8] {
    func head(_ checkpoint: Checkpoint) -> String {
      "\(checkpoint.size) \(Base64.encode(checkpoint.root.bytes))"
    }
    let lines = [
      Self.header, "log \(log)", "root \(root)", "old \(old)", "anchored \(head(anchored))",
      "kept \(head(kept))",
    ]
    return Array(lines.map { $0 + "\n" }.joined().utf8)
  }

  /// The root under the name that whoever audited the old log knows it by.
  var oldRoot: VerifierKey? {
    VerifierKey(
      name: Epoch.rootName(in: old.name), type: .ed25519, publicKey: root.publicKey)
  }

  /// The note with its two lines: by the root under its old name, and by the new log's key.
  ///
  /// - Throws: ``AuditError/Code/mismatch`` if one of the signers is another;
  ///   ``AuditError/Code/unavailable`` if the library fails.
  public func signed(
    by oldRoot: borrowing NoteSigner, and log: borrowing NoteSigner
  ) throws(AuditError) -> SignedNote {
    guard oldRoot.verifierKey == self.oldRoot, log.verifierKey == self.log else {
      throw AuditError(.mismatch, during: "signing a recovery with other keys than it names")
    }
    return SignedNote(
      text: text, signatures: try oldRoot.sign(text).signatures + log.sign(text).signatures)
  }

  /// Whether `note` is this text with exactly the two lines, and both hold.
  public func holds(_ note: SignedNote) -> Bool {
    let keys = [oldRoot, log].compactMap(\.self)
    return note.text == text && note.signatures.count == 2 && keys.count == 2
      && zip(keys, note.signatures).allSatisfy { key, line in
        key.name == line.name && key.keyID == line.keyID
          && key.verifies(line.bytes, over: note.text)
      }
  }

  /// What the log lost, as the end of a sentence.
  public var loss: String {
    anchored.size > kept.size
      ? "entries \(kept.size)–\(anchored.size - 1) of \(old.name) were lost"
      : "an anchor holds \(anchored.size) entries of \(old.name) that are not those it kept"
  }
}
