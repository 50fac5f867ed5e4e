public import Cryptography
public import Encoding
public import Retention

/// Why a call is in quarantine: what the catalog holds of an incident.
///
/// `Documentation/formats/card-data.md`, section 2. No digit of what was found is here.
public struct IncidentRow: Hashable, Sendable {
  public enum Reason: String, Sendable, CaseIterable {
    /// A transcript holds a card number.
    case cardData = "card-data"
    /// Consent to the recording lacks where it is needed.
    case consent
  }
  public let id: Identifier
  public let call: Identifier
  public let reason: Reason
  public let opened: Timestamp
  /// From when on it is an alarm that it is open still; nil: never.
  public let due: Timestamp?
  /// The transcript's version; nil for other reasons.
  public let version: Int?
  /// Where in the recording; at most ``CardNumberDetector/hitLimit``.
  public let spans: [TimeSpan]
  /// When it ended; nil: it is open, and keeps the call from everybody without the right.
  public let closed: Timestamp?

  public init(
    id: Identifier, call: Identifier, reason: Reason, opened: Timestamp, due: Timestamp?,
    version: Int? = nil, spans: [TimeSpan] = [], closed: Timestamp? = nil
  ) {
    self.id = id
    self.call = call
    self.reason = reason
    self.opened = opened
    self.due = due
    self.version = version
    self.spans = spans
    self.closed = closed
  }
}

/// Open incidents by reason, for the health page.
public struct IncidentCounts: Sendable, Equatable {
  public var cardData: Int64
  public var consent: Int64
  /// Of all of them, those that are open beyond their time.
  public var overdue: Int64

  public init(cardData: Int64 = 0, consent: Int64 = 0, overdue: Int64 = 0) {
    self.cardData = cardData
    self.consent = consent
    self.overdue = overdue
  }
}

/// A call sealed anew under another key, because a span of it was taken out: pending until its entry
/// is durable.
///
/// `Documentation/formats/card-data.md`, section 4.
public struct ExcisionRow: Sendable, Equatable {
  public let id: Identifier
  public let call: Identifier
  /// The recording whose span went.
  public let recording: Identifier
  public let begun: Timestamp
  /// The call's key until then, and the epoch under which it was wrapped first.
  public let oldKeyID: Identifier
  public let oldKeyEpoch: UInt32
  /// The key under which all parts lie now.
  public let keyID: Identifier
  public let wrappedKey: [UInt8]
  public let keyEpoch: UInt32
  public let details: [UInt8]
  public let detailsGeneration: Int

  public init(
    id: Identifier, call: Identifier, recording: Identifier, begun: Timestamp,
    oldKeyID: Identifier, oldKeyEpoch: UInt32, keyID: Identifier, wrappedKey: [UInt8],
    keyEpoch: UInt32, details: [UInt8], detailsGeneration: Int
  ) {
    self.id = id
    self.call = call
    self.recording = recording
    self.begun = begun
    self.oldKeyID = oldKeyID
    self.oldKeyEpoch = oldKeyEpoch
    self.keyID = keyID
    self.wrappedKey = wrappedKey
    self.keyEpoch = keyEpoch
    self.details = details
    self.detailsGeneration = detailsGeneration
  }
}

/// One part of a call as an excision sealed it anew.
public struct ResealedPart: Sendable, Equatable {
  public enum Content: Sendable, Equatable {
    /// A recording's new object.
    case object(BlobName)
    /// A transcript's, a note's or a consent's bytes.
    case text([UInt8])
  }
  var isRecording: Bool {
    if case .object = content { true } else { false }
  }
  /// Of the recording or text.
  public let id: Identifier
  public let generation: Int
  public let content: Content
  public let plaintextLength: Int64
  public let ciphertextLength: Int64
  public let digest: SHA256Digest

  public init(
    id: Identifier, generation: Int, content: Content, plaintextLength: Int64,
    ciphertextLength: Int64, digest: SHA256Digest
  ) {
    self.id = id
    self.generation = generation
    self.content = content
    self.plaintextLength = plaintextLength
    self.ciphertextLength = ciphertextLength
    self.digest = digest
  }
}

/// A call key under which something lay that was excised: what is left of it until a ratchet.
public struct ExcisedKeyRow: Hashable, Sendable {
  public let keyID: Identifier
  public let call: Identifier
  /// The key-encryption key it hung on at last.
  public let kek: [UInt8]
  public let excised: Timestamp
  /// Objects that lay under it and are still to be removed.
  public let blobs: [BlobName]

  public init(
    keyID: Identifier, call: Identifier, kek: [UInt8], excised: Timestamp, blobs: [BlobName]
  ) {
    self.keyID = keyID
    self.call = call
    self.kek = kek
    self.excised = excised
    self.blobs = blobs
  }
}
