public import Audit
import Database
public import Encoding
public import Vault

// On which key-encryption key each wrapped key hangs, and those that are no more.
extension SQLiteCatalog {
  public func wrappedKeyCounts() async throws(VaultError) -> [[UInt8]: Int64] {
    try await read("counting wrapped keys") { connection in
      var counts: [[UInt8]: Int64] = [:]
      for table: SQL in ["call", "subject"] {
        let found = try connection.rows(
          "SELECT substr(wrapped_key, 3, 16), count(*) FROM " + table + " INDEXED BY " + table
            + "_by_kek GROUP BY substr(wrapped_key, 3, 16)"
        ) { (row) throws(DatabaseError) in (try row.blob(0), try row.integer(1)) }
        for (kek, count) in found { counts[kek, default: 0] += count }
      }
      return counts
    }
  }

  public func keksInUse() async throws(VaultError) -> [[UInt8]] {
    try await read("listing keys in use") { connection in
      var keks: Set<[UInt8]> = []
      for owner in WrappedKeyRow.Owner.allCases {
        var last: [UInt8] = []
        // From one to the next by the index: there are few, however many rows.
        while true {
          let next = try connection.first(
            "SELECT substr(wrapped_key, 3, 16) FROM " + owner.table + " INDEXED BY " + owner.table
              + "_by_kek WHERE substr(wrapped_key, 3, 16) > ? ORDER BY 1 LIMIT 1", last
          ) { (row) throws(DatabaseError) in try row.blob(0) }
          guard let next else { break }
          keks.insert(next)
          last = next
        }
      }
      return Array(keks)
    }
  }

  public func wrappedKeys(
    under keks: [Identifier], after cursor: WrappedKeyRow?, limit: Int
  ) async throws(VaultError) -> [WrappedKeyRow] {
    try await read("listing wrapped keys") { connection in
      var rows: [WrappedKeyRow] = []
      for owner in WrappedKeyRow.Owner.allCases {
        guard let start = Self.start(of: owner, after: cursor) else { continue }
        var found: [WrappedKeyRow] = []
        for kek in keks {
          found += try connection.rows(
            "SELECT id, wrapped_key FROM " + owner.table + " INDEXED BY " + owner.table
              + "_by_kek WHERE substr(wrapped_key, 3, 16) = ? AND id > ? ORDER BY id LIMIT ?",
            kek.bytes, start, max(0, limit - rows.count)
          ) { (row) throws(DatabaseError) in try row.wrappedKey(of: owner) }
        }
        // Each run gave its first; the first of all are among them.
        if keks.count > 1 { found.sort { $0.id < $1.id } }
        rows += found.prefix(max(0, limit - rows.count))
      }
      return rows
    }
  }

  public func wrappedKeys(
    after cursor: WrappedKeyRow?, limit: Int
  ) async throws(VaultError) -> [WrappedKeyRow] {
    try await read("listing wrapped keys") { connection in
      var rows: [WrappedKeyRow] = []
      for owner in WrappedKeyRow.Owner.allCases {
        guard let start = Self.start(of: owner, after: cursor) else { continue }
        rows += try connection.rows(
          "SELECT id, wrapped_key FROM " + owner.table + " WHERE id > ? ORDER BY id LIMIT ?",
          start, max(0, limit - rows.count)
        ) { (row) throws(DatabaseError) in try row.wrappedKey(of: owner) }
      }
      return rows
    }
  }

  /// Where a table's rows after the cursor begin; nil where the cursor is beyond the table.
  private static func start(
    of owner: WrappedKeyRow.Owner, after cursor: WrappedKeyRow?
  ) -> [UInt8]? {
    guard let cursor, owner.rawValue <= cursor.owner.rawValue else { return [] }
    return owner == cursor.owner ? cursor.id.bytes : nil
  }

  public func rewrap(_ keys: [RewrappedKey]) async throws(VaultError) -> Int {
    try await write("wrapping keys again") { connection in
      var replaced = 0
      var checked: ArraySlice<UInt8>?
      for key in keys {
        // A batch hangs on one key, and nothing is retired within this transaction.
        let kek = key.record[2..<18]
        if kek != checked { try connection.checkInUse(key.record) }
        checked = kek
        replaced += try connection.run(
          "UPDATE " + key.old.owner.table
            + " SET wrapped_key = ? WHERE id = ? AND wrapped_key = ?",
          key.record, key.old.id.bytes, key.old.record)
      }
      return replaced
    }
  }

