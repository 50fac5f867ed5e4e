public import Audit
public import Cryptography
public import Encoding

/// The tables of the vault: what is where, under which key, and whether the log knows of it.
///
/// Each function is one transaction, durable when it returns. The log comes first: a row is inserted
/// `pending`, its entry is made durable, then ``confirm(_:at:)`` makes the row live together with
/// the position of that entry, so that a catalog older than its log is recognised at start.
/// ``remove(_:at:)`` and the other changes carry their entry's position in the same way.
///
/// Reads do not return pending rows unless they say so. Every driver runs the same conformance suite.
///
/// All functions throw ``VaultError/Code/unavailable`` when the database cannot answer,
/// ``VaultError/Code/noSpace`` when it cannot grow, and ``VaultError/Code/tampered`` when a row does
/// not hold what its column must.
public protocol Catalog: RetentionCatalog {
  /// Why nothing can be written any more until the catalog is opened again; nil while it can.
  func lastingFailure() async throws(VaultError) -> VaultError?

  // MARK: The log behind the rows

  /// The entry of the log that was applied last: the greatest index ever stored.
  func appliedPosition() async throws(VaultError) -> LogPosition?

  /// Stores `position` when it is beyond the stored one; a lesser one changes nothing.
  func advance(to position: LogPosition) async throws(VaultError)

  /// All rows that wait for their entry, in no order; at most `limit`.
  func pendingRows(limit: Int) async throws(VaultError) -> [PendingRow]

  /// Whether a row is there, pending or live; of an end, whether it is pending or was carried out.
  func contains(_ row: RowReference) async throws(VaultError) -> Bool

  /// Makes a pending row live and stores `position`. A recording also keeps `position.index`; an end is
  /// carried out.
  ///
  /// - Throws: ``VaultError/Code/notFound`` if there is no such row. One already live stays so.
  func confirm(_ row: RowReference, at position: LogPosition) async throws(VaultError)

  /// Removes a pending row, which nobody ever saw; a live one or none changes nothing.
  func dropPending(_ row: RowReference) async throws(VaultError)

  // MARK: Facts kept by name

  /// A small value, such as the hash of the policy in force.
  func fact(_ name: CatalogFact) async throws(VaultError) -> [UInt8]?

  /// Replaces a small value together with the entry that announced it.
  func setFact(
    _ name: CatalogFact, to value: [UInt8], at position: LogPosition?
  ) async throws(VaultError)

  // MARK: Calls

  /// Inserts a pending call with the tokens it is found by, and its subject where that is new.
  ///
  /// - Throws: ``VaultError/Code/conflict`` with ``VaultError/existing`` if a token whose
  ///   ``LookupToken/isUnique`` is set belongs to another call, pending or live.
  func insert(
    _ call: CallRow, tokens: [LookupToken], since size: Int64
  ) async throws(VaultError)

  /// A live call.
  func call(_ id: Identifier) async throws(VaultError) -> CallRow?

  /// The call, pending or live, that owns a unique token.
  func call(owning tokens: [LookupToken]) async throws(VaultError) -> Identifier?

  /// Live calls in falling order of (started, id), at most `query.limit`.
  func calls(matching query: CatalogQuery) async throws(VaultError) -> [CallListing]

  // MARK: Recordings

  /// The next recording number of a call, from 1. A number is given once, also if nothing is stored under it.
  func reserveRecordingNumber(in call: Identifier) async throws(VaultError) -> Int

  /// Inserts a pending recording.
  ///
  /// - Throws: ``VaultError/Code/conflict`` with ``VaultError/existing`` if the call has, pending or
  ///   live, a recording with the same number or the same content token.
  func insert(_ recording: RecordingRow, since size: Int64) async throws(VaultError)

  /// A live recording and its call, which is live too.
  func recording(
    _ id: Identifier
  ) async throws(VaultError) -> (recording: RecordingRow, call: CallRow)?

  /// The live recordings of a call in order of number.
  func recordings(of call: Identifier) async throws(VaultError) -> [RecordingRow]

  /// Live recordings and their calls in order of the object's name and after `cursor`; at most `limit`.
  func recordings(
    after cursor: BlobName?, limit: Int
  ) async throws(VaultError) -> [(recording: RecordingRow, call: CallRow)]

  /// The live recording of a call that has one of these content tokens.
  func recording(
    in call: Identifier, content tokens: [LookupToken]
  ) async throws(VaultError) -> RecordingRow?

  /// Which of these objects a recording names, pending or live: the rest are orphans.
  func referenced(among names: [BlobName]) async throws(VaultError) -> Set<BlobName>

  // MARK: Transcripts and notes

  /// Inserts a pending transcript or note, whose version is one more than the greatest live one.
  ///
  /// - Throws: ``VaultError/Code/conflict`` if the version is taken.
  func insert(_ text: TextRow, since size: Int64) async throws(VaultError)

