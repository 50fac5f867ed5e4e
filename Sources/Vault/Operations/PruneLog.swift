import Audit
import Encoding

extension Vault {
  /// Removes what the log has kept long enough, for ever; the entry that says so names who asked.
  ///
  /// - Parameters:
  ///   - index: entries below it may go, as far as they fill bundles.
  ///   - caller: an administrator.
  /// - Returns: the first index that is left.
  /// - Throws: ``VaultError/Code/denied``, with the refusal recorded; as
  ///   ``AuditLog/prune(before:by:holds:)``.
  public func pruneLog(before index: Int64, as caller: Caller) async throws -> Int64 {
    var draft = draft(.logPrune, .single, by: caller, on: [configuration.tenant])
    try await checked(&draft) { _ throws(VaultError) in
      guard caller.role == .administrator else {
        throw VaultError(
          .denied, during: "pruning the log", because: .roleLacksRight,
          detail: "only an administrator may prune the log")
      }
    }
    return try await log.prune(before: index, by: caller.actor, holds: self)
  }
}
