public import Audit
public import Cryptography
public import Encoding
import Retention

/// That one call may go, and who decided it.
public struct PurgeOrder: Sendable {
  public let call: Identifier
  /// SHA-256 of what was approved: the plan.
  public let evidence: SHA256Digest?
  /// The class and rule that let it go, which the entry commits to.
  public let rule: String
  /// The plan, which of its rules, and the day from which the call may go.
  public let plan: Identifier?
  public let ruleNumber: Int
  public let eligible: String
  /// The time that was judged for the run, which the caps count by; nil: our clock's.
  public let judged: Timestamp?

  public init(
    call: Identifier, evidence: SHA256Digest?, rule: String, plan: Identifier? = nil,
    ruleNumber: Int = 0, eligible: String = "", judged: Timestamp? = nil
  ) {
    self.call = call
    self.evidence = evidence
    self.rule = rule
    self.plan = plan
    self.ruleNumber = ruleNumber
    self.eligible = eligible
    self.judged = judged
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
  ///   - holds: asked besides the vault's own, behind the calls' gates, where no hold can come in between.
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
    try keys.checkRoom(forTombstones: orders.count)
    try await settleLate()
    let now = now
    // No hold is placed between the look at holds and the rows that say that the purge has begun.
    let begun = try await gates.withGate(.holds) { () throws(VaultError) -> [BegunPurge] in
      let begun = try await self.check(orders, holds, actor)
      var first = begun[0].draft
      try await self.checked(&first) { _ throws(VaultError) in
        try await self.catalog.insert(
          orders.map {
            NewPurge(
              call: $0.call, plan: $0.plan, rule: $0.ruleNumber, eligible: $0.eligible,
              judged: $0.judged)
          }, at: now, since: await self.logSize)
      }
      return begun
    }
    let (said, failure) = await recordTogether(begun)
    if !said.isEmpty {
      do throws(VaultError) {
        try keys.bury(said.map(\.purge.row.keyID), at: now)
      } catch {
        // The entries stand; the next start goes on.
        throw VaultError(
          .unavailable, during: "taking keys away", because: nil, cause: error, isAccounted: true)
      }
      try await finishPurges(said.map { ($0.purge.row.id, $0.position) })
      counters.count(.callsPurged, by: Int64(said.count))
    }
    if let failure { throw failure }
    return said.map {
      PurgeReceipt(
        call: $0.purge.row.id, keyID: $0.purge.row.keyID, purged: now,
        logIndex: $0.position.index)
    }
  }

  /// A purge that holds do not forbid, and what its entry says.
  private struct BegunPurge: Sendable {
    let draft: EntryDraft
    let row: CallRow
  }

  /// What came of one entry.
  ///
  /// Not a tuple with a `Result` of ``VaultError``: with optimisation Swift 6.3.1 reads another number than
  /// the task returned.
  private struct Recorded: Sendable {
    let place: Int
    let position: LogPosition?
    let failure: VaultError?
  }

  /// Records all entries at once: they share the appends and syncs of the log.
  ///
  /// - Returns: those that are durable, in order, and why others are not.
  private func recordTogether(
    _ begun: [BegunPurge]
  ) async -> (said: [(purge: BegunPurge, position: LogPosition)], failure: VaultError?) {
    await withTaskGroup(of: Recorded.self) { group in
      for (place, purge) in begun.enumerated() {
        group.addTask {
          do throws(VaultError) {
            let row = RowReference(.purge, purge.row.id)
            let position = try await self.record(purge.draft, of: row).position
            return Recorded(place: place, position: position, failure: nil)
          } catch {
            return Recorded(place: place, position: nil, failure: error)
          }
        }
      }
      var positions = [LogPosition?](repeating: nil, count: begun.count)
      var failure: VaultError?
      for await recorded in group {
        positions[recorded.place] = recorded.position
        failure = failure ?? recorded.failure
      }
      let said = zip(begun, positions).compactMap { purge, position in
        position.map { (purge: purge, position: $0) }
      }
      return (said, failure)
    }
  }

  /// The calls as they are before they go, none of them held.
  private func check(
    _ orders: [PurgeOrder], _ holds: any DestructionHolds, _ actor: Actor
  ) async throws(VaultError) -> [BegunPurge] {
    let found = try await catalog.callsAndRecordings(orders.map(\.call))
    let byCall = Dictionary(uniqueKeysWithValues: found.map { ($0.call.id, $0) })
    var drafts: [EntryDraft] = []
    for order in orders {
      var draft = EntryDraft(.recordingPurged, .single, by: actor)
      draft.evidence = order.evidence
      draft.run = order.plan
      draft.policy = retention.hash
      draft.commits[.rule] = Array(order.rule.utf8.prefix(1024))
      try await checked(&draft) { draft throws(VaultError) in
        guard let (call, recordings) = byCall[order.call] else {
          draft.commits[.filter] = Array(order.call.description.utf8)
          throw VaultError(.notFound, during: "finding a call")
        }
        // All that an entry can name.
        draft.objects = [call.id] + recordings.prefix(90).map(\.id)
        draft.parts =
          try [self.name(of: .details)]
          + recordings.prefix(90).map { (row) throws(VaultError) in
            try self.name(of: .recording(row.number))
          }
        draft.subjects = try self.keys.subjectKeys(of: call)
        draft.keyID = call.keyID
      }
      drafts.append(draft)
    }
    var asking = drafts[0]
    let held = try await checked(&asking) { _ throws(VaultError) -> Identifier? in
      do {
        let calls = orders.map(\.call)
        let kept = try await self.holds.heldCall(among: calls)
        return try await kept == nil ? holds.heldCall(among: calls) : kept
      } catch {
        throw VaultError(
          .unavailable, during: "asking for holds",
          detail: "holds cannot be read, so nothing is purged", cause: error)
      }
    }
    if let held {
      var refused = drafts[orders.firstIndex { $0.call == held } ?? 0]
      try await checked(&refused) { _ throws(VaultError) in
        throw VaultError(
          .held, during: "purging a call", detail: "a hold keeps this call", existing: held)
      }
    }
    var begun: [BegunPurge] = []
    for var draft in drafts {
      draft.outcome = .success
      guard let row = draft.objects.first.flatMap({ byCall[$0]?.call }) else { continue }
      begun.append(BegunPurge(draft: draft, row: row))
    }
    return begun
  }

  /// Rows, then objects: what a crash leaves of the objects is swept.
  func finishPurges(
    _ purges: [(call: Identifier, position: LogPosition)]
  ) async throws(VaultError) {
    let blobs = try await catalog.blobs(of: purges.map(\.call))
    do throws(VaultError) {
      try await catalog.confirmPurges(purges)
    } catch {
      for (call, position) in purges { settleLater(RowReference(.purge, call), position) }
      throw VaultError(
        .unavailable, during: "removing calls", because: nil, cause: error, isAccounted: true)
    }
    try await remove(blobs)
  }

  /// Removes objects, a few at a time.
  private func remove(_ names: [BlobName]) async throws(VaultError) {
    let store = blobs
    let failure = await withTaskGroup(of: VaultError?.self) { group in
      let lanes = 4
      for lane in 0..<min(lanes, names.count) {
        group.addTask {
          for place in stride(from: lane, to: names.count, by: lanes) {
            do throws(VaultError) {
              try await store.remove(names[place])
            } catch {
              return error
            }
          }
          return nil
        }
      }
      var failure: VaultError?
      for await error in group { failure = failure ?? error }
      return failure
    }
    if let failure { throw failure }
  }
}
