public import Cryptography
public import Encoding
public import Retention

/// What the catalog holds of a legal hold: that there is one, since when, and what it says, sealed.
public struct HoldRow: Sendable, Equatable {
  public let id: Identifier
  public let placed: Timestamp
  public let placedBy: Identifier
  /// Matter, reason, custodian and scope: a sealed record of `Documentation/formats/destruction.md`, 1.
  public let sealed: [UInt8]
  /// When two people had released it; nil: it keeps.
  public let released: Timestamp?
  /// When a person decided that it need not stop keys from being destroyed; nil: nobody has.
  public let decided: Timestamp?

  public init(
    id: Identifier, placed: Timestamp, placedBy: Identifier, sealed: [UInt8],
    released: Timestamp? = nil, decided: Timestamp? = nil
  ) {
    self.id = id
    self.placed = placed
    self.placedBy = placedBy
    self.sealed = sealed
    self.released = released
    self.decided = decided
  }
}

/// That a person approved what has this hash.
public struct ApprovalRow: Sendable, Equatable {
  public let subject: SHA256Digest
  public let person: Identifier
  /// The approval itself, canonical JSON.
  public let bytes: [UInt8]
  /// The entry that says so.
  public let logIndex: Int64

  public init(subject: SHA256Digest, person: Identifier, bytes: [UInt8], logIndex: Int64) {
    self.subject = subject
    self.person = person
    self.bytes = bytes
    self.logIndex = logIndex
  }
}

/// What the second of two approvals brings about.
public enum ApprovalEffect: Sendable, Equatable {
  /// How far a plan is.
  case plan(PlanRow)
  /// That the policy file with this hash is the approved one.
  case policy(SHA256Digest)
  /// The release of this hold, which is pending: ``RowKind/release``.
  case release(Identifier)
}

/// What the catalog holds of a purge plan.
///
/// The list itself is a file, whose SHA-256 is ``hash``.
public struct PlanRow: Sendable, Equatable {
  public let id: Identifier
  public let hash: SHA256Digest
  public let made: Timestamp
  public let madeBy: Identifier
  public let calls: Int64
  public let recordings: Int64
  public let bytes: Int64
  /// The entry that says that it was made; nil while the row is pending.
  public var logIndex: Int64?
  public var stage = PurgeProcedure.Stage.planned
  /// Since when its grace runs, by a time that was believed then.
  public var graceSince: Timestamp?
  /// What a run and its certificates say besides, as JSON.
  public var document: [UInt8] = []

  public init(
    id: Identifier, hash: SHA256Digest, made: Timestamp, madeBy: Identifier, calls: Int64,
    recordings: Int64, bytes: Int64
  ) {
    self.id = id
    self.hash = hash
    self.made = made
    self.madeBy = madeBy
    self.calls = calls
    self.recordings = recordings
    self.bytes = bytes
  }
}

/// A call as planning sees it.
public struct RetainedCallRow: Sendable, Equatable {
  public let call: Identifier
  public let started: OffsetTime
  public let patient: Identifier?

  public init(call: Identifier, started: OffsetTime, patient: Identifier?) {
    self.call = call
    self.started = started
    self.patient = patient
  }
}

/// What holds are held against.
public struct HeldCallRow: Sendable, Equatable {
  public let call: Identifier
  public let started: OffsetTime
  public let direction: Direction
  public let source: String
  public let location: String?
  public let callExtension: String?
  public let patient: Identifier?
  /// Tokens of both parties, and of the party outside.
  public let tokens: [LookupToken]

  public init(
    call: Identifier, started: OffsetTime, direction: Direction, source: String,
    location: String?, callExtension: String?, patient: Identifier?, tokens: [LookupToken]
  ) {
    self.call = call
    self.started = started
    self.direction = direction
    self.source = source
    self.location = location
    self.callExtension = callExtension
    self.patient = patient
    self.tokens = tokens
  }
}

/// A purge that is about to begin.
public struct NewPurge: Sendable, Equatable {
  public let call: Identifier
  /// The plan that it belongs to; nil: none.
  public let plan: Identifier?
  /// Which of the plan's rules let it go, and since when.
  public let rule: Int
  public let eligible: String
  /// When it goes by the time that was judged for its run; nil: by our clock.
  public let judged: Timestamp?

  public init(
    call: Identifier, plan: Identifier? = nil, rule: Int = 0, eligible: String = "",
    judged: Timestamp? = nil
  ) {
    self.call = call
    self.plan = plan
    self.rule = rule
    self.eligible = eligible
    self.judged = judged
  }
}

/// A purged call as its certificate tells of it.
public struct PurgeEvidenceRow: Sendable, Equatable {
  public let purge: PurgedCallRow
  public let plan: Identifier?
  public let rule: Int
  public let eligible: String
  public let started: OffsetTime
  /// What was removed with it: recordings with their id, number, duration and sizes, as JSON.
  public let recordings: [UInt8]
  /// The entry of T0, and of T1.
  public let logIndex: Int64?
  public let erasedIndex: Int64?

  public init(
    purge: PurgedCallRow, plan: Identifier?, rule: Int, eligible: String, started: OffsetTime,
    recordings: [UInt8], logIndex: Int64?, erasedIndex: Int64?
  ) {
    self.purge = purge
    self.plan = plan
    self.rule = rule
    self.eligible = eligible
    self.started = started
    self.recordings = recordings
    self.logIndex = logIndex
    self.erasedIndex = erasedIndex
  }
}
