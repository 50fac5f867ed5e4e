public import Cryptography
public import Encoding
public import Retention

/// What storing a call answers.
public struct CallReceipt: Sendable, Equatable {
  public let call: Identifier
  /// The entry `call.created`.
  public let logIndex: Int64
}

/// What storing a recording answers; the same bytes again answer the same receipt.
public struct RecordingReceipt: Sendable, Equatable {
  public let recording: Identifier
  public let call: Identifier
  /// From 1 within the call.
  public let number: Int
  /// SHA-256 of the ciphertext, as the log has it.
  public let digest: SHA256Digest
  /// Bytes as they were sent.
  public let length: Int64
  /// The entry whose digest this is.
  public let logIndex: Int64
  /// The number of the earlier log in which that entry stands; nil for the present one.
  public var earlierLog: Int64?
  /// Whether these bytes were there before and nothing was stored.
  public let isRepeated: Bool
}

/// What storing a transcript or a note answers.
public struct TextReceipt: Sendable, Equatable {
  public let id: Identifier
  public let call: Identifier
  /// From 1 within the call.
  public let version: Int
  /// SHA-256 of the ciphertext, as the log has it.
  public let digest: SHA256Digest
  public let logIndex: Int64
}

/// What to look for among the calls.
///
/// Every field narrows; none is a pattern.
public struct CallSearch: Sendable, Equatable {
  public static let limits = 1...100

  /// Calls that began at or after this time.
  public var from: Timestamp?
  /// Calls that began before this time.
  public var to: Timestamp?
  /// The number of either party, in any way of writing it.
  public var party: String?
  public var callExtension: String?
  public var agent: String?
  public var location: String?
  public var direction: Direction?
  public var cursor: CallCursor?
  /// Within ``limits``.
  public var limit: Int

  public init(limit: Int = 50) {
    self.limit = limit
  }
}

/// A page of calls, newest first.
public struct CallPage: Sendable, Equatable {
  public let calls: [CallSummary]
  /// Where the next page begins; nil on the last one.
  public let next: CallCursor?
}

/// A call as a list shows it.
public struct CallSummary: Sendable, Equatable {
  public let call: Identifier
  public let started: OffsetTime
  public let direction: Direction
  public let source: String
  public let location: String?
  public let callExtension: String?
  /// The sum over recordings whose duration is known; nil if none is.
  public let durationMilliseconds: Int64?
  public let recordings: Int
  public let transcripts: Int
  public let notes: Int
  /// Nil unless the caller said why and may know.
  public let details: CallDetails?
}

/// One call with its recordings.
public struct CallFacts: Sendable, Equatable {
  public let summary: CallSummary
  public let recordings: [RecordingFacts]
  /// Why it is kept, and when it may go.
  public let retention: RetentionDecision
}

/// What may be said of a recording without opening it.
public struct RecordingFacts: Sendable, Equatable {
  public let recording: Identifier
  public let call: Identifier
  public let number: Int
  public let stored: Timestamp
  /// Plaintext and ciphertext in bytes.
  public let length: Int64
  public let sealedLength: Int64
  /// SHA-256 of the ciphertext: the entity tag, and what the log has.
  public let digest: SHA256Digest
  public let audio: AudioFacts

  init(_ row: RecordingRow) {
    recording = row.id
    call = row.call
    number = row.number
    stored = row.stored
    length = row.plaintextLength
    sealedLength = row.ciphertextLength
    digest = row.digest
    audio = row.audio
  }
}

/// A transcript as it is stored.
public struct StoredTranscript: Sendable, Equatable {
  public let call: Identifier
  public let version: Int
  /// The newest version.
  public let versions: Int
  public let transcript: Transcript
}

/// Leave to play one recording, in an address that needs no header.
public struct PlaybackGrant: Sendable {
  /// Base64url of 256 random bits, shown once.
  public let secret: String
  public let expires: Timestamp
}

/// What an outsider needs to open one recording with other software.
public struct ExportedKey: Sendable {
  public let recording: RecordingFacts
  /// The part's key in hexadecimal, which is the Tink key.
  ///
  /// **Secret.**
  public let keyHex: String
  /// The associated data, as text.
  public let associatedData: String
  public let segmentSize: Int
  public let logIndex: Int64
}

/// An access token as an administrator sees it.
public struct TokenFacts: Sendable, Equatable {
  public let id: Identifier
  public let name: String
  public let role: String
  public let scopes: [String]
  public let created: Timestamp
  public let expires: Timestamp
  public let revoked: Timestamp?
  public let isBootstrap: Bool
}

/// A token that was just made.
public struct NewToken: Sendable {
  public let facts: TokenFacts
  /// Shown once; the vault keeps its SHA-256 only.
  public let token: AccessToken
  public let logIndex: Int64
}
