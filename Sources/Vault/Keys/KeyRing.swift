public import Audit
public import Cryptography
public import Encoding
import Threading

/// The tenant's keys, unsealed: everything that turns a wrapped key into a key passes here.
///
/// `Documentation/formats/keys.md`. A key of a call is unwrapped only against the receipt of the
/// entry that says who asked for which part; the call key itself never leaves.
///
/// Lookups do not block; a change of the ring (a month's new opening key) waits for the disk.
public final class KeyRing: Sendable {
  /// Openings live as long as the log: ten years.
  static let openingYears = 10

  public let tenant: Identifier
  let places: KeyPlaces
  // Only one that destroys roots: a passphrase is not kept for as long as the ring is open.
  let custodian: (any KeyCustodian)?
  let state: Lock<RingState?>
  // Held while the file is replaced, so that two changes do not start from one generation.
  let changing = Lock(())

  /// What the ring says of itself, for people and for `key.*` entries; nothing secret.
  public struct Facts: Sendable {
    public let tenant: Identifier
    public let generation: UInt64
    public let custodian: CustodianRecord
    /// The newest key-encryption key.
    public let kekID: Identifier
    public let epoch: UInt32
    public let tombstones: Int
    /// Which anchor is mixed in; nil: none.
    public let anchor: Identifier?
    /// The first epoch whose keys no backup can have kept; 0: none.
    public let confinedFrom: UInt32
    /// All key-encryption keys that are alive, oldest first.
    public let epochs: [Epoch]
    /// How many of the ring's own keys (index, openings by month, the log's seed) hang on each.
    public let ringKeys: [Identifier: Int]
  }

  /// One key-encryption key.
  public struct Epoch: Hashable, Sendable {
    public let id: Identifier
    /// From 1; the newest wraps what is new.
    public let number: UInt32
    public let created: Timestamp
  }

  private init(_ state: RingState, places: KeyPlaces, custodian: any KeyCustodian) {
    tenant = state.contents.tenant
    self.places = places
    self.custodian = state.contents.custodian.destruction == .file ? nil : custodian
    self.state = Lock(state)
  }

  // MARK: making and opening

  /// Makes the keys of a new tenant and writes the ring.
  ///
  /// - Parameters:
  ///   - tenant: whose keys.
  ///   - custodian: keeps the root key.
  ///   - store: where the ring lies.
  ///   - copies: where else it lies.
  ///   - anchors: where its anchor lies; with none, no erasure is ever proven.
  ///   - now: the keys' date.
  /// - Returns: the ring, open.
  /// - Throws: ``VaultError/Code/conflict`` where a ring stands already; what custodian and store
  ///   throw.
  public static func create(
    tenant: Identifier, custodian: any KeyCustodian, store: any KeyRingStore,
    copies: [any KeyRingStore] = [], anchors: [any RingAnchorStore] = [], at now: Timestamp
  ) throws(VaultError) -> KeyRing {
    let places = KeyPlaces(store, copies: copies, anchors: anchors)
    for place in places.rings {
      guard try place.read() == nil else {
        throw VaultError(
          .conflict, during: "making a key ring", detail: "a key ring is there already")
      }
    }
    let record = try custodian.enrol()
    let root = SharedSecret(try custodian.root(for: record))
    let anchor = try places.freshAnchor(for: tenant, isConfined: false)
    let isConfined = try places.confines(record)
    let keys = try RingKeys(root: root, anchor: anchor, generation: 1)
    let kek = KeyEncryptionKey(
      tenant: tenant, id: .random(), epoch: 1, secret: SharedSecret(try freshKey()))
    var contents = RingContents(
      tenant: tenant, generation: 1, custodian: record, anchor: anchor?.id,
      confinedFrom: isConfined ? 1 : 0, keks: [try keys.seal(kek, created: now)], keys: [],
      tombstones: [])
    for use in [WrapRecord.Use.index, .signingSeed] {
      contents.keys.append(
        RingContents.Key(
          record: try WrapRecord(
            try freshKey(), id: .random(), use: use, ownedBy: tenant, under: kek),
          created: now, label: ""))
    }
    contents.keys.append(
      RingContents.Key(
        record: try WrapRecord(
          try freshKey(), id: .random(), use: .opening, ownedBy: tenant, under: kek),
        created: now, label: try expiryMonth(of: now)))
    try places.write(try contents.sealed(by: keys), everywhere: true)
    return try open(custodian: custodian, store: store, copies: copies, anchors: anchors)
  }

