public import Audit
import Database
public import Encoding
public import Vault

// Holds, and what they are held against.
extension SQLiteCatalog {
  public func insert(_ hold: HoldRow, since size: Int64) async throws(VaultError) {
    try await write("storing a hold") { connection in
      _ = try connection.run(
        "INSERT INTO legal_hold (id, since, placed, placed_by, sealed) VALUES (?, ?, ?, ?, ?)",
        hold.id.bytes, size, hold.placed.milliseconds, hold.placedBy.bytes, hold.sealed)
    }
  }

  public func standingHolds() async throws(VaultError) -> [HoldRow] {
    try await read("reading holds") { connection in
      try connection.rows(
        "SELECT " + .holdColumns + " FROM legal_hold INDEXED BY legal_hold_standing"
          + " WHERE released IS NULL ORDER BY placed, id"
      ) { (row) throws(DatabaseError) in try row.hold() }
    }
  }

  public func holds(limit: Int) async throws(VaultError) -> [HoldRow] {
    try await read("listing holds") { connection in
      try connection.rows(
        "SELECT " + .holdColumns
          + " FROM legal_hold WHERE since IS NULL ORDER BY placed DESC, id DESC LIMIT ?",
        max(0, limit)
      ) { (row) throws(DatabaseError) in try row.hold() }
    }
  }

  public func hold(_ id: Identifier) async throws(VaultError) -> HoldRow? {
    try await read("reading a hold") { connection in
      try connection.first(
        "SELECT " + .holdColumns + " FROM legal_hold WHERE id = ? AND since IS NULL", id.bytes
      ) { (row) throws(DatabaseError) in try row.hold() }
    }
  }

  public func releaseHold(
    _ id: Identifier, at time: Timestamp, position: LogPosition
  ) async throws(VaultError) {
    try await write("releasing a hold") {
      try $0.releaseHold(id, at: time, position: position)
    }
  }

  public func decideHold(
    _ id: Identifier, at time: Timestamp, position: LogPosition
  ) async throws(VaultError) {
    try await write("deciding about a hold") { connection in
      try connection.run(
        "UPDATE legal_hold SET decided = ? WHERE id = ?", time.milliseconds, id.bytes)
      try connection.advance(.applied, to: position)
    }
  }

  public func heldCalls(_ calls: [Identifier]) async throws(VaultError) -> [HeldCallRow] {
    try await read("reading what holds are held against") { connection in
      var found: [HeldCallRow] = []
      for call in calls {
        let tokens = try connection.tokens("call = ?", call)
        let row = try connection.first(
          """
          SELECT c.started, c.started_offset, c.direction, c.source, c.location, c.extension,
            l.patient
          FROM call c LEFT JOIN patient_link l ON l.call = c.id AND l.since IS NULL
          WHERE c.id = ? AND c.since IS NULL
          """, call.bytes
        ) { (row) throws(DatabaseError) -> HeldCallRow in
          guard let started = OffsetTime(instant: try row.time(0), offsetMinutes: try row.int(1))
          else { throw .notAValue }
          return HeldCallRow(
            call: call, started: started,
            direction: try row.value(2, Direction.init(rawValue:)), source: try row.text(3),
            location: try row.optionalText(4), callExtension: try row.optionalText(5),
            patient: row.isNull(6) ? nil : try row.identifier(6), tokens: tokens)
        }
        if let row { found.append(row) }
      }
      return found
    }
  }

  public func numbers(
    ofPatient patient: Identifier
  ) async throws(VaultError) -> [LookupToken] {
    try await read("reading a patient's numbers") { connection in
      let calls = try connection.rows(
        "SELECT call FROM patient_link WHERE patient = ? AND since IS NULL", patient.bytes
      ) { (row) throws(DatabaseError) in try row.identifier(0) }
      var found: Set<LookupToken> = []
      for call in calls {
        let tokens = try connection.tokens("call = ?", call)
        let outside = tokens.filter { $0.field == .outside }
        // Stored before outside parties had a token: rather keep too much.
        found.formUnion(outside.isEmpty ? tokens : outside)
      }
      return Array(found)
    }
  }

