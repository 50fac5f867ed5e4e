public import Audit
public import Cryptography
import Database
public import Encoding
public import Vault

// Patients, which calls are theirs, and the policies that were in force.
extension SQLiteCatalog {
  public func insert(
    _ patient: PatientRow, reference token: LookupToken, since size: Int64
  ) async throws(VaultError) {
    try await write("storing a patient") { connection in
      if let existing = try connection.patient(reference: [token]) {
        throw VaultError(.conflict, during: "storing a patient", existing: existing)
      }
      try connection.checkInUse(patient.subject.wrappedKey)
      try connection.run(
        "INSERT INTO subject (id, wrapped_key) VALUES (?, ?)", patient.id.bytes,
        patient.subject.wrappedKey)
      try connection.run(
        """
        INSERT INTO patient (id, since, created, reference_key, reference_value)
        VALUES (?, ?, ?, ?, ?)
        """, patient.id.bytes, size, patient.created.milliseconds, token.key.bytes, token.value)
    }
  }

  public func patient(_ id: Identifier) async throws(VaultError) -> PatientRow? {
    try await read("reading a patient") { connection in
      try connection.first(
        """
        SELECT p.id, s.wrapped_key, p.created FROM patient p LEFT JOIN subject s ON s.id = p.id
        WHERE p.id = ? AND p.since IS NULL
        """, id.bytes
      ) { (row) throws(DatabaseError) in
        PatientRow(
          subject: SubjectRow(id: try row.identifier(0), wrappedKey: try row.blob(1)),
          created: try row.time(2))
      }
    }
  }

  public func patient(reference tokens: [LookupToken]) async throws(VaultError) -> Identifier? {
    try await read("looking for a patient") { try $0.patient(reference: tokens) }
  }

  public func insert(_ link: PatientLinkRow, since size: Int64) async throws(VaultError) {
    try await write("linking a call") { connection in
      let existing = try connection.first(
        "SELECT patient FROM patient_link WHERE call = ?", link.call.bytes
      ) { (row) throws(DatabaseError) in try row.identifier(0) }
      if let existing {
        throw VaultError(.conflict, during: "linking a call", existing: existing)
      }
      try connection.run(
        "INSERT INTO patient_link (id, since, patient, call, created) VALUES (?, ?, ?, ?, ?)",
        link.id.bytes, size, link.patient.bytes, link.call.bytes, link.created.milliseconds)
    }
  }

  public func endLink(_ link: Identifier, at position: LogPosition) async throws(VaultError) {
    try await write("taking back a link") { try $0.endLink(link, at: position) }
  }

  public func endedLinks(of patient: Identifier) async throws(VaultError) -> [Identifier] {
    try await read("listing links that ended") { connection in
      try connection.rows("SELECT id FROM ended_link WHERE patient = ?", patient.bytes) {
        (row) throws(DatabaseError) in try row.identifier(0)
      }
    }
  }

  public func links(of patient: Identifier) async throws(VaultError) -> [PatientLinkRow] {
    try await read("listing a patient's calls") { connection in
      try connection.rows(
        """
        SELECT id, patient, call, created FROM patient_link
        WHERE patient = ? AND since IS NULL ORDER BY created, id
        """, patient.bytes
      ) { (row) throws(DatabaseError) in
        PatientLinkRow(
          id: try row.identifier(0), patient: try row.identifier(1), call: try row.identifier(2),
          created: try row.time(3))
      }
    }
  }

  public func keepPolicy(_ bytes: [UInt8], hash: SHA256Digest) async throws(VaultError) {
    try await write("keeping a policy file") { connection in
      _ = try connection.run(
        "INSERT INTO policy_file (hash, bytes) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING",
        hash.bytes, bytes)
    }
  }

  public func policy(_ hash: SHA256Digest) async throws(VaultError) -> [UInt8]? {
    try await read("reading a policy file") { connection in
      try connection.first("SELECT bytes FROM policy_file WHERE hash = ?", hash.bytes) {
        (row) throws(DatabaseError) in try row.blob(0)
      }
    }
  }
}

extension Connection {
  fileprivate func patient(reference tokens: [LookupToken]) throws -> Identifier? {
    for token in tokens {
      let found = try first(
        "SELECT id FROM patient WHERE reference_key = ? AND reference_value = ?",
        token.key.bytes, token.value
      ) { (row) throws(DatabaseError) in try row.identifier(0) }
      if let found { return found }
    }
    return nil
  }

  /// Removes a pending patient with the key of its tags.
  func dropPendingPatient(_ id: Identifier) throws {
    if try run("DELETE FROM patient WHERE id = ? AND since IS NOT NULL", id.bytes) == 1 {
      try run("DELETE FROM subject WHERE id = ?", id.bytes)
    }
  }
}
