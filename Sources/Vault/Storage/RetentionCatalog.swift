public import Audit
public import Cryptography
public import Encoding

/// What the catalog keeps for forgetting: holds, plans, approvals, and what is left of what was purged.
///
/// As ``Catalog``: each function is one transaction, durable when it returns.
public protocol RetentionCatalog: Sendable {
  // MARK: Holds

  /// Inserts a pending hold, which keeps from then on.
  func insert(_ hold: HoldRow, since size: Int64) async throws(VaultError)

  /// Holds that keep, pending ones included, oldest first.
  func standingHolds() async throws(VaultError) -> [HoldRow]

  /// All holds that are live, released ones included, newest first; at most `limit`.
  func holds(limit: Int) async throws(VaultError) -> [HoldRow]

  /// A live hold, released or not.
  func hold(_ id: Identifier) async throws(VaultError) -> HoldRow?

  /// Inserts a pending release of a hold, which keeps until then: of the kind ``RowKind/release`` with the
  /// hold's id.
  ///
  /// - Throws: ``VaultError/Code/notFound`` if no such live hold keeps; ``VaultError/Code/conflict`` if its
  ///   release is pending.
  func insertRelease(
    of hold: Identifier, at time: Timestamp, since size: Int64
  ) async throws(VaultError)

  /// Ends a hold whose release is durable, whether it was pending or not; one that ended before stays as it
  /// was.
  func releaseHold(
    _ id: Identifier, at time: Timestamp, position: LogPosition
  ) async throws(VaultError)

  /// Notes that a person decided about a hold that came after a purge.
  func decideHold(
    _ id: Identifier, at time: Timestamp, position: LogPosition
  ) async throws(VaultError)

  /// What holds are held against, of live calls; one that is not there is left out.
  func heldCalls(_ calls: [Identifier]) async throws(VaultError) -> [HeldCallRow]

  /// The tokens of the outside parties of a patient's calls; where a call has none, of both parties.
  func numbers(ofPatient patient: Identifier) async throws(VaultError) -> [LookupToken]

  // MARK: Facts that periods count from

  /// Replaces what is known of a call, sealed; empty: nothing.
  func setFacts(
    ofCall call: Identifier, to sealed: [UInt8], position: LogPosition
  ) async throws(VaultError)

  /// Replaces what is known of a patient, sealed; empty: nothing.
  func setFacts(
    ofPatient patient: Identifier, to sealed: [UInt8], position: LogPosition
  ) async throws(VaultError)

  /// What is known of calls, by call, after one of them; at most `limit`.
  func callFacts(
    after call: Identifier?, limit: Int
  ) async throws(VaultError) -> [(id: Identifier, sealed: [UInt8])]

  /// What is known of patients, by patient, after one of them; at most `limit`.
  func patientFacts(
    after patient: Identifier?, limit: Int
  ) async throws(VaultError) -> [(id: Identifier, sealed: [UInt8])]

  /// What is known of one call, and of its patient.
  func facts(
    ofCall call: Identifier
  ) async throws(VaultError) -> (call: [UInt8]?, patient: [UInt8]?)

  // MARK: Plans

  /// Live calls in the order in which they were stored, after a place in that order; at most `limit`.
  ///
  /// - Returns: the calls, and the place after which the next page begins; nil: there is none.
  func retainedCalls(
    after place: Int64, limit: Int
  ) async throws(VaultError) -> (calls: [RetainedCallRow], next: Int64?)

  /// Live recordings in the order in which they were stored: their call and the bytes of their object.
  func recordingSizes(
    after place: Int64, limit: Int
  ) async throws(VaultError) -> (sizes: [(call: Identifier, bytes: Int64)], next: Int64?)

  /// Inserts a pending plan.
  func insert(_ plan: PlanRow, since size: Int64) async throws(VaultError)

  /// A live plan by its hash.
  func plan(_ hash: SHA256Digest) async throws(VaultError) -> PlanRow?

  /// A live plan by its id.
  func plan(id: Identifier) async throws(VaultError) -> PlanRow?

  /// Live plans, newest first; at most `limit`.
  func plans(limit: Int) async throws(VaultError) -> [PlanRow]

  /// Live plans that are neither done nor given up, newest first.
  func openPlans() async throws(VaultError) -> [PlanRow]

  /// Replaces stage, grace and document of a live plan.
  func update(_ plan: PlanRow) async throws(VaultError)

  /// Keeps an approval together with what it brings about; another of the same person about the same
  /// takes its place.
  ///
  /// - Throws: ``VaultError/Code/notFound`` if what it brings about has no row; nothing is kept then.
  func keep(
    _ approval: ApprovalRow, bringing effect: ApprovalEffect?, position: LogPosition
  ) async throws(VaultError)

  /// Approvals of what has this hash, oldest entry first.
  func approvals(of subject: SHA256Digest) async throws(VaultError) -> [ApprovalRow]

  // MARK: Purging

  /// Inserts pending purges, all or none: nothing of the calls has gone yet. Each is of the kind
  /// ``RowKind/purge`` with the call's id.
  ///
  /// - Throws: ``VaultError/Code/notFound`` if there is no such live call;
  ///   ``VaultError/Code/conflict`` if something of it waits for its entry, or it was purged before.
  func insert(
    _ purges: [NewPurge], at time: Timestamp, since size: Int64
  ) async throws(VaultError)

  /// Removes everything of calls whose purge is pending, and stores the positions of the entries.
  func confirmPurges(
    _ purges: [(call: Identifier, position: LogPosition)]
  ) async throws(VaultError)

  /// Live calls and their live recordings, in the order of `calls`; what is not there is left out.
  func callsAndRecordings(
    _ calls: [Identifier]
  ) async throws(VaultError) -> [(call: CallRow, recordings: [RecordingRow])]

  /// The objects of the recordings of calls, pending or live.
  func blobs(of calls: [Identifier]) async throws(VaultError) -> [BlobName]

  /// Which of these calls were purged.
  func purged(among calls: [Identifier]) async throws(VaultError) -> Set<Identifier>

  /// Recordings purged since a time, pending ones included; a call without any counts as one. The time is
  /// the one that was judged, where there was one.
  func purgedRecordings(
    since time: Timestamp
  ) async throws(VaultError) -> [(time: Timestamp, recordings: Int64)]

  /// How many calls of a plan are purged, and how many recordings: a call without any weighs one.
  func purged(ofPlan plan: Identifier) async throws(VaultError) -> (calls: Int64, weight: Int64)

  /// What is left of a purged call.
  func purgeEvidence(_ call: Identifier) async throws(VaultError) -> PurgeEvidenceRow?

  /// What is left of a plan's purged calls, in order of id and after `cursor`; at most `limit`.
  func purgeEvidence(
    ofPlan plan: Identifier, after cursor: Identifier?, limit: Int
  ) async throws(VaultError) -> [PurgeEvidenceRow]
}

extension RetentionCatalog {
  /// As ``insert(_:at:since:)`` of one purge that belongs to no plan.
  public func insertPurge(
    of call: Identifier, at time: Timestamp, since size: Int64
  ) async throws(VaultError) {
    try await insert([NewPurge(call: call)], at: time, since: size)
  }

  /// The objects of a call's recordings, pending or live.
  public func blobs(of call: Identifier) async throws(VaultError) -> [BlobName] {
    try await blobs(of: [call])
  }
}
