public import Audit
import Cryptography
import Database
public import Durable
public import Encoding
public import Vault

/// The catalog in one SQLite file.
///
/// One connection writes and one reads, each on its own thread: a reader never waits for the fsync
/// of a commit, and sees every commit that has been acknowledged.
public final class SQLiteCatalog: Catalog, SubjectLedger {
  private let writer: IsolatedConnection
  private let reader: IsolatedConnection

  /// Opens the catalog at `path`, or makes it; blocks the caller while it does.
  ///
  /// - Throws: ``VaultError/Code/tampered`` when the file is no catalog, is damaged or comes from a
  ///   later version; ``VaultError/Code/unavailable`` when it cannot be opened.
  public init(_ path: String, on fileSystem: any FileSystem = LinuxFileSystem())
    throws(VaultError)
  {
    do throws(DurableError) {
      switch try Directory.status(of: path, on: fileSystem)?.kind {
      case .file: break
      // SQLite would make it readable by others; the files beside it get the same mode as this.
      case nil: try AtomicFile.create([], at: path, mode: .privateFile, on: fileSystem)
      default: throw DurableError(.malformed, during: "opening the catalog")
      }
    } catch {
      throw VaultError(error)
    }
    do {
      // Closed again before the actors open it: its schema must be there for the reader.
      try SQLiteCatalogSchema.prepare(Connection(path, for: .writing))
      writer = try IsolatedConnection(path, for: .writing)
      reader = try IsolatedConnection(path, for: .reading)
    } catch {
      throw VaultError(database: error, during: "opening the catalog")
    }
  }

  /// Runs `body` in one transaction, durable when it returns.
  func write<Result: Sendable>(
    _ operation: StaticString, _ body: @Sendable (Connection) throws -> Result
  ) async throws(VaultError) -> Result {
    do {
      return try await writer.perform { connection in
        try connection.transaction { try body(connection) }
      }
    } catch {
      throw VaultError(database: error, during: operation)
    }
  }

  /// Runs `body` on one state of the catalog.
  func read<Result: Sendable>(
    _ operation: StaticString, _ body: @Sendable (Connection) throws -> Result
  ) async throws(VaultError) -> Result {
    do {
      return try await reader.perform { connection in
        try connection.snapshot { try body(connection) }
      }
    } catch {
      throw VaultError(database: error, during: operation)
    }
  }

  public func lastingFailure() async throws(VaultError) -> VaultError? {
    do {
      return try await writer.perform { connection in
        connection.lastingFailure.map {
          VaultError(database: $0, during: "writing the catalog for good")
        }
      }
    } catch {
      throw VaultError(database: error, during: "asking the catalog's writer")
    }
  }

  // MARK: The log behind the rows

  public func appliedPosition() async throws(VaultError) -> LogPosition? {
    try await read("reading the catalog's position") { try $0.position(.applied) }
  }

  public func advance(to position: LogPosition) async throws(VaultError) {
    try await write("storing the catalog's position") { try $0.advance(.applied, to: position) }
  }

  public func pendingRows(limit: Int) async throws(VaultError) -> [PendingRow] {
    try await read("listing pending rows") { connection in
      var pending: [PendingRow] = []
      for kind in RowKind.allCases {
        pending += try connection.rows(
          "SELECT id, since, " + (kind == .recording ? "blob" : "NULL") + " FROM " + kind.table
            + " WHERE since IS NOT NULL" + kind.restriction + " LIMIT ?",
          max(0, limit - pending.count)
        ) { (row) throws(DatabaseError) in
          PendingRow(
            row: RowReference(kind, try row.identifier(0)), since: try row.integer(1),
            blob: row.isNull(2) ? nil : try row.value(2, BlobName.init))
        }
      }
      return pending
    }
  }

  public func contains(_ row: RowReference) async throws(VaultError) -> Bool {
    try await read("looking for a row") { try $0.contains(row) }
  }

