public import Cryptography

/// Where the lists of purge plans lie: files that are named by their SHA-256.
public protocol PlanStore: Sendable {
  /// Begins a list that exists for nobody until it is committed; one that was begun before is dropped.
  ///
  /// - Throws: ``VaultError/Code/unavailable`` or ``VaultError/Code/noSpace``.
  func begin() async throws(VaultError)

  /// Adds `bytes` at its end.
  func append(_ bytes: [UInt8]) async throws(VaultError)

  /// Makes the list durable; one of the same hash stays.
  func commit(as hash: SHA256Digest) async throws(VaultError)

  /// Reads up to `count` bytes from `offset`; empty at the end.
  ///
  /// - Throws: ``VaultError/Code/notFound``.
  func read(
    _ plan: SHA256Digest, at offset: Int64, count: Int
  ) async throws(VaultError) -> [UInt8]
}