  /// The live transcripts or notes of a call in order of version, without their sealed bytes if
  /// `sealed` is false.
  func texts(
    _ kind: TextRow.Kind, of call: Identifier, sealed: Bool
  ) async throws(VaultError) -> [TextRow]

  /// A live transcript or note with its sealed bytes.
  func text(_ id: Identifier) async throws(VaultError) -> TextRow?

  // MARK: Patients

  /// Inserts a pending patient with the token of the practice's reference.
  ///
  /// - Throws: ``VaultError/Code/conflict`` with ``VaultError/existing`` if a patient, pending or live,
  ///   has the token.
  func insert(
    _ patient: PatientRow, reference token: LookupToken, since size: Int64
  ) async throws(VaultError)

  /// A live patient.
  func patient(_ id: Identifier) async throws(VaultError) -> PatientRow?

  /// The patient, pending or live, with one of these tokens.
  func patient(reference tokens: [LookupToken]) async throws(VaultError) -> Identifier?

  /// Inserts a pending link.
  ///
  /// - Throws: ``VaultError/Code/conflict`` with ``VaultError/existing`` if the call is, pending or live,
  ///   linked to a patient.
  func insert(_ link: PatientLinkRow, since size: Int64) async throws(VaultError)

  /// Inserts a pending end of a link, which is one until then: of the kind ``RowKind/unlinking`` with the
  /// link's id.
  ///
  /// - Throws: ``VaultError/Code/notFound`` if there is no such live link; ``VaultError/Code/conflict`` if
  ///   its end is pending.
  func insertUnlinking(
    of link: Identifier, at time: Timestamp, since size: Int64
  ) async throws(VaultError)

  /// Ends a live link, whether that was pending or not, and stores `position`, the entry that took it
  /// back; one that ended, or was never there, changes nothing else. The call may be linked again.
  func endLink(_ link: Identifier, at position: LogPosition) async throws(VaultError)

  /// The ids of a patient's links that were taken back, in no order.
  func endedLinks(of patient: Identifier) async throws(VaultError) -> [Identifier]

  /// The live links of a patient, oldest first.
  func links(of patient: Identifier) async throws(VaultError) -> [PatientLinkRow]

  /// Live patients in order of id, after one of them; at most `limit`.
  func patients(after id: Identifier?, limit: Int) async throws(VaultError) -> [PatientRow]

  // MARK: Another log

  /// Sets aside what counts in the log so far, which is the earlier log `number` from now on.
  ///
  /// Positions, the subjects' counts and the entries that recordings name keep their values under that
  /// number; which policies are in force is to be announced anew. Called again with the same number it
  /// changes nothing.
  ///
  /// - Parameters:
  ///   - number: one more than that of the earlier log before it, from 1.
  ///   - time: when every token that is valid ends, and every grant to play; nil to let them live.
  /// - Throws: ``VaultError/Code/tampered`` if the catalog knows of another number.
  func beginLog(after number: Int64, endingTokensAt time: Timestamp?) async throws(VaultError)

  // MARK: Keys

  /// How many wrapped keys hang on each key-encryption key, by its id's bytes.
  func wrappedKeyCounts() async throws(VaultError) -> [[UInt8]: Int64]

  /// The key-encryption keys that wrapped keys hang on, by their ids' bytes; costs no more for more rows.
  func keksInUse() async throws(VaultError) -> [[UInt8]]

  /// Wrapped keys of calls and subjects, pending rows included, that hang on one of these
  /// key-encryption keys, in order of owner and id and after `cursor`; at most `limit`.
  func wrappedKeys(
    under keks: [Identifier], after cursor: WrappedKeyRow?, limit: Int
  ) async throws(VaultError) -> [WrappedKeyRow]

  /// All wrapped keys, in order of owner and id and after `cursor`; at most `limit`.
  func wrappedKeys(
    after cursor: WrappedKeyRow?, limit: Int
  ) async throws(VaultError) -> [WrappedKeyRow]

  /// Replaces each record that is still the old one; whoever changed or went meanwhile stays as it is.
  ///
  /// - Returns: how many were replaced.
  func rewrap(_ keys: [RewrappedKey]) async throws(VaultError) -> Int

  /// Gives rows that hang on one of these key-encryption keys the record given for them, whatever
  /// theirs is; others stay.
  ///
  /// - Returns: how many were replaced.
  func adopt(
    _ rows: [WrappedKeyRow], from keks: [Identifier]
  ) async throws(VaultError) -> Int

  /// The calls, pending or live, with one of these call keys.
  func calls(withKeys keys: [Identifier]) async throws(VaultError) -> [Identifier]

