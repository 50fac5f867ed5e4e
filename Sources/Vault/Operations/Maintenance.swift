import Audit
import Encoding

/// What backups, drills and scrubs have in common: who asked, and what their entries say.
extension Vault {
  /// The start of an entry about maintenance: of somebody who asked, or of the program itself.
  func maintenance(_ action: Action, _ phase: Phase, by caller: Caller?) -> EntryDraft {
    guard let caller else {
      var draft = EntryDraft(action, phase, by: systemActor, on: [configuration.tenant])
      draft.policy = policy.hash
      return draft
    }
    return draft(action, phase, by: caller, on: [configuration.tenant])
  }

  /// Whether the caller may start maintenance; what the program does by itself needs no leave.
  func allowMaintenance(_ caller: Caller?) throws(VaultError) {
    if let caller { try allow(.runMaintenance, caller) }
  }

  /// Whether the caller may learn how maintenance goes.
  public func admitMaintenanceReader(_ caller: Caller) async throws(VaultError) {
    var draft = draft(.auditRead, .single, by: caller)
    try await checked(&draft) { _ throws(VaultError) in
      try self.allow(.readMetrics, caller)
    }
  }

  /// Does what a batch's intent announced, and records what became of it, once.
  ///
  /// - Parameters:
  ///   - intent: durable.
  ///   - work: returns the recordings that are damaged; the entry names a hundred of them.
  /// - Throws: what `work` throws, or ``VaultError/Code/unavailable`` if the log cannot take the outcome.
  func concluding(
    _ intent: EntryDraft, _ work: () async throws(VaultError) -> [Identifier]
  ) async throws(VaultError) {
    let damaged: [Identifier]
    do throws(VaultError) {
      damaged = try await work()
    } catch {
      let (outcome, reason) = error.account
      if !error.isAccounted { try await conclude(intent.closing(outcome, because: reason)) }
      throw error
    }
    var outcome = intent.closing(
      damaged.isEmpty ? .success : .partial, because: damaged.isEmpty ? nil : .tampered)
    if !damaged.isEmpty { outcome.objects = Array(damaged.prefix(100)) }
    try await conclude(outcome)
  }

  /// Records that these recordings are examined, and lends what that takes.
  ///
  /// - Returns: the intent, which the caller closes, and the batch.
  func beginExamination(
    _ action: Action, of recordings: [Identifier], run: Identifier, by caller: Caller?
  ) async throws(VaultError) -> (intent: EntryDraft, batch: ExaminationBatch) {
    let intent = draft(
      maintenance(action, .intent, by: caller), of: KeyRing.mark(of: recordings, in: run))
    let spent = try await spendBatch(intent)
    return (intent, try keys.examination(of: recordings, under: spent))
  }
}
