public import Audit
import Encoding
import Threading

/// What every operation does around its own work: one account of each attempt, whatever becomes of it.
extension Vault {
  /// The start of an entry about what `caller` asks for.
  func draft(
    _ action: Action, _ phase: Phase, by caller: Caller, on objects: [Identifier] = [],
    parts: [PartName] = [], purpose: PurposeOfUse? = nil
  ) -> EntryDraft {
    caller.account.begin()
    var draft = EntryDraft(action, phase, by: caller.actor, on: objects, parts: parts)
    draft.session = caller.session
    draft.request = caller.request
    draft.purpose = purpose
    draft.policy = policy.hash
    draft.commits[.via] = Array(caller.via.utf8.prefix(256))
    return draft
  }

  /// Accounts for an attempt that ended before an operation had begun: the request could not be read.
  ///
  /// Where an operation has begun, it has accounted for the attempt, and nothing is added.
  ///
  /// - Parameters:
  ///   - action: what the request would have been.
  ///   - caller: who asked.
  ///   - request: what was asked for; the entry commits to its first 1024 bytes.
  ///   - reason: why it ended; ``Reason/clientGone`` is a failure, the others are refusals.
  /// - Throws: ``VaultError/Code/unavailable`` if the log cannot take the entry.
  public func accountUnread(
    _ action: Action, by caller: Caller, asking request: String, because reason: Reason
  ) async throws(VaultError) {
    guard !caller.account.hasBegun else { return }
    var draft = draft(action, .single, by: caller)
    draft.outcome = reason == .clientGone ? .failed : .refused
    draft.reason = reason
    draft.commits[.filter] = Array(request.utf8.prefix(1024))
    counters.refused(reason)
    discard(try await record(draft))
  }

  /// Makes an entry durable.
  ///
  /// - Throws: ``VaultError/Code/unavailable`` if the log cannot commit: nothing may follow then.
  func record(_ draft: EntryDraft) async throws(VaultError) -> Receipt {
    do {
      return try await log.record(draft)
    } catch {
      throw logFailure(error)
    }
  }

  /// Records the outcome of what has happened, without waiting for the disk.
  ///
  /// - Throws: as ``record(_:)``.
  func conclude(_ outcome: EntryDraft) async throws(VaultError) {
    do {
      try await log.conclude(outcome)
    } catch {
      throw logFailure(error)
    }
  }

  private func logFailure(_ error: AuditError) -> VaultError {
    counters.count(.logFailures)
    return VaultError(
      error.code == .noSpace ? .noSpace : .unavailable, during: "recording an attempt",
      because: nil, cause: error, isAccounted: true)
  }

  /// Inserts a row behind a gate, where only a row left pending can stand in the way.
  func insertAlone(
    _ insert: () async throws(VaultError) -> Void
  ) async throws(VaultError) {
    try await settleLate()
    do throws(VaultError) {
      try await insert()
    } catch {
      throw error.code == .conflict ? Self.undecided : error
    }
  }

  /// Makes a row live whose entry is durable.
  ///
  /// If the catalog cannot, it is done before the next row, or at the next start: the entry stands, and
  /// nothing may contradict it.
  func confirm(_ row: RowReference, at position: LogPosition) async throws(VaultError) {
    try await confirm(row, at: position) { () throws(VaultError) in
      try await self.catalog.confirm(row, at: position)
    }
  }

  /// As ``confirm(_:at:)``, by a change of the catalog that makes the row live among other things.
  func confirm(
    _ row: RowReference, at position: LogPosition,
    by change: () async throws(VaultError) -> Void
  ) async throws(VaultError) {
    do throws(VaultError) {
      try await change()
    } catch {
      settleLater(row, position)
      throw VaultError(
        .unavailable, during: "making a row live", because: nil, cause: error, isAccounted: true)
    }
  }

  /// Makes the entry durable that a pending row waits for.
  ///
  /// A log without room has certainly not recorded it, so the row goes.
  func record(_ draft: EntryDraft, of row: RowReference) async throws(VaultError) -> Receipt {
    do throws(VaultError) {
      return try await record(draft)
    } catch {
      if error.code == .noSpace { settleLater(row, nil) }
      throw error
    }
  }

  /// Notes what a full volume kept the catalog from: a row to make live, or without a position to drop.
  func settleLater(_ row: RowReference, _ position: LogPosition?) {
    // Those beyond wait for the next start.
    unsettled.withLock { rows in
      if rows.count < 1000 { rows.updateValue(position, forKey: row) }
    }
  }

  /// Settles what waits for that, before a row is inserted: else whoever sends the same again would be
  /// told until the next start that it is not decided.
  func settleLate() async throws(VaultError) {
    guard unsettled.withLock({ !$0.isEmpty }) else { return }
    // One at a time: a purge or an end that was dropped may begin again under its id, and a second look
    // would drop what began.
    try await gates.withGate(.unsettled) { () throws(VaultError) in
      while let (row, position) = self.unsettled.withLock({ $0.first }) {
        if let position {
          try await self.catalog.confirm(row, at: position)
        } else {
          try await self.catalog.dropPending(row)
        }
        _ = self.unsettled.withLock { $0.removeValue(forKey: row) }
      }
    }
  }

