import Encoding

/// The keys that signed a log's heads beside its own, epoch after epoch, and who vouches for them.
///
/// Specified in `Documentation/formats/keyring.md`. A value: reading one proves nothing but its form.
public struct Keyring: Hashable, Sendable {
  /// The file's path below the log.
  public static let path = "keyring"
  /// No keyring is longer.
  public static let maximumByteCount = 64 << 20
  public static let maximumEpochs = 65_536
  private static let header = "callvault/keyring/v1"

  public let logKey: VerifierKey
  /// By number from 0; not empty.
  public private(set) var epochs: [EpochNote]

  /// Begins a keyring with its first epoch.
  ///
  /// - Throws: as ``append(_:)``.
  init(logKey: VerifierKey, first note: SignedNote) throws(AuditError) {
    self.logKey = logKey
    epochs = []
    try append(note)
  }

  /// Reads a keyring from outside.
  ///
  /// - Throws: ``AuditError/Code/malformed`` for any spelling but the one ``encoded`` has.
  public init(parsing bytes: [UInt8]) throws(AuditError) {
    guard bytes.count <= Self.maximumByteCount, bytes.last == 0x0a,
      bytes.allSatisfy({ $0 >= 0x20 || $0 == 0x0a }),
      String(validating: bytes, as: UTF8.self) != nil
    else { throw AuditError(.malformed, during: "parsing a keyring that is not plain text") }
    var lines = bytes.dropLast().split(separator: 0x0a, omittingEmptySubsequences: false)[...]
    func text(_ line: ArraySlice<UInt8>?) -> String {
      String(decoding: line ?? [], as: UTF8.self)
    }
    let (first, second) = (text(lines.popFirst()), text(lines.popFirst()))
    guard first == Self.header, second.hasPrefix("log "),
      let key = VerifierKey(String(second.dropFirst(4))), key.type == .ed25519
    else { throw AuditError(.malformed, during: "parsing a keyring's first lines") }
    logKey = key
    epochs = []
    repeat {
      guard lines.popFirst()?.isEmpty == true, epochs.count < Self.maximumEpochs else {
        throw AuditError(.malformed, during: "parsing a keyring between two epochs")
      }
      let body = lines.prefix { !$0.isEmpty }
      lines = lines.dropFirst(body.count)
      guard lines.popFirst() != nil else {
        throw AuditError(.malformed, during: "parsing a keyring that ends inside an epoch")
      }
      let tail = lines.prefix { !$0.isEmpty }
      lines = lines.dropFirst(tail.count)
      try append(
        SignedNote(
          parsing: Array(body.joined(separator: [0x0a])) + [0x0a, 0x0a]
            + Array(tail.joined(separator: [0x0a])) + [0x0a]))
    } while !lines.isEmpty
  }

  /// The published keyring with the epochs that only the journal knows yet; nil without any.
  ///
  /// - Parameters:
  ///   - published: the bytes of the keyring, if there is one.
  ///   - journal: epoch notes of the journal, in order; the first may be published already.
  ///   - logKey: the log's.
  /// - Returns: the keyring.
  /// - Throws: ``AuditError/Code/damaged`` or ``AuditError/Code/notAuthentic`` if the keyring is not
  ///   what was published; ``AuditError/Code/malformed`` if it is none.
  static func joined(
    published: [UInt8]?, journal: [SignedNote], logKey: VerifierKey
  ) throws(AuditError) -> Keyring? {
    var keyring = try published.map { bytes throws(AuditError) in try Keyring(parsing: bytes) }
    if let keyring, keyring.logKey != logKey || keyring.firstForged() != nil {
      throw AuditError(.notAuthentic, during: "checking the keyring")
    }
    for note in journal {
      let number = try Epoch(parsing: note.text).number
      if let known = keyring, number < known.epochs.count {
        guard known.epochs[Int(number)].note.text == note.text else {
          throw AuditError(.damaged, during: "comparing the keyring with the journal")
        }
      } else if keyring == nil {
        keyring = try Keyring(logKey: logKey, first: note)
      } else {
        try keyring?.append(note)
      }
    }
    return keyring
  }

