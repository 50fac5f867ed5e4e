public import Audit

/// A place that takes backups: ciphertext, and what is needed to find and to prove it.
///
/// `Documentation/formats/backup.md`, 4. The functions are called in their order, and until ``commit(_:)``
/// the backup that was there before counts, whole, whatever stops the program.
public protocol BackupTarget: Sendable {
  /// Takes the place for this run.
  ///
  /// - Returns: the number of the set that is made now.
  /// - Throws: ``VaultError/Code/invalid`` or ``VaultError/Code/conflict`` with a sentence, for a place that
  ///   must not be written to.
  func begin(for key: VerifierKey) async throws(VaultError) -> Int64

  /// Holds the catalog as it is now, in place of what was held before.
  func pin() async throws(VaultError)

  /// Copies everything that belongs to the held catalog and the log's head `note`.
  ///
  /// - Throws: ``VaultError/Code/conflict`` if something of the held catalog was purged meanwhile: it is to be
  ///   held again.
  func copy(at note: [UInt8]) async throws(VaultError) -> BackupContents

  /// Makes the set the one that counts; all of it is durable when this returns.
  func commit(_ note: [UInt8]) async throws(VaultError)

  /// Removes what no longer counts, and lets go of the place.
  func finish() async throws(VaultError)

  /// Lets go of the place after a failure.
  func abandon() async
}