  public func confirm(_ row: RowReference, at position: LogPosition) async throws(VaultError) {
    try await write("making a row live") { connection in
      if row.kind == .purge {
        try connection.purge([(row.id, position)])
        return
      }
      if row.kind == .excision {
        try connection.putInPlace(row.id, at: position)
        try connection.advance(.applied, to: position)
        return
      }
      if row.kind == .unlinking || row.kind == .release {
        try connection.end(row, at: position)
        return
      }
      let isNowLive =
        try connection.run(
          "UPDATE " + row.kind.table + " SET since = NULL WHERE id = ? AND since IS NOT NULL"
            + row.kind.restriction, row.id.bytes) == 1
      if isNowLive {
        if row.kind == .recording || row.kind == .plan {
          try connection.run(
            "UPDATE " + row.kind.table + " SET log_index = ? WHERE id = ?", position.index,
            row.id.bytes)
        }
        try connection.count(row)
      } else if try !connection.contains(row) {
        throw VaultError(.notFound, during: "making a row live")
      }
      try connection.advance(.applied, to: position)
    }
  }

  public func dropPending(_ row: RowReference) async throws(VaultError) {
    try await write("dropping a pending row") { connection in
      if row.kind == .call {
        try connection.dropPendingCall(row.id)
      } else if row.kind == .patient {
        try connection.dropPendingPatient(row.id)
      } else if row.kind == .excision {
        try connection.dropExcision(row.id)
      } else {
        try connection.run(
          "DELETE FROM " + row.kind.table + " WHERE id = ? AND since IS NOT NULL"
            + row.kind.restriction, row.id.bytes)
      }
    }
  }

  // MARK: Facts kept by name

  public func fact(_ name: CatalogFact) async throws(VaultError) -> [UInt8]? {
    try await read("reading a fact") { connection in
      try connection.first("SELECT value FROM fact WHERE name = ?", name.rawValue) {
        (row) throws(DatabaseError) in try row.blob(0)
      }
    }
  }

  public func setFact(
    _ name: CatalogFact, to value: [UInt8], at position: LogPosition?
  ) async throws(VaultError) {
    try await write("storing a fact") { connection in
      try connection.setFact(name, to: value)
      if let position { try connection.advance(.applied, to: position) }
    }
  }

  // MARK: Counts of subjects

  public func knownPosition() async throws -> LogPosition? { try await appliedPosition() }

  public func countedPosition() async throws -> LogPosition? {
    try await read("reading the position of counts") { try $0.position(.counted) }
  }

  public func subjects(behind aliases: [Identifier]) async throws -> [Identifier: Identifier] {
    try await read("looking behind aliases") { connection in
      // The link of a purged call still stands in the entries about it, which its patient has counted.
      var patients: [Identifier: Identifier] = [:]
      for alias in aliases {
        patients[alias] = try connection.first(
          """
          SELECT patient FROM patient_link WHERE id = ?1
          UNION ALL SELECT patient FROM ended_link WHERE id = ?1
          UNION ALL SELECT patient FROM purged_link WHERE id = ?1
          """, alias.bytes
        ) { (row) throws(DatabaseError) in try row.identifier(0) }
      }
      return patients
    }
  }

  // MARK: Facts for the health page

  public func counts() async throws(VaultError) -> CatalogCounts {
    try await read("counting rows") { try $0.totals() }
  }

  public func sealedParts() async throws(VaultError) -> [SealedParts] {
    try await read("counting what each library sealed") { try $0.sealedParts() }
  }

  public func checkIntegrity() async throws(VaultError) {
    try await read("checking the catalog") { connection in
      try connection.checkIntegrity()
      // The totals are kept, not counted, so they are checked here.
      let counted = try connection.first(
        """
        SELECT (SELECT count(*) FROM call WHERE since IS NULL),
          (SELECT count(*) FROM recording WHERE since IS NULL),
          (SELECT count(*) FROM text WHERE kind = 'transcript' AND since IS NULL),
          (SELECT count(*) FROM text WHERE kind = 'note' AND since IS NULL),
          (SELECT coalesce(sum(plaintext_length), 0) FROM recording WHERE since IS NULL),
          (SELECT coalesce(sum(ciphertext_length), 0) FROM recording WHERE since IS NULL)
        """
      ) { (row) throws(DatabaseError) in try row.counts() }
      guard try counted == connection.totals() else {
        throw DatabaseError(.damaged, during: "comparing the catalog's totals")
      }
    }
  }
}