  /// Lets nothing be wrapped by these key-encryption keys any more, in the transaction that sees that
  /// nothing is.
  ///
  /// From then on a row whose key hangs on one of them is refused as ``VaultError/Code/unavailable``.
  ///
  /// - Throws: ``VaultError/Code/conflict`` if a row still names one.
  func retire(_ keks: [RetiredKEK]) async throws(VaultError)

  /// Key-encryption keys that were retired, oldest epoch first.
  func retiredKEKs() async throws(VaultError) -> [RetiredKEK]

  /// Notes that retired key-encryption keys are destroyed, and with them the purged calls that hung on
  /// them: proven for those whose key was first wrapped in `provenFrom` or later; 0: for none.
  ///
  func noteDestroyed(
    _ keks: [Identifier], at time: Timestamp, provenFrom: UInt32, position: LogPosition
  ) async throws(VaultError)

  // MARK: Purging

  /// A purged call; nil also while the purge is pending.
  func purgedCall(_ call: Identifier) async throws(VaultError) -> PurgedCallRow?

  /// Purged calls that are not erased yet, in order of id and after `cursor`; at most `limit`.
  func purgedCalls(
    after cursor: Identifier?, limit: Int
  ) async throws(VaultError) -> [PurgedCallRow]

  /// How many purged calls are not erased yet, erased, and proven so.
  func purgeCounts() async throws(VaultError) -> PurgeCounts

  // MARK: Quarantine

  /// Inserts an incident, which takes effect at once; `since` its entry is durable or not
  /// (``announce(_:at:)``).
  func open(_ incident: IncidentRow, since size: Int64) async throws(VaultError)

  /// Notes that the entry of an incident is durable; one that is noted stays so.
  func announce(_ incident: Identifier, at position: LogPosition) async throws(VaultError)

  /// Incidents whose entry is not known to be durable, with the log's size when they were opened.
  func unannouncedIncidents() async throws(VaultError) -> [(incident: IncidentRow, since: Int64)]

  /// Ends an open incident; one that ended stays so.
  func close(
    _ incident: Identifier, at time: Timestamp, position: LogPosition
  ) async throws(VaultError)

  func incident(_ id: Identifier) async throws(VaultError) -> IncidentRow?

  /// Open incidents of a call, oldest first.
  func openIncidents(of call: Identifier) async throws(VaultError) -> [IncidentRow]

  /// Open incidents in order of id, after one of them, each with its call; at most `limit`.
  func openIncidents(
    after cursor: Identifier?, limit: Int
  ) async throws(VaultError) -> [(incident: IncidentRow, call: CallRow)]

  /// How many are open.
  func incidentCounts(at now: Timestamp) async throws(VaultError) -> IncidentCounts

  // MARK: Excisions

  /// Inserts a pending excision with all parts of the call as they were sealed anew. Its row is
  /// ``RowKind/excision``; ``confirm(_:at:)`` puts them in the place of the old ones, and keeps the
  /// old key's id among the excised ones.
  ///
  /// - Throws: ``VaultError/Code/conflict`` if something of the call is pending, or the parts are not
  ///   all those it has.
  func insert(
    _ excision: ExcisionRow, parts: [ResealedPart], since size: Int64
  ) async throws(VaultError)

  /// The objects of a pending excision; none once it is confirmed or dropped.
  func stagedBlobs(of excision: Identifier) async throws(VaultError) -> [BlobName]

  /// Keys of excised parts that no ratchet has destroyed yet.
  func excisedKeys() async throws(VaultError) -> [ExcisedKeyRow]

  /// Forgets the objects of an excised key, which are gone.
  func forgetBlobs(ofExcised key: Identifier) async throws(VaultError)

  // MARK: Policies

  /// Keeps the bytes of a policy file under their hash; one that is kept stays.
  func keepPolicy(_ bytes: [UInt8], hash: SHA256Digest) async throws(VaultError)

  /// The bytes of a policy file that was in force once.
  func policy(_ hash: SHA256Digest) async throws(VaultError) -> [UInt8]?

  // MARK: Who is who

  /// Inserts a pending person, service or local user.
  ///
  /// - Throws: ``VaultError/Code/conflict`` with ``VaultError/existing`` if kind and name are taken.
  func insert(_ identity: IdentityRow, since size: Int64) async throws(VaultError)

  /// A live identity.
  func identity(_ id: Identifier) async throws(VaultError) -> IdentityRow?

  /// The live identity with this name.
  func identity(_ kind: IdentityRow.Kind, named name: String) async throws(VaultError)
    -> IdentityRow?

  /// All live identities in order of name; at most `limit`.
  func identities(limit: Int) async throws(VaultError) -> [IdentityRow]

  /// Inserts a pending token.
  func insert(_ token: TokenRow, since size: Int64) async throws(VaultError)

  /// A live token, revoked or not.
  func token(_ id: Identifier) async throws(VaultError) -> TokenRow?

