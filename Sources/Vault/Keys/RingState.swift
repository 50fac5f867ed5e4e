import Cryptography
import Encoding

/// A ring's keys, alive in memory.
struct RingState: Sendable {
  struct LiveKey: Sendable {
    let id: Identifier
    let secret: SharedSecret
  }

  let contents: RingContents
  let root: SharedSecret
  /// What is mixed into the ring key; nil: nothing yet.
  let anchor: RingAnchor?
  let keks: [KeyEncryptionKey]
  /// The newest epoch wraps what is new.
  let newest: KeyEncryptionKey
  /// In the order in which they were made.
  let indexKeys: [LiveKey]
  let signingSeed: SharedSecret
  /// Keys that were taken away and must not come back with a backup.
  let removed: Set<Identifier>
  private let openingKeys: [Identifier: LiveKey]
  private let openingKeyByMonth: [String: Identifier]

  /// Unwraps the tenant's keys.
  ///
  /// - Throws: ``VaultError/Code/tampered`` where a key does not open, or one that must be there is
  ///   not.
  init(
    _ contents: RingContents, root: SharedSecret, anchor: RingAnchor? = nil, keys: RingKeys
  ) throws(VaultError) {
    var keks: [KeyEncryptionKey] = []
    for kek in contents.keks {
      keks.append(try keys.open(kek, tenant: contents.tenant))
    }
    guard let newest = keks.max(by: { $0.epoch < $1.epoch }) else { throw UnverifiedRing.damaged }
    var indexKeys: [LiveKey] = []
    var openingKeys: [Identifier: LiveKey] = [:]
    var openingKeyByMonth: [String: Identifier] = [:]
    var seed: SharedSecret?
    for key in contents.keys {
      guard let kek = keks.first(where: { $0.id == key.record.kekID }) else {
        throw UnverifiedRing.damaged
      }
      let secret = SharedSecret(
        try key.record.open(as: key.record.use, ownedBy: contents.tenant, under: kek))
      let live = LiveKey(id: key.record.keyID, secret: secret)
      switch key.record.use {
      case .index: indexKeys.append(live)
      case .opening:
        openingKeys[live.id] = live
        openingKeyByMonth[key.label] = live.id
      case .signingSeed: seed = secret
      case .call, .subject: throw UnverifiedRing.damaged
      }
    }
    guard let seed, !indexKeys.isEmpty else { throw UnverifiedRing.damaged }
    self.contents = contents
    removed = Set(contents.tombstones.map(\.keyID))
    self.indexKeys = indexKeys
    self.openingKeys = openingKeys
    self.openingKeyByMonth = openingKeyByMonth
    self.root = root
    self.anchor = anchor
    self.keks = keks
    self.newest = newest
    signingSeed = seed
  }

  func openingKey(_ id: Identifier) -> LiveKey? { openingKeys[id] }

  func openingKey(expiring month: String) -> LiveKey? {
    openingKeyByMonth[month].flatMap { openingKeys[$0] }
  }
}

extension RingContents {
  /// Key-encryption keys sealed again for another generation, with the dates they had.
  func resealed(
    _ live: [KeyEncryptionKey], by keys: RingKeys
  ) throws(VaultError) -> [SealedKEK] {
    var sealed: [SealedKEK] = []
    for kek in live {
      let created = keks.first { $0.id == kek.id }?.created ?? Timestamp(milliseconds: 0)
      sealed.append(try keys.seal(kek, created: created))
    }
    return sealed
  }
}