  /// Opens the ring with the custodian's root key: the newest generation, from whichever place it opens.
  ///
  /// Nothing is written; ``settle()`` mends places that are behind.
  ///
  /// - Throws: ``VaultError/Code/notFound`` where there is no ring, ``VaultError/Code/sealed`` where
  ///   the root key or the anchor is not to be had or another, ``VaultError/Code/tampered`` where the
  ///   file was changed.
  public static func open(
    custodian: any KeyCustodian, store: any KeyRingStore, copies: [any KeyRingStore] = [],
    anchors: [any RingAnchorStore] = []
  ) throws(VaultError) -> KeyRing {
    let places = KeyPlaces(store, copies: copies, anchors: anchors)
    return KeyRing(
      try read(places, custodian: custodian), places: places, custodian: custodian)
  }

  /// The newest ring that opens, from wherever it lies.
  ///
  /// - Throws: as ``open(custodian:store:copies:anchors:)``.
  static func read(
    _ places: KeyPlaces, custodian: any KeyCustodian
  ) throws(VaultError) -> RingState {
    let (found, unread) = places.read()
    var troubles = unread
    var failure = troubles.first?.error
    var rings: [UnverifiedRing] = []
    for (number, bytes) in found.enumerated() {
      guard let bytes else { continue }
      do throws(VaultError) {
        rings.append(try UnverifiedRing(parsing: bytes))
      } catch {
        failure = failure ?? error
        troubles.append(places.ringTrouble(number, error))
      }
    }
    var roots: [(record: CustodianRecord, root: SharedSecret)] = []
    // Never an older one: the newest may hold keys that it lacks, and the next change would replace it.
    let newest = rings.map(\.generation).max()
    for ring in rings where ring.generation == newest {
      do throws(VaultError) {
        let root: SharedSecret
        if let known = roots.first(where: { $0.record == ring.custodian }) {
          root = known.root
        } else {
          root = SharedSecret(try custodian.root(for: ring.custodian))
          roots.append((ring.custodian, root))
        }
        let state = try open(ring, root: root, places: places, &troubles)
        places.note(troubles)
        return state
      } catch {
        // What the newest says is what the operator must mend.
        failure = failure.map { $0.code == .tampered ? error : $0 } ?? error
        troubles.append(
          KeyPlaceTrouble(place: "ring of generation \(ring.generation)", error: error))
      }
    }
    throw failure
      ?? VaultError(.notFound, during: "opening the key ring", detail: "there is no key ring")
  }

  private static func open(
    _ ring: UnverifiedRing, root: SharedSecret, places: KeyPlaces,
    _ troubles: inout [KeyPlaceTrouble]
  ) throws(VaultError) -> RingState {
    guard let id = ring.anchor else {
      let keys = try RingKeys(root: root, generation: ring.generation)
      return try RingState(try ring.verified(by: keys), root: root, keys: keys)
    }
    let (anchors, missing) = places.candidates(id, of: ring.tenant)
    troubles += missing
    var failure: VaultError?
    for anchor in anchors {
      do throws(VaultError) {
        let keys = try RingKeys(root: root, anchor: anchor, generation: ring.generation)
        return try RingState(
          try ring.verified(by: keys), root: root, anchor: anchor, keys: keys)
      } catch {
        failure = error
      }
    }
    throw failure
      ?? VaultError(
        .sealed, during: "opening the key ring",
        detail: "no configured place holds the anchor of this key ring; mount the volumes of "
          + "`anchors` in callvault.yaml (a ring from a backup has lost its anchor for ever)")
  }

  /// Forgets every key: from now on content answers ``VaultError/Code/sealed``.
  public func seal() {
    state.withLock { $0 = nil }
  }

  public var isSealed: Bool {
    state.withLock { $0 == nil }
  }

  /// - Throws: ``VaultError/Code/sealed``.
  public func facts() throws(VaultError) -> Facts {
    let state = try unsealed()
    return Facts(
      tenant: tenant, generation: state.contents.generation, custodian: state.contents.custodian,
      kekID: state.newest.id, epoch: state.newest.epoch,
      tombstones: state.contents.tombstones.count, anchor: state.anchor?.id,
      confinedFrom: state.contents.confinedFrom,
      epochs: state.contents.keks.map { Epoch(id: $0.id, number: $0.epoch, created: $0.created) }
        .sorted { $0.number < $1.number },
      ringKeys: state.contents.keys.reduce(into: [:]) { $0[$1.record.kekID, default: 0] += 1 })
  }

  /// What is wrong with the places of ring and anchor, as last seen.
  public var troubles: [KeyPlaceTrouble] { places.troubles }

  // MARK: calls

