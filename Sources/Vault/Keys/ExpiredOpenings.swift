public import Audit
public import Encoding
import Threading

extension KeyRing {
  /// An opening key, and the month at whose end what it opens may go.
  public struct OpeningMonth: Hashable, Sendable {
    public let key: Identifier
    /// `YYYY-MM`.
    public let month: String
  }

  /// The opening keys whose month is over, oldest first.
  ///
  /// - Throws: ``VaultError/Code/sealed``; ``VaultError/Code/invalid`` for a time beyond the year 9999.
  public func expiredOpeningKeys(at now: Timestamp) throws(VaultError) -> [OpeningMonth] {
    let text = now.rfc3339
    guard text.utf8.count == 24 else {
      throw VaultError(.invalid, during: "telling which openings have expired")
    }
    let present = String(text.prefix(7))
    return try unsealed().contents.keys
      .filter { $0.record.use == .opening && $0.label < present }
      .map { OpeningMonth(key: $0.record.keyID, month: $0.label) }
      .sorted { $0.month < $1.month }
  }

  /// Takes an opening key out of the ring: what it opens is gone.
  ///
  /// A key that is not there was taken away before.
  ///
  /// - Throws: ``VaultError/Code/sealed``; what the store throws.
  public func destroyOpeningKey(_ id: Identifier, at now: Timestamp) throws(VaultError) {
    try changing.withLock { (_) throws(VaultError) in
      guard try self.unsealed().openingKey(id) != nil else { return }
      try self.rewrite(everywhere: true) { (contents, _) in
        contents.keys.removeAll { $0.record.keyID == id }
        contents.tombstones.append(RingContents.Tombstone(keyID: id, removed: now))
      }
    }
  }
}

extension Vault {
  /// What came of the openings of one month.
  public struct OpeningErasure: Sendable {
    public let month: String
    public let key: Identifier
    /// How many entries had openings under the key, or why it stayed.
    public let result: Result<Int64, PruningRefusal>
  }

  /// Destroys the keys of openings that were kept as long as the log is, each after an entry that says
  /// so.
  ///
  /// - Returns: what came of each month that is over.
  /// - Throws: what stops all of them: a sealed ring, a log or a store that fails.
  public func eraseExpiredOpenings() async throws -> [OpeningErasure] {
    var erasures: [OpeningErasure] = []
    let now = self.now
    for expired in try keys.expiredOpeningKeys(at: now) {
      do {
        let entries = try await log.eraseOpenings(
          under: expired.key, by: log.system, holds: self
        ) { [keys] in try keys.destroyOpeningKey(expired.key, at: now) }
        erasures.append(
          OpeningErasure(month: expired.month, key: expired.key, result: .success(entries)))
      } catch let refusal as PruningRefusal {
        erasures.append(
          OpeningErasure(month: expired.month, key: expired.key, result: .failure(refusal)))
      }
    }
    return erasures
  }
}
