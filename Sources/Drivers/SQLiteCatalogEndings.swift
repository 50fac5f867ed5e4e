import Audit
import Database
public import Encoding
public import Vault

// What is about to end: links that are taken back, holds that are released.
extension SQLiteCatalog {
  public func insertUnlinking(
    of link: Identifier, at time: Timestamp, since size: Int64
  ) async throws(VaultError) {
    try await begin(
      .unlinking, of: link, from: "patient_link WHERE id = ? AND since IS NULL", at: time,
      since: size, during: "beginning to take back a link")
  }

  public func insertRelease(
    of hold: Identifier, at time: Timestamp, since size: Int64
  ) async throws(VaultError) {
    try await begin(
      .release, of: hold, from: "legal_hold WHERE id = ? AND since IS NULL AND released IS NULL",
      at: time, since: size, during: "beginning to release a hold")
  }

  private func begin(
    _ end: RowKind, of id: Identifier, from table: SQL, at time: Timestamp, since size: Int64,
    during operation: StaticString
  ) async throws(VaultError) {
    try await write(operation) { connection in
      let count = try connection.run(
        "INSERT INTO ending (id, kind, since, asked) SELECT id, ?, ?, ? FROM " + table,
        end.rawValue, size, time.milliseconds, id.bytes)
      guard count == 1 else { throw VaultError(.notFound, during: operation) }
    }
  }
}

extension Connection {
  /// Ends a live link, and what waits for that; one that ended before stays so.
  func endLink(_ link: Identifier, at position: LogPosition) throws {
    try run(
      """
      INSERT INTO ended_link (id, patient, call, created, log_index)
      SELECT id, patient, call, created, ? FROM patient_link WHERE id = ? AND since IS NULL
      """, position.index, link.bytes)
    try run("DELETE FROM patient_link WHERE id = ? AND since IS NULL", link.bytes)
    try run("DELETE FROM ending WHERE id = ?", link.bytes)
    try advance(.applied, to: position)
  }

  /// Releases a hold, and ends what waits for that; one that was released before stays as it was.
  func releaseHold(_ hold: Identifier, at time: Timestamp, position: LogPosition) throws {
    try run(
      "UPDATE legal_hold SET released = ? WHERE id = ? AND released IS NULL", time.milliseconds,
      hold.bytes)
    try run("DELETE FROM ending WHERE id = ?", hold.bytes)
    try advance(.applied, to: position)
  }

  /// Carries out the pending end of a link or a hold.
  func end(_ row: RowReference, at position: LogPosition) throws {
    let asked = try first(
      "SELECT asked FROM ending WHERE id = ?" + row.kind.restriction, row.id.bytes
    ) { (row) throws(DatabaseError) in try row.time(0) }
    guard let asked else {
      guard try containsEnd(row) else {
        throw VaultError(.notFound, during: "carrying out the end of a row")
      }
      // One that was carried out before stays so.
      return try advance(.applied, to: position)
    }
    if row.kind == .release {
      try releaseHold(row.id, at: asked, position: position)
    } else {
      try endLink(row.id, at: position)
    }
  }

  /// Whether the end of a link or a hold is pending, or was carried out.
  func containsEnd(_ row: RowReference) throws -> Bool {
    // A link that ended, or went with its call.
    let ended: SQL =
      row.kind == .release
      ? "SELECT 1 FROM legal_hold WHERE id = ?1 AND released IS NOT NULL"
      : """
      SELECT 1 FROM ended_link WHERE id = ?1 UNION ALL SELECT 1 FROM purged_link WHERE id = ?1
      """
    return try first(
      "SELECT 1 FROM ending WHERE id = ?1" + row.kind.restriction + " UNION ALL " + ended,
      row.id.bytes
    ) { (_) throws(DatabaseError) in true } ?? false
  }
}
