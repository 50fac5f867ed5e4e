import CSQLite

/// An open SQLite database, set up so that what is committed lasts and what is deleted is wiped.
///
/// Write-ahead log, `synchronous=FULL`, `secure_delete`, foreign keys; the file is not trusted:
/// defensive mode, no views or triggers, no functions from the schema, no memory map. One thread at
/// a time: it is not `Sendable`, ``IsolatedConnection`` gives it a thread of its own.
@safe
public final class Connection {
  /// What a connection may do.
  public enum Access: Sendable {
    /// Reads and writes, and makes the file if it is absent.
    case writing
    /// Reads only, beside a writer.
    case reading
    /// Reads a file that nobody changes, and makes no other beside it.
    case examining
  }

  let handle: OpaquePointer
  /// Statements that are kept for their next use.
  private static let idleLimit = 256
  /// Compiled statements that nobody uses now, by their text.
  private var idle: [SQL: OpaquePointer] = unsafe [:]
  /// The failure after which this connection commits nothing more; opening the database again may
  /// help.
  public private(set) var lastingFailure: DatabaseError?

  /// Opens the database at `path`.
  ///
  /// - Throws: ``DatabaseError/Code/damaged`` when the file is something else;
  ///   ``DatabaseError/Code/inputOutput`` when it cannot be opened.
  public init(_ path: String, for access: Access) throws(DatabaseError) {
    var flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
    switch access {
    case .writing: flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
    // Read-write all the same: a reader of a write-ahead log must be able to make its index.
    // `query_only` below is what refuses changes.
    case .reading: flags |= SQLITE_OPEN_READWRITE
    case .examining: flags |= SQLITE_OPEN_READONLY
    }
    guard !path.utf8.contains(0) else {
      throw DatabaseError(.misuse, during: "opening the database")
    }
    var handle: OpaquePointer?
    let result = unsafe sqlite3_open_v2(path, &handle, flags, nil)
    guard result == SQLITE_OK, let opened = unsafe handle else {
      let failure = SQLiteFailure(
        resultCode: result, systemNumber: unsafe sqlite3_system_errno(handle), sql: nil)
      unsafe sqlite3_close_v2(handle)
      throw DatabaseError(failure, during: "opening the database")
    }
    unsafe self.handle = opened
    try setUp(access)
  }

  deinit {
    // A closure, because swift-format 6.3 breaks `for unsafe`.
    unsafe idle.values.forEach { statement in
      unsafe sqlite3_finalize(statement)
    }
    // Statements in use keep the connection, so there are none.
    unsafe sqlite3_close(handle)
  }

