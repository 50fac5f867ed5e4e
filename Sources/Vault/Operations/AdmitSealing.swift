import Audit

extension Vault {
  /// Admits whoever wants the keys out of memory, and records it before they go.
  ///
  /// - Parameter caller: needs ``Right/seal``.
  /// - Throws: ``VaultError/Code/denied``; ``VaultError/Code/unavailable`` when the log cannot commit.
  public func admitSealing(by caller: Caller) async throws(VaultError) {
    var draft = draft(.keySeal, .single, by: caller)
    draft.objects = [configuration.tenant]
    try await checked(&draft) { _ throws(VaultError) in
      try self.allow(.seal, caller)
    }
    draft.outcome = .success
    discard(try await record(draft))
  }
}
