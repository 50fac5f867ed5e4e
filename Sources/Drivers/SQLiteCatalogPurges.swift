import Audit
import Database
public import Encoding
public import Vault

// What goes when a call goes, and what is left of it.
extension SQLiteCatalog {
  public func insertPurge(
    of call: Identifier, at time: Timestamp, since size: Int64
  ) async throws(VaultError) {
    try await write("beginning a purge") { connection in
      guard try connection.call(call) != nil else {
        throw VaultError(.notFound, during: "beginning a purge")
      }
      let waiting =
        try connection.first(
          """
          SELECT 1 FROM recording WHERE call = ?1 AND since IS NOT NULL
          UNION ALL SELECT 1 FROM text WHERE call = ?1 AND since IS NOT NULL
          UNION ALL SELECT 1 FROM patient_link WHERE call = ?1 AND since IS NOT NULL
          UNION ALL SELECT 1 FROM excision WHERE call = ?1 AND since IS NOT NULL
          UNION ALL SELECT 1 FROM purged_call WHERE id = ?1
          """, call.bytes
        ) { (_) throws(DatabaseError) in true } ?? false
      guard !waiting else {
        throw VaultError(
          .conflict, during: "beginning a purge", detail: "something of this call is not settled")
      }
      try connection.run(
        """
        INSERT INTO purged_call (id, since, key_id, key_epoch, kek, purged)
        SELECT id, ?2, key_id, key_epoch, substr(wrapped_key, 3, 16), ?3 FROM call WHERE id = ?1
        """, call.bytes, size, time.milliseconds)
    }
  }

  public func blobs(of call: Identifier) async throws(VaultError) -> [BlobName] {
    try await read("listing a call's objects") { connection in
      try connection.rows("SELECT blob FROM recording WHERE call = ?", call.bytes) {
        (row) throws(DatabaseError) in try row.value(0, BlobName.init)
      }
    }
  }

  public func purgedCall(_ call: Identifier) async throws(VaultError) -> PurgedCallRow? {
    try await read("reading a purge") { connection in
      try connection.first(
        "SELECT " + .purgeColumns + " FROM purged_call WHERE id = ? AND since IS NULL", call.bytes
      ) { (row) throws(DatabaseError) in try row.purgedCall() }
    }
  }

  public func purgedCalls(
    after cursor: Identifier?, limit: Int
  ) async throws(VaultError) -> [PurgedCallRow] {
    try await read("listing purges") { connection in
      try connection.rows(
        "SELECT " + .purgeColumns + " FROM purged_call INDEXED BY purged_call_waiting"
          + " WHERE erased IS NULL AND since IS NULL AND id > ? ORDER BY id LIMIT ?",
        cursor?.bytes ?? [], max(0, limit)
      ) { (row) throws(DatabaseError) in try row.purgedCall() }
    }
  }

  public func purgeCounts() async throws(VaultError) -> PurgeCounts {
    try await read("counting purges") { connection in
      try connection.first(
        """
        SELECT count(*) FILTER (WHERE erased IS NULL), count(erased),
          count(*) FILTER (WHERE is_proven = 1)
        FROM purged_call WHERE since IS NULL
        """
      ) { (row) throws(DatabaseError) in
        PurgeCounts(
          waiting: try row.integer(0), erased: try row.integer(1), proven: try row.integer(2))
      } ?? PurgeCounts(waiting: 0, erased: 0, proven: 0)
    }
  }
}

extension Connection {
  /// Removes everything of a call whose purge is pending, and makes the purge live.
  func purge(_ call: Identifier) throws {
    guard try contains(RowReference(.purge, call)) else {
      throw VaultError(.notFound, during: "purging a call")
    }
    // It may have been wrapped again since the purge began.
    try run(
      """
      UPDATE purged_call SET since = NULL, kek = coalesce(
        (SELECT substr(wrapped_key, 3, 16) FROM call WHERE call.id = purged_call.id), kek)
      WHERE id = ?
      """, call.bytes)
    let subject = try first("SELECT subject FROM call WHERE id = ?", call.bytes) {
      (row) throws(DatabaseError) in try row.identifier(0)
    }
    // A purge that was applied before stays so.
    guard let subject else { return }
    try run(
      """
      UPDATE totals SET calls = calls - (SELECT count(*) FROM call WHERE id = ?1 AND since IS NULL),
        recordings = recordings - r.count, plaintext_bytes = plaintext_bytes - r.plaintext,
        ciphertext_bytes = ciphertext_bytes - r.ciphertext,
        transcripts = totals.transcripts - t.spoken, notes = totals.notes - t.written
      FROM (SELECT count(*) AS count, coalesce(sum(plaintext_length), 0) AS plaintext,
          coalesce(sum(ciphertext_length), 0) AS ciphertext
          FROM recording WHERE call = ?1 AND since IS NULL) AS r,
        (SELECT count(*) FILTER (WHERE kind = 'transcript') AS spoken,
          count(*) FILTER (WHERE kind = 'note') AS written
          FROM text WHERE call = ?1 AND since IS NULL) AS t
      """, call.bytes)
    try run(
      """
      DELETE FROM playback_grant WHERE recording IN (SELECT id FROM recording WHERE call = ?)
      """, call.bytes)
    try run(
      """
      INSERT INTO purged_link (id, patient) SELECT id, patient FROM patient_link WHERE call = ?1
      UNION SELECT id, patient FROM ended_link WHERE call = ?1
      """, call.bytes)
    for table: SQL in [
      "patient_link", "ended_link", "call_token", "incident", "recording", "text",
    ] {
      try run("DELETE FROM " + table + " WHERE call = ?", call.bytes)
    }
    try run("DELETE FROM call WHERE id = ?", call.bytes)
    try run(
      "DELETE FROM subject WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM call WHERE subject = ?1)",
      subject.bytes)
  }
}

extension SQL {
  fileprivate static var purgeColumns: SQL {
    "id, key_id, key_epoch, kek, purged, erased, is_proven"
  }
}

extension Row {
  /// The columns of ``SQL/purgeColumns``.
  fileprivate func purgedCall() throws(DatabaseError) -> PurgedCallRow {
    PurgedCallRow(
      call: try identifier(0), keyID: try identifier(1), keyEpoch: try epoch(2),
      kek: try blob(3), purged: try time(4), erased: try optionalTime(5),
      isProven: try optionalInteger(6).map { $0 == 1 })
  }
}
