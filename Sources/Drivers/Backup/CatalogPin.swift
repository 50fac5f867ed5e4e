import Cryptography
import Database
import Vault

/// The catalog as it was at one moment, held by a connection of its own; writers go on.
final class CatalogPin: Sendable {
  private let connection: IsolatedConnection

  /// An object that the catalog names.
  struct Object: Sendable {
    let name: BlobName
    let digest: SHA256Digest
    let length: Int64
  }

  /// - Throws: ``VaultError/Code/unavailable``.
  init(_ path: String) async throws(VaultError) {
    do {
      connection = try IsolatedConnection(path, for: .reading)
      try await connection.perform { try $0.hold() }
    } catch {
      throw VaultError(database: error, during: "holding the catalog")
    }
  }

  /// Holds the catalog as it is now instead.
  func renew() async throws(VaultError) {
    do {
      try await connection.perform { try $0.hold() }
    } catch {
      throw VaultError(database: error, during: "holding the catalog")
    }
  }

  /// Writes what is held to a new file.
  func copy(to path: String) async throws(VaultError) {
    do {
      try await connection.perform { try $0.copy(to: path) }
    } catch {
      throw VaultError(database: error, during: "copying the catalog")
    }
  }

  /// Objects of recordings, pending or live, in order of name and after `cursor`.
  func objects(after cursor: BlobName?, limit: Int) async throws(VaultError) -> [Object] {
    do {
      return try await connection.perform { try $0.objects(after: cursor, limit: limit) }
    } catch {
      throw VaultError(database: error, during: "listing objects")
    }
  }
}

extension Connection {
  func objects(after cursor: BlobName?, limit: Int) throws(DatabaseError) -> [CatalogPin.Object] {
    try rows(
      """
      SELECT blob, digest, ciphertext_length FROM recording WHERE blob > ? ORDER BY blob LIMIT ?
      """, cursor?.description ?? "", limit
    ) { (row) throws(DatabaseError) in
      CatalogPin.Object(
        name: try row.value(0, BlobName.init), digest: try row.digest(1), length: try row.size(2))
    }
  }
}

extension SQLiteCatalog {
  /// The catalog of a backup, which is only read: nothing is written beside it.
  static func examining(_ path: String) async throws(VaultError) -> IsolatedConnection {
    do {
      let connection = try IsolatedConnection(path, for: .examining)
      try await connection.perform { try SQLiteCatalogSchema.check($0) }
      return connection
    } catch {
      throw VaultError(database: error, during: "opening a backup's catalog")
    }
  }
}

extension SQLiteCatalogSchema {
  /// Refuses a file that is not a catalog of a version that this program knows; changes nothing.
  ///
  /// - Throws: ``DatabaseError/Code/damaged``.
  fileprivate static func check(_ connection: Connection) throws {
    let application = try connection.first("PRAGMA application_id") {
      (row) throws(DatabaseError) in try row.int(0)
    }
    guard application == applicationID, (1...steps.count).contains(try connection.userVersion())
    else {
      throw DatabaseError(.damaged, during: "reading a catalog of an unknown kind or version")
    }
  }
}
