import Database
public import Vault

extension SQLiteCatalog {
  /// When the last backup was made, or since when one is due, by the catalog at `path`; beside a service
  /// that has it open, too.
  ///
  /// - Returns: nil in a catalog that has not been opened since backups are counted.
  /// - Throws: ``VaultError``.
  public static func lastBackup(in path: String) async throws(VaultError) -> BackupAge? {
    do {
      let connection = try IsolatedConnection(path, for: .reading)
      let bytes = try await connection.perform { connection in
        try connection.first(
          "SELECT value FROM fact WHERE name = ?", CatalogFact.lastBackup.rawValue
        ) { (row) throws(DatabaseError) in try row.blob(0) }
      }
      return bytes.flatMap { BackupAge($0) }
    } catch {
      throw VaultError(database: error, during: "asking when the last backup was made")
    }
  }
}
