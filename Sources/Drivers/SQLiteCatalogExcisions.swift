import Audit
import Cryptography
import Database
public import Encoding
public import Vault

// Calls that are sealed anew under another key, because a span of them was excised.
extension SQLiteCatalog {
  public func insert(
    _ excision: ExcisionRow, parts: [ResealedPart], since size: Int64
  ) async throws(VaultError) {
    try await write("beginning an excision") { connection in
      try connection.checkInUse(excision.wrappedKey)
      guard try connection.parts(of: excision.call) == Set(parts.map(\.id.bytes)),
        try connection.call(excision.call)?.keyID == excision.oldKeyID
      else {
        throw VaultError(
          .conflict, during: "beginning an excision",
          detail: "something of this call came or went meanwhile; try again")
      }
      try connection.run(
        """
        INSERT INTO excision (id, since, call, recording, begun, old_key_id, old_key_epoch, key_id,
          wrapped_key, key_epoch, details, details_generation)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """, excision.id.bytes, size, excision.call.bytes, excision.recording.bytes,
        excision.begun.milliseconds, excision.oldKeyID.bytes, Int64(excision.oldKeyEpoch),
        excision.keyID.bytes, excision.wrappedKey, Int64(excision.keyEpoch), excision.details,
        excision.detailsGeneration)
      for part in parts {
        var (blob, sealed): (String?, [UInt8]?)
        switch part.content {
        case .object(let name): blob = name.description
        case .text(let bytes): sealed = bytes
        }
        try connection.run(
          """
          INSERT INTO excision_part (excision, id, generation, blob, sealed, plaintext_length,
            ciphertext_length, digest)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?)
          """, excision.id.bytes, part.id.bytes, part.generation, blob, sealed,
          part.plaintextLength, part.ciphertextLength, part.digest.bytes)
      }
    }
  }

  public func stagedBlobs(of excision: Identifier) async throws(VaultError) -> [BlobName] {
    try await read("listing an excision's objects") { connection in
      try connection.rows(
        "SELECT blob FROM excision_part WHERE excision = ? AND blob IS NOT NULL", excision.bytes
      ) { (row) throws(DatabaseError) in try row.value(0, BlobName.init) }
    }
  }

  public func excisedKeys() async throws(VaultError) -> [ExcisedKeyRow] {
    try await read("listing excised keys") { connection in
      try connection.rows(
        """
        SELECT key_id, call, kek, excised, blobs FROM excised_key INDEXED BY excised_key_waiting
        WHERE erased IS NULL
        """
      ) { (row) throws(DatabaseError) in
        var blobs: [BlobName] = []
        for text in try row.text(4).split(separator: "\n") {
          guard let name = BlobName(String(text)) else { throw DatabaseError.notAValue }
          blobs.append(name)
        }
        return ExcisedKeyRow(
          keyID: try row.identifier(0), call: try row.identifier(1), kek: try row.blob(2),
          excised: try row.time(3), blobs: blobs)
      }
    }
  }

  public func forgetBlobs(ofExcised key: Identifier) async throws(VaultError) {
    try await write("forgetting excised objects") { connection in
      _ = try connection.run("UPDATE excised_key SET blobs = '' WHERE key_id = ?", key.bytes)
    }
  }
}

extension Connection {
  /// Recordings and texts of a call, pending ones too.
  fileprivate func parts(of call: Identifier) throws -> Set<[UInt8]> {
    Set(
      try rows(
        "SELECT id FROM recording WHERE call = ?1 UNION ALL SELECT id FROM text WHERE call = ?1",
        call.bytes
      ) { (row) throws(DatabaseError) in try row.blob(0) })
  }

  func containsExcision(_ id: Identifier) throws -> Bool {
    try first(
      """
      SELECT 1 FROM excision WHERE id = ?1 UNION ALL
      SELECT 1 FROM excised_key WHERE excision = ?1
      """, id.bytes
    ) { (_) throws(DatabaseError) in true } ?? false
  }

  func dropExcision(_ id: Identifier) throws {
    try run("DELETE FROM excision_part WHERE excision = ?", id.bytes)
    try run("DELETE FROM excision WHERE id = ?", id.bytes)
  }

  /// Puts the parts of a pending excision in the place of those they replace.
  func putInPlace(_ id: Identifier, at position: LogPosition) throws {
    guard try containsExcision(id) else {
      throw VaultError(.notFound, during: "carrying out an excision")
    }
    let new = try first(
      "SELECT key_id, wrapped_key FROM excision WHERE id = ?", id.bytes
    ) { (row) throws(DatabaseError) in
      (key: try row.blob(0), wrapped: try row.blob(1))
    }
    // One that was carried out before stays so.
    guard let new else { return }
    // Nothing may hang on a key that is gone: the entry stands, and the next start tries again.
    try checkInUse(new.wrapped)
    let library = SealingLibrary.current.description
    try run(
      """
      INSERT INTO excised_key (key_id, excision, call, key_epoch, kek, excised, blobs)
      SELECT c.key_id, e.id, c.id, c.key_epoch, substr(c.wrapped_key, 3, 16), e.begun,
        (SELECT coalesce(group_concat(blob, char(10)), '') FROM recording WHERE call = c.id)
      FROM excision e JOIN call c ON c.id = e.call WHERE e.id = ?
      """, id.bytes)
    try run(
      """
      UPDATE totals SET
        plaintext_bytes = plaintext_bytes + d.plaintext,
        ciphertext_bytes = ciphertext_bytes + d.ciphertext
      FROM (SELECT coalesce(sum(p.plaintext_length - r.plaintext_length), 0) AS plaintext,
          coalesce(sum(p.ciphertext_length - r.ciphertext_length), 0) AS ciphertext
          FROM excision_part p JOIN recording r ON r.id = p.id WHERE p.excision = ?) AS d
      """, id.bytes)
    try run(
      """
      UPDATE recording SET generation = p.generation, blob = p.blob,
        plaintext_length = p.plaintext_length, ciphertext_length = p.ciphertext_length,
        digest = p.digest, key_id = ?2, log_index = ?3, earlier_log = NULL, sealed_by = ?4
      FROM excision_part p WHERE p.excision = ?1 AND p.id = recording.id
      """, id.bytes, new.key, position.index, library)
    try run(
      """
      UPDATE text SET generation = p.generation, sealed = p.sealed, length = p.ciphertext_length,
        digest = p.digest, key_id = ?2, sealed_by = ?3
      FROM excision_part p WHERE p.excision = ?1 AND p.id = text.id
      """, id.bytes, new.key, library)
    try run(
      """
      UPDATE call SET key_id = e.key_id, wrapped_key = e.wrapped_key, key_epoch = e.key_epoch,
        details = e.details, details_generation = e.details_generation, sealed_by = ?2
      FROM excision e WHERE e.id = ?1 AND call.id = e.call
      """, id.bytes, library)
    try dropExcision(id)
  }
}
