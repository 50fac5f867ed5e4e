public import Audit
import Database
public import Encoding
public import Vault

// What goes when a call goes, and what is left of it.
extension SQLiteCatalog {
  public func insert(
    _ purges: [NewPurge], at time: Timestamp, since size: Int64
  ) async throws(VaultError) {
    try await write("beginning purges") { connection in
      for purge in purges { try connection.insert(purge, at: time, since: size) }
    }
  }

  public func confirmPurges(
    _ purges: [(call: Identifier, position: LogPosition)]
  ) async throws(VaultError) {
    try await write("purging calls") { connection in
      for (call, position) in purges { try connection.purge(call, at: position) }
    }
  }

  public func callsAndRecordings(
    _ calls: [Identifier]
  ) async throws(VaultError) -> [(call: CallRow, recordings: [RecordingRow])] {
    try await read("reading calls") { connection in
      var found: [(call: CallRow, recordings: [RecordingRow])] = []
      for id in calls {
        guard let call = try connection.call(id) else { continue }
        found.append(
          (
            call,
            try connection.rows(
              "SELECT " + .recordingColumns
                + " FROM recording WHERE call = ? AND since IS NULL ORDER BY number", id.bytes
            ) { (row) throws(DatabaseError) in try row.recording() }
          ))
      }
      return found
    }
  }

  public func blobs(of calls: [Identifier]) async throws(VaultError) -> [BlobName] {
    try await read("listing the objects of calls") { connection in
      try calls.flatMap { call in
        try connection.rows("SELECT blob FROM recording WHERE call = ?", call.bytes) {
          (row) throws(DatabaseError) in try row.value(0, BlobName.init)
        }
      }
    }
  }

  public func purged(among calls: [Identifier]) async throws(VaultError) -> Set<Identifier> {
    try await read("looking for purges") { connection in
      Set(
        try calls.filter { call in
          try connection.first(
            "SELECT 1 FROM purged_call WHERE id = ? AND since IS NULL", call.bytes
          ) { (_) throws(DatabaseError) in true } ?? false
        })
    }
  }

  public func purgedRecordings(
    since time: Timestamp
  ) async throws(VaultError) -> [(time: Timestamp, recordings: Int64)] {
    try await read("counting purged recordings") { connection in
      try connection.rows(
        """
        SELECT coalesce(judged, purged) AS at, sum(max(recording_count, 1))
        FROM purged_call INDEXED BY purged_call_by_judged
        WHERE coalesce(judged, purged) >= ? GROUP BY at
        """, time.milliseconds
      ) { (row) throws(DatabaseError) in (try row.time(0), try row.size(1)) }
    }
  }

  public func purged(
    ofPlan plan: Identifier
  ) async throws(VaultError) -> (calls: Int64, weight: Int64) {
    try await read("counting a plan's purges") { connection in
      try connection.first(
        """
        SELECT count(*), coalesce(sum(max(recording_count, 1)), 0) FROM purged_call
        WHERE plan = ? AND since IS NULL
        """, plan.bytes
      ) { (row) throws(DatabaseError) in (try row.size(0), try row.size(1)) } ?? (0, 0)
    }
  }

  public func purgeEvidence(_ call: Identifier) async throws(VaultError) -> PurgeEvidenceRow? {
    try await read("reading what is left of a call") { connection in
      try connection.first(
        "SELECT " + .evidenceColumns + " FROM purged_call WHERE id = ? AND since IS NULL",
        call.bytes
      ) { (row) throws(DatabaseError) in try row.purgeEvidence() }
    }
  }

  public func purgeEvidence(
    ofPlan plan: Identifier, after cursor: Identifier?, limit: Int
  ) async throws(VaultError) -> [PurgeEvidenceRow] {
    try await read("reading what is left of calls") { connection in
      try connection.rows(
        "SELECT " + .evidenceColumns
          + """
             FROM purged_call INDEXED BY purged_call_by_plan
          WHERE plan = ? AND id > ? AND since IS NULL ORDER BY id LIMIT ?
          """, plan.bytes, cursor?.bytes ?? [], max(0, limit)
      ) { (row) throws(DatabaseError) in try row.purgeEvidence() }
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
  fileprivate func insert(_ purge: NewPurge, at time: Timestamp, since size: Int64) throws {
    guard try call(purge.call) != nil else {
      throw VaultError(.notFound, during: "beginning a purge")
    }
    let waiting =
      try first(
        """
        SELECT 1 FROM recording WHERE call = ?1 AND since IS NOT NULL
        UNION ALL SELECT 1 FROM text WHERE call = ?1 AND since IS NOT NULL
        UNION ALL SELECT 1 FROM patient_link WHERE call = ?1 AND since IS NOT NULL
        UNION ALL SELECT 1 FROM excision WHERE call = ?1 AND since IS NOT NULL
        UNION ALL SELECT 1 FROM purged_call WHERE id = ?1
        """, purge.call.bytes
      ) { (_) throws(DatabaseError) in true } ?? false
    guard !waiting else {
      throw VaultError(
        .conflict, during: "beginning a purge", detail: "something of this call is not settled")
    }
    try run(
      """
      INSERT INTO purged_call (id, since, key_id, key_epoch, kek, purged, plan, rule, eligible,
        judged, started, started_offset, recordings, recording_count)
      SELECT id, ?2, key_id, key_epoch, substr(wrapped_key, 3, 16), ?3, ?4, ?5, ?6, ?7,
        started, started_offset,
        (SELECT json_group_array(json_object('id', hex(id), 'number', number,
          'ciphertext_bytes', ciphertext_length, 'plaintext_bytes', plaintext_length,
          'duration_ms', duration)) FROM recording WHERE call = ?1),
        (SELECT count(*) FROM recording WHERE call = ?1)
      FROM call WHERE id = ?1
      """, purge.call.bytes, size, time.milliseconds, purge.plan?.bytes, purge.rule,
      purge.eligible, purge.judged?.milliseconds)
  }

  /// Removes everything of a call whose purge is pending, and makes the purge live.
  func purge(_ call: Identifier, at position: LogPosition) throws {
    try advance(.applied, to: position)
    guard try contains(RowReference(.purge, call)) else {
      throw VaultError(.notFound, during: "purging a call")
    }
    // It may have been wrapped again since the purge began.
    try run(
      """
      UPDATE purged_call SET since = NULL, log_index = coalesce(log_index, ?2), kek = coalesce(
        (SELECT substr(wrapped_key, 3, 16) FROM call WHERE call.id = purged_call.id), kek)
      WHERE id = ?1
      """, call.bytes, position.index)
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
      "patient_link", "ended_link", "call_token", "incident", "recording", "text", "call_facts",
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

  fileprivate static var evidenceColumns: SQL {
    purgeColumns + """
      , plan, rule, eligible, started, started_offset, recordings, log_index, erased_index
      """
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

  /// The columns of ``SQL/evidenceColumns``.
  fileprivate func purgeEvidence() throws(DatabaseError) -> PurgeEvidenceRow {
    guard let started = OffsetTime(instant: try time(10), offsetMinutes: try int(11)) else {
      throw .notAValue
    }
    return PurgeEvidenceRow(
      purge: try purgedCall(), plan: isNull(7) ? nil : try identifier(7), rule: try int(8),
      eligible: try text(9), started: started, recordings: Array(try text(12).utf8),
      logIndex: try optionalInteger(13), erasedIndex: try optionalInteger(14))
  }
}
