public import Audit
public import Cryptography
public import Encoding

/// A keyed digest by which a row is found without its value being stored.
///
/// `Documentation/formats/keys.md`, section 4.
public struct LookupToken: Hashable, Sendable {
  /// What was digested, which also says whether a call may share the token with another.
  public enum Field: String, Sendable, CaseIterable {
    /// A source and the name that source gave the call.
    case sourceCall = "source-call"
    /// The number of either party.
    case party
    /// The number of the party outside: who called in, or was called.
    ///
    /// Beside ``party``, because the practice's own numbers are in every call.
    case outside
    /// The person or program that took the call.
    case agent
    /// The bytes of a recording, together with its call.
    case content
    /// The practice's reference of a patient.
    case patient
  }
  public let field: Field
  /// The index key's id: the token dies with that key.
  public let key: Identifier
  /// 32 bytes.
  public let value: [UInt8]

  public init(field: Field, key: Identifier, value: [UInt8]) {
    self.field = field
    self.key = key
    self.value = value
  }

  /// Whether no two calls may have this token.
  public var isUnique: Bool { field == .sourceCall }
}

/// What the catalog holds of a call.
///
/// In clear is what an operator needs to see that calls arrive; who spoke is in ``details``.
public struct CallRow: Sendable, Equatable {
  public let id: Identifier
  /// The call as its own subject: entries about it carry its tag always.
  public let subject: SubjectRow
  /// The patient it is linked to, whose tag entries then carry besides.
  public let patient: SubjectRow?
  /// When we learned of the call.
  public let created: Timestamp
  /// When the call began, as its source said, or ``created``.
  public let started: OffsetTime
  public let direction: Direction
  public let source: String
  public let location: String?
  public let callExtension: String?
  /// The call key's id and its wrap record.
  public let keyID: Identifier
  public let wrappedKey: [UInt8]
  /// The epoch under which the call key was wrapped first; 0: unknown.
  public let keyEpoch: UInt32
  /// The sealed ``CallDetails``, an object of 4 KiB segments, and how often it was rewritten, from 1.
  public let details: [UInt8]
  public let detailsGeneration: Int
  /// What sealed the details; nil: stored before that was kept.
  public let sealedBy: SealingLibrary?
  /// Recording numbers given so far.
  public let recordingNumbers: Int
  /// Whether an incident about it is open.
  public let isQuarantined: Bool

  public init(
    id: Identifier, subject: SubjectRow, patient: SubjectRow? = nil, created: Timestamp,
    started: OffsetTime, direction: Direction, source: String, location: String?,
    callExtension: String?,
    keyID: Identifier, wrappedKey: [UInt8], keyEpoch: UInt32 = 0, details: [UInt8],
    detailsGeneration: Int, sealedBy: SealingLibrary? = .current, recordingNumbers: Int,
    isQuarantined: Bool = false
  ) {
    self.id = id
    self.subject = subject
    self.patient = patient
    self.created = created
    self.started = started
    self.direction = direction
    self.source = source
    self.location = location
    self.callExtension = callExtension
    self.keyID = keyID
    self.wrappedKey = wrappedKey
    self.keyEpoch = keyEpoch
    self.details = details
    self.detailsGeneration = detailsGeneration
    self.sealedBy = sealedBy
    self.recordingNumbers = recordingNumbers
    self.isQuarantined = isQuarantined
  }
}

/// A call with what there is of it.
public struct CallListing: Sendable, Equatable {
  public let call: CallRow
  /// Live recordings, transcript versions and note versions.
  public let recordings: Int
  public let transcripts: Int
  public let notes: Int
  /// The sum of the durations that are known; nil if none is.
  public let durationMilliseconds: Int64?

  public init(
    call: CallRow, recordings: Int, transcripts: Int, notes: Int, durationMilliseconds: Int64?
  ) {
    self.call = call
    self.recordings = recordings
    self.transcripts = transcripts
    self.notes = notes
    self.durationMilliseconds = durationMilliseconds
  }
}

/// Whom entries of the log are about, known to the log by tags only.
public struct SubjectRow: Sendable, Equatable {
  public let id: Identifier
  /// What stands for it among an entry's objects: the link of a patient to a call; nil for the id.
  public let alias: Identifier?
  /// The wrap record of the key that makes the tags.
  public let wrappedKey: [UInt8]

  public init(id: Identifier, alias: Identifier? = nil, wrappedKey: [UInt8]) {
    self.id = id
    self.alias = alias
    self.wrappedKey = wrappedKey
  }
}

/// A patient, known to the catalog by an index token of the practice's own reference and nothing else.
public struct PatientRow: Sendable, Equatable {
  public let subject: SubjectRow
  public let created: Timestamp

  public var id: Identifier { subject.id }

  public init(subject: SubjectRow, created: Timestamp) {
    self.subject = subject
    self.created = created
  }
}

/// That a call is a patient's.
public struct PatientLinkRow: Sendable, Equatable {
  /// Stands for the patient in entries about the call.
  public let id: Identifier
  public let patient: Identifier
  public let call: Identifier
  public let created: Timestamp

  public init(id: Identifier, patient: Identifier, call: Identifier, created: Timestamp) {
    self.id = id
    self.patient = patient
    self.call = call
    self.created = created
  }
}

/// What the catalog holds of a recording.
public struct RecordingRow: Sendable, Equatable {
  public let id: Identifier
  public let call: Identifier
  /// The part is `recording-<number>`, from 1.
  public let number: Int
  /// How often the part was rewritten, from 1.
  public let generation: Int
  public let stored: Timestamp
  public let blob: BlobName
  public let plaintextLength: Int64
  public let ciphertextLength: Int64
  /// SHA-256 of the ciphertext, as the log has it.
  public let digest: SHA256Digest
  /// Finds the same bytes again; never a digest in clear.
  public let content: LookupToken
  public let keyID: Identifier
  public let audio: AudioFacts
  /// The entry that says it was stored; nil while the row is pending.
  public let logIndex: Int64?
  /// The number of the earlier log in which it stands; nil for the present one.
  public let earlierLog: Int64?
  /// What sealed the object; nil: stored before that was kept.
  public let sealedBy: SealingLibrary?

