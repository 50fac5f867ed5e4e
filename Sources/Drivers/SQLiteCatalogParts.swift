import Audit
import Cryptography
import Database
public import Encoding
public import Vault

// Recordings, transcripts and notes.
extension SQLiteCatalog {
  public func reserveRecordingNumber(in call: Identifier) async throws(VaultError) -> Int {
    try await write("reserving a recording number") { connection in
      let number = try connection.first(
        """
        UPDATE call SET recording_numbers = recording_numbers + 1
        WHERE id = ? AND since IS NULL RETURNING recording_numbers
        """, call.bytes
      ) { (row) throws(DatabaseError) in try row.int(0) }
      guard let number else {
        throw VaultError(.notFound, during: "reserving a recording number")
      }
      return number
    }
  }

  public func insert(_ recording: RecordingRow, since size: Int64) async throws(VaultError) {
    try await write("storing a recording") { connection in
      let existing = try connection.first(
        """
        SELECT id FROM recording WHERE call = ?1 AND number = ?2
        UNION ALL
        SELECT id FROM recording WHERE call = ?1 AND content_key = ?3 AND content_value = ?4
        """,
        recording.call.bytes, recording.number, recording.content.key.bytes,
        recording.content.value
      ) { (row) throws(DatabaseError) in try row.identifier(0) }
      if let existing {
        throw VaultError(.conflict, during: "storing a recording", existing: existing)
      }
      try connection.run(
        "INSERT INTO recording (since, " + .recordingColumns + ") VALUES (" + .parameters(21)
          + ")",
        size, recording.id.bytes, recording.call.bytes, recording.number, recording.generation,
        recording.stored.milliseconds, recording.blob.description, recording.plaintextLength,
        recording.ciphertextLength, recording.digest.bytes, recording.content.key.bytes,
        recording.content.value, recording.keyID.bytes, recording.audio.condition.rawValue,
        recording.audio.format, recording.audio.channels, recording.audio.sampleRate,
        recording.audio.durationMilliseconds, nil as Int64?, nil as Int64?,
        recording.sealedBy?.description)
    }
  }

  public func recording(
    _ id: Identifier
  ) async throws(VaultError) -> (recording: RecordingRow, call: CallRow)? {
    try await read("reading a recording") { connection in
      let recording = try connection.first(
        "SELECT " + .recordingColumns + " FROM recording WHERE id = ? AND since IS NULL", id.bytes
      ) { (row) throws(DatabaseError) in try row.recording() }
      guard let recording else { return nil }
      guard let call = try connection.call(recording.call) else {
        throw DatabaseError(.damaged, during: "reading the call of a recording")
      }
      return (recording, call)
    }
  }

  public func recordings(
    after cursor: BlobName?, limit: Int
  ) async throws(VaultError) -> [(recording: RecordingRow, call: CallRow)] {
    try await read("listing recordings by object") {
      try $0.recordings(after: cursor, limit: limit)
    }
  }

  public func recordings(of call: Identifier) async throws(VaultError) -> [RecordingRow] {
    try await read("listing recordings") { connection in
      try connection.rows(
        "SELECT " + .recordingColumns + " FROM recording"
          + " WHERE call = ? AND since IS NULL ORDER BY number", call.bytes
      ) { (row) throws(DatabaseError) in try row.recording() }
    }
  }

  public func recording(
    in call: Identifier, content tokens: [LookupToken]
  ) async throws(VaultError) -> RecordingRow? {
    try await read("looking for a recording") { connection in
      for token in tokens {
        let found = try connection.first(
          "SELECT " + .recordingColumns + " FROM recording"
            + " WHERE call = ? AND content_key = ? AND content_value = ? AND since IS NULL",
          call.bytes, token.key.bytes, token.value
        ) { (row) throws(DatabaseError) in try row.recording() }
        if let found { return found }
      }
      return nil
    }
  }

  public func referenced(among names: [BlobName]) async throws(VaultError) -> Set<BlobName> {
    try await read("looking for objects") { connection in
      var found: Set<BlobName> = []
      for name in names {
        let isThere = try connection.first(
          """
          SELECT 1 FROM recording WHERE blob = ?1 UNION ALL
          SELECT 1 FROM excision_part WHERE blob = ?1
          """, name.description
        ) { (_) throws(DatabaseError) in true }
        if isThere != nil { found.insert(name) }
      }
      return found
    }
  }

  public func insert(_ text: TextRow, since size: Int64) async throws(VaultError) {
    try await write("storing a text") { connection in
      let existing = try connection.first(
        "SELECT id FROM text WHERE call = ? AND kind = ? AND version = ?",
        text.call.bytes, text.kind.rawValue, text.version
      ) { (row) throws(DatabaseError) in try row.identifier(0) }
      if let existing {
        throw VaultError(.conflict, during: "storing a text", existing: existing)
      }
      try connection.run(
        "INSERT INTO text (since, " + .textColumns + ", sealed) VALUES (" + .parameters(13) + ")",
        size, text.id.bytes, text.call.bytes, text.kind.rawValue, text.version,
        text.stored.milliseconds, text.author.bytes, text.keyID.bytes, text.length,
        text.digest.bytes, text.sealedBy?.description, text.generation, text.sealed)
    }
  }

  public func texts(
    _ kind: TextRow.Kind, of call: Identifier, sealed: Bool
  ) async throws(VaultError) -> [TextRow] {
    try await read("reading texts") { connection in
      try connection.rows(
        "SELECT " + .textColumns + (sealed ? ", sealed" : ", x''")
          + " FROM text WHERE call = ? AND kind = ? AND since IS NULL ORDER BY version",
        call.bytes, kind.rawValue
      ) { (row) throws(DatabaseError) in try row.textRow() }
    }
  }

  public func text(_ id: Identifier) async throws(VaultError) -> TextRow? {
    try await read("reading a text") { connection in
      try connection.first(
        "SELECT " + .textColumns + ", sealed FROM text WHERE id = ? AND since IS NULL", id.bytes
      ) { (row) throws(DatabaseError) in try row.textRow() }
    }
  }
}

extension Connection {
  /// Counted along an index of small values: no row is read.
  func sealedParts() throws -> [SealedParts] {
    var counts: [SealingLibrary?: Int64] = [:]
    for table: SQL in ["call", "recording", "text"] {
      let found = try rows(
        "SELECT sealed_by, count(*) FROM " + table + " INDEXED BY " + table
          + "_by_library GROUP BY sealed_by"
      ) { (row) throws(DatabaseError) in (try row.library(0), try row.integer(1)) }
      for (library, count) in found { counts[library, default: 0] += count }
    }
    return counts.map { SealedParts(library: $0.key, count: $0.value) }
      .sorted { ($0.library?.description ?? "") < ($1.library?.description ?? "") }
  }

  /// Live recordings in order of their object's name, each with its call.
  func recordings(
    after cursor: BlobName?, limit: Int
  ) throws -> [(recording: RecordingRow, call: CallRow)] {
    let found = try rows(
      "SELECT " + .recordingColumns + " FROM recording"
        + " WHERE since IS NULL AND blob > ? ORDER BY blob LIMIT ?",
      cursor?.description ?? "", limit
    ) { (row) throws(DatabaseError) in try row.recording() }
    return try found.map { recording in
      guard let call = try call(recording.call) else {
        throw DatabaseError(.damaged, during: "reading the call of a recording")
      }
      return (recording, call)
    }
  }
}
