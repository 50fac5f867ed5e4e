import Cryptography
public import Encoding
import Threading

/// Epochs of key-encryption keys: begun, and destroyed.
///
/// `Documentation/formats/keys.md`, sections 8 and 9.
extension KeyRing {
  /// Begins the next epoch: its key is durable and read back in every place when this returns, and
  /// wraps what is new from then on.
  ///
  /// The tenant's own keys are wrapped again in the same file; those of calls and subjects follow.
  ///
  /// - Throws: ``VaultError/Code/sealed``; ``VaultError/Code/unavailable`` where a place does not take
  ///   the ring: then the epoch that was goes on.
  public func beginEpoch(at now: Timestamp) throws(VaultError) -> Epoch {
    try changing.withLock { (_) throws(VaultError) -> Epoch in
      let old = try self.unsealed()
      guard old.newest.epoch < .max else {
        throw VaultError(.conflict, during: "counting epochs of keys")
      }
      let kek = KeyEncryptionKey(
        tenant: self.tenant, id: .random(), epoch: old.newest.epoch + 1,
        secret: SharedSecret(try KeyRing.freshKey()))
      let isConfined = try self.places.confines(old.contents.custodian)
      // Where confinement begins, an anchor that was there may be in a backup already.
      let isFresh = old.anchor == nil || isConfined && old.contents.confinedFrom == 0
      let anchor =
        try isFresh
        ? self.places.freshAnchor(for: self.tenant, isConfined: old.contents.confinedFrom > 0)
        : nil
      try self.rewrite(everywhere: true, anchor: anchor) {
        (contents, keys) throws(VaultError) in
        contents.keks.append(try keys.seal(kek, created: now))
        contents.keys = try contents.keys.map { (key) throws(VaultError) in
          guard let wrapping = old.keks.first(where: { $0.id == key.record.kekID }) else {
            throw UnverifiedRing.damaged
          }
          let secret = try key.record.open(
            as: key.record.use, ownedBy: self.tenant, under: wrapping)
          return RingContents.Key(
            record: try WrapRecord(
              secret, id: key.record.keyID, use: key.record.use, ownedBy: self.tenant,
              under: kek),
            created: key.created, label: key.label)
        }
        if !isConfined {
          contents.confinedFrom = 0
        } else if contents.confinedFrom == 0 {
          contents.confinedFrom = kek.epoch
        }
      }
      if let anchor { try self.places.destroyAnchors(but: anchor.id, of: self.tenant) }
      return Epoch(id: kek.id, number: kek.epoch, created: now)
    }
  }

  /// Takes keys away that must not come back with a backup; durable everywhere when this returns.
  ///
  /// - Throws: ``VaultError/Code/conflict`` where the ring holds no more tombstones: a ratchet makes
  ///   room.
  public func bury(
    _ keys: [Identifier], at now: Timestamp, everywhere: Bool = true
  ) throws(VaultError) {
    try changing.withLock { (_) throws(VaultError) in
      let there = try self.unsealed().removed
      let new = keys.filter { !there.contains($0) }
      guard !new.isEmpty else { return }
      try self.rewrite(everywhere: everywhere) { (contents, _) in
        contents.tombstones += new.map { RingContents.Tombstone(keyID: $0, removed: now) }
      }
    }
  }

  /// Refuses what the ring would have no room for, before anything has happened.
  ///
  /// - Throws: ``VaultError/Code/conflict``: a ratchet makes room.
  func checkRoom(forTombstones count: Int) throws(VaultError) {
    guard try unsealed().contents.tombstones.count + count <= UnverifiedRing.largestCount else {
      throw VaultError(
        .conflict, during: "taking keys away",
        detail: "the key ring is full; run callvault keys ratchet, which makes room")
    }
  }

  /// All keys that were taken away.
  func buried() throws(VaultError) -> [Identifier] {
    try unsealed().contents.tombstones.map(\.keyID)
  }

