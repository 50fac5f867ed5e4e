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
  private let store: any KeyRingStore
  private let state: Lock<RingState?>
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
  }

  private init(store: any KeyRingStore, state: RingState) {
    tenant = state.contents.tenant
    self.store = store
    self.state = Lock(state)
  }

  // MARK: making and opening

  /// Makes the keys of a new tenant and writes the ring.
  ///
  /// - Throws: ``VaultError/Code/conflict`` where a ring stands already; what custodian and store
  ///   throw.
  public static func create(
    tenant: Identifier, custodian: any KeyCustodian, store: any KeyRingStore, at now: Timestamp
  ) throws(VaultError) -> KeyRing {
    guard try store.read() == nil else {
      throw VaultError(
        .conflict, during: "making a key ring", detail: "a key ring is there already")
    }
    let record = try custodian.enrol()
    let root = SharedSecret(try custodian.root(for: record))
    let keys = try RingKeys(root: root, generation: 1)
    let kek = KeyEncryptionKey(
      tenant: tenant, id: .random(), epoch: 1, secret: SharedSecret(try freshKey()))
    var contents = RingContents(
      tenant: tenant, generation: 1, custodian: record, anchor: nil,
      keks: [try keys.seal(kek, created: now)], keys: [], tombstones: [])
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
    try write(try contents.sealed(by: keys), to: store)
    return try open(custodian: custodian, store: store)
  }

  /// Opens the ring with the custodian's root key.
  ///
  /// - Throws: ``VaultError/Code/notFound`` where there is no ring, ``VaultError/Code/sealed`` where
  ///   the root key is not to be had or another, ``VaultError/Code/tampered`` where the file was
  ///   changed.
  public static func open(
    custodian: any KeyCustodian, store: any KeyRingStore
  ) throws(VaultError) -> KeyRing {
    guard let bytes = try store.read() else {
      throw VaultError(.notFound, during: "opening the key ring", detail: "there is no key ring")
    }
    let unverified = try UnverifiedRing(parsing: bytes)
    let root = SharedSecret(try custodian.root(for: unverified.custodian))
    let keys = try RingKeys(root: root, generation: unverified.generation)
    let contents = try unverified.verified(by: keys)
    return KeyRing(store: store, state: try RingState(contents, root: root, keys: keys))
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
      tombstones: state.contents.tombstones.count)
  }

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
    return CallKey(call: call, id: id, wrapped: wrapped, tenant: tenant, secret: secret)
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

  private func open(
    _ record: WrapRecord, as use: WrapRecord.Use, ownedBy owner: Identifier
  ) throws(VaultError) -> SecretBytes {
    let state = try unsealed()
    guard !state.removed.contains(record.keyID) else {
      throw VaultError(.notFound, during: "unwrapping a key that was taken away")
    }
    guard let kek = state.keks.first(where: { $0.id == record.kekID }) else {
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

  /// Writes and reads back: a ring that cannot be read is worth nothing, and this is the last
  /// moment at which the keys are still in memory.
  private static func write(_ bytes: [UInt8], to store: any KeyRingStore) throws(VaultError) {
    try store.replace(with: bytes)
    guard try store.read() == bytes else {
      throw VaultError(.unavailable, during: "reading back the key ring")
    }
  }

  /// Writes a changed ring as the next generation, and only then lets it be used.
  func commit(_ state: inout RingState) throws(VaultError) {
    let generation = state.contents.generation + 1
    let keys = try RingKeys(root: state.root, generation: generation)
    state.contents.generation = generation
    state.contents.keks = try state.contents.resealed(state.keks, by: keys)
    try KeyRing.write(try state.contents.sealed(by: keys), to: store)
    let changed = state
    self.state.withLock { if $0 != nil { $0 = changed } }
  }
}
