public import Audit
public import Cryptography
public import Encoding
public import Retention
import Threading

/// What an excision answers.
public struct ExcisionReceipt: Sendable, Equatable {
  public let call: Identifier
  public let recording: Identifier
  /// Of the recording's part, as it is now.
  public let generation: Int
  /// SHA-256 of its new object, as the log has it.
  public let digest: SHA256Digest
  /// What became silence.
  public let span: TimeSpan
  /// The key that goes with the next ratchet, and when one begins by itself.
  public let destroyedKey: Identifier
  public let ratchetDue: Timestamp?
  /// Incidents that ended with it.
  public let closed: [Identifier]
  /// Whether a transcript of the call still holds a card number, so that it stays in quarantine.
  public let holdsCardNumber: Bool
  /// Recordings of the call that are as they were.
  ///
  /// Spans are times of the call, and which of several recordings says the number is for a person to
  /// hear: incidents do not end by themselves then.
  public let otherRecordings: Int
  public let logIndex: Int64
}

/// Taking a span out of a recording for ever: `Documentation/formats/card-data.md`, section 4.
extension Vault {
  /// Until a ratchet begins by itself because something was excised, in milliseconds.
  private static let ratchetMilliseconds: Int64 = 3_600_000

  /// Takes a span out of a recording and out of all transcripts of its call.
  ///
  /// The order, and what a crash leaves: intent durable → objects sealed anew under a new key of the call
  /// (orphans) → rows pending (dropped at the next start with their objects) → outcome durable (the next
  /// start goes on) → the new rows in the place of the old → tombstone of the old key → old objects gone
  /// (the next start goes on). At each step either the old call opens or the new one. Old copies open
  /// until the next ratchet, which begins by itself within the hour.
  ///
  /// - Parameters:
  ///   - span: not empty.
  ///   - recording: one within the caller's scope.
  ///   - caller: needs ``Right/exciseRecording``, and where the call is in quarantine
  ///     ``Right/reviewIncidents``.
  ///   - purpose: required.
  /// - Returns: what is there now.
  /// - Throws: ``VaultError/Code/invalid`` for a span beyond the recording, sound that is packed so that no
  ///   span of it can be silenced, and a call of more parts than an entry names; ``VaultError/Code/held``
  ///   where a hold keeps the call; ``VaultError/Code/unavailable`` where holds cannot be read, or a place
  ///   of the key ring is out of reach.
  public func excise(
    _ span: TimeSpan, from recording: Identifier, as caller: Caller, purpose: PurposeOfUse?
  ) async throws(VaultError) -> ExcisionReceipt {
    var draft = draft(.recordingExcised, .intent, by: caller, purpose: purpose)
    let call = try await checked(&draft) { draft throws(VaultError) -> CallRow in
      try self.allow(.exciseRecording, caller, purpose: purpose)
      guard span.from < span.to else {
        throw VaultError(.invalid, during: "excising a span", detail: "the span is empty")
      }
      let call = try await self.visibleRecording(recording, caller, &draft).call
      try await self.checkIsFree(call.id)
      guard try self.keys.settle() else {
        throw VaultError(
          .unavailable, during: "excising a span",
          detail: "a place of the key ring is out of reach, so no key can be taken away")
      }
      return call
    }
    let start = draft
    // Nothing may come to the call or be opened for a change while it is sealed anew.
    return try await gates.withGate(.call(call.id)) { () throws(VaultError) -> ExcisionReceipt in
      try await self.excise(span, from: recording, of: call.id, start, caller)
    }
  }

  private func excise(
    _ span: TimeSpan, from recording: Identifier, of id: Identifier, _ start: EntryDraft,
    _ caller: Caller
  ) async throws(VaultError) -> ExcisionReceipt {
    var draft = start
    let excision = Identifier.random()
    let (call, parts) = try await checked(&draft) {
      draft throws(VaultError) -> (CallRow, CallParts) in
      try await self.settleLate()
      // As they are now: they may have changed before the gate opened.
      guard let call = try await self.catalog.call(id) else {
        throw VaultError(.notFound, during: "finding a call")
      }
      let parts = try await self.parts(of: call)
      draft.parts = try parts.names.map { (part) throws(VaultError) in try self.name(of: part) }
      draft.objects = [call.id, excision] + [recording]
      guard draft.parts.count <= Entry.maximumObjects else {
        throw VaultError(
          .invalid, during: "excising a span",
          detail: "this call has more than \(Entry.maximumObjects) parts, which no entry names")
      }
      return (call, parts)
    }
    let intent = draft
    let (receipt, holdsCardNumber) = try await fulfil(intent) {
      receipt throws(VaultError) -> (ExcisionReceipt, Bool) in
      let spent = try self.spend(receipt, for: .recordingExcised, by: caller)
      var resealing = try Resealing(call, new: self.keys.createCallKey(for: call.id))
      do throws(VaultError) {
        try await self.reseal(
          parts, of: call, under: spent, without: span, from: recording, &resealing)
        return try await self.keep(resealing, as: excision, of: recording, span, intent)
      } catch {
        // If the log failed, the entry may be durable all the same: the next start decides by it.
        if !error.isAccounted {
          try await self.catalog.dropPending(RowReference(.excision, excision))
          for blob in resealing.blobs { try await self.blobs.remove(blob) }
        }
        throw error
      }
    }
    counters.count(.spansExcised)
    do throws(VaultError) {
      try await finishExcisions()
    } catch {
      // The span is gone from here; the old key and objects follow at the next look, each second.
      upkeepFailures.withLock { [error] in $0[.keys] = error }
    }
    let closed =
      holdsCardNumber || receipt.otherRecordings > 0
      ? [] : try await closeIncidents(.cardData, of: call, because: "the span was excised")
    return receipt.with(closed: closed, ratchetDue: try await ratchetDue())
  }