  /// - Throws: ``VaultError/Code/notFound`` where the key was taken away, ``VaultError/Code/sealed``.
  func checkAlive(_ key: Identifier) throws(VaultError) {
    guard try !unsealed().removed.contains(key) else {
      throw VaultError(.notFound, during: "reading under a key that was taken away")
    }
  }

  /// Whether a key-encryption key was destroyed by a ratchet.
  func isDestroyed(_ kek: Identifier) throws(VaultError) -> Bool {
    try unsealed().removed.contains(kek)
  }

  /// Destroys every epoch but the newest, everywhere: the ring is sealed anew without them, under a
  /// fresh anchor and, where the custodian has one, a new root; then what opened the old rings goes.
  ///
  /// Nothing may be wrapped by them any more; that is for the caller to have proved.
  ///
  /// - Parameters:
  ///   - erased: keys of calls whose tombstones are not needed any more.
  ///   - now: the date of the tombstones of the destroyed epochs.
  /// - Throws: ``VaultError/Code/unavailable``: before the new ring is everywhere nothing has
  ///   changed; after it ``settle()`` destroys what is left.
  func destroyOldEpochs(erased: [Identifier], at now: Timestamp) throws(VaultError) {
    try changing.withLock { (_) throws(VaultError) in
      let old = try self.unsealed()
      let newest = old.newest
      let keeps = try self.places.confines(old.contents.custodian)
      let anchor = try self.places.freshAnchor(
        for: self.tenant, isConfined: old.contents.confinedFrom > 0)
      var successor: (record: CustodianRecord, root: SharedSecret)?
      if let custodian = self.custodian,
        let record = try custodian.successor(of: old.contents.custodian)
      {
        successor = (record, SharedSecret(try custodian.root(for: record)))
      }
      let gone = old.keks.filter { $0.id != newest.id }.map(\.id)
      let erased = Set(erased)
      try self.rewrite(everywhere: true, anchor: anchor, successor: successor) {
        (contents, _) throws(VaultError) in
        guard contents.keys.allSatisfy({ $0.record.kekID == newest.id }) else {
          throw VaultError(
            .conflict, during: "destroying keys", detail: "a key of the ring still hangs on them")
        }
        contents.keks.removeAll { $0.id != newest.id }
        contents.tombstones.removeAll { erased.contains($0.keyID) }
        contents.tombstones += gone.map { RingContents.Tombstone(keyID: $0, removed: now) }
        // A root that stays and no anchor: what was sealed under it opens as before.
        if !keeps || anchor == nil && successor == nil { contents.confinedFrom = 0 }
      }
      try self.destroySuperseded()
    }
  }

  /// Why nothing that is destroyed now would be proven; nil where it would.
  ///
  /// - Throws: ``VaultError/Code/unavailable`` where an anchor's place does not answer.
  public func unprovenReason() throws(VaultError) -> String? {
    let contents = try unsealed().contents
    if contents.custodian.destruction != .file, places.anchors.isEmpty { return nil }
    if case .notProven(let why) = try places.confinement() { return why }
    return contents.confinedFrom == 0
      ? "the places of anchors are new: what is stored after the next rotation can be proven" : nil
  }

