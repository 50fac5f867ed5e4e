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
      try connection.purge(purges)
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
    let count = try run(
      """
      INSERT INTO purged_call (id, since, key_id, key_epoch, kek, purged, plan, rule, eligible,
        judged, started, started_offset, recordings, recording_count)
      SELECT id, ?2, key_id, key_epoch, substr(wrapped_key, 3, 16), ?3, ?4, ?5, ?6, ?7,
        started, started_offset,
        (SELECT json_group_array(json_object('id', hex(id), 'number', number,
          'ciphertext_bytes', ciphertext_length, 'plaintext_bytes', plaintext_length,
          'duration_ms', duration)) FROM recording WHERE call = ?1),
        (SELECT count(*) FROM recording WHERE call = ?1)
      FROM call WHERE id = ?1 AND since IS NULL
      """, purge.call.bytes, size, time.milliseconds, purge.plan?.bytes, purge.rule,
      purge.eligible, purge.judged?.milliseconds)
    guard count == 1 else { throw VaultError(.notFound, during: "beginning a purge") }
  }

  /// Removes everything of calls whose purges are pending, and makes the purges live.
  func purge(_ purges: [(call: Identifier, position: LogPosition)]) throws {
    var gone = CatalogCounts(
      calls: 0, recordings: 0, transcripts: 0, notes: 0, plaintextBytes: 0, ciphertextBytes: 0)
    for (call, position) in purges { try purge(call, at: position, counting: &gone) }
    // Once for all of them: each call has its own share in them.
    try run(
      """
      UPDATE totals SET calls = calls - ?, recordings = recordings - ?, transcripts = transcripts - ?,
        notes = notes - ?, plaintext_bytes = plaintext_bytes - ?,
        ciphertext_bytes = ciphertext_bytes - ?
      """, gone.calls, gone.recordings, gone.transcripts, gone.notes, gone.plaintextBytes,
      gone.ciphertextBytes)
    if let last = purges.map(\.position).max(by: { $0.index < $1.index }) {
      try advance(.applied, to: last)
    }
  }

  /// Counts what was live of it in `gone`.
  private func purge(
    _ call: Identifier, at position: LogPosition, counting gone: inout CatalogCounts
  ) throws {
    // It may have been wrapped again since the purge began.
    let count = try run(
      """
      UPDATE purged_call SET since = NULL, log_index = coalesce(log_index, ?2), kek = coalesce(
        (SELECT substr(wrapped_key, 3, 16) FROM call WHERE call.id = purged_call.id), kek)
      WHERE id = ?1
      """, call.bytes, position.index)
    guard count == 1 else { throw VaultError(.notFound, during: "purging a call") }
    let row = try first("SELECT subject, since IS NULL FROM call WHERE id = ?", call.bytes) {
      (row) throws(DatabaseError) in (subject: try row.identifier(0), isLive: try row.int(1) == 1)
    }
    // A purge that was applied before stays so.
    guard let row else { return }
    if row.isLive { gone.calls += 1 }
    try run(
      """
      DELETE FROM playback_grant WHERE recording IN (SELECT id FROM recording WHERE call = ?)
      """, call.bytes)
    try run(
      """
      INSERT INTO purged_link (id, patient) SELECT id, patient FROM patient_link WHERE call = ?1
      UNION SELECT id, patient FROM ended_link WHERE call = ?1
      """, call.bytes)
    try run(
      "DELETE FROM ending WHERE id IN (SELECT id FROM patient_link WHERE call = ?)", call.bytes)
    for table: SQL in ["patient_link", "ended_link", "call_token", "incident", "call_facts"] {
      try run("DELETE FROM " + table + " WHERE call = ?", call.bytes)
    }
    // The column itself: `since IS NULL` is 0 here in SQLite 3.40, whatever it holds.
    let recordings = try rows(
      "DELETE FROM recording WHERE call = ? RETURNING since, plaintext_length, ciphertext_length",
      call.bytes
    ) { (row) throws(DatabaseError) in
      (isLive: row.isNull(0), plaintext: try row.size(1), ciphertext: try row.size(2))
    }
    for recording in recordings where recording.isLive {
      gone.recordings += 1
      // A catalog that somebody changed may hold more bytes than can be counted.
      let plaintext = gone.plaintextBytes.addingReportingOverflow(recording.plaintext)
      let ciphertext = gone.ciphertextBytes.addingReportingOverflow(recording.ciphertext)
      guard !plaintext.overflow, !ciphertext.overflow else {
        throw DatabaseError(.damaged, during: "counting the bytes of a call")
      }
      gone.plaintextBytes = plaintext.partialValue
      gone.ciphertextBytes = ciphertext.partialValue
    }
    let texts = try rows("DELETE FROM text WHERE call = ? RETURNING since, kind", call.bytes) {
      (row) throws(DatabaseError) in (isLive: row.isNull(0), kind: try row.text(1))
    }
    for text in texts where text.isLive {
      if text.kind == "transcript" { gone.transcripts += 1 }
      if text.kind == "note" { gone.notes += 1 }
    }
    try run("DELETE FROM call WHERE id = ?", call.bytes)
    try run(
      "DELETE FROM subject WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM call WHERE subject = ?1)",
      row.subject.bytes)
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