  /// Makes the key of a new call; the caller stores ``CallKey/wrapped`` before anything is sealed.
  ///
  /// - Throws: ``VaultError/Code/sealed``; ``VaultError/Code/unavailable``.
  public func createCallKey(for call: Identifier) throws(VaultError) -> CallKey {
    let state = try unsealed()
    let secret = try KeyRing.freshKey()
    let id = Identifier.random()
    let wrapped = try WrapRecord(
      secret, id: id, use: .call, ownedBy: call, under: state.newest)
    return CallKey(
      call: call, id: id, wrapped: wrapped, epoch: state.newest.epoch, tenant: tenant,
      secret: secret)
  }

  /// Unwraps a call's key and derives the key of one part from it, against the receipt of the entry
  /// that records the attempt.
  ///
  /// - Throws: ``VaultError/Code/denied`` unless the entry says that `principal` does `operation` to
  ///   this part of this call, and the operation is one that touches such a part;
  ///   ``VaultError/Code/tampered`` where the record is another call's or was changed;
  ///   ``VaultError/Code/sealed``.
  public func partKey(
    at address: PartAddress, wrapped: [UInt8], spending receipt: consuming Receipt,
    for operation: Action, by principal: Identifier
  ) throws(VaultError) -> PartKey {
    let spent: SpentReceipt
    do throws(AuditError) {
      spent = try receipt.spend(for: operation, by: principal)
    } catch {
      throw VaultError(.denied, during: "spending a receipt on a key", cause: error)
    }
    return try partKey(at: address, wrapped: wrapped, under: spent)
  }

  /// The same for one of the up to 100 calls that a spent receipt names: a page of a search.
  ///
  /// - Throws: as ``partKey(at:wrapped:spending:for:by:)``.
  public func partKey(
    at address: PartAddress, wrapped: [UInt8], under spent: borrowing SpentReceipt
  ) throws(VaultError) -> PartKey {
    guard address.tenant == tenant, address.part.isTouched(by: spent.operation) else {
      throw VaultError(.denied, during: "spending a receipt on a key")
    }
    do throws(AuditError) {
      try spent.check(address.call, part: address.part.description)
    } catch {
      throw VaultError(.denied, during: "spending a receipt on a key", cause: error)
    }
    let record = try WrapRecord(parsing: wrapped)
    let secret = try open(record, as: .call, ownedBy: address.call)
    return try PartKey(
      derivedFrom: secret, id: record.keyID, at: address,
      mayLeave: spent.operation.givesKeysAway)
  }

  /// The key of one part, for ``KeyBatch``, which lends it to nobody.
  func batchKey(
    at address: PartAddress, wrapped: [UInt8]
  ) throws(VaultError) -> PartKey {
    let record = try WrapRecord(parsing: wrapped)
    let secret = try open(record, as: .call, ownedBy: address.call)
    return try PartKey(derivedFrom: secret, id: record.keyID, at: address, mayLeave: false)
  }

  // MARK: subjects

  /// Makes the key of a new subject's tags, and its record for the catalog.
  ///
  /// - Throws: ``VaultError/Code/sealed``; ``VaultError/Code/unavailable``.
  public func createSubjectKey(
    for subject: Identifier
  ) throws(VaultError) -> (key: SubjectKey, wrapped: WrapRecord) {
    let state = try unsealed()
    let secret = try KeyRing.freshKey()
    let wrapped = try WrapRecord(
      secret, id: .random(), use: .subject, ownedBy: subject, under: state.newest)
    return (SubjectKey(id: subject, key: SharedSecret(secret)), wrapped)
  }

  /// The key of a subject's tags.
  ///
  /// It opens no content, so it needs no receipt: the entry that a receipt is of carries the tag
  /// already.
  ///
  /// - Throws: ``VaultError/Code/tampered`` where the record is another subject's or was changed;
  ///   ``VaultError/Code/sealed``.
  public func subjectKey(_ row: SubjectRow) throws(VaultError) -> SubjectKey {
    let record = try WrapRecord(parsing: row.wrappedKey)
    return SubjectKey(
      id: row.id, alias: row.alias,
      key: SharedSecret(try open(record, as: .subject, ownedBy: row.id)))
  }

  /// The keys of whom an entry about a call is about: the call, and its patient if one is known.
  ///
  /// - Throws: as ``subjectKey(_:)``.
  func subjectKeys(of call: CallRow) throws(VaultError) -> [SubjectKey] {
    var keys = [try subjectKey(call.subject)]
    if let patient = call.patient { keys.append(try subjectKey(patient)) }
    return keys
  }

  // MARK: the log

  /// The seed of the log's signing key, for the log and nobody else.
  ///
  /// - Throws: ``VaultError/Code/sealed``.
  public func logSigningSeed() throws(VaultError) -> SecretBytes {
    let seed = try unsealed().signingSeed
    do throws(CryptographyError) {
      return try seed.duplicate()
    } catch {
      throw VaultError(.unavailable, during: "lending the log's signing seed", cause: error)
    }
  }