  /// Adds the next epoch.
  ///
  /// - Throws: ``AuditError/Code/malformed`` if the note is not of the epoch that comes next, of
  ///   this log, with the lines it may have.
  mutating func append(_ note: SignedNote) throws(AuditError) {
    let last = epochs.last?.epoch
    let next = try EpochNote(note, logKey: logKey, predecessor: last)
    guard next.epoch.origin == logKey.name, next.epoch.number == Int64(epochs.count),
      next.epoch.firstSize > last?.firstSize ?? 0
    else { throw AuditError(.malformed, during: "adding an epoch that does not come next") }
    epochs.append(next)
  }

  public var encoded: [UInt8] {
    var bytes = Array("\(Self.header)\nlog \(logKey)\n".utf8)
    for epoch in epochs { bytes += [0x0a] + epoch.note.encoded }
    return bytes
  }

  /// The heads that an epoch's key may sign.
  public func window(of number: Int) -> ClosedRange<Int64> {
    let end = number + 1 < epochs.count ? epochs[number + 1].epoch.firstSize : .max
    return epochs[number].epoch.firstSize...end
  }

  /// The first epoch of which a line does not hold; nil if all do.
  func firstForged() -> Int? {
    for (number, epoch) in epochs.enumerated() {
      let predecessor = epoch.hasPredecessorLine ? epochs[number - 1].epoch.key : nil
      let keys = [logKey, predecessor, epoch.hasRootLine ? epoch.epoch.rootKey : nil]
        .compactMap(\.self)
      let holds = zip(keys, epoch.note.signatures).allSatisfy { key, line in
        key.verifies(line.bytes, over: epoch.note.text)
      }
      if !holds { return number }
    }
    return nil
  }

  /// Whether each epoch is vouched for by `root`, itself or through the epochs before.
  ///
  /// The lines must have been found to hold.
  public func certified(by root: VerifierKey) -> [Bool] {
    var certified: [Bool] = []
    for epoch in epochs {
      certified.append(
        epoch.hasRootLine && epoch.epoch.rootKey == root
          || epoch.hasPredecessorLine && certified.last == true)
    }
    return certified
  }

  /// Adds a line of the root that an epoch names; returns false if it has one, or the line is no
  /// such line of it.
  mutating func add(_ line: SignedNote.Signature, to number: Int) -> Bool {
    let epoch = epochs[number]
    guard !epoch.hasRootLine, line.name == epoch.epoch.rootKey.name,
      line.keyID == epoch.epoch.rootKey.keyID,
      epoch.epoch.rootKey.verifies(line.bytes, over: epoch.note.text),
      let signed = try? EpochNote(
        // Of this form the initialiser has taken it already, but for this line.
        SignedNote(text: epoch.note.text, signatures: epoch.note.signatures + [line]),
        logKey: logKey, predecessor: number > 0 ? epochs[number - 1].epoch : nil)
    else { return false }
    epochs[number] = signed
    return true
  }

  /// Adds the lines of the root that `other` has for the same texts; returns whether there were any.
  mutating func takeRootLines(of other: Keyring) -> Bool {
    var isChanged = false
    for (number, theirs) in other.epochs.enumerated()
    where theirs.hasRootLine && number < epochs.count && theirs.epoch == epochs[number].epoch {
      guard let line = theirs.note.signatures.last else { continue }
      if add(line, to: number) { isChanged = true }
    }
    return isChanged
  }

  /// The epochs for which `other` has a line of the root that is missing here.
  func lackingRootLine(of other: Keyring) -> [Epoch] {
    var signed = self
    guard signed.takeRootLines(of: other) else { return [] }
    return zip(epochs, signed.epochs).filter { !$0.hasRootLine && $1.hasRootLine }.map(\.0.epoch)
  }

  /// Signs the newest epoch with the root, unless the root has.
  ///
  /// - Returns: the epoch that was signed; nil if there was nothing to do.
  /// - Throws: ``AuditError/Code/mismatch`` if `root` is not the root that the epoch names.
  public mutating func certify(with root: borrowing NoteSigner) throws(AuditError) -> Epoch? {
    let last = epochs.count - 1
    guard epochs[last].epoch.rootKey == root.verifierKey else {
      throw AuditError(.mismatch, during: "signing an epoch that names another root")
    }
    guard let line = try root.sign(epochs[last].note.text).signatures.first,
      add(line, to: last)
    else { return nil }
    return epochs[last].epoch
  }
}
