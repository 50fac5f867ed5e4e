import Audit
import Database
public import Encoding
public import Vault

extension SQLiteCatalog {
  public func insert(
    _ call: CallRow, tokens: [LookupToken], since size: Int64
  ) async throws(VaultError) {
    try await write("storing a call") { connection in
      if let existing = try connection.call(owning: tokens.filter(\.isUnique)) {
        throw VaultError(.conflict, during: "storing a call", existing: existing)
      }
      try connection.checkInUse(call.wrappedKey)
      try connection.checkInUse(call.subject.wrappedKey)
      try connection.run(
        "INSERT INTO subject (id, wrapped_key) VALUES (?, ?) ON CONFLICT (id) DO NOTHING",
        call.subject.id.bytes, call.subject.wrappedKey)
      try connection.run(
        """
        INSERT INTO call (id, since, subject, created, started, started_offset, direction, source,
          location, extension, key_id, wrapped_key, details, details_generation,
          recording_numbers, key_epoch, sealed_by)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        call.id.bytes, size, call.subject.id.bytes, call.created.milliseconds,
        call.started.instant.milliseconds, call.started.offsetMinutes, call.direction.rawValue,
        call.source, call.location, call.callExtension, call.keyID.bytes, call.wrappedKey,
        call.details, call.detailsGeneration, call.recordingNumbers, Int64(call.keyEpoch),
        call.sealedBy?.description)
      for token in Set(tokens) {
        try connection.run(
          "INSERT INTO call_token (field, key, value, started, call) VALUES (?, ?, ?, ?, ?)",
          token.field.rawValue, token.key.bytes, token.value,
          call.started.instant.milliseconds, call.id.bytes)
      }
    }
  }

  public func call(_ id: Identifier) async throws(VaultError) -> CallRow? {
    try await read("reading a call") { try $0.call(id) }
  }

  public func call(owning tokens: [LookupToken]) async throws(VaultError) -> Identifier? {
    try await read("looking for a call") { try $0.call(owning: tokens.filter(\.isUnique)) }
  }

  public func calls(matching query: CatalogQuery) async throws(VaultError) -> [CallListing] {
    try await read("listing calls") { connection in
      let search = CallListQuery(query)
      var found: [CallListing] = []
      for values in search.runs {
        found += try connection.rows(search.sql, values) { (row) throws(DatabaseError) in
          try row.listing()
        }
      }
      guard search.runs.count > 1 else { return found }
      // Each run gave its newest; the newest of all are among them. A call with two of the tokens
      // asked for was found twice.
      var seen: Set<Identifier> = []
      found.sort { ($1.call.started.instant, $1.call.id) < ($0.call.started.instant, $0.call.id) }
      return Array(found.filter { seen.insert($0.call.id).inserted }.prefix(search.limit))
    }
  }
}

/// How a search is answered without ever reading more than a page for each value asked for.
///
/// One condition drives: the index of its column also gives the order, so the newest matching calls
/// are read first and no sorting is needed. The other conditions are tested on the way. Where the
/// driving condition allows several values, the statement runs once for each.
struct CallListQuery {
  /// One statement for all runs.
  let sql: SQL
  /// The values to bind for each run.
  let runs: [[any Bindable]]
  /// The page.
  let limit: Int

  init(_ query: CatalogQuery) {
    limit = min(max(query.limit, 1), 100)
    var conditions: SQL = ""
    var shared: [any Bindable] = []
    func require(_ condition: SQL, _ values: [any Bindable]) {
      conditions += " AND " + condition
      shared += values
    }

    // What may drive, the most selective first; what does not drive is a condition.
    let tokens = [query.party, query.agent].filter { !$0.isEmpty }
    var columns: [(column: SQL, values: Set<String>)] = []
    for (column, asked, confined): (SQL, String?, Set<String>?) in [
      ("extension", query.callExtension, query.callExtensions),
      ("location", query.location, query.locations), ("source", nil, query.sources),
      ("direction", query.direction?.rawValue, nil),
    ] {
      switch (asked, confined) {
      case (nil, nil): continue
      case (let asked?, nil): columns.append((column, [asked]))
      case (nil, let confined?): columns.append((column, confined))
      // What is asked for outside of the confinement leaves no value, so no run.
      case (let asked?, let confined?): columns.append((column, confined.intersection([asked])))
      }
    }

    let from: SQL
    let order: SQL
    var heads: [[any Bindable]]
    if let driving = tokens.first {
      from =
        " FROM call_token t CROSS JOIN call c ON c.id = t.call" + .subjectOfCall
        + " WHERE t.field = ? AND t.key = ? AND t.value = ?"
      order = "t.started, t.call"
      heads = driving.map { [$0.field.rawValue, $0.key.bytes, $0.value] }
    } else if let (column, values) = columns.first {
      columns.removeFirst()
      from =
        " FROM call c INDEXED BY call_by_" + column + .subjectOfCall + " WHERE c." + column
        + " = ?"
      order = "c.started, c.id"
      heads = values.sorted().map { [$0] }
    } else {
      from = " FROM call c INDEXED BY call_by_time" + .subjectOfCall + " WHERE 1"
      order = "c.started, c.id"
      heads = [[]]
    }
    if columns.contains(where: { $0.values.isEmpty }) { heads = [] }

    // Below the upper bound: the cursor, or the first moment after the time asked for.
    var upper = (time: query.to?.milliseconds ?? .max, call: [UInt8]())
    if let after = query.after, after.started.milliseconds < upper.time {
      upper = (after.started.milliseconds, after.call.bytes)
    }
    require("(" + order + ") < (?, ?)", [upper.time, upper.call])
    let started: SQL = tokens.isEmpty ? "c.started" : "t.started"
    require(started + " >= ?", [query.from?.milliseconds ?? .min])
    for others in tokens.dropFirst() {
      for (number, token) in others.enumerated() {
        conditions += number == 0 ? " AND (" : " OR "
        conditions += """
          EXISTS (SELECT 1 FROM call_token o WHERE o.field = ? AND o.key = ? AND o.value = ?
          AND o.started = c.started AND o.call = c.id)
          """
        shared += [token.field.rawValue, token.key.bytes, token.value]
      }
      conditions += ")"
    }
    for (column, values) in columns {
      require("c." + column + " IN (" + .parameters(values.count) + ")", values.sorted())
    }
    sql =
      "SELECT " + .listingColumns + from + conditions
      + " AND c.since IS NULL AND NOT EXISTS (SELECT 1 FROM incident q WHERE q.call = c.id"
      + " AND q.closed IS NULL) ORDER BY "
      + (tokens.isEmpty ? "c.started DESC, c.id DESC" : "t.started DESC, t.call DESC") + " LIMIT ?"
    let tail = shared + [limit]
    runs = heads.map { $0 + tail }
  }
}

extension Connection {
  /// A live call.
  func call(_ id: Identifier) throws -> CallRow? {
    try first(
      "SELECT " + .callColumns + " FROM call c" + .subjectOfCall
        + " WHERE c.id = ? AND c.since IS NULL", id.bytes
    ) { (row) throws(DatabaseError) in try row.call() }
  }

  /// The call, pending or live, that has one of these tokens.
  fileprivate func call(owning tokens: [LookupToken]) throws -> Identifier? {
    for token in tokens {
      let owner = try first(
        "SELECT call FROM call_token WHERE field = ? AND key = ? AND value = ?",
        token.field.rawValue, token.key.bytes, token.value
      ) { (row) throws(DatabaseError) in try row.identifier(0) }
      if let owner { return owner }
    }
    return nil
  }

  /// Removes a pending call with its tokens, and its subject unless another call has it.
  func dropPendingCall(_ id: Identifier) throws {
    let subject = try first(
      "SELECT subject FROM call WHERE id = ? AND since IS NOT NULL", id.bytes
    ) { (row) throws(DatabaseError) in try row.identifier(0) }
    guard let subject else { return }
    for table: SQL in ["call_token", "incident"] {
      try run("DELETE FROM " + table + " WHERE call = ?", id.bytes)
    }
    try run("DELETE FROM call WHERE id = ?", id.bytes)
    try run(
      "DELETE FROM subject WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM call WHERE subject = ?1)",
      subject.bytes)
  }
}