  public func adopt(
    _ rows: [WrappedKeyRow], from keks: [Identifier]
  ) async throws(VaultError) -> Int {
    try await write("giving rows other keys") { connection in
      var replaced = 0
      for row in rows {
        for kek in keks {
          replaced += try connection.run(
            "UPDATE " + row.owner.table
              + " SET wrapped_key = ?1 WHERE id = ?2 AND substr(wrapped_key, 3, 16) = ?3"
              // A call that was sealed anew since has another key than this row's objects.
              + " AND substr(wrapped_key, 19, 16) = substr(?1, 19, 16)",
            row.record, row.id.bytes, kek.bytes)
        }
      }
      return replaced
    }
  }

  public func calls(withKeys keys: [Identifier]) async throws(VaultError) -> [Identifier] {
    try await read("looking for keys") { connection in
      var calls: [Identifier] = []
      for key in keys {
        calls += try connection.rows("SELECT id FROM call WHERE key_id = ?", key.bytes) {
          (row) throws(DatabaseError) in try row.identifier(0)
        }
      }
      return calls
    }
  }

  public func retire(_ keks: [RetiredKEK]) async throws(VaultError) {
    try await write("retiring keys") { connection in
      for kek in keks {
        for owner in WrappedKeyRow.Owner.allCases {
          let named =
            try connection.first(
              "SELECT 1 FROM " + owner.table + " INDEXED BY " + owner.table
                + "_by_kek WHERE substr(wrapped_key, 3, 16) = ?", kek.id.bytes
            ) { (_) throws(DatabaseError) in true } ?? false
          guard !named else {
            throw VaultError(
              .conflict, during: "retiring keys",
              detail: "a live or held key still hangs on epoch \(kek.epoch)")
          }
        }
        let isStaged =
          try connection.first(
            "SELECT 1 FROM excision WHERE substr(wrapped_key, 3, 16) = ?", kek.id.bytes
          ) { (_) throws(DatabaseError) in true } ?? false
        guard !isStaged else {
          throw VaultError(
            .conflict, during: "retiring keys",
            detail: "a call is being sealed anew under epoch \(kek.epoch)")
        }
        try connection.run(
          """
          INSERT INTO retired_kek (id, epoch, retired, confined_from) VALUES (?, ?, ?, ?)
          ON CONFLICT (id) DO NOTHING
          """, kek.id.bytes, Int64(kek.epoch), kek.retired.milliseconds, Int64(kek.confinedFrom))
      }
    }
  }

  public func retiredKEKs() async throws(VaultError) -> [RetiredKEK] {
    try await read("listing retired keys") { connection in
      try connection.rows(
        "SELECT id, epoch, retired, confined_from, destroyed FROM retired_kek ORDER BY epoch"
      ) { (row) throws(DatabaseError) in
        RetiredKEK(
          id: try row.identifier(0), epoch: try row.epoch(1), retired: try row.time(2),
          confinedFrom: try row.epoch(3), destroyed: try row.optionalTime(4))
      }
    }
  }

  public func noteDestroyed(
    _ keks: [Identifier], at time: Timestamp, provenFrom: UInt32, position: LogPosition
  ) async throws(VaultError) {
    try await write("noting that keys are destroyed") { connection in
      for kek in keks {
        try connection.run(
          "UPDATE retired_kek SET destroyed = ? WHERE id = ? AND destroyed IS NULL",
          time.milliseconds, kek.bytes)
        try connection.run(
          """
          UPDATE purged_call SET erased = ?1, is_proven = ?2 > 0 AND key_epoch >= ?2,
            erased_index = ?4
          WHERE erased IS NULL AND since IS NULL AND kek = ?3
          """, time.milliseconds, Int64(provenFrom), kek.bytes, position.index)
        try connection.run(
          """
          UPDATE excised_key SET erased = ?1, is_proven = ?2 > 0 AND key_epoch >= ?2
          WHERE erased IS NULL AND kek = ?3
          """, time.milliseconds, Int64(provenFrom), kek.bytes)
      }
      try connection.advance(.applied, to: position)
    }
  }
}

extension WrappedKeyRow.Owner {
  fileprivate var table: SQL {
    switch self {
    case .call: "call"
    case .subject: "subject"
    }
  }
}

extension Row {
  fileprivate func wrappedKey(
    of owner: WrappedKeyRow.Owner
  ) throws(DatabaseError) -> WrappedKeyRow {
    WrappedKeyRow(owner: owner, id: try identifier(0), record: try blob(1))
  }
}

extension Connection {
  /// Refuses a record that hangs on a retired key: whoever made it looked before the key was retired.
  func checkInUse(_ record: [UInt8]) throws {
    let isRetired =
      try first(
        "SELECT 1 FROM retired_kek WHERE id = substr(?, 3, 16)", record
      ) { (_) throws(DatabaseError) in true } ?? false
    guard !isRetired else {
      throw VaultError(
        .unavailable, during: "storing a key under a retired one",
        detail: "the keys are being changed; try again")
    }
  }
}