  /// Runs the checks before an attempt.
  ///
  /// If they throw, that is the attempt's one entry, durable before the caller
  /// hears of it.
  ///
  /// The checks put what they learn (objects, subjects) into the draft, so that a refusal names it.
  func checked<Result: ~Copyable>(
    _ draft: inout EntryDraft,
    _ checks: (inout EntryDraft) async throws(VaultError) -> Result
  ) async throws(VaultError) -> Result {
    do throws(VaultError) {
      return try await checks(&draft)
    } catch {
      var refusal = draft
      refusal.phase = .single
      (refusal.outcome, refusal.reason) = error.account
      counters.refused(refusal.reason)
      _ = try await record(refusal)
      throw error
    }
  }

  /// Records an intent, does what it announced against its receipt, and records a failure if it fails.
  ///
  /// `work` records success itself, because rows become live only after it. Failing after content was
  /// released, it says how much through `released`.
  func fulfil<Result: ~Copyable>(
    _ intent: EntryDraft,
    _ work: (consuming Receipt) async throws(VaultError) -> Result
  ) async throws(VaultError) -> Result {
    let receipt = try await record(intent)
    do throws(VaultError) {
      return try await work(receipt)
    } catch {
      // A log that failed cannot take the outcome either; at the next start the intent is found open.
      guard !error.isAccounted else { throw error }
      let (outcome, reason) = error.account
      if error.code == .tampered { counters.count(.tampered) }
      _ = try await record(intent.closing(outcome, because: reason))
      throw error
    }
  }

  /// Whether the caller may use a right at all.
  ///
  /// - Throws: ``VaultError/Code/denied`` with the rule's reason, or ``VaultError/Code/invalid`` when
  ///   only the purpose is missing.
  func allow(
    _ right: Right, _ caller: Caller, purpose: PurposeOfUse? = nil
  ) throws(VaultError) {
    switch policy.decide(right, role: caller.role, scopes: caller.scopes, purpose: purpose) {
    case .granted:
      return
    case .refused(.purposeMissing, let detail):
      throw VaultError(
        .invalid, during: "deciding who may", because: .purposeMissing, detail: detail)
    case .refused(let reason, let detail):
      throw VaultError(.denied, during: "deciding who may", because: reason, detail: detail)
    }
  }

  /// A live call within the caller's scope, named in the draft.
  ///
  /// What is in quarantine is opened only by whoever may review it; anybody may add to it, or ask what needs
  /// none of it opened: then `toOpen` is false.
  ///
  /// - Throws: ``VaultError/Code/notFound`` for a call that does not exist and for one the caller may
  ///   not know of; the entry tells them apart, the answer does not.
  func visibleCall(
    _ id: Identifier, _ caller: Caller, _ draft: inout EntryDraft, toOpen: Bool = true
  ) async throws(VaultError) -> CallRow {
    guard let call = try await catalog.call(id) else {
      draft.commits[.filter] = Array(id.description.utf8)
      throw VaultError(.notFound, during: "finding a call")
    }
    draft.objects = [call.id]
    draft.subjects = try keys.subjectKeys(of: call)
    guard covers(call, caller) else {
      throw VaultError(.notFound, during: "finding a call", because: .outOfScope)
    }
    if call.isQuarantined, toOpen { try admitReview(by: caller, &draft) }
    return call
  }

  /// A live recording within the caller's scope, and its call, both named in the draft.
  ///
  /// - Throws: as ``visibleCall(_:_:_:toOpen:)``.
  func visibleRecording(
    _ id: Identifier, _ caller: Caller, _ draft: inout EntryDraft
  ) async throws(VaultError) -> (recording: RecordingRow, call: CallRow) {
    guard let (recording, call) = try await catalog.recording(id) else {
      draft.commits[.filter] = Array(id.description.utf8)
      throw VaultError(.notFound, during: "finding a recording")
    }
    draft.objects = [call.id, recording.id]
    draft.parts = [try name(of: .recording(recording.number))]
    draft.subjects = try keys.subjectKeys(of: call)
    guard covers(call, caller) else {
      throw VaultError(.notFound, during: "finding a recording", because: .outOfScope)
    }
    if call.isQuarantined { try admitReview(by: caller, &draft) }
    return (recording, call)
  }

  func covers(_ call: CallRow, _ caller: Caller) -> Bool {
    caller.confinement.covers(
      source: call.source, location: call.location, callExtension: call.callExtension)
  }
}

extension VaultError {
  /// What the log says of an attempt that ended so.
  var account: (OutcomeCode, Reason) {
    switch code {
    case .notFound: (.refused, reason ?? .notFound)
    case .unauthenticated: (.refused, reason ?? .credentialUnknown)
    case .denied: (.refused, reason ?? .roleLacksRight)
    case .conflict: (.refused, reason ?? .conflict)
    // A body that broke off was not refused: it did not come.
    case .invalid where reason == .clientGone: (.failed, .clientGone)
    case .invalid: (.refused, reason ?? .malformed)
    case .tooLarge: (.refused, reason ?? .tooLarge)
    case .sealed: (.refused, reason ?? .sealed)
    case .held: (.refused, reason ?? .held)
    case .tampered: (.failed, reason ?? .tampered)
    case .behindLog, .unavailable, .noSpace: (.failed, reason ?? .storageFailed)
    }
  }
}
