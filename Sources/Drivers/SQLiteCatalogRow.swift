import Audit
import Cryptography
import Database
import Encoding
import Vault

// Columns as the types of the vault. A value that is none is damage, like a wrong column type.
extension Row {
  /// A column whose text or bytes must make a value.
  func value<Value>(_ column: Int32, _ make: (String) -> Value?) throws(DatabaseError) -> Value {
    guard let value = make(try text(column)) else { throw .notAValue }
    return value
  }

  func identifier(_ column: Int32) throws(DatabaseError) -> Identifier {
    guard let identifier = Identifier(bytes: try blob(column)) else { throw .notAValue }
    return identifier
  }

  func digest(_ column: Int32) throws(DatabaseError) -> SHA256Digest {
    guard let digest = SHA256Digest(bytes: try blob(column)) else { throw .notAValue }
    return digest
  }

  /// A time within the years 0 to 9999: outside of them it has no text, and sums may overflow.
  func time(_ column: Int32) throws(DatabaseError) -> Timestamp {
    let milliseconds = try integer(column)
    guard (-62_167_219_200_000...253_402_300_799_999).contains(milliseconds) else {
      throw .notAValue
    }
    return Timestamp(milliseconds: milliseconds)
  }

  func optionalTime(_ column: Int32) throws(DatabaseError) -> Timestamp? {
    isNull(column) ? nil : try time(column)
  }

  /// A length or a count, which is never negative and below 2^53: others would overflow in sums and ranges.
  func size(_ column: Int32) throws(DatabaseError) -> Int64 {
    let size = try integer(column)
    guard (0..<1 << 53).contains(size) else { throw .notAValue }
    return size
  }

  /// The number of a key epoch, or 0.
  func epoch(_ column: Int32) throws(DatabaseError) -> UInt32 {
    guard let epoch = UInt32(exactly: try integer(column)) else { throw .notAValue }
    return epoch
  }

  /// What sealed something; nil where that was not kept.
  func library(_ column: Int32) throws(DatabaseError) -> SealingLibrary? {
    isNull(column) ? nil : try value(column, SealingLibrary.init)
  }

  func counts() throws(DatabaseError) -> CatalogCounts {
    CatalogCounts(
      calls: try integer(0), recordings: try integer(1), transcripts: try integer(2),
      notes: try integer(3), plaintextBytes: try integer(4), ciphertextBytes: try integer(5))
  }

  /// The columns of ``SQL/callColumns``.
  func call() throws(DatabaseError) -> CallRow {
    guard let started = OffsetTime(instant: try time(3), offsetMinutes: try int(4)) else {
      throw .notAValue
    }
    var patient: SubjectRow?
    if !isNull(15) {
      patient = SubjectRow(
        id: try identifier(16), alias: try identifier(15), wrappedKey: try blob(17))
    }
    return CallRow(
      id: try identifier(0),
      subject: SubjectRow(id: try identifier(1), wrappedKey: try blob(14)), patient: patient,
      created: try time(2), started: started,
      direction: try value(5, Direction.init(rawValue:)), source: try text(6),
      location: try optionalText(7), callExtension: try optionalText(8),
      keyID: try identifier(9), wrappedKey: try blob(10), keyEpoch: try epoch(18),
      details: try blob(11),
      detailsGeneration: try int(12), sealedBy: try library(19), recordingNumbers: try int(13),
      isQuarantined: try integer(20) == 1)
  }

  /// The columns of ``SQL/listingColumns``: those of a call, then what there is of it.
  func listing() throws(DatabaseError) -> CallListing {
    CallListing(
      call: try call(), recordings: try int(21), transcripts: try int(22), notes: try int(23),
      durationMilliseconds: try optionalInteger(24))
  }

