import Audit
import Encoding
import Threading

extension Vault {
  /// Whether the caller may read the log now, accounted for once for each session and size.
  ///
  /// Reading the log makes it grow, so a session that reads on without anything else happening makes no further entry.
  /// Tiles are read below a checkpoint, and belong to its entry.
  ///
  /// - Parameters:
  ///   - caller: needs ``Right/readAudit``.
  ///   - filter: what was asked for, which the entry commits to; nil for a checkpoint or a proof.
  ///   - belowCheckpoint: whether the request is for a tile of a checkpoint the session has read.
  /// - Throws: ``VaultError/Code/denied``, or as every operation.
  public func admitAuditReader(
    _ caller: Caller, filter: String? = nil, belowCheckpoint: Bool = false
  ) async throws(VaultError) {
    var draft = draft(.auditRead, .single, by: caller)
    if let filter { draft.commits[.filter] = Array(filter.utf8.prefix(1024)) }
    try await checked(&draft) { _ throws(VaultError) in
      try self.allow(.readAudit, caller)
    }
    let credential = caller.token ?? caller.actor.id
    let audited = sessions.withLock { $0.auditedSize(of: credential) }
    let size = await logSize
    if let audited, belowCheckpoint || audited == size { return }
    draft.outcome = .success
    draft.count = nil
    let receipt = try await record(draft)
    // The entry itself is part of what has been accounted for.
    let index = receipt.position.index
    sessions.withLock { $0.audited(credential, through: index + 1) }
  }

  /// Puts on record that entries go to a sink from now on, whatever becomes of each delivery.
  ///
  /// - Parameter sink: where they go; the entry commits to its first 256 bytes.
  /// - Throws: as every operation; then nothing may be delivered.
  public func announceSink(_ sink: String) async throws(VaultError) {
    var draft = EntryDraft(.auditExported, .single, by: systemActor)
    draft.outcome = .success
    draft.policy = policy.hash
    draft.commits[.recipient] = Array(sink.utf8.prefix(256))
    discard(try await record(draft))
  }

  /// Whether the caller may read the counters.
  ///
  /// Only a refusal is an entry: a scrape names nobody.
  public func admitMetricsReader(_ caller: Caller) async throws(VaultError) {
    var draft = draft(.auditRead, .single, by: caller)
    try await checked(&draft) { _ throws(VaultError) in
      try self.allow(.readMetrics, caller)
    }
  }
}