  private func setUp(_ access: Access) throws(DatabaseError) {
    unsafe sqlite3_busy_timeout(handle, 5000)
    let switches: [(Int32, Int32)] = [
      (SQLITE_DBCONFIG_DEFENSIVE, 1), (SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
      (SQLITE_DBCONFIG_ENABLE_VIEW, 0), (SQLITE_DBCONFIG_ENABLE_TRIGGER, 0),
      (SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0), (SQLITE_DBCONFIG_DQS_DML, 0),
      (SQLITE_DBCONFIG_DQS_DDL, 0), (SQLITE_DBCONFIG_ENABLE_FKEY, 1),
    ]
    for (option, on) in switches {
      try check(unsafe callvault_sqlite3_switch(handle, option, on), "configuring the database")
    }
    unsafe sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, 64 << 20)
    unsafe sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0)
    for pragma: SQL in [
      "PRAGMA cell_size_check=ON", "PRAGMA mmap_size=0", "PRAGMA temp_store=MEMORY",
      // A reader keeps the inner pages of a catalog of a million calls: with less, a page of a search reads
      // each path of a hundred trees anew. A small catalog takes no more than it has.
      "PRAGMA cache_size=" + (access == .reading ? "-32768" : "-8192"),
      "PRAGMA secure_delete=ON", "PRAGMA synchronous=FULL",
    ] {
      try execute(pragma)
    }
    switch access {
    case .writing:
      // What a setting did not become must be known now, not after a power cut.
      try expect("wal", from: "PRAGMA journal_mode=WAL")
      try execute("PRAGMA journal_size_limit=67108864")
      // In pages, 32 MiB: the counts of a patient's calls lie a page from each other, and each change of one is
      // written twice where the log ahead of the pages is as short as SQLite has it.
      try execute("PRAGMA wal_autocheckpoint=8192")
      try expect("2", from: "PRAGMA synchronous")
      try expect("1", from: "PRAGMA secure_delete")
      try expect("1", from: "PRAGMA foreign_keys")
    case .reading, .examining:
      try execute("PRAGMA query_only=ON")
    }
  }

  private func expect(_ value: String, from pragma: SQL) throws(DatabaseError) {
    let found = try first(pragma) { (row) throws(DatabaseError) in try row.anyText(0) }
    guard found == value else {
      throw DatabaseError(.misuse, during: "configuring the database")
    }
  }

  // MARK: Statements

  /// Compiles one statement, or takes it from those compiled before.
  public func prepare(_ sql: SQL) throws(DatabaseError) -> Statement {
    if let statement = unsafe idle.removeValue(forKey: sql) {
      return unsafe Statement(statement, sql, of: self)
    }
    var statement: OpaquePointer?
    var text = sql.text
    let (result, isWhole) = text.withUTF8 { bytes in
      unsafe bytes.withMemoryRebound(to: CChar.self) { characters in
        var tail: UnsafePointer<CChar>?
        let result = unsafe sqlite3_prepare_v3(
          handle, characters.baseAddress, Int32(characters.count),
          UInt32(SQLITE_PREPARE_PERSISTENT),
          &statement, &tail)
        let end = unsafe characters.baseAddress.map { unsafe $0 + characters.count }
        return (result, unsafe tail == end)
      }
    }
    try check(result, "compiling a statement", sql)
    guard let compiled = unsafe statement, isWhole else {
      unsafe sqlite3_finalize(statement)
      throw DatabaseError(.misuse, during: "compiling a statement")
    }
    return unsafe Statement(compiled, sql, of: self)
  }

  /// Keeps a statement for the next use of its text.
  func giveBack(_ statement: OpaquePointer, _ sql: SQL) {
    // Its result repeats that of the last step, which has been reported.
    _ = unsafe sqlite3_reset(statement)
    unsafe sqlite3_clear_bindings(statement)
    if unsafe idle.count >= Self.idleLimit, let other = unsafe idle.keys.first {
      // Any: whichever it is, one that is used often is soon back.
      unsafe sqlite3_finalize(idle.removeValue(forKey: other))
    }
    if let other = unsafe idle.updateValue(statement, forKey: sql) {
      unsafe sqlite3_finalize(other)
    }
  }

  /// Runs statements that take no values and return no rows, such as a schema.
  public func execute(_ sql: SQL) throws(DatabaseError) {
    try check(unsafe sqlite3_exec(handle, sql.text, nil, nil, nil), "running a statement", sql)
  }

  /// Runs one statement.
  ///
  /// - Returns: how many rows it changed.
  @discardableResult
  public func run(_ sql: SQL, _ values: (any Bindable)...) throws(DatabaseError) -> Int {
    try run(sql, values)
  }

  /// Runs one statement with a list of values.
  @discardableResult
  public func run(_ sql: SQL, _ values: [any Bindable]) throws(DatabaseError) -> Int {
    var statement = try prepare(sql)
    try statement.bind(values)
    while try statement.step() {}
    return Int(unsafe sqlite3_changes64(handle))
  }

  /// Returns what `read` makes of each row.
  public func rows<Element>(
    _ sql: SQL, _ values: (any Bindable)...,
    read: (borrowing Row) throws(DatabaseError) -> Element
  ) throws(DatabaseError) -> [Element] {
    try rows(sql, values, read: read)
  }

  /// Returns what `read` makes of each row.
  public func rows<Element>(
    _ sql: SQL, _ values: [any Bindable],
    read: (borrowing Row) throws(DatabaseError) -> Element
  ) throws(DatabaseError) -> [Element] {
    var statement = try prepare(sql)
    try statement.bind(values)
    var elements: [Element] = []
    while try statement.step() { elements.append(try statement.withRow(read)) }
    return elements
  }

  /// Returns what `read` makes of the first row, if there is one.
  public func first<Element>(
    _ sql: SQL, _ values: (any Bindable)...,
    read: (borrowing Row) throws(DatabaseError) -> Element
  ) throws(DatabaseError) -> Element? {
    var statement = try prepare(sql)
    try statement.bind(values)
    return try statement.step() ? try statement.withRow(read) : nil
  }

  // MARK: Transactions

  /// Runs `body` in one transaction: committed and durable when it returns, undone when it throws.
  ///
  /// A commit that fails in the file system poisons the connection. SQLite would go on, but pages
  /// that the kernel dropped after a failed fsync may already have been called clean. Not so where
  /// only the index of the WAL could not grow, which lives in memory: nothing was written.
  ///
  /// - Throws: what `body` throws, or ``DatabaseError``. Not reentrant.
  public func transaction<Result>(_ body: () throws -> Result) throws -> Result {
    if let lastingFailure {
      throw DatabaseError(.poisoned, during: "starting a transaction", cause: lastingFailure)
    }
    // IMMEDIATE takes the write lock first: a read that later wants to write could deadlock.
    try run("BEGIN IMMEDIATE")
    do {
      let result = try body()
      try run("COMMIT")
      return result
    } catch {
      // After some failures SQLite has rolled back by itself.
      if unsafe sqlite3_get_autocommit(handle) == 0 {
        do throws(DatabaseError) {
          try run("ROLLBACK")
        } catch {
          lastingFailure = error
        }
      }
      if let error = error as? DatabaseError, let failure = error.cause as? SQLiteFailure,
        failure.resultCode & 0xff == SQLITE_IOERR,
        failure.resultCode != callvault_SQLITE_IOERR_SHMSIZE
      {
        lastingFailure = error
      }
      throw error
    }
  }

  /// Runs reads of `body` on one state of the database.
  public func snapshot<Result>(_ body: () throws -> Result) throws -> Result {
    try run("BEGIN")
    do {
      let result = try body()
      try run("COMMIT")
      return result
    } catch {
      if unsafe sqlite3_get_autocommit(handle) == 0 { try run("ROLLBACK") }
      throw error
    }
  }

  // MARK: State

  /// The schema's version, kept in the file's header; 0 in a new file.
  public func userVersion() throws(DatabaseError) -> Int {
    try first("PRAGMA user_version") { (row) throws(DatabaseError) in try row.int(0) } ?? 0
  }

  /// Sets the schema's version; part of a transaction if one is open.
  public func setUserVersion(_ version: Int) throws(DatabaseError) {
    try execute("PRAGMA user_version=" + SQL(version))
  }

  /// Reads every page, index and reference.
  ///
  /// - Throws: ``DatabaseError/Code/damaged`` when anything is inconsistent.
  public func checkIntegrity() throws(DatabaseError) {
    let answer = try first("PRAGMA integrity_check(1)") { (row) throws(DatabaseError) in
      try row.anyText(0)
    }
    let dangling = try first("PRAGMA foreign_key_check") { (_) throws(DatabaseError) in true }
    guard answer == "ok", dangling == nil else {
      throw DatabaseError(.damaged, during: "checking the database")
    }
  }

  /// Moves the write-ahead log into the database and empties it.
  public func checkpoint() throws(DatabaseError) {
    _ = try rows("PRAGMA wal_checkpoint(TRUNCATE)") { (_) throws(DatabaseError) in true }
  }

  /// How SQLite would run a statement: one line for each step of its plan.
  public func queryPlan(of sql: SQL) throws(DatabaseError) -> [String] {
    // Without values: the plan does not depend on them.
    var statement = try prepare("EXPLAIN QUERY PLAN " + sql)
    var steps: [String] = []
    while try statement.step() {
      steps.append(try statement.withRow { (row) throws(DatabaseError) in try row.text(3) })
    }
    return steps
  }

  func check(_ result: Int32, _ operation: StaticString, _ sql: SQL? = nil)
    throws(DatabaseError)
  {
    guard result != SQLITE_OK else { return }
    throw DatabaseError(
      SQLiteFailure(
        resultCode: result, systemNumber: unsafe sqlite3_system_errno(handle), sql: sql),
      during: operation)
  }
}