  /// Seals the seed of an epoch's key, for the place where it lies.
  ///
  /// - Throws: ``VaultError/Code/sealed``; ``VaultError/Code/unavailable``.
  public func seal(epochSeed seed: borrowing SecretBytes) throws(VaultError) -> WrapRecord {
    let state = try unsealed()
    return try WrapRecord(
      seed, id: .random(), use: .signingSeed, ownedBy: tenant, under: state.newest)
  }

  /// Opens what ``seal(epochSeed:)`` sealed.
  ///
  /// - Throws: ``VaultError/Code/tampered`` if the record was changed or is of another ring;
  ///   ``VaultError/Code/sealed``.
  public func epochSeed(_ record: WrapRecord) throws(VaultError) -> SecretBytes {
    try open(record, as: .signingSeed, ownedBy: tenant)
  }

  // MARK: inside

  func unsealed() throws(VaultError) -> RingState {
    guard let state = state.withLock({ $0 }) else {
      throw VaultError(.sealed, during: "looking for a key")
    }
    return state
  }

  /// Whether a key of the catalog opens.
  func opens(_ row: WrappedKeyRow) -> Bool {
    do throws(VaultError) {
      _ = try open(WrapRecord(parsing: row.record), as: row.use, ownedBy: row.id)
      return true
    } catch {
      // That it does not is the answer.
      return false
    }
  }

  private func open(
    _ record: WrapRecord, as use: WrapRecord.Use, ownedBy owner: Identifier
  ) throws(VaultError) -> SecretBytes {
    let state = try unsealed()
    guard !state.removed.contains(record.keyID) else {
      throw VaultError(.notFound, during: "unwrapping a key that was taken away")
    }
    guard let kek = state.keks.first(where: { $0.id == record.kekID }) else {
      guard !state.removed.contains(record.kekID) else {
        // Read before a ratchet, and used after it: the row has another record now.
        throw VaultError(
          .unavailable, during: "unwrapping a key of a destroyed epoch",
          detail: "the keys are being changed; try again")
      }
      throw VaultError(.tampered, during: "unwrapping a key of an unknown epoch")
    }
    return try record.open(as: use, ownedBy: owner, under: kek)
  }

  static func freshKey() throws(VaultError) -> SecretBytes {
    do throws(CryptographyError) {
      return try SecretBytes.random(count: 32)
    } catch {
      throw VaultError(.unavailable, during: "making a key", cause: error)
    }
  }

  /// Writes a changed ring as the next generation, and only then lets it be used.
  ///
  /// Whoever calls holds ``changing``.
  ///
  /// - Parameters:
  ///   - everywhere: whether every place must have it.
  ///   - fresh: what is mixed in from now on; nil: what was.
  ///   - successor: the custodian's new root, where it has one.
  ///   - change: what is changed; gets the keys of the new generation.
  /// - Throws: ``VaultError/Code/conflict`` where the file would be longer than any ring may be; what
  ///   stores throw: then what was goes on.
  func rewrite(
    everywhere: Bool, anchor fresh: RingAnchor? = nil,
    successor: (record: CustodianRecord, root: SharedSecret)? = nil,
    _ change: (inout RingContents, RingKeys) throws(VaultError) -> Void
  ) throws(VaultError) {
    let old = try unsealed()
    let anchor = fresh ?? old.anchor
    let root = successor?.root ?? old.root
    var contents = old.contents
    contents.version = 2
    contents.generation += 1
    contents.anchor = anchor?.id
    if let successor { contents.custodian = successor.record }
    let keys = try RingKeys(root: root, anchor: anchor, generation: contents.generation)
    contents.keks = try contents.resealed(old.keks, by: keys)
    try change(&contents, keys)
    let limit = UnverifiedRing.largestCount
    guard contents.keks.count <= limit, contents.keys.count <= limit,
      contents.tombstones.count <= limit
    else {
      throw VaultError(
        .conflict, during: "changing the key ring",
        detail: "the key ring is full; run callvault keys ratchet, which makes room")
    }
    let changed = try RingState(contents, root: root, anchor: anchor, keys: keys)
    do throws(VaultError) {
      try places.write(try contents.sealed(by: keys), everywhere: everywhere)
    } catch {
      places.putBack(
        try old.contents.sealed(
          by: RingKeys(root: old.root, anchor: old.anchor, generation: old.contents.generation)))
      throw error
    }
    state.withLock { if $0 != nil { $0 = changed } }
  }
}