  /// The columns of ``SQL/recordingColumns``.
  func recording() throws(DatabaseError) -> RecordingRow {
    RecordingRow(
      id: try identifier(0), call: try identifier(1), number: try int(2),
      generation: try int(3), stored: try time(4), blob: try value(5, BlobName.init),
      plaintextLength: try size(6), ciphertextLength: try size(7), digest: try digest(8),
      content: LookupToken(field: .content, key: try identifier(9), value: try blob(10)),
      keyID: try identifier(11),
      audio: AudioFacts(
        condition: try value(12, AudioFacts.Condition.init(rawValue:)),
        format: try optionalText(13), channels: try optionalInt(14),
        sampleRate: try optionalInt(15), durationMilliseconds: try optionalInteger(16)),
      logIndex: try optionalInteger(17), earlierLog: try optionalInteger(18),
      sealedBy: try library(19))
  }

  /// The columns of ``SQL/textColumns`` and the sealed bytes.
  func textRow() throws(DatabaseError) -> TextRow {
    TextRow(
      id: try identifier(0), call: try identifier(1),
      kind: try value(2, TextRow.Kind.init(rawValue:)), version: try int(3),
      generation: try int(10), stored: try time(4),
      author: try identifier(5), keyID: try identifier(6), sealed: try blob(11),
      length: try integer(7), digest: try digest(8), sealedBy: try library(9))
  }

  /// The columns of ``SQL/identityColumns``.
  func identity() throws(DatabaseError) -> IdentityRow {
    IdentityRow(
      id: try identifier(0), kind: try value(1, IdentityRow.Kind.init(rawValue:)),
      name: try text(2), created: try time(3))
  }

  /// The columns of ``SQL/tokenColumns``.
  func token() throws(DatabaseError) -> TokenRow {
    TokenRow(
      id: try identifier(0), digest: try digest(1), holder: try identifier(2),
      name: try text(3), role: try value(4, Role.init(rawValue:)),
      // A scope has no control characters, so a line is a scope.
      scopes: try text(5).split(separator: "\n").map(String.init), createdBy: try identifier(6),
      created: try time(7), expires: try time(8), revoked: try optionalTime(9),
      isBootstrap: try integer(10) == 1)
  }
}

extension DatabaseError {
  /// For a column whose value is outside of its type.
  static var notAValue: DatabaseError { DatabaseError(.damaged, during: "reading a column") }
}

extension SQL {
  static var callColumns: SQL {
    """
    c.id, c.subject, c.created, c.started, c.started_offset, c.direction, c.source, c.location,
    c.extension, c.key_id, c.wrapped_key, c.details, c.details_generation, c.recording_numbers,
    s.wrapped_key, l.id, l.patient, p.wrapped_key, c.key_epoch, c.sealed_by,
    EXISTS (SELECT 1 FROM incident i WHERE i.call = c.id AND i.closed IS NULL)
    """
  }

  /// Joins the subject, and the patient if there is one, to what comes before, `call c`.
  ///
  /// A call whose subject is not there is damage, and must not look absent.
  static var subjectOfCall: SQL {
    """
     LEFT JOIN subject s ON s.id = c.subject
    LEFT JOIN patient_link l ON l.call = c.id AND l.since IS NULL
    LEFT JOIN subject p ON p.id = l.patient
    """
  }

  static var listingColumns: SQL {
    callColumns + """
      , (SELECT count(*) FROM recording WHERE call = c.id AND since IS NULL),
      (SELECT count(*) FROM text WHERE call = c.id AND kind = 'transcript' AND since IS NULL),
      (SELECT count(*) FROM text WHERE call = c.id AND kind = 'note' AND since IS NULL),
      (SELECT sum(duration) FROM recording WHERE call = c.id AND since IS NULL)
      """
  }

  static var recordingColumns: SQL {
    """
    id, call, number, generation, stored, blob, plaintext_length, ciphertext_length, digest,
    content_key, content_value, key_id, audio_condition, audio_format, audio_channels, audio_rate,
    duration, log_index, earlier_log, sealed_by
    """
  }

  static var textColumns: SQL {
    "id, call, kind, version, stored, author, key_id, length, digest, sealed_by, generation"
  }

  static var identityColumns: SQL { "id, kind, name, created" }

  static var tokenColumns: SQL {
    """
    id, digest, holder, name, role, scopes, created_by, created, expires, revoked, is_bootstrap
    """
  }
}
