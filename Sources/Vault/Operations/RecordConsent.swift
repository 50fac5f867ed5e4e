public import Audit
import Cryptography
public import Encoding
public import Retention

/// Who agreed to a call's recording, and what follows.
public struct ConsentFacts: Sendable {
  public struct Record: Sendable {
    /// From 1 within the call.
    public let version: Int
    public let stored: Timestamp
    /// Who recorded it.
    public let author: Identifier
    public let record: ConsentRecord
  }
  public let call: Identifier
  /// Oldest first.
  public let records: [Record]
  /// Nil where no policy asks for consent.
  public let decision: ConsentPolicy.Decision?
}

/// Consent to record: `Documentation/formats/consent.md`.
extension Vault {
  /// Stores how a party of a call gave consent, or took it back.
  ///
  /// Where the policy then says quarantine, that is durable before the record is; where it no longer
  /// does, the quarantine ends after it.
  ///
  /// - Parameters:
  ///   - record: checked when it was made.
  ///   - call: a call within the caller's scope.
  ///   - caller: needs ``Right/storeConsent``.
  /// - Returns: its version, and the entry that says so.
  /// - Throws: as every operation.
  public func recordConsent(
    _ record: ConsentRecord, of call: Identifier, as caller: Caller
  ) async throws(VaultError) -> TextReceipt {
    var mayEnd = false
    let receipt = try await store(
      record.encoded(), .consent, of: call, as: caller, with: .storeConsent, purpose: nil,
      action: record.kind == .revoked ? .consentRevoked : .consentRecorded
    ) { row, version, spent throws(VaultError) in
      let known = try await self.consentRecords(of: row, under: spent)
      guard !known.contains(where: { $0.record == record }) else {
        throw VaultError(
          .conflict, during: "recording consent", because: .duplicate,
          detail: "this record is there already")
      }
      let decision = self.decide(known.map(\.record) + [record], of: row)
      mayEnd = decision?.measure != .quarantine
      guard !mayEnd, try await !self.isQuarantinedForConsent(row.id) else { return }
      try await self.quarantine(
        IncidentRow(
          id: .random(), call: row.id, reason: .consent, opened: self.now, due: nil), row)
    }
    counters.count(.consentsRecorded)
    if mayEnd {
      // What has come meanwhile counts, too, and nothing comes between a look and the end.
      try await gates.withGate(.call(call)) { () throws(VaultError) in
        try await self.endConsentQuarantine(of: call)
      }
    }
    return receipt
  }

  /// Who gave consent to a call's recording, how, and whether it is enough.
  ///
  /// - Parameters:
  ///   - call: a call within the caller's scope.
  ///   - caller: needs ``Right/readConsent``.
  ///   - purpose: required.
  /// - Returns: the newest records, and what they come to.
  /// - Throws: as every operation.
  public func consent(
    of call: Identifier, as caller: Caller, purpose: PurposeOfUse?
  ) async throws(VaultError) -> ConsentFacts {
    let opened = try await openTexts(
      .consent, of: call, as: caller, with: .readConsent, purpose: purpose
    ) { rows throws(VaultError) in Array(rows.suffix(Self.recordsAtOnce)) }
    guard let row = try await catalog.call(call) else {
      throw VaultError(.notFound, during: "finding a call")
    }
    var records: [ConsentFacts.Record] = []
    for (text, bytes) in opened.texts { records.append(try Self.record(text, bytes)) }
    return ConsentFacts(
      call: call, records: records, decision: decide(records.map(\.record), of: row))
  }

  /// Records that are opened at once, the newest: an entry names no more.
  private static var recordsAtOnce: Int { 98 }

  /// Puts a call that is being made into quarantine where the policy wants that without a record.
  ///
  /// - Returns: the incident, in effect and still without its entry.
  func quarantineWithoutConsent(_ row: CallRow) async throws(VaultError) -> IncidentRow? {
    guard decide([], of: row)?.measure == .quarantine else { return nil }
    let incident = IncidentRow(
      id: .random(), call: row.id, reason: .consent, opened: now, due: nil)
    try await catalog.open(incident, since: await logSize)
    return incident
  }

  /// Ends a call's quarantine for want of consent where the policy asks for no more.
  private func endConsentQuarantine(of call: Identifier) async throws(VaultError) {
    guard try await isQuarantinedForConsent(call), let row = try await catalog.call(call) else {
      return
    }
    var draft = EntryDraft(.consentOpened, .single, by: systemActor, on: [call])
    draft.policy = consent?.hash
    draft.parts = [try name(of: .consent)]
    draft.subjects = try keys.subjectKeys(of: row)
    draft.flags = [.quarantined]
    draft.outcome = .success
    let spent = try await spendBatch(draft)
    let records = try await consentRecords(of: row, under: spent).map(\.record)
    guard decide(records, of: row)?.measure != .quarantine else { return }
    _ = try await closeIncidents(
      .consent, of: row, because: "the policy asks for no more consent")
  }

  private func isQuarantinedForConsent(_ call: Identifier) async throws(VaultError) -> Bool {
    try await catalog.openIncidents(of: call).contains { $0.reason == .consent }
  }

  private func decide(
    _ records: [ConsentRecord], of row: CallRow
  ) -> ConsentPolicy.Decision? {
    let state = row.location.flatMap { configuration.locations[$0]?.state } ?? configuration.state
    guard let consent, let day = CivilDate(row.started) else { return nil }
    return consent.decide(records, practice: state, on: day)
  }

  /// All records of a call, oldest first, opened for a decision and for nobody.
  private func consentRecords(
    of row: CallRow, under spent: borrowing SpentReceipt
  ) async throws(VaultError) -> [ConsentFacts.Record] {
    var records: [ConsentFacts.Record] = []
    for text in try await catalog.texts(.consent, of: row.id, sealed: true) {
      let bytes = try Envelope.open(
        text.sealed,
        with: try keys.partKey(
          at: try textPart(
            .consent, of: row, version: text.version, generation: text.generation),
          wrapped: row.wrappedKey, under: spent))
      records.append(try Self.record(text, bytes))
    }
    return records
  }

  private static func record(
    _ text: TextRow, _ bytes: [UInt8]
  ) throws(VaultError) -> ConsentFacts.Record {
    do throws(ConsentRecordError) {
      return ConsentFacts.Record(
        version: text.version, stored: text.stored, author: text.author,
        record: try ConsentRecord(parsing: bytes))
    } catch {
      throw VaultError(.tampered, during: "reading a record of consent", cause: error)
    }
  }
}