  /// Refuses to change what a hold keeps: it may be evidence as it is.
  private func checkIsFree(_ call: Identifier) async throws(VaultError) {
    let held: Identifier?
    do {
      held = try await holds.heldCall(among: [call])
    } catch {
      throw VaultError(
        .unavailable, during: "asking for holds",
        detail: "holds cannot be read, so nothing is excised", cause: error)
    }
    if held != nil {
      throw VaultError(
        .held, during: "excising a span",
        detail: "a hold keeps this call as it is. Leave it in quarantine, where only reviewers "
          + "open it; when its lawyers agree, two people release the hold (callvault hold release), "
          + "then excise",
        existing: call)
    }
  }

  /// Rows pending → outcome durable → the new in the place of the old.
  private func keep(
    _ resealing: borrowing Resealing, as id: Identifier, of recording: Identifier,
    _ span: TimeSpan, _ intent: EntryDraft
  ) async throws(VaultError) -> (ExcisionReceipt, Bool) {
    let call = resealing.call
    guard let details = resealing.details,
      let part = resealing.parts.first(where: { $0.id == recording })
    else { throw VaultError(.tampered, during: "sealing a call anew") }
    let row = ExcisionRow(
      id: id, call: call.id, recording: recording, begun: now, oldKeyID: call.keyID,
      oldKeyEpoch: call.keyEpoch, keyID: resealing.key.id,
      wrappedKey: resealing.key.wrapped.encoded, keyEpoch: resealing.key.epoch,
      details: details, detailsGeneration: call.detailsGeneration + 1)
    let parts = resealing.parts
    // No hold is placed between the last look at holds and the rows that say that the excision has begun.
    try await gates.withGate(.holds) { () throws(VaultError) in
      try await self.checkIsFree(call.id)
      try await self.catalog.insert(row, parts: parts, since: await self.logSize)
    }
    var outcome = intent.closing(.success)
    outcome.digest = part.digest
    outcome.length = part.ciphertextLength
    outcome.keyID = row.keyID
    outcome.commits[.details] = resealing.manifest.bytes
    let reference = RowReference(.excision, id)
    let position = try await record(outcome, of: reference).position
    try await confirm(reference, at: position)
    return (
      ExcisionReceipt(
        call: call.id, recording: recording, generation: part.generation, digest: part.digest,
        span: span, destroyedKey: call.keyID, ratchetDue: nil, closed: [],
        holdsCardNumber: resealing.holdsCardNumber,
        otherRecordings: parts.count(where: \.isRecording) - 1, logIndex: position.index),
      resealing.holdsCardNumber
    )
  }

  /// Takes away the old keys of what was excised, and its old objects; goes on wherever a stop came in
  /// between.
  func finishExcisions() async throws(VaultError) {
    for key in try await catalog.excisedKeys() {
      try keys.bury([key.keyID], at: now)
      guard !key.blobs.isEmpty else { continue }
      for blob in key.blobs { try await blobs.remove(blob) }
      try await catalog.forgetBlobs(ofExcised: key.keyID)
    }
  }

  // MARK: The ratchet

  /// Begins a ratchet when the time of what was excised has come; called once a minute by ``keepKeys()``.
  ///
  /// - Returns: whether one was begun.
  func startRatchetIfExcised() async throws(VaultError) -> Bool {
    guard !keys.isSealed, let due = try await ratchetDue(), due <= now else { return false }
    return try beginRatchet()
  }

  /// When a ratchet begins because something was excised: an hour after it, or after the last one that
  /// destroyed keys; nil: nothing waits.
  func ratchetDue() async throws(VaultError) -> Timestamp? {
    try await ratchetDue(after: try await catalog.excisedKeys())
  }

  func ratchetDue(after excised: [ExcisedKeyRow]) async throws(VaultError) -> Timestamp? {
    guard let first = excised.map(\.excised).min() else { return nil }
    let last = try await lastRatchet() ?? first
    return Timestamp(
      milliseconds: max(first.milliseconds, last.milliseconds) + Self.ratchetMilliseconds)
  }
}

extension ExcisionReceipt {
  fileprivate func with(closed: [Identifier], ratchetDue: Timestamp?) -> ExcisionReceipt {
    ExcisionReceipt(
      call: call, recording: recording, generation: generation, digest: digest, span: span,
      destroyedKey: destroyedKey, ratchetDue: ratchetDue, closed: closed,
      holdsCardNumber: holdsCardNumber, otherRecordings: otherRecordings, logIndex: logIndex)
  }
}