  /// The live token, revoked or not, whose text has this digest.
  func token(digest: SHA256Digest) async throws(VaultError) -> TokenRow?

  /// All live tokens in order of creation, newest first; at most `limit`.
  func tokens(limit: Int) async throws(VaultError) -> [TokenRow]

  /// Ends a token. What narrows access takes effect before its entry.
  ///
  /// - Throws: ``VaultError/Code/notFound`` if there is no such token. One revoked before stays so.
  func revoke(_ token: Identifier, at time: Timestamp) async throws(VaultError)

  /// Stores a grant to play and removes those that ended before `now`.
  func insert(_ grant: PlaybackGrantRow, now: Timestamp) async throws(VaultError)

  /// A grant that has not ended at `now`.
  func playbackGrant(
    digest: SHA256Digest, now: Timestamp
  ) async throws(VaultError) -> PlaybackGrantRow?

  // MARK: Facts for the health page

  /// How many parts each library sealed, pending ones too.
  func sealedParts() async throws(VaultError) -> [SealedParts]

  /// Rows by kind, live only.
  func counts() async throws(VaultError) -> CatalogCounts

  /// Reads every page and every index; slow.
  ///
  /// - Throws: ``VaultError/Code/tampered`` if something is damaged.
  func checkIntegrity() async throws(VaultError)
}

/// A small value kept by name.
public enum CatalogFact: String, Sendable, CaseIterable {
  /// The tenant this catalog belongs to, 16 bytes.
  case tenant
  /// SHA-256 of the access policy in force, 32 bytes.
  case accessPolicy = "access-policy"
  /// SHA-256 of the retention schedule in force, 32 bytes.
  case retentionSchedule = "retention-schedule"
  /// SHA-256 of the consent policy in force, 32 bytes.
  case consentPolicy = "consent-policy"
  /// The user id of whoever ran `init`, in decimal.
  case administrator
  /// How many logs came before the present one, in decimal; absent: none.
  case earlierLogs = "earlier-logs"
  /// When the last ratchet began, in decimal milliseconds since 1970.
  case ratchet
  /// When the last backup was made, or since when a first one is due.
  case lastBackup = "last-backup"
  /// How far the pass over all objects has come.
  case scrub
  /// SHA-256 of the retention schedule that was approved, 32 bytes.
  case approvedSchedule = "approved-schedule"
  /// When the sweep last looked for what may go, in decimal milliseconds since 1970.
  case sweep
}

/// The tables whose rows wait for an entry.
public enum RowKind: String, Sendable, CaseIterable {
  case call, recording, transcript, note, consent, patient, link, identity, token
  /// The purge of a call; its id is the call's.
  case purge
  /// A call sealed anew.
  case excision
  /// A legal hold.
  case hold
  /// A purge plan.
  case plan
  /// The end of a link, which is one until the entry that takes it back is durable; its id is the link's.
  case unlinking
  /// The release of a hold, which keeps until its entry is durable; its id is the hold's.
  case release
}

/// A row, wherever it lies.
public struct RowReference: Hashable, Sendable {
  public let kind: RowKind
  public let id: Identifier

  public init(_ kind: RowKind, _ id: Identifier) {
    self.kind = kind
    self.id = id
  }
}

/// A row whose entry was not durable when the row was written.
public struct PendingRow: Hashable, Sendable {
  public let row: RowReference
  /// The size of the log when the row was written: its entry, if there is one, lies at or after it.
  public let since: Int64
  /// The object that holds the row's bytes, which goes when the row goes.
  public let blob: BlobName?

  public init(row: RowReference, since: Int64, blob: BlobName?) {
    self.row = row
    self.since = since
    self.blob = blob
  }
}

/// Live rows by kind.
public struct CatalogCounts: Sendable, Equatable {
  public var calls: Int64
  public var recordings: Int64
  public var transcripts: Int64
  public var notes: Int64
  /// Plaintext and ciphertext of all recordings, in bytes.
  public var plaintextBytes: Int64
  public var ciphertextBytes: Int64

  public init(
    calls: Int64, recordings: Int64, transcripts: Int64, notes: Int64, plaintextBytes: Int64,
    ciphertextBytes: Int64
  ) {
    self.calls = calls
    self.recordings = recordings
    self.transcripts = transcripts
    self.notes = notes
    self.plaintextBytes = plaintextBytes
    self.ciphertextBytes = ciphertextBytes
  }
}

/// Purged calls by how far they are.
public struct PurgeCounts: Sendable, Equatable {
  /// Access removed, and no more.
  public var waiting: Int64
  /// Their keys were destroyed, as far as this machine goes.
  public var erased: Int64
  /// Of these, cryptographically erased in backups too.
  public var proven: Int64

  public init(waiting: Int64, erased: Int64, proven: Int64) {
    self.waiting = waiting
    self.erased = erased
    self.proven = proven
  }
}
