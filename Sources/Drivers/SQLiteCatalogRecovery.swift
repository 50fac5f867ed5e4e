import Audit
import Database
public import Encoding
public import Vault

// What a recovery of the log needs of the catalog.
extension SQLiteCatalog {
  public func patients(
    after id: Identifier?, limit: Int
  ) async throws(VaultError) -> [PatientRow] {
    try await read("listing patients") { connection in
      try connection.rows(
        """
        SELECT p.id, s.wrapped_key, p.created FROM patient p LEFT JOIN subject s ON s.id = p.id
        WHERE p.since IS NULL AND p.id > ? ORDER BY p.id LIMIT ?
        """, id?.bytes ?? [], max(0, limit)
      ) { (row) throws(DatabaseError) in
        PatientRow(
          subject: SubjectRow(id: try row.identifier(0), wrappedKey: try row.blob(1)),
          created: try row.time(2))
      }
    }
  }

  public func beginLog(
    after number: Int64, endingTokensAt time: Timestamp?
  ) async throws(VaultError) {
    try await write("beginning another log") { connection in
      let known = try connection.first(
        "SELECT value FROM fact WHERE name = ?", CatalogFact.earlierLogs.rawValue
      ) { (row) throws(DatabaseError) in try row.blob(0) }
      let text = Array(String(number).utf8)
      guard known != text else { return }
      let before = known.map { String(decoding: $0, as: UTF8.self) } ?? "0"
      guard number > 0, before == String(number - 1) else {
        throw VaultError(
          .tampered, during: "beginning another log",
          detail: "the catalog does not know of the log before")
      }
      try connection.run(
        "UPDATE log_position SET name = name || ? WHERE name IN ('applied', 'counted')",
        "/\(number)")
      try connection.endCounts(asLog: number)
      try connection.run(
        "UPDATE recording SET earlier_log = ? WHERE log_index IS NOT NULL AND earlier_log IS NULL",
        number)
      try connection.run(
        "UPDATE ended_link SET earlier_log = ? WHERE earlier_log IS NULL", number)
      // The new log announces which are in force, as a first log does.
      try connection.run(
        "DELETE FROM fact WHERE name IN (?, ?, ?)", CatalogFact.accessPolicy.rawValue,
        CatalogFact.retentionSchedule.rawValue, CatalogFact.consentPolicy.rawValue)
      if let time {
        try connection.run(
          "UPDATE token SET revoked = ? WHERE revoked IS NULL", time.milliseconds)
        try connection.run("DELETE FROM playback_grant")
      }
      try connection.setFact(.earlierLogs, to: text)
    }
  }
}
