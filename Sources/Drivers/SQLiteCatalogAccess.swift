import Audit
public import Cryptography
import Database
public import Encoding
public import Vault

// Who is who, and by which token.
extension SQLiteCatalog {
  public func insert(_ identity: IdentityRow, since size: Int64) async throws(VaultError) {
    try await write("storing an identity") { connection in
      let existing = try connection.first(
        "SELECT id FROM identity WHERE kind = ? AND name = ?",
        identity.kind.rawValue, identity.name
      ) { (row) throws(DatabaseError) in try row.identifier(0) }
      if let existing {
        throw VaultError(.conflict, during: "storing an identity", existing: existing)
      }
      try connection.run(
        "INSERT INTO identity (since, " + .identityColumns + ") VALUES (?, ?, ?, ?, ?)",
        size, identity.id.bytes, identity.kind.rawValue, identity.name,
        identity.created.milliseconds)
    }
  }

  public func identity(_ id: Identifier) async throws(VaultError) -> IdentityRow? {
    try await identity(where: "id = ?", [id.bytes])
  }

  public func identity(_ kind: IdentityRow.Kind, named name: String) async throws(VaultError)
    -> IdentityRow?
  {
    try await identity(where: "kind = ? AND name = ?", [kind.rawValue, name])
  }

  private func identity(
    where condition: SQL, _ values: [any Bindable & Sendable]
  ) async throws(VaultError) -> IdentityRow? {
    try await read("looking for an identity") { connection in
      try connection.rows(
        "SELECT " + .identityColumns + " FROM identity WHERE " + condition + " AND since IS NULL",
        values
      ) { (row) throws(DatabaseError) in try row.identity() }.first
    }
  }

  public func identities(limit: Int) async throws(VaultError) -> [IdentityRow] {
    try await read("listing identities") { connection in
      try connection.rows(
        "SELECT " + .identityColumns + " FROM identity INDEXED BY identity_by_name"
          + " WHERE since IS NULL ORDER BY name, kind LIMIT ?", max(0, limit)
      ) { (row) throws(DatabaseError) in try row.identity() }
    }
  }

  public func insert(_ token: TokenRow, since size: Int64) async throws(VaultError) {
    try await write("storing a token") { connection in
      _ = try connection.run(
        "INSERT INTO token (since, " + .tokenColumns + ") VALUES (" + .parameters(12) + ")",
        size, token.id.bytes, token.digest.bytes, token.holder.bytes, token.name,
        token.role.rawValue, token.scopes.joined(separator: "\n"), token.createdBy.bytes,
        token.created.milliseconds, token.expires.milliseconds, token.revoked?.milliseconds,
        token.isBootstrap ? 1 : 0)
    }
  }

  public func token(_ id: Identifier) async throws(VaultError) -> TokenRow? {
    try await token(whose: "id", is: id.bytes)
  }

  public func token(digest: SHA256Digest) async throws(VaultError) -> TokenRow? {
    try await token(whose: "digest", is: digest.bytes)
  }

  private func token(
    whose column: SQL, is value: [UInt8]
  ) async throws(VaultError) -> TokenRow? {
    try await read("looking for a token") { connection in
      try connection.first(
        "SELECT " + .tokenColumns + " FROM token WHERE " + column + " = ? AND since IS NULL", value
      ) { (row) throws(DatabaseError) in try row.token() }
    }
  }

  public func tokens(limit: Int) async throws(VaultError) -> [TokenRow] {
    try await read("listing tokens") { connection in
      try connection.rows(
        "SELECT " + .tokenColumns + " FROM token INDEXED BY token_by_time"
          + " WHERE since IS NULL ORDER BY created DESC, id DESC LIMIT ?", max(0, limit)
      ) { (row) throws(DatabaseError) in try row.token() }
    }
  }

  public func revoke(_ token: Identifier, at time: Timestamp) async throws(VaultError) {
    try await write("revoking a token") { connection in
      let found = try connection.run(
        "UPDATE token SET revoked = coalesce(revoked, ?) WHERE id = ? AND since IS NULL",
        time.milliseconds, token.bytes)
      guard found == 1 else { throw VaultError(.notFound, during: "revoking a token") }
    }
  }

  public func insert(_ grant: PlaybackGrantRow, now: Timestamp) async throws(VaultError) {
    try await write("storing a playback grant") { connection in
      try connection.run("DELETE FROM playback_grant WHERE expires <= ?", now.milliseconds)
      try connection.run(
        """
        INSERT INTO playback_grant (digest, recording, token, purpose, expires)
        VALUES (?, ?, ?, ?, ?)
        """,
        grant.digest.bytes, grant.recording.bytes, grant.token.bytes, grant.purpose.rawValue,
        grant.expires.milliseconds)
    }
  }

  public func playbackGrant(
    digest: SHA256Digest, now: Timestamp
  ) async throws(VaultError) -> PlaybackGrantRow? {
    try await read("looking for a playback grant") { connection in
      try connection.first(
        """
        SELECT digest, recording, token, purpose, expires FROM playback_grant
        WHERE digest = ? AND expires > ?
        """, digest.bytes, now.milliseconds
      ) { (row) throws(DatabaseError) in
        PlaybackGrantRow(
          digest: try row.digest(0), recording: try row.identifier(1),
          token: try row.identifier(2), purpose: try row.value(3, PurposeOfUse.init(rawValue:)),
          expires: try row.time(4))
      }
    }
  }
}
