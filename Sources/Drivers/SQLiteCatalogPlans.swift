public import Audit
public import Cryptography
import Database
public import Encoding
import Retention
public import Vault

// Plans and their approvals, and the calls that plans are made of.
extension SQLiteCatalog {
  public func retainedCalls(
    after place: Int64, limit: Int
  ) async throws(VaultError) -> (calls: [RetainedCallRow], next: Int64?) {
    try await read("reading calls for a plan") { connection in
      // In the order of storage, which is that of the file: by id a million calls would be a million
      // places to look at.
      var last: Int64?
      let calls = try connection.rows(
        """
        SELECT c.rowid, c.id, c.started, c.started_offset, l.patient
        FROM call c LEFT JOIN patient_link l ON l.call = c.id AND l.since IS NULL
        WHERE c.rowid > ? AND c.since IS NULL ORDER BY c.rowid LIMIT ?
        """, place, max(0, limit)
      ) { (row) throws(DatabaseError) -> RetainedCallRow in
        guard let started = OffsetTime(instant: try row.time(2), offsetMinutes: try row.int(3))
        else { throw .notAValue }
        last = try row.integer(0)
        return RetainedCallRow(
          call: try row.identifier(1), started: started,
          patient: row.isNull(4) ? nil : try row.identifier(4))
      }
      return (calls, calls.count < limit ? nil : last)
    }
  }

  public func recordingSizes(
    after place: Int64, limit: Int
  ) async throws(VaultError) -> (sizes: [(call: Identifier, bytes: Int64)], next: Int64?) {
    try await read("reading recordings for a plan") { connection in
      var last: Int64?
      let sizes = try connection.rows(
        """
        SELECT rowid, call, ciphertext_length FROM recording
        WHERE rowid > ? AND since IS NULL ORDER BY rowid LIMIT ?
        """, place, max(0, limit)
      ) { (row) throws(DatabaseError) -> (call: Identifier, bytes: Int64) in
        last = try row.integer(0)
        return (try row.identifier(1), try row.size(2))
      }
      return (sizes, sizes.count < limit ? nil : last)
    }
  }

  public func insert(_ plan: PlanRow, since size: Int64) async throws(VaultError) {
    try await write("storing a plan") { connection in
      _ = try connection.run(
        """
        INSERT INTO purge_plan (id, since, hash, made, made_by, calls, recordings, bytes, stage,
          grace_since, document)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """, plan.id.bytes, size, plan.hash.bytes, plan.made.milliseconds, plan.madeBy.bytes,
        plan.calls, plan.recordings, plan.bytes, plan.stage.rawValue,
        plan.graceSince?.milliseconds, plan.document)
    }
  }

  public func plan(_ hash: SHA256Digest) async throws(VaultError) -> PlanRow? {
    try await read("reading a plan") { connection in
      try connection.first(
        "SELECT " + .planColumns + " FROM purge_plan WHERE hash = ? AND since IS NULL",
        hash.bytes
      ) { (row) throws(DatabaseError) in try row.plan() }
    }
  }

  public func plan(id: Identifier) async throws(VaultError) -> PlanRow? {
    try await read("reading a plan") { connection in
      try connection.first(
        "SELECT " + .planColumns + " FROM purge_plan WHERE id = ? AND since IS NULL", id.bytes
      ) { (row) throws(DatabaseError) in try row.plan() }
    }
  }

  public func plans(limit: Int) async throws(VaultError) -> [PlanRow] {
    try await read("listing plans") { connection in
      try connection.rows(
        "SELECT " + .planColumns + " FROM purge_plan INDEXED BY purge_plan_by_time"
          + " WHERE since IS NULL ORDER BY made DESC, id DESC LIMIT ?", max(0, limit)
      ) { (row) throws(DatabaseError) in try row.plan() }
    }
  }

  public func openPlans() async throws(VaultError) -> [PlanRow] {
    try await read("listing open plans") { connection in
      try connection.rows(
        "SELECT " + .planColumns + " FROM purge_plan INDEXED BY purge_plan_open"
          + " WHERE since IS NULL AND stage NOT IN ('done', 'void') ORDER BY made DESC, id DESC"
      ) { (row) throws(DatabaseError) in try row.plan() }
    }
  }

  public func update(_ plan: PlanRow) async throws(VaultError) {
    try await write("storing how far a plan is") { try $0.update(plan) }
  }

  public func keep(
    _ approval: ApprovalRow, bringing effect: ApprovalEffect?, position: LogPosition
  ) async throws(VaultError) {
    try await write("storing an approval") { connection in
      try connection.run(
        """
        INSERT INTO approval (subject, person, bytes, log_index) VALUES (?, ?, ?, ?)
        ON CONFLICT (subject, person) DO UPDATE
        SET bytes = excluded.bytes, log_index = excluded.log_index
        """, approval.subject.bytes, approval.person.bytes, approval.bytes, approval.logIndex)
      switch effect {
      case .plan(let plan): try connection.update(plan)
      case .policy(let hash): try connection.setFact(.approvedSchedule, to: hash.bytes)
      case .release(let hold): try connection.end(RowReference(.release, hold), at: position)
      case nil: break
      }
      try connection.advance(.applied, to: position)
    }
  }

  public func approvals(of subject: SHA256Digest) async throws(VaultError) -> [ApprovalRow] {
    try await read("reading approvals") { connection in
      try connection.rows(
        "SELECT subject, person, bytes, log_index FROM approval WHERE subject = ?"
          + " ORDER BY log_index", subject.bytes
      ) { (row) throws(DatabaseError) in
        ApprovalRow(
          subject: try row.digest(0), person: try row.identifier(1), bytes: try row.blob(2),
          logIndex: try row.size(3))
      }
    }
  }
}

extension Connection {
  /// Replaces stage, grace and document of a live plan.
  fileprivate func update(_ plan: PlanRow) throws {
    let changed = try run(
      "UPDATE purge_plan SET stage = ?, grace_since = ?, document = ? WHERE id = ? "
        + "AND since IS NULL", plan.stage.rawValue, plan.graceSince?.milliseconds, plan.document,
      plan.id.bytes)
    guard changed == 1 else { throw VaultError(.notFound, during: "storing how far a plan is") }
  }
}

extension SQL {
  fileprivate static var planColumns: SQL {
    """
    id, hash, made, made_by, calls, recordings, bytes, log_index, stage, grace_since, document
    """
  }
}

extension Row {
  /// The columns of ``SQL/planColumns``.
  fileprivate func plan() throws(DatabaseError) -> PlanRow {
    var plan = PlanRow(
      id: try identifier(0), hash: try digest(1), made: try time(2), madeBy: try identifier(3),
      calls: try size(4), recordings: try size(5), bytes: try size(6))
    plan.logIndex = try optionalInteger(7)
    plan.stage = try value(8, PurgeProcedure.Stage.init(rawValue:))
    plan.graceSince = try optionalTime(9)
    plan.document = try blob(10)
    return plan
  }
}