  /// Brings every place to the ring that is open, and destroys what opened older ones.
  ///
  /// Called at start and before a ratchet is called done: a crash between two steps of a change
  /// leaves places behind each other, or an old anchor beside the new one.
  ///
  /// - Returns: whether every place is as it must be; ``troubles`` says what is not.
  /// - Throws: ``VaultError/Code/sealed``.
  @discardableResult
  public func settle() throws(VaultError) -> Bool {
    try changing.withLock { (_) throws(VaultError) -> Bool in
      let state = try self.unsealed()
      let keys = try RingKeys(
        root: state.root, anchor: state.anchor, generation: state.contents.generation)
      let bytes = try state.contents.sealed(by: keys)
      var troubles: [KeyPlaceTrouble] = []
      for (number, store) in self.places.rings.enumerated() {
        do throws(VaultError) {
          try self.mend(store, to: bytes, state.contents.generation)
        } catch {
          troubles.append(self.places.ringTrouble(number, error))
        }
      }
      let isWhole = troubles.isEmpty
      if let anchor = state.anchor {
        for place in self.places.anchors {
          do throws(VaultError) {
            guard try !self.holds(anchor, place, mendingDamage: isWhole) else { continue }
            if state.contents.confinedFrom > 0 { try self.places.checkMounted(place) }
            try self.places.keep(anchor, in: place)
          } catch {
            troubles.append(KeyPlaceTrouble(place: "anchor \(place.name)", error: error))
          }
        }
      }
      // A copy that is out of reach may be the only other one: nothing it needs is destroyed.
      if isWhole, troubles.isEmpty {
        do throws(VaultError) {
          try self.destroySuperseded()
        } catch {
          troubles.append(KeyPlaceTrouble(place: "anchors", error: error))
        }
      }
      self.places.note(troubles)
      return troubles.isEmpty
    }
  }

  /// Reads every place, and mends what can be: a volume that was away is brought up when it is back.
  ///
  /// Called now and then while the ring is open; where all is as it should be nothing is written.
  ///
  /// - Returns: whether every place is as it must be; ``troubles`` says what is not.
  /// - Throws: ``VaultError/Code/sealed``.
  @discardableResult
  public func lookAtPlaces() throws(VaultError) -> Bool {
    let state = try unsealed()
    let bytes = try state.contents.sealed(
      by: RingKeys(
        root: state.root, anchor: state.anchor, generation: state.contents.generation))
    var (found, troubles) = places.read()
    for (number, there) in found.enumerated() {
      guard let there, there != bytes else { continue }
      troubles.append(
        places.ringTrouble(
          number,
          VaultError(
            .tampered, during: "looking at the places of keys", detail: "another ring lies there")))
    }
    if let anchor = state.anchor {
      troubles += places.candidates(anchor.id, of: tenant).troubles
    }
    guard troubles.isEmpty else {
      // Also where a change came in between: that is settled then.
      return try settle()
    }
    places.note([])
    return true
  }

  /// Whether a place has the anchor; a damaged one goes, so that it can be kept there again.
  private func holds(
    _ anchor: RingAnchor, _ place: any RingAnchorStore, mendingDamage: Bool
  ) throws(VaultError) -> Bool {
    do throws(VaultError) {
      return try place.anchor(anchor.id, of: tenant) != nil
    } catch {
      guard error.code == .tampered, mendingDamage else { throw error }
      try place.destroyAll(but: nil, of: tenant)
      return false
    }
  }

  /// Destroys every anchor and root but those of the ring that is open.
  private func destroySuperseded() throws(VaultError) {
    let state = try unsealed()
    try places.destroyAnchors(but: state.anchor?.id, of: tenant)
    try custodian?.destroyAll(but: state.contents.custodian)
  }

  /// Replaces an older or damaged copy; a newer one stays, because it may hold keys that this lacks.
  private func mend(
    _ store: any KeyRingStore, to bytes: [UInt8], _ generation: UInt64
  ) throws(VaultError) {
    if let there = try store.read() {
      if there == bytes { return }
      let found: UnverifiedRing?
      do throws(VaultError) {
        found = try UnverifiedRing(parsing: there)
      } catch {
        // Damaged: what is open replaces it.
        found = nil
      }
      if let found, found.tenant != tenant || found.generation > generation {
        throw VaultError(
          .tampered, during: "comparing copies of the key ring",
          detail: "a copy is another practice's, or newer than the ring that opens")
      }
    }
    try store.replace(with: bytes)
    guard try store.read() == bytes else {
      throw VaultError(.unavailable, during: "reading back the key ring")
    }
  }
}
