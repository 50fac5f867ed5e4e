import Audit
import Cryptography
import Encoding

/// How operations seal and open parts, and look values up: the only place that touches the key ring.
extension Vault {
  static var recordingSegmentSize: Int { EnvelopeLayout.recordingSegmentSize }

  func recordingPart(
    of call: CallRow, number: Int, generation: Int
  ) throws(VaultError) -> PartAddress {
    try address(call.id, .recording(number), generation)
  }

  /// A transcript's version is its number; notes and consent are one part each that is rewritten.
  func textPart(
    _ kind: TextRow.Kind, of call: CallRow, version: Int, generation: Int
  ) throws(VaultError) -> PartAddress {
    switch kind {
    case .transcript: try address(call.id, .transcript(version), generation)
    case .note: try address(call.id, .notes, version)
    case .consent: try address(call.id, .consent, version)
    }
  }

  func address(
    _ call: Identifier, _ part: CallPart, _ generation: Int
  ) throws(VaultError) -> PartAddress {
    guard
      let address = PartAddress(
        tenant: configuration.tenant, call: call, part: part, generation: generation)
    else { throw VaultError(.tampered, during: "naming a part") }
    return address
  }

  /// A part as the log names it.
  func name(of part: CallPart) throws(VaultError) -> PartName {
    guard let name = PartName(part.description) else {
      throw VaultError(.tampered, during: "naming a part")
    }
    return name
  }

  /// Spends a receipt on everything it names.
  func spend(
    _ receipt: consuming Receipt, for operation: Action, by caller: Caller
  ) throws(VaultError) -> SpentReceipt {
    do throws(AuditError) {
      return try receipt.spend(for: operation, by: caller.actor.id)
    } catch {
      throw VaultError(.denied, during: "spending a receipt", cause: error)
    }
  }

  /// What an entry says of a batch, beside what it says without one.
  func draft(_ draft: EntryDraft, of mark: BatchMark) -> EntryDraft {
    var draft = draft
    draft.run = mark.run
    draft.digest = mark.digest
    draft.count = mark.count
    draft.first = now
    draft.last = draft.first
    return draft
  }

  /// Records an entry, and spends its receipt on exactly what it names.
  func spendBatch(_ draft: EntryDraft) async throws(VaultError) -> SpentReceipt {
    let receipt = try await record(draft)
    do throws(AuditError) {
      return try receipt.spend(for: draft.action, by: draft.actor.id)
    } catch {
      throw VaultError(.denied, during: "spending a receipt on a batch", cause: error)
    }
  }

  /// The caller details of the calls that a receipt names.
  func openDetails(
    of calls: [CallRow], spending receipt: consuming Receipt, for operation: Action,
    by caller: Caller
  ) throws(VaultError) -> [Identifier: CallDetails] {
    let spent = try spend(receipt, for: operation, by: caller)
    var details: [Identifier: CallDetails] = [:]
    for call in calls {
      let key = try keys.partKey(
        at: try address(call.id, .details, call.detailsGeneration), wrapped: call.wrappedKey,
        under: spent)
      details[call.id] = try CallDetails(parsing: try Envelope.open(call.details, with: key))
    }
    return details
  }

  // MARK: Recordings

  /// A source over an object whose length the catalog says.
  func recordingSource(
    _ part: borrowing PartKey, from object: any BlobReader, length: Int64
  ) throws(VaultError) -> any RecordingSource {
    let header = try EnvelopeHeader(parsing: object.beginning)
    return SealedSource(
      opener: try EnvelopeOpener(part, header: header, length: .recorded(length)),
      object: object)
  }
}
