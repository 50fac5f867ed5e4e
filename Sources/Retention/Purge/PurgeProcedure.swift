public import Encoding

/// Where a plan is on its way: what may happen to it next, and what it still lacks.
///
/// Nothing here touches storage. Whoever keeps it makes a step durable before acting on it, and brings it
/// back by ``init(restoring:approvals:graceSince:stage:purged:skipped:)``.
/// `Documentation/formats/retention.md`, section 5.
public struct PurgeProcedure: Hashable, Sendable {
  public enum Stage: String, CaseIterable, Sendable {
    /// Fewer than two approvals.
    case planned
    /// Two approvals, and no outside time yet.
    case approved
    case inGrace = "in-grace"
    case running
    case done
    /// Taken back or stopped by a person, or made under a policy that is not in force any more; what had
    /// gone by then is gone.
    case void

    public var isFinal: Bool { self == .done || self == .void }
  }
  public let plan: PurgePlan
  public private(set) var stage: Stage
  /// At most two, which make a pair.
  public private(set) var approvals: [Approval]
  /// When the grace period began, by outside time; nil: not yet.
  public private(set) var graceSince: Timestamp?
  /// Lines that are done with.
  public private(set) var purged: Int
  public private(set) var skipped: [SkipReason: Int]

  public init(plan: PurgePlan) {
    self.plan = plan
    stage = .planned
    approvals = []
    purged = 0
    skipped = [:]
  }

  /// Brings back what was kept.
  ///
  /// - Throws: ``RetentionError/Code/malformed`` if no plan can be there: approvals that are no pair, a run
  ///   without grace, more lines done with than there are.
  public init(
    restoring plan: PurgePlan, approvals: [Approval], graceSince: Timestamp?, stage: Stage,
    purged: Int, skipped: [SkipReason: Int]
  ) throws(RetentionError) {
    self.plan = plan
    self.stage = stage
    self.approvals = approvals
    self.graceSince = graceSince
    self.purged = purged
    self.skipped = skipped
    let isPair = approvals.count == 2
    let isPossible =
      switch stage {
      case .planned: approvals.count < 2 && graceSince == nil && handled == 0
      case .approved: isPair && graceSince == nil && handled == 0
      case .inGrace: isPair && graceSince != nil && handled == 0
      case .running: isPair && graceSince != nil
      case .done: isPair && graceSince != nil && handled == plan.totals.calls
      case .void: approvals.count <= 2
      }
    guard isPossible, purged >= 0, skipped.values.allSatisfy({ $0 >= 0 }),
      handled <= plan.totals.calls,
      approvals.allSatisfy({ $0.subject == .plan(plan.hash) })
    else { throw RetentionError(.malformed, "what was kept of the plan cannot be") }
    if isPair { _ = try ApprovalPair(approvals[0], approvals[1]) }
  }

  private var handled: Int { skipped.values.reduce(purged, +) }
  /// Lines that are neither purged nor skipped.
  public var remaining: Int { plan.totals.calls - handled }

  /// The two approvals, once there are two.
  public var pair: ApprovalPair? {
    guard approvals.count == 2 else { return nil }
    // They were seen to be a pair when the second came.
    return try? ApprovalPair(approvals[0], approvals[1])
  }

  /// Takes an approval of the plan's hash; the second one ends the wait for people.
  ///
  /// - Throws: ``RetentionError/Code/notApproved`` for another hash, a role that may not, or the same
  ///   person or token again.
  public mutating func approve(
    _ approval: Approval, under settings: PurgeSettings
  ) throws(RetentionError) {
    guard stage == .planned else { throw wrongStage }
    guard approval.subject == .plan(plan.hash) else {
      throw RetentionError(.notApproved, "the approval is of another plan")
    }
    guard settings.approvers.contains(approval.role) else {
      throw RetentionError(.notApproved, "this role does not approve purges")
    }
    if let first = approvals.first { _ = try ApprovalPair(first, approval) }
    approvals.append(approval)
    if approvals.count == 2 { stage = .approved }
  }

  /// Starts the grace period.
  ///
  /// - Throws: ``RetentionError/Code/tooEarly`` if the plan was made for a day that has not come: by a clock
  ///   that was ahead.
  public mutating func startGrace(_ now: Judgement) throws(RetentionError) {
    guard stage == .approved else { throw wrongStage }
    try checkDay(now)
    graceSince = now.latest
    stage = .inGrace
  }

  /// The first instant at which the run may begin; nil before the grace period.
  public func graceEnd(under settings: PurgeSettings) -> Timestamp? {
    graceSince.map {
      let (end, overflow) = $0.milliseconds.addingReportingOverflow(
        Int64(settings.graceDays) * 86_400_000)
      return Timestamp(milliseconds: overflow ? .max : end)
    }
  }

  /// Begins the run, or refuses and changes nothing; a plan of another policy becomes void.
  ///
  /// Called again on a plan that is running, as after a crash, it asks the same questions, so that a
  /// run that was interrupted does not go on under what has changed.
  ///
  /// - Parameters:
  ///   - now: as judged afresh.
  ///   - standing: of the loaded policy.
  ///   - schedule: in force.
  ///   - caps: for what remains of the plan.
  /// - Throws: ``RetentionError/Code/policy``, ``RetentionError/Code/tooEarly``,
  ///   ``RetentionError/Code/beyondCaps`` or ``RetentionError/Code/wrongState``; whoever asked must stop then,
  ///   also where the plan is running.
  public mutating func begin(
    _ now: Judgement, standing: PolicyStanding, schedule: RetentionSchedule,
    caps: PurgeCaps.Verdict
  ) throws(RetentionError) {
    guard stage == .inGrace || stage == .running, let pair else { throw wrongStage }
    guard standing.allowsPurge else {
      throw RetentionError(.policy, "the policy that is loaded must be approved first")
    }
    guard schedule.hash == plan.head.policy else {
      stage = .void
      throw RetentionError(.policy, "the plan was made under another policy")
    }
    try checkDay(now)
    guard let end = graceEnd(under: schedule.purge), now.earliest >= end else {
      throw RetentionError(.tooEarly, "the grace period is not over")
    }
    if case .beyond(let allowed) = caps, !pair.allowsBeyondCaps {
      throw RetentionError(.beyondCaps, "only \(allowed) recordings may go now")
    }
    stage = .running
  }

  /// Notes that a line is purged.
  public mutating func notePurged() throws(RetentionError) {
    guard stage == .running, remaining > 0 else { throw wrongStage }
    purged += 1
  }

  /// Notes that a line is not executed.
  public mutating func noteSkipped(_ reason: SkipReason) throws(RetentionError) {
    guard stage == .running, remaining > 0 else { throw wrongStage }
    skipped[reason, default: 0] += 1
  }

  /// Ends the run once every line is purged or skipped.
  public mutating func finish() throws(RetentionError) {
    guard stage == .running, remaining == 0 else { throw wrongStage }
    stage = .done
  }

  /// Takes the plan back, or stops its run: nothing more of it goes.
  public mutating func withdraw() throws(RetentionError) {
    guard !stage.isFinal else { throw wrongStage }
    stage = .void
  }

  private func checkDay(_ now: Judgement) throws(RetentionError) {
    guard plan.head.day <= now.day else {
      throw RetentionError(.tooEarly, "the plan was made for a day that has not come")
    }
  }

  private var wrongStage: RetentionError {
    RetentionError(.wrongState, "the plan is \(stage.rawValue)")
  }
}
