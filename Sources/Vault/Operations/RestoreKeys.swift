import Audit
import Encoding

/// What a catalog that is older than its keys needs before anything of it is opened.
extension Vault {
  /// Refuses a ring that is older than the catalog, before anything is written to its places.
  ///
  /// - Throws: ``VaultError/Code/tampered`` where rows hang on an epoch that the ring never had.
  func checkRing() async throws(VaultError) {
    let alive = Set(try keys.facts().epochs.map(\.id.bytes))
    for kek in try await catalog.keksInUse() where !alive.contains(kek) {
      guard let id = Identifier(bytes: kek), try keys.isDestroyed(id) else {
        throw VaultError(
          .tampered, during: "comparing catalog and key ring",
          detail: "keys of the catalog hang on an epoch that the key ring does not have: it is "
            + "older than the catalog; bring back the newest copy of keys/ring")
      }
    }
  }

  /// Gives rows whose key hangs on a destroyed epoch the keys of the key table, and removes what was
  /// purged meanwhile.
  ///
  /// A row that neither the table nor an epoch opens was purged before the ratchet: its key is gone, and
  /// so is all that this row could open.
  ///
  /// - Throws: ``VaultError/Code/tampered`` where no place has a whole key table; nothing is changed then.
  func restoreKeys(_ result: inout Reconciliation) async throws(VaultError) {
    let alive = Set(try keys.facts().epochs.map(\.id.bytes))
    let dead = try await catalog.keksInUse().filter { !alive.contains($0) }
      .compactMap { Identifier(bytes: $0) }
    if !dead.isEmpty { try await adoptKeyTable(dead, alive, &result) }
    // Purged after the last ratchet, and back with an older catalog and log.
    let buried = try keys.buried()
    for start in stride(from: 0, to: buried.count, by: 1000) {
      let calls = try await catalog.calls(
        withKeys: Array(buried[start..<min(buried.count, start + 1000)]))
      for call in calls { try await dropRevived(call, &result) }
    }
  }

  private func adoptKeyTable(
    _ dead: [Identifier], _ alive: Set<[UInt8]>, _ result: inout Reconciliation
  ) async throws(VaultError) {
    guard let store = try await wholeKeyTable(alive) else {
      throw VaultError(
        .tampered, during: "looking for the key table",
        detail: "the catalog is older than the last ratchet, and no place of the key ring has a "
          + "whole key table; put keys-*.tab back beside it")
    }
    var reader = try KeyTableReader()
    var offset: Int64 = 0
    while true {
      let bytes = try await store.read(at: offset, count: 1 << 18)
      guard !bytes.isEmpty else { break }
      offset += Int64(bytes.count)
      result.rekeyed += try await catalog.adopt(try reader.take(bytes), from: dead)
    }
    while true {
      let rows = try await catalog.wrappedKeys(under: dead, after: nil, limit: 100)
      guard !rows.isEmpty else { return }
      let calls = rows.filter { $0.owner == .call }
      guard !calls.isEmpty else {
        throw VaultError(
          .tampered, during: "giving a restored catalog its keys",
          detail: "the key table lacks a subject that is no call's")
      }
      for row in calls { try await dropRevived(row.id, &result) }
    }
  }

  /// The first place whose newest table is whole and of an epoch that lives.
  private func wholeKeyTable(
    _ alive: Set<[UInt8]>
  ) async throws(VaultError) -> (any KeyTableStore)? {
    for store in keyStorage.tables {
      do throws(VaultError) {
        var reader = try KeyTableReader()
        var offset: Int64 = 0
        while true {
          let bytes = try await store.read(at: offset, count: 1 << 18)
          guard !bytes.isEmpty else { break }
          offset += Int64(bytes.count)
          _ = try reader.take(bytes)
        }
        if reader.isWhole, reader.tenant == configuration.tenant,
          let kek = reader.kek, alive.contains(kek.bytes)
        {
          return store
        }
      } catch {
        // Another place may have a whole one.
        guard error.code == .tampered || error.code == .unavailable else { throw error }
      }
    }
    return nil
  }

  /// Removes a purged call that came back with an older catalog: entry first, as every purge.
  private func dropRevived(
    _ call: Identifier, _ result: inout Reconciliation
  ) async throws(VaultError) {
    guard let row = try await catalog.call(call) else {
      // Never seen by anybody: a pending call of that old catalog.
      try await catalog.dropPending(RowReference(.call, call))
      return
    }
    try await catalog.insertPurge(of: call, at: now, since: await logSize)
    var draft = EntryDraft(.recordingPurged, .single, by: systemActor, on: [call])
    draft.keyID = row.keyID
    draft.flags = [.recovered]
    draft.outcome = .success
    let position = try await record(draft).position
    try await finishPurges([(call, position)])
    result.removedAgain += 1
  }
}
