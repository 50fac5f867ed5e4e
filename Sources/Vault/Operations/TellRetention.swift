import Audit
public import Cryptography
public import Encoding
public import Retention
import Threading

/// What people are shown of plans.
extension Vault {
  /// All plans, the policy's standing, and the clock.
  ///
  /// - Parameter caller: needs ``Right/planRetention``.
  /// - Returns: the newest 100 plans.
  /// - Throws: as every operation.
  public func retentionStatus(as caller: Caller) async throws(VaultError) -> RetentionStatus {
    var draft = draft(.search, .single, by: caller)
    draft.commits[.filter] = Array("retention".utf8)
    try await checked(&draft) { _ throws(VaultError) in try self.allow(.planRetention, caller) }
    draft.outcome = .success
    discard(try await record(draft))
    var plans: [RetentionStatus.Plan] = []
    for row in try await catalog.plans(limit: 100) { plans.append(try await told(row)) }
    var approvals: [Approval] = []
    for row in try await catalog.approvals(of: retention.hash) {
      approvals.append(try Approval(row: row))
    }
    return RetentionStatus(
      standing: try await policyStanding(), policyApprovals: approvals, plans: plans,
      alarm: retentionWork.withLock { $0.alarm })
  }

  /// One plan with the bytes of its list from an offset, as people read it before they approve.
  ///
  /// - Parameters:
  ///   - hash: the plan's.
  ///   - offset: the first byte.
  ///   - count: at most so many.
  ///   - caller: needs ``Right/planRetention``.
  /// - Returns: none at the end.
  /// - Throws: ``VaultError/Code/notFound``.
  public func planList(
    _ hash: SHA256Digest, from offset: Int64, count: Int, as caller: Caller
  ) async throws(VaultError) -> [UInt8] {
    var draft = draft(.search, .single, by: caller)
    draft.commits[.filter] = Array("plan \(hash.hex)".utf8)
    try await checked(&draft) { _ throws(VaultError) in
      try self.allow(.planRetention, caller)
      guard try await self.catalog.plan(hash) != nil else {
        throw VaultError(.notFound, during: "finding a plan")
      }
    }
    draft.outcome = .success
    discard(try await record(draft))
    return try await retentionPlaces().plans.read(hash, at: offset, count: count)
  }

  func told(_ row: PlanRow) async throws(VaultError) -> RetentionStatus.Plan {
    var approvals: [Approval] = []
    for approval in try await catalog.approvals(of: row.hash) {
      approvals.append(try Approval(row: approval))
    }
    return RetentionStatus.Plan(
      row: row, document: try RunDocument(parsing: row.document), approvals: approvals,
      graceEnd: graceEnd(of: row),
      done: row.stage == .running ? retentionWork.withLock { $0.done } : nil)
  }
}

/// How retention is.
public struct RetentionStatus: Sendable {
  public struct Plan: Sendable {
    public let row: PlanRow
    public let document: RunDocument
    public let approvals: [Approval]
    public let graceEnd: Timestamp?
    /// Lines behind a run; nil: it does not run.
    public let done: Int64?
  }
  public let standing: PolicyStanding
  /// Approvals of the loaded policy.
  public let policyApprovals: [Approval]
  /// Newest first.
  public let plans: [Plan]
  public let alarm: ClockAlarm?
}
