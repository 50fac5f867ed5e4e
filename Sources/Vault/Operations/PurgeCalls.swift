public import Audit
public import Cryptography
public import Encoding
import Retention

/// That one call may go, and who decided it.
public struct PurgeOrder: Sendable {
  public let call: Identifier
  /// SHA-256 of the approval.
  public let evidence: SHA256Digest?
  /// The class and rule that let it go, which the entry commits to.
  public let rule: String

  public init(call: Identifier, evidence: SHA256Digest?, rule: String) {
    self.call = call
    self.evidence = evidence
    self.rule = rule
  }
}

/// That a call is purged: T0.
public struct PurgeReceipt: Sendable, Equatable {
  public let call: Identifier
  public let keyID: Identifier
  public let purged: Timestamp
  /// The entry that says so.
  public let logIndex: Int64
}

extension Vault {
  /// Calls that one order may purge.
  public static let purgeBatch = 1...256

  /// Removes calls and everything of them for ever: state *access removed* (T0).
  ///
  /// The order, and what a crash leaves: purge pending (dropped at the next start) → entry durable (the
  /// next start goes on) → tombstone of the key in every place of the ring → rows gone, overwritten →
  /// objects gone (else swept). What old copies of the catalog and the ring still open ends with the
  /// next ratchet.
  ///
  /// Nobody may call this who has not the approvals that a purge needs.
  ///
  /// - Parameters:
  ///   - orders: at most ``purgeBatch``, each call once.
  ///   - holds: asked again behind the calls' gates, where no hold can come in between.
  ///   - actor: in whose name the entries are.
  /// - Returns: what is purged, in the order given.
  /// - Throws: ``VaultError/Code/held`` if one is held; ``VaultError/Code/notFound`` if one is not there;
  ///   nothing is purged then. ``VaultError/Code/unavailable``: the next start goes on.
  public func purge(
    _ orders: [PurgeOrder], holds: any DestructionHolds, by actor: Actor
  ) async throws(VaultError) -> [PurgeReceipt] {
    guard Self.purgeBatch.contains(orders.count), Set(orders.map(\.call)).count == orders.count
    else {
      throw VaultError(
        .invalid, during: "purging calls", detail: "purge 1 to 256 calls at once, each once")
    }
    // In one order, so that two purges never wait for each other.
    return try await behindGates(of: orders.map(\.call).sorted()[...]) {
      () throws(VaultError) -> [PurgeReceipt] in
      try await self.purgeBehindGates(orders, holds, actor)
    }
  }

  private func behindGates<Result: Sendable>(
    of calls: ArraySlice<Identifier>, _ body: () async throws(VaultError) -> Result
  ) async throws(VaultError) -> Result {
    guard let first = calls.first else { return try await body() }
    return try await gates.withGate(.call(first)) { () throws(VaultError) -> Result in
      try await self.behindGates(of: calls.dropFirst(), body)
    }
  }

  private func purgeBehindGates(
    _ orders: [PurgeOrder], _ holds: any DestructionHolds, _ actor: Actor
  ) async throws(VaultError) -> [PurgeReceipt] {
    guard try keys.settle() else {
      throw VaultError(
        .unavailable, during: "purging calls",
        detail: "a place of the key ring is out of reach, so no key can be taken away")
    }
    try await settleLate()
    var drafts: [(draft: EntryDraft, row: CallRow)] = []
    for order in orders {
      var draft = EntryDraft(.recordingPurged, .single, by: actor)
      draft.evidence = order.evidence
      draft.policy = retention.hash
      draft.commits[.rule] = Array(order.rule.utf8.prefix(1024))
      let row = try await checked(&draft) { draft throws(VaultError) -> CallRow in
        try await self.check(order.call, holds, &draft)
      }
      drafts.append((draft, row))
    }
    let now = now
    for (draft, row) in drafts {
      var draft = draft
      try await checked(&draft) { _ throws(VaultError) in
        try await self.catalog.insertPurge(of: row.id, at: now, since: await self.logSize)
      }
    }
    var receipts: [PurgeReceipt] = []
    var positions: [LogPosition] = []
    for (draft, row) in drafts {
      var draft = draft
      draft.outcome = .success
      let position = try await record(draft, of: RowReference(.purge, row.id)).position
      positions.append(position)
      receipts.append(
        PurgeReceipt(call: row.id, keyID: row.keyID, purged: now, logIndex: position.index))
    }
    do throws(VaultError) {
      try keys.bury(drafts.map(\.row.keyID), at: now)
    } catch {
      // The entries stand; the next start goes on.
      throw VaultError(
        .unavailable, during: "taking keys away", because: nil, cause: error, isAccounted: true)
    }
    for (place, receipt) in receipts.enumerated() {
      try await finishPurge(of: receipt.call, at: positions[place])
      counters.count(.callsPurged)
    }
    return receipts
  }

  /// The call as it is before it goes, named in the draft with all of its recordings that an entry can
  /// name.
  private func check(
    _ call: Identifier, _ holds: any DestructionHolds, _ draft: inout EntryDraft
  ) async throws(VaultError) -> CallRow {
    guard let row = try await catalog.call(call) else {
      draft.commits[.filter] = Array(call.description.utf8)
      throw VaultError(.notFound, during: "finding a call")
    }
    let recordings = try await catalog.recordings(of: call)
    draft.objects = [call] + recordings.prefix(90).map(\.id)
    draft.parts =
      try [name(of: .details)]
      + recordings.prefix(90).map { (row) throws(VaultError) in
        try name(of: .recording(row.number))
      }
    draft.subjects = try keys.subjectKeys(of: row)
    draft.keyID = row.keyID
    let held: Identifier?
    do {
      held = try await holds.heldCall(among: [call])
    } catch {
      throw VaultError(
        .unavailable, during: "asking for holds",
        detail: "holds cannot be read, so nothing is purged", cause: error)
    }
    guard held == nil else {
      throw VaultError(.held, during: "purging a call", detail: "a hold keeps this call")
    }
    return row
  }

  /// Rows, then objects: what a crash leaves of the objects is swept.
  func finishPurge(
    of call: Identifier, at position: LogPosition
  ) async throws(VaultError) {
    let blobs = try await catalog.blobs(of: call)
    try await confirm(RowReference(.purge, call), at: position)
    for blob in blobs { try await self.blobs.remove(blob) }
  }
}
