import CSQLite

extension Connection {
  /// Holds the database as it is now for this connection, in place of what it held before: writers go
  /// on, and it reads what was.
  ///
  /// For as long as the connection lives. What is held keeps the write-ahead log from shrinking.
  public func hold() throws(DatabaseError) {
    if unsafe sqlite3_get_autocommit(handle) == 0 { try run("COMMIT") }
    try run("BEGIN")
    // The first reading takes the snapshot.
    _ = try userVersion()
  }

  /// Writes the database as this connection sees it to a new file.
  ///
  /// The copy is one file, without a write-ahead log, and is not synced. <https://sqlite.org/backup.html>: pages are read through this connection, in
  /// its transaction if it has one.
  ///
  /// - Throws: ``DatabaseError``; what is there then is not whole.
  public func copy(to path: String) throws(DatabaseError) {
    var target: OpaquePointer?
    let opened = unsafe sqlite3_open_v2(
      path, &target,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE | SQLITE_OPEN_NOMUTEX
        | SQLITE_OPEN_EXRESCODE, nil)
    defer { unsafe sqlite3_close(target) }
    guard opened == SQLITE_OK, let target = unsafe target else {
      throw DatabaseError(
        SQLiteFailure(
          resultCode: opened, systemNumber: unsafe sqlite3_system_errno(target), sql: nil),
        during: "making a copy of the database")
    }
    // Not durable page by page: whoever copies syncs the whole.
    unsafe sqlite3_exec(target, "PRAGMA synchronous=OFF", nil, nil, nil)
    guard let copy = unsafe sqlite3_backup_init(target, "main", handle, "main") else {
      throw DatabaseError(
        SQLiteFailure(
          resultCode: unsafe sqlite3_extended_errcode(target),
          systemNumber: unsafe sqlite3_system_errno(target), sql: nil),
        during: "copying the database")
    }
    let stepped = unsafe sqlite3_backup_step(copy, -1)
    let system = unsafe sqlite3_system_errno(target)
    let finished = unsafe sqlite3_backup_finish(copy)
    guard stepped == SQLITE_DONE, finished == SQLITE_OK else {
      throw DatabaseError(
        SQLiteFailure(
          resultCode: stepped == SQLITE_DONE ? finished : stepped, systemNumber: system, sql: nil),
        during: "copying the database")
    }
    // The copy says of itself that it has a write-ahead log: it would be read only where one can be made.
    let single = unsafe sqlite3_exec(target, "PRAGMA journal_mode=DELETE", nil, nil, nil)
    guard single == SQLITE_OK else {
      throw DatabaseError(
        SQLiteFailure(
          resultCode: single, systemNumber: unsafe sqlite3_system_errno(target), sql: nil),
        during: "ending a copy of the database")
    }
  }
}