  // MARK: Facts that periods count from

  public func setFacts(
    ofCall call: Identifier, to sealed: [UInt8], position: LogPosition
  ) async throws(VaultError) {
    try await write("storing what is known of a call") { connection in
      if sealed.isEmpty {
        try connection.run("DELETE FROM call_facts WHERE call = ?", call.bytes)
      } else {
        try connection.run(
          """
          INSERT INTO call_facts (call, sealed) VALUES (?, ?)
          ON CONFLICT (call) DO UPDATE SET sealed = excluded.sealed
          """, call.bytes, sealed)
      }
      try connection.advance(.applied, to: position)
    }
  }

  public func setFacts(
    ofPatient patient: Identifier, to sealed: [UInt8], position: LogPosition
  ) async throws(VaultError) {
    try await write("storing what is known of a patient") { connection in
      if sealed.isEmpty {
        try connection.run("DELETE FROM patient_facts WHERE patient = ?", patient.bytes)
      } else {
        try connection.run(
          """
          INSERT INTO patient_facts (patient, sealed) VALUES (?, ?)
          ON CONFLICT (patient) DO UPDATE SET sealed = excluded.sealed
          """, patient.bytes, sealed)
      }
      try connection.advance(.applied, to: position)
    }
  }

  public func callFacts(
    after call: Identifier?, limit: Int
  ) async throws(VaultError) -> [(id: Identifier, sealed: [UInt8])] {
    try await read("reading what is known of calls") { connection in
      try connection.rows(
        "SELECT call, sealed FROM call_facts WHERE call > ? ORDER BY call LIMIT ?",
        call?.bytes ?? [], max(0, limit)
      ) { (row) throws(DatabaseError) in (try row.identifier(0), try row.blob(1)) }
    }
  }

  public func patientFacts(
    after patient: Identifier?, limit: Int
  ) async throws(VaultError) -> [(id: Identifier, sealed: [UInt8])] {
    try await read("reading what is known of patients") { connection in
      try connection.rows(
        "SELECT patient, sealed FROM patient_facts WHERE patient > ? ORDER BY patient LIMIT ?",
        patient?.bytes ?? [], max(0, limit)
      ) { (row) throws(DatabaseError) in (try row.identifier(0), try row.blob(1)) }
    }
  }

  public func facts(
    ofCall call: Identifier
  ) async throws(VaultError) -> (call: [UInt8]?, patient: [UInt8]?) {
    try await read("reading what is known of a call") { connection in
      (
        try connection.first("SELECT sealed FROM call_facts WHERE call = ?", call.bytes) {
          (row) throws(DatabaseError) in try row.blob(0)
        },
        try connection.first(
          """
          SELECT f.sealed FROM patient_link l JOIN patient_facts f ON f.patient = l.patient
          WHERE l.call = ? AND l.since IS NULL
          """, call.bytes
        ) { (row) throws(DatabaseError) in try row.blob(0) }
      )
    }
  }
}

extension Connection {
  /// Tokens of parties.
  fileprivate func tokens(_ condition: SQL, _ value: Identifier) throws -> [LookupToken] {
    try rows(
      "SELECT field, key, value FROM call_token WHERE " + condition
        + " AND field IN ('party', 'outside')", value.bytes
    ) { (row) throws(DatabaseError) in
      LookupToken(
        field: try row.value(0, LookupToken.Field.init(rawValue:)), key: try row.identifier(1),
        value: try row.blob(2))
    }
  }
}

extension SQL {
  fileprivate static var holdColumns: SQL { "id, placed, placed_by, sealed, released, decided" }
}

extension Row {
  /// The columns of ``SQL/holdColumns``.
  fileprivate func hold() throws(DatabaseError) -> HoldRow {
    HoldRow(
      id: try identifier(0), placed: try time(1), placedBy: try identifier(2),
      sealed: try blob(3), released: try optionalTime(4), decided: try optionalTime(5))
  }
}
