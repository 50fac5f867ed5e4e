public import Audit
import Database
public import Encoding
import Retention
public import Vault

// Why calls are in quarantine.
extension SQLiteCatalog {
  public func open(_ incident: IncidentRow, since size: Int64) async throws(VaultError) {
    try await write("opening an incident") { connection in
      _ = try connection.run(
        """
        INSERT INTO incident (id, since, call, reason, opened, due, version, spans, closed)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """, incident.id.bytes, size, incident.call.bytes, incident.reason.rawValue,
        incident.opened.milliseconds, incident.due?.milliseconds, incident.version,
        incident.encodedSpans, incident.closed?.milliseconds)
    }
  }

  public func announce(
    _ incident: Identifier, at position: LogPosition
  ) async throws(VaultError) {
    try await write("noting an incident's entry") { connection in
      try connection.run("UPDATE incident SET since = NULL WHERE id = ?", incident.bytes)
      try connection.advance(.applied, to: position)
    }
  }

  public func unannouncedIncidents() async throws(VaultError)
    -> [(incident: IncidentRow, since: Int64)]
  {
    try await read("listing incidents without an entry") { connection in
      try connection.rows(
        "SELECT " + .incidentColumns + ", since FROM incident i WHERE since IS NOT NULL"
      ) { (row) throws(DatabaseError) in (try row.incident(), try row.integer(8)) }
    }
  }

  public func close(
    _ incident: Identifier, at time: Timestamp, position: LogPosition
  ) async throws(VaultError) {
    try await write("closing an incident") { connection in
      try connection.run(
        "UPDATE incident SET closed = ? WHERE id = ? AND closed IS NULL", time.milliseconds,
        incident.bytes)
      try connection.advance(.applied, to: position)
    }
  }

  public func incident(_ id: Identifier) async throws(VaultError) -> IncidentRow? {
    try await read("reading an incident") { connection in
      try connection.first(
        "SELECT " + .incidentColumns + " FROM incident i WHERE id = ?", id.bytes
      ) { (row) throws(DatabaseError) in try row.incident() }
    }
  }

  public func openIncidents(of call: Identifier) async throws(VaultError) -> [IncidentRow] {
    try await read("listing a call's incidents") { connection in
      try connection.rows(
        "SELECT " + .incidentColumns + " FROM incident i WHERE call = ? AND closed IS NULL"
          + " ORDER BY opened, id", call.bytes
      ) { (row) throws(DatabaseError) in try row.incident() }
    }
  }

  public func openIncidents(
    after cursor: Identifier?, limit: Int
  ) async throws(VaultError) -> [(incident: IncidentRow, call: CallRow)] {
    try await read("listing incidents") { connection in
      let incidents = try connection.rows(
        "SELECT " + .incidentColumns + " FROM incident i WHERE closed IS NULL AND id > ?"
          + " ORDER BY id LIMIT ?", cursor?.bytes ?? [], max(0, limit)
      ) { (row) throws(DatabaseError) in try row.incident() }
      // One of a call that waits for its own entry is nobody's to see yet.
      return try incidents.compactMap { incident in
        try connection.call(incident.call).map { (incident, $0) }
      }
    }
  }

  public func incidentCounts(at now: Timestamp) async throws(VaultError) -> IncidentCounts {
    try await read("counting incidents") { connection in
      try connection.first(
        """
        SELECT count(*) FILTER (WHERE reason = 'card-data'),
          count(*) FILTER (WHERE reason = 'consent'), count(*) FILTER (WHERE due <= ?)
        FROM incident INDEXED BY incident_open WHERE closed IS NULL
        """, now.milliseconds
      ) { (row) throws(DatabaseError) in
        IncidentCounts(
          cardData: try row.integer(0), consent: try row.integer(1), overdue: try row.integer(2))
      } ?? IncidentCounts()
    }
  }
}

extension IncidentRow {
  /// `[[from, to], …]`.
  fileprivate var encodedSpans: [UInt8] {
    JSONValue.array(spans.map { .array([.integer($0.from), .integer($0.to)]) }).encoded()
  }

  fileprivate static func spans(_ bytes: [UInt8]) -> [TimeSpan]? {
    // What does not parse is damage, which the caller says.
    guard case .array(let values) = try? JSONValue(parsing: bytes) else { return nil }
    var spans: [TimeSpan] = []
    for value in values {
      guard case .array(let pair) = value, pair.count == 2, case .integer(let from) = pair[0],
        case .integer(let to) = pair[1], let span = TimeSpan(from, to)
      else { return nil }
      spans.append(span)
    }
    return spans
  }
}

extension SQL {
  fileprivate static var incidentColumns: SQL {
    "i.id, i.call, i.reason, i.opened, i.due, i.version, i.spans, i.closed"
  }
}

extension Row {
  /// The columns of ``SQL/incidentColumns``.
  fileprivate func incident() throws(DatabaseError) -> IncidentRow {
    guard let spans = IncidentRow.spans(try blob(6)) else { throw .notAValue }
    return IncidentRow(
      id: try identifier(0), call: try identifier(1),
      reason: try value(2, IncidentRow.Reason.init(rawValue:)), opened: try time(3),
      due: try optionalTime(4), version: try optionalInt(5), spans: spans,
      closed: try optionalTime(7))
  }
}