  public init(
    id: Identifier, call: Identifier, number: Int, generation: Int, stored: Timestamp,
    blob: BlobName, plaintextLength: Int64, ciphertextLength: Int64, digest: SHA256Digest,
    content: LookupToken, keyID: Identifier, audio: AudioFacts, logIndex: Int64?,
    earlierLog: Int64? = nil, sealedBy: SealingLibrary? = .current
  ) {
    self.id = id
    self.call = call
    self.number = number
    self.generation = generation
    self.stored = stored
    self.blob = blob
    self.plaintextLength = plaintextLength
    self.ciphertextLength = ciphertextLength
    self.digest = digest
    self.content = content
    self.keyID = keyID
    self.audio = audio
    self.logIndex = logIndex
    self.earlierLog = earlierLog
    self.sealedBy = sealedBy
  }
}

/// What the catalog holds of one version of a call's transcript or notes.
public struct TextRow: Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable {
    case transcript, note, consent
  }
  public let id: Identifier
  public let call: Identifier
  public let kind: Kind
  /// From 1 within the call and kind; never overwritten.
  public let version: Int
  /// How often a transcript was sealed anew under another key, from 1; of the others the version.
  public let generation: Int
  public let stored: Timestamp
  /// Who stored it.
  public let author: Identifier
  public let keyID: Identifier
  /// The object, in 4 KiB segments; empty when it was not asked for.
  public let sealed: [UInt8]
  /// The object's length and SHA-256, as the log has them.
  public let length: Int64
  public let digest: SHA256Digest
  /// What sealed it; nil: stored before that was kept.
  public let sealedBy: SealingLibrary?

  public init(
    id: Identifier, call: Identifier, kind: Kind, version: Int, generation: Int = 1,
    stored: Timestamp, author: Identifier, keyID: Identifier, sealed: [UInt8], length: Int64,
    digest: SHA256Digest, sealedBy: SealingLibrary? = .current
  ) {
    self.id = id
    self.call = call
    self.kind = kind
    self.version = version
    self.generation = generation
    self.stored = stored
    self.author = author
    self.keyID = keyID
    self.sealed = sealed
    self.length = length
    self.digest = digest
    self.sealedBy = sealedBy
  }
}

/// Somebody or something entries name by id, introduced by an entry that commits to the name.
public struct IdentityRow: Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable {
    case person, service
    /// An operating-system user, known by peer credentials; the name is the user id in decimal.
    case localUser = "local-user"
  }
  public let id: Identifier
  public let kind: Kind
  public let name: String
  public let created: Timestamp

  public init(id: Identifier, kind: Kind, name: String, created: Timestamp) {
    self.id = id
    self.kind = kind
    self.name = name
    self.created = created
  }
}

/// What the catalog holds of an access token: never the token.
public struct TokenRow: Sendable, Equatable {
  public let id: Identifier
  /// SHA-256 of the token's text.
  public let digest: SHA256Digest
  public let holder: Identifier
  public let name: String
  public let role: Role
  /// The texts of its scopes, sorted.
  public let scopes: [String]
  public let createdBy: Identifier
  public let created: Timestamp
  public let expires: Timestamp
  public let revoked: Timestamp?
  /// A content role given before there were two people to approve it.
  public let isBootstrap: Bool

  public init(
    id: Identifier, digest: SHA256Digest, holder: Identifier, name: String, role: Role,
    scopes: [String], createdBy: Identifier, created: Timestamp, expires: Timestamp,
    revoked: Timestamp?, isBootstrap: Bool
  ) {
    self.id = id
    self.digest = digest
    self.holder = holder
    self.name = name
    self.role = role
    self.scopes = scopes
    self.createdBy = createdBy
    self.created = created
    self.expires = expires
    self.revoked = revoked
    self.isBootstrap = isBootstrap
  }
}

/// Leave to play one recording for a few minutes, for a player that sends no headers.
public struct PlaybackGrantRow: Sendable, Equatable {
  /// SHA-256 of the secret in the URL.
  public let digest: SHA256Digest
  public let recording: Identifier
  /// The token of the person the grant is bound to: it ends with that token.
  public let token: Identifier
  public let purpose: PurposeOfUse
  public let expires: Timestamp

  public init(
    digest: SHA256Digest, recording: Identifier, token: Identifier, purpose: PurposeOfUse,
    expires: Timestamp
  ) {
    self.digest = digest
    self.recording = recording
    self.token = token
    self.purpose = purpose
    self.expires = expires
  }
}

/// A search as the catalog sees it: values that are sealed appear as tokens.
public struct CatalogQuery: Sendable, Equatable {
  /// Calls that began at or after this time.
  public var from: Timestamp?
  /// Calls that began before this time.
  public var to: Timestamp?
  /// Any of these tokens: one for each index key that is alive.
  ///
  /// Empty: not asked for.
  public var party: [LookupToken] = []
  public var agent: [LookupToken] = []
  public var callExtension: String?
  public var location: String?
  public var direction: Direction?
  /// What the caller is confined to; nil: not confined.
  public var sources: Set<String>?
  public var locations: Set<String>?
  public var callExtensions: Set<String>?
  /// Rows after this one in the order of the answer.
  public var after: CallCursor?
  /// 1…100.
  public var limit: Int

  public init(limit: Int) {
    self.limit = limit
  }
}
