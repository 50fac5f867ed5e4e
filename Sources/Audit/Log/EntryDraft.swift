public import Cryptography
public import Encoding

/// What a caller asks the log to record.
///
/// The log adds the place (`idx`, `prev`), the time and the clock's state, the node and the
/// software; it turns `subjects` into tags and `commits` into commitments. Everything else goes
/// into the entry as it is, so nothing here may come from outside except in ``commits``.
public struct EntryDraft: Sendable {
  /// Known before the entry has a place, so that rows and outcomes can name it.
  public var id: Identifier
  public var action: Action
  public var phase: Phase
  /// The intent that an outcome closes.
  public var ref: Identifier?
  public var outcome: OutcomeCode?
  public var reason: Reason?
  public var actor: Actor
  /// On whose behalf the actor acted.
  public var behalf: Identifier?
  public var session: Identifier?
  /// The request's id, ours and never the client's.
  public var request: Identifier?
  /// What it was done to.
  ///
  /// With ``subjects`` at most 100. The log puts the subjects first, in their
  /// order, because counts are rebuilt from them.
  public var objects: [Identifier]
  /// The parts of each object, such as `recording-1` or `details`.
  public var parts: [PartName]
  /// The keys of whom the entry is about; each gives one tag.
  public var subjects: [SubjectKey]
  /// SHA-256 of the ciphertext that was stored.
  public var digest: SHA256Digest?
  /// Bytes of that ciphertext.
  public var length: Int64?
  public var keyID: Identifier?
  /// Plaintext bytes that left.
  public var released: Int64?
  public var purpose: PurposeOfUse?
  /// SHA-256 of the policy file that decided.
  public var policy: SHA256Digest?
  public var recipient: Identifier?
  /// SHA-256 of an approval.
  public var evidence: SHA256Digest?
  /// The batch this entry belongs to.
  public var run: Identifier?
  public var entryClass: EntryClass
  public var flags: Set<EntryFlag>
  /// When it happened by the source's clock.
  public var sourceTime: OffsetTime?
  /// What an aggregate counts, or how many objects a page or a recovery had.
  public var count: Int64?
  /// When the first and the last of what an aggregate counts happened.
  public var first: Timestamp?
  public var last: Timestamp?
  /// Plain values that the entry only commits to; at most ``Commitment/maximumValueLength`` bytes
  /// each.
  public var commits: [CommitField: [UInt8]]

  public init(
    _ action: Action, _ phase: Phase, by actor: Actor, on objects: [Identifier] = [],
    parts: [PartName] = []
  ) {
    id = .random()
    self.action = action
    self.phase = phase
    self.actor = actor
    self.objects = objects
    self.parts = parts
    subjects = []
    entryClass = .neutral
    flags = []
    commits = [:]
  }

  /// Makes the draft of what became of this intent: the same actor, objects and circumstances,
  /// without the commitments, which the intent holds already.
  public func closing(
    _ outcome: OutcomeCode, because reason: Reason? = nil, released: Int64? = nil
  ) -> EntryDraft {
    var draft = self
    draft.id = .random()
    draft.phase = .outcome
    draft.ref = self.id
    draft.outcome = outcome
    draft.reason = reason
    draft.released = released
    draft.commits = [:]
    return draft
  }
}

extension EntryDraft {
  /// How much of the space that is set aside for a full volume this entry must leave.
  ///
  /// What begins something leaves all of it. A refusal leaves half: it should be on record, but
  /// anybody can cause any number of them, and outcomes must find room after that.
  func margin(of reserve: Int) -> Int {
    if phase == .outcome || action == .logStop { return 0 }
    return outcome == .refused || outcome == .failed ? reserve / 2 : reserve
  }

  /// Copies what needs no place, no time and no secret.
  func fill(_ entry: inout Entry) {
    entry.originTime = sourceTime
    entry.reference = ref
    entry.outcome = outcome
    entry.reason = reason
    entry.behalf = behalf
    entry.session = session
    entry.request = request
    // First the subjects, as many as there are tags: a start counts by these.
    let subjects = subjects.map(\.alias)
    entry.objects = subjects + objects.filter { !subjects.contains($0) }
    entry.parts = parts
    entry.digest = digest
    entry.length = length
    entry.keyID = keyID
    entry.released = released
    entry.purpose = purpose
    entry.policy = policy
    entry.recipient = recipient
    entry.evidence = evidence
    entry.run = run
    entry.count = count
    entry.first = first
    entry.last = last
    entry.flags = flags
  }
}