/// The places in the log that the catalog keeps.
enum PositionName: String {
  /// The last entry applied to the rows.
  case applied
  /// The last entry in the counts of subjects.
  case counted
}

extension Connection {
  func position(_ name: PositionName) throws -> LogPosition? {
    try first("SELECT idx, leaf FROM log_position WHERE name = ?", name.rawValue) {
      (row) throws(DatabaseError) in
      LogPosition(index: try row.integer(0), leafHash: try row.digest(1))
    }
  }

  /// Stores a position; a lesser one than is there changes nothing.
  func advance(_ name: PositionName, to position: LogPosition) throws {
    try run(
      """
      INSERT INTO log_position (name, idx, leaf) VALUES (?, ?, ?)
      ON CONFLICT (name) DO UPDATE SET idx = excluded.idx, leaf = excluded.leaf
      WHERE excluded.idx > log_position.idx
      """, name.rawValue, position.index, position.leafHash.bytes)
  }

  func setFact(_ name: CatalogFact, to value: [UInt8]) throws {
    try run(
      """
      INSERT INTO fact (name, value) VALUES (?, ?)
      ON CONFLICT (name) DO UPDATE SET value = excluded.value
      """, name.rawValue, value)
  }

  /// Whether the row is there, pending or live.
  func contains(_ row: RowReference) throws -> Bool {
    // Of one that was carried out the old key's id is left.
    if row.kind == .excision { return try containsExcision(row.id) }
    if row.kind == .unlinking || row.kind == .release { return try containsEnd(row) }
    return try first(
      "SELECT 1 FROM " + row.kind.table + " WHERE id = ?" + row.kind.restriction, row.id.bytes
    ) { (_) throws(DatabaseError) in true } ?? false
  }

  func totals() throws -> CatalogCounts {
    let totals = try first(
      """
      SELECT calls, recordings, transcripts, notes, plaintext_bytes, ciphertext_bytes FROM totals
      """
    ) { (row) throws(DatabaseError) in try row.counts() }
    guard let totals else { throw DatabaseError(.damaged, during: "reading the totals") }
    return totals
  }

  /// Adds a row that has just become live to the totals.
  fileprivate func count(_ row: RowReference) throws {
    switch row.kind {
    case .call: try run("UPDATE totals SET calls = calls + 1")
    case .transcript: try run("UPDATE totals SET transcripts = transcripts + 1")
    case .note: try run("UPDATE totals SET notes = notes + 1")
    case .recording:
      try run(
        """
        UPDATE totals SET recordings = recordings + 1,
          plaintext_bytes = plaintext_bytes + r.plaintext_length,
          ciphertext_bytes = ciphertext_bytes + r.ciphertext_length
        FROM (SELECT plaintext_length, ciphertext_length FROM recording WHERE id = ?) AS r
        """, row.id.bytes)
    case .consent, .patient, .link, .identity, .token, .purge, .hold, .plan, .excision, .unlinking,
      .release:
      break
    }
  }
}

extension RowKind {
  /// The table that holds rows of this kind.
  var table: SQL {
    switch self {
    case .call: "call"
    case .recording: "recording"
    case .transcript, .note, .consent: "text"
    case .patient: "patient"
    case .link: "patient_link"
    case .identity: "identity"
    case .token: "token"
    case .purge: "purged_call"
    case .excision: "excision"
    case .hold: "legal_hold"
    case .plan: "purge_plan"
    case .unlinking, .release: "ending"
    }
  }

  /// What tells this kind from others in the same table.
  var restriction: SQL {
    switch self {
    case .transcript: " AND kind = 'transcript'"
    case .note: " AND kind = 'note'"
    case .consent: " AND kind = 'consent'"
    case .unlinking: " AND kind = 'unlinking'"
    case .release: " AND kind = 'release'"
    default: ""
    }
  }
}

extension VaultError {
  /// Says what a failed statement means to the vault; an error of the vault's stays as it is.
  init(database error: any Error, during operation: StaticString) {
    if let error = error as? VaultError {
      self = error
      return
    }
    let code: Code
    switch (error as? DatabaseError)?.code {
    case .full: code = .noSpace
    case .damaged: code = .tampered
    case .constraint: code = .conflict
    default: code = .unavailable
    }
    self.init(code, during: operation, cause: error)
  }
}
