import Audit
import Cryptography
import Encoding
import Threading

/// The ratchet: what was purged becomes erased, because the keys it hung on die everywhere.
///
/// `Documentation/formats/keys.md`, section 9.
extension Vault {
  /// Begins a ratchet in the background.
  ///
  /// - Parameter caller: needs ``Right/manageKeys``.
  /// - Returns: the run, which ``keyStatus(as:)`` tells of.
  /// - Throws: ``VaultError/Code/conflict`` while another run goes on.
  public func startRatchet(as caller: Caller) async throws(VaultError) -> KeyRun {
    var draft = draft(.keyDestroy, .single, by: caller)
    return try await checked(&draft) { _ throws(VaultError) in
      try self.allow(.manageKeys, caller)
      return try self.keyWork.withLock { (work: inout KeyWork) throws(VaultError) -> KeyRun in
        try work.begin(.ratchet, by: caller.actor, at: self.now)
      }
    }
  }

  /// Begins a ratchet when the last one is `interval` ago; the service calls this now and then.
  ///
  /// - Returns: whether one was begun.
  public func startRatchet(every interval: Duration) async throws(VaultError) -> Bool {
    guard clock.read().state != .stepped, !keys.isSealed else { return false }
    var last = try await lastRatchet()
    if last == nil { last = try keys.facts().epochs.last?.created }
    let elapsed = now.milliseconds - (last?.milliseconds ?? 0)
    guard Duration.milliseconds(elapsed) >= interval else { return false }
    return try beginRatchet()
  }

  /// When the last ratchet began; nil: none did.
  func lastRatchet() async throws(VaultError) -> Timestamp? {
    try await timeFact(.ratchet)
  }

  /// A fact that is a time, in decimal milliseconds since 1970; nil: it never was.
  func timeFact(_ name: CatalogFact) async throws(VaultError) -> Timestamp? {
    guard let fact = try await catalog.fact(name) else { return nil }
    guard let time = Int64(String(decoding: fact, as: UTF8.self)) else {
      throw VaultError(
        .tampered, during: "reading when something was done last", detail: name.rawValue)
    }
    return Timestamp(milliseconds: time)
  }

  /// Begins one by itself, unless another run goes on.
  func beginRatchet() throws(VaultError) -> Bool {
    do throws(VaultError) {
      _ = try keyWork.withLock { (work: inout KeyWork) throws(VaultError) -> KeyRun in
        try work.begin(.ratchet, by: self.systemActor, at: self.now)
      }
      return true
    } catch {
      // Another run goes on; the next look comes.
      guard error.code == .conflict else { throw error }
      return false
    }
  }

  /// Carries a ratchet out, and says in the run how it ended.
  func carryOutRatchet(run: Identifier, by actor: Actor) async {
    do throws(VaultError) {
      let erasure = try await ratchet(run: run, by: actor)
      keyWork.withLock { $0.end(run, .done(erasure.sentence)) }
    } catch {
      let why = error.detail ?? "\(error)"
      keyWork.withLock { $0.end(run, .failed("nothing was destroyed: \(why)")) }
      upkeepFailures.withLock { [error] in $0[.ratchet] = error }
      return
    }
    upkeepFailures.withLock { $0[.ratchet] = nil }
  }

