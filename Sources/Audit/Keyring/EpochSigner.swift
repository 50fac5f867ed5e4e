import Cryptography

/// Signs heads as one epoch's key; wiped when nobody holds it any more.
final class EpochSigner: Sendable {
  let number: Int64
  /// When the key was made, in milliseconds since 1970.
  let made: Int64
  private let signer: NoteSigner

  /// - Throws: ``AuditError/Code/invalidDraft`` if the seed is none.
  init(_ key: EpochKey, origin: String) throws(AuditError) {
    number = key.number
    made = key.made
    signer = try key.seed.withSecret { seed throws(AuditError) in
      try NoteSigner(name: Epoch.name(of: key.number, in: origin), seed: seed)
    }
  }

  var verifierKey: VerifierKey { signer.verifierKey }

  func lines(over text: [UInt8]) throws(AuditError) -> [SignedNote.Signature] {
    try signer.sign(text).signatures
  }
}

/// Which epoch signs now, which one next, and the keyring that lists them.
///
/// A value without time or storage: what becomes of it is true when the append that introduces the
/// next epoch is durable. Specified in `Documentation/formats/keyring.md`.
struct EpochSuccession {
  /// Nil before the first epoch.
  private(set) var keyring: Keyring?
  /// Nil where its key was lost: only the next can sign.
  private(set) var live: EpochSigner?
  /// Waits for the append that introduces it, with the root that it is under.
  private(set) var next: (signer: EpochSigner, root: VerifierKey)?

  init(keyring: Keyring?, live: EpochSigner?) {
    self.keyring = keyring
    self.live = live
  }

  var nextNumber: Int64 { Int64(keyring?.epochs.count ?? 0) }

  mutating func prepare(_ signer: EpochSigner, under root: VerifierKey) {
    precondition(signer.number == nextNumber, "epochs have no gap")
    next = (signer, root)
  }

  /// Makes the note of the next epoch.
  ///
  /// - Parameters:
  ///   - edge: the tree of all entries before the one that will introduce it.
  ///   - logSigner: signs every epoch.
  /// - Returns: nil if none waits.
  /// - Throws: ``AuditError/Code/unavailable`` if the library fails.
  func introduction(
    after edge: TreeEdge, logSigner: borrowing NoteSigner
  ) throws(AuditError) -> SignedNote? {
    guard let next else { return nil }
    guard
      let epoch = Epoch(
        origin: logSigner.verifierKey.name, number: next.signer.number,
        key: next.signer.verifierKey, firstSize: edge.size + 1, tree: edge.root,
        rootKey: next.root)
    else { throw AuditError(.invalidDraft, during: "naming an epoch") }
    var lines = try logSigner.sign(epoch.text).signatures
    if let live { lines += try live.lines(over: epoch.text) }
    return SignedNote(text: epoch.text, signatures: lines)
  }

  /// Who signs the head that introduces the next epoch, or any other.
  func signers(introducing: Bool) -> [EpochSigner] {
    [live, introducing ? next?.signer : nil].compactMap(\.self)
  }

  /// The next epoch is the live one from now on: its introduction is durable.
  mutating func succeed(by note: SignedNote, logKey: VerifierKey) throws(AuditError) {
    if keyring == nil {
      keyring = try Keyring(logKey: logKey, first: note)
    } else {
      try keyring?.append(note)
    }
    live = next?.signer
    next = nil
  }

  /// Takes lines of the root; returns whether there were new ones.
  mutating func takeRootLines(of other: Keyring) -> Bool {
    keyring?.takeRootLines(of: other) ?? false
  }

  /// Whether the root that the live epoch names vouches for it; nil without epochs.
  var isCertified: Bool? {
    guard let keyring, let root = keyring.epochs.last?.epoch.rootKey else { return nil }
    return keyring.certified(by: root).last
  }
}

extension EpochSuccession {
  /// Takes up what is stored: the published keyring, and epochs that only the journal knows yet.
  ///
  /// - Parameters:
  ///   - published: the bytes of the keyring, if there is one.
  ///   - journal: epoch notes of the journal, in order; the first may be published already.
  ///   - lastNote: the newest published head.
  ///   - logKey: the log's.
  ///   - keys: where the private keys lie.
  /// - Throws: ``AuditError/Code/damaged`` or ``AuditError/Code/notAuthentic`` if the keyring is not
  ///   what was published; ``AuditError/Code/unavailable`` if a key cannot be read.
  init(
    published: [UInt8]?, journal: [SignedNote], lastNote: [UInt8]?, logKey: VerifierKey,
    keys: any EpochKeys
  ) async throws(AuditError) {
    let keyring = try Keyring.joined(published: published, journal: journal, logKey: logKey)
    if let lastNote {
      let head = try LogHead(parsing: lastNote, key: logKey)
      let signers = HeadSigners(key: logKey, keyring: keyring.map { .usable($0) } ?? .absent)
      guard signers.objection(to: head) == nil else {
        throw AuditError(.damaged, during: "comparing the keyring with the newest head")
      }
    }
    var live: EpochSigner?
    if let last = keyring?.epochs.last?.epoch {
      do {
        if let key = try await keys.key(of: last.number) {
          let signer = try EpochSigner(key, origin: last.origin)
          if signer.verifierKey == last.key { live = signer }
        }
      } catch {
        throw AuditError(.unavailable, during: "unsealing the epoch's key", cause: error)
      }
    }
    self.init(keyring: keyring, live: live)
  }
}
