/// Whether the policy that was loaded may decide, beside the one that was approved last.
///
/// A longer rule counts at once; a shorter one never without two people.
public enum PolicyStanding: Hashable, Sendable {
  /// It is the approved one.
  case inForce
  /// In no respect shorter: it takes the approved one's place, which the log says.
  case longer(PolicyChange)
  /// Shorter somewhere; or nil, nothing was ever approved. Nothing is purged until it is approved.
  case awaitsApproval(PolicyChange?)

  public init(approved: RetentionSchedule?, loaded: RetentionSchedule) {
    guard let approved else {
      self = .awaitsApproval(nil)
      return
    }
    if approved.hash == loaded.hash {
      self = .inForce
      return
    }
    let change = PolicyChange(from: approved, to: loaded)
    self = change.isShorter ? .awaitsApproval(change) : .longer(change)
  }

  public var allowsPurge: Bool {
    if case .awaitsApproval = self { false } else { true }
  }

  /// Says whether these approvals make `loaded` the approved policy.
  ///
  /// The roles are asked of the policy that was approved before: a file cannot name its own approvers,
  /// unless it is the first.
  ///
  /// - Throws: ``RetentionError/Code/notApproved``.
  public static func check(
    _ approvals: ApprovalPair, of loaded: RetentionSchedule, after approved: RetentionSchedule?
  ) throws(RetentionError) {
    guard approvals.subject == .policy(loaded.hash) else {
      throw RetentionError(.notApproved, "the approvals are of another policy")
    }
    let roles = (approved ?? loaded).purge.approvers
    guard roles.contains(approvals.first.role), roles.contains(approvals.second.role) else {
      throw RetentionError(.notApproved, "this role does not approve policies")
    }
  }
}