  /// Begins an epoch, brings the survivors over, proves that nothing hangs on older ones, and destroys
  /// those everywhere.
  ///
  /// A crash at any step loses nothing: until the new ring is everywhere the old keys live, and after
  /// it nothing needs them; the next start or the next ratchet goes on.
  ///
  /// - Returns: what was destroyed, and what that proves.
  /// - Throws: ``VaultError/Code/conflict`` when a live key still hangs on an old epoch,
  ///   ``VaultError/Code/held`` when a hold came after a purge, ``VaultError/Code/unavailable`` when a
  ///   place of the ring or its anchor is out of reach.
  @discardableResult
  func ratchet(run: Identifier, by actor: Actor) async throws(VaultError) -> Erasure {
    // Places first: before anything dies all of them are read.
    guard try keys.settle() else {
      let trouble = keys.troubles.first
      throw VaultError(
        .unavailable, during: "looking at the places of keys",
        detail: (trouble.map { "\($0.place): \($0.error.detail ?? "\($0.error)")" })
          ?? "a place does not answer", cause: trouble?.error)
    }
    // Of one that was interrupted after its keys were gone.
    _ = try await finishRatchet(by: actor, closing: nil)
    try await checkHolds()
    var rotation = EntryDraft(.keyRotate, .intent, by: actor, on: [configuration.tenant])
    rotation.policy = policy.hash
    let epoch = try await beginEpoch(rotation, run: run)
    keyWork.withLock { $0.change(run) { $0.epoch = epoch.number } }
    try await catalog.setFact(
      .ratchet, to: Array(String(epoch.created.milliseconds).utf8), at: nil)
    let stuck = try await rewrapKeys(run: run, by: actor)
    guard stuck == 0 else {
      throw VaultError(
        .conflict, during: "wrapping keys again",
        detail: "\(stuck) live keys do not open and still hang on an old epoch; "
          + "callvault doctor, with the service stopped, names them")
    }
    let damaged = try await openSurvivors(run: run, by: actor)
    keyWork.withLock { work in
      work.change(run) {
        $0.damaged = Array(damaged.calls.prefix(100))
        $0.damagedCount = damaged.count
      }
    }
    let facts = try keys.facts()
    let old = facts.epochs.dropLast()
    let now = now
    let retired = old.map {
      RetiredKEK(id: $0.id, epoch: $0.number, retired: now, confinedFrom: facts.confinedFrom)
    }
    var attempts = 0
    while true {
      do throws(VaultError) {
        try await catalog.retire(retired)
        break
      } catch {
        // A call whose key was made before the new epoch may have been stored meanwhile.
        attempts += 1
        guard error.code == .conflict, attempts < 5 else { throw error }
        _ = try await rewrapKeys(run: run, by: actor)
      }
    }
    try await writeKeyTables(epoch)
    // Again, because the survivors took their time.
    try await checkHolds()
    var intent = EntryDraft(.keyDestroy, .intent, by: actor, on: [configuration.tenant])
    intent.run = run
    intent.count = Int64(old.count)
    intent.first = old.first?.created ?? now
    intent.last = old.last?.created ?? now
    let announced = intent
    return try await fulfil(announced) { receipt throws(VaultError) -> Erasure in
      self.discard(receipt)
      try self.keys.destroyOldEpochs(
        erased: try await self.erasedKeys(under: old.map(\.id)), at: self.now)
      guard let erasure = try await self.finishRatchet(by: actor, closing: announced) else {
        throw VaultError(.unavailable, during: "destroying keys", detail: "a place is not settled")
      }
      return erasure
    }
  }

  /// What a ratchet destroyed.
  struct Erasure: Sendable {
    let epochs: Int
    /// Nil: proven for every purged call whose key was made since ``from``.
    let unproven: String?
    let from: UInt32

    var sentence: String {
      let what = "destroyed \(epochs) old \(epochs == 1 ? "epoch" : "epochs") of keys"
      if let unproven {
        return "\(what): access removed, erasure not proven (\(unproven))"
      }
      return "\(what): what was purged is cryptographically erased, of calls whose key was made in "
        + "epoch \(from) or later"
    }
  }

  /// Notes T1 for what a ratchet has destroyed, once every place is settled.
  ///
  /// - Parameters:
  ///   - actor: who acts.
  ///   - intent: the entry that this closes; nil after a crash.
  /// - Returns: what is destroyed; nil if there is nothing to note, or a place is out of reach.
  /// - Throws: ``VaultError/Code/unavailable``.
  func finishRatchet(
    by actor: Actor, closing intent: EntryDraft?
  ) async throws(VaultError) -> Erasure? {
    let waiting = try await catalog.retiredKEKs().filter { $0.destroyed == nil }
    var gone: [RetiredKEK] = []
    for kek in waiting {
      if try keys.isDestroyed(kek.id) { gone.append(kek) }
    }
    guard !gone.isEmpty, try keys.settle() else { return nil }
    let facts = try keys.facts()
    // Unbroken from then until now, or nothing is proven.
    let isUnbroken = facts.confinedFrom > 0 && !gone.contains { $0.confinedFrom == 0 }
    let from = isUnbroken ? gone.map(\.confinedFrom).max() ?? 0 : 0
    var unproven: String?
    if from == 0 {
      unproven = try keys.unprovenReason() ?? "older copies open with the root key alone"
    }
    var outcome: EntryDraft
    if let intent {
      outcome = intent.closing(from > 0 ? .success : .partial)
    } else {
      outcome = EntryDraft(.keyDestroy, .single, by: actor, on: [configuration.tenant])
      outcome.outcome = from > 0 ? .success : .partial
      outcome.flags = [.recovered]
      outcome.count = Int64(gone.count)
      outcome.first = gone.first?.retired
      outcome.last = gone.last?.retired
    }
    let erasure = Erasure(epochs: gone.count, unproven: unproven, from: from)
    outcome.commits[.rule] = Array(erasure.sentence.utf8.prefix(1024))
    let position = try await record(outcome).position
    do throws(VaultError) {
      try await catalog.noteDestroyed(
        gone.map(\.id), at: now, provenFrom: from, position: position)
    } catch {
      // Its outcome is in the log; the next start or ratchet notes it here.
      throw VaultError(
        .unavailable, during: "noting that keys are destroyed", because: nil, cause: error,
        isAccounted: true)
    }
    return erasure
  }

  private func checkHolds() async throws(VaultError) {
    var cursor: Identifier?
    while true {
      let purged = try await catalog.purgedCalls(after: cursor, limit: 1000)
      guard let last = purged.last else { return }
      cursor = last.call
      let hold: Identifier?
      do {
        let placed = try await holds.undecidedHold(on: purged)
        hold = try await placed == nil ? keyStorage.holds.undecidedHold(on: purged) : placed
      } catch {
        throw VaultError(
          .unavailable, during: "asking for holds",
          detail: "holds cannot be read, so no key is destroyed", cause: error)
      }
      guard hold == nil else {
        throw VaultError(
          .held, during: "destroying keys",
          detail: "a hold was placed after a call was purged; a person must decide about it first")
      }
    }
  }

  /// Keys of purged calls that need no tombstone once these key-encryption keys are gone.
  private func erasedKeys(under keks: [Identifier]) async throws(VaultError) -> [Identifier] {
    let gone = Set(keks.map(\.bytes))
    var erased = try await catalog.excisedKeys().filter { gone.contains($0.kek) }.map(\.keyID)
    var cursor: Identifier?
    while true {
      let purged = try await catalog.purgedCalls(after: cursor, limit: 1000)
      guard let last = purged.last else { return erased }
      cursor = last.call
      erased += purged.filter { gone.contains($0.kek) }.map(\.keyID)
    }
  }

  /// Writes the wrapped keys of all survivors beside every copy of the ring, and reads them back.
  private func writeKeyTables(_ epoch: KeyRing.Epoch) async throws(VaultError) {
    guard !keyStorage.tables.isEmpty else { return }
    for store in keyStorage.tables { try await store.begin() }
    var hasher = try Self.hasher()
    var rows: Int64 = 0
    func put(_ bytes: [UInt8]) async throws(VaultError) {
      hasher.update(bytes)
      for store in keyStorage.tables { try await store.append(bytes) }
    }
    try await put(
      KeyTable.head(tenant: configuration.tenant, kek: epoch.id, epoch: epoch.number))
    var cursor: WrappedKeyRow?
    while true {
      let page = try await catalog.wrappedKeys(after: cursor, limit: Self.rewrapBatch)
      guard let last = page.last else { break }
      cursor = last
      rows += Int64(page.count)
      try await put(page.flatMap(KeyTable.row))
    }
    try await put(KeyTable.tail(rows: rows))
    let digest = hasher.finish().bytes
    for store in keyStorage.tables {
      try await store.append(digest)
      try await store.commit(epoch: epoch.number)
      guard try await isWhole(store, of: epoch.id) else {
        throw VaultError(.unavailable, during: "reading back a key table")
      }
    }
  }

  /// Whether the newest table of a place is whole and of this key-encryption key.
  private func isWhole(
    _ store: any KeyTableStore, of kek: Identifier
  ) async throws(VaultError) -> Bool {
    var reader = try KeyTableReader()
    var offset: Int64 = 0
    while true {
      let bytes = try await store.read(at: offset, count: 1 << 18)
      guard !bytes.isEmpty else { return reader.isWhole && reader.kek == kek }
      offset += Int64(bytes.count)
      _ = try reader.take(bytes)
    }
  }
}
