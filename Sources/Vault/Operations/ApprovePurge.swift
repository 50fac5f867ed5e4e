import Audit
public import Cryptography
public import Encoding
public import Retention
import Threading

/// Two people approve one hash: of a plan, or of the policy that decides.
extension Vault {
  /// Whether the policy that is loaded may decide about purging.
  public func policyStanding() async throws(VaultError) -> PolicyStanding {
    PolicyStanding(approved: try await approvedPolicy(), loaded: retention)
  }

  private func approvedPolicy() async throws(VaultError) -> RetentionSchedule? {
    guard let bytes = try await catalog.fact(.approvedSchedule) else { return nil }
    guard let hash = SHA256Digest(bytes: bytes) else {
      throw VaultError(.tampered, during: "reading the approved policy")
    }
    if hash == retention.hash { return retention }
    guard let file = try await catalog.policy(hash), SHA256.hash(file) == hash else {
      throw VaultError(.tampered, during: "reading the approved policy")
    }
    do {
      return try RetentionSchedule(parsing: file, file: "the approved policy")
    } catch {
      throw VaultError(.tampered, during: "reading the approved policy", cause: error)
    }
  }

  /// Takes over a policy that is in no respect shorter than the approved one; called at start.
  func adoptPolicy() async throws(VaultError) {
    guard case .longer = try await policyStanding() else { return }
    var draft = EntryDraft(.policyChanged, .single, by: systemActor)
    draft.outcome = .success
    draft.policy = retention.hash
    draft.commits[.file] = Array(CatalogFact.approvedSchedule.rawValue.utf8) + retention.hash.bytes
    let position = try await record(draft).position
    try await catalog.setFact(.approvedSchedule, to: retention.hash.bytes, at: position)
  }

  /// Approves a plan, the loaded policy, or, of a plan that two approved, the day that it is.
  ///
  /// - Parameters:
  ///   - hash: of the plan's bytes, or of the policy file.
  ///   - typed: the day as the person sees it elsewhere than on this machine; needed where nothing outside
  ///     tells the time.
  ///   - beyondCaps: whether the plan may pass the caps, if the other person says so too.
  ///   - evidence: SHA-256 of what an authenticator signed, where the person signed in so.
  ///   - caller: a person with a token who has ``Right/approveRetention``.
  /// - Returns: what is approved now.
  /// - Throws: ``VaultError/Code/denied`` for the same person or token again, or a role that the policy does
  ///   not name; ``VaultError/Code/notFound`` for another hash.
  public func approveRetention(
    _ hash: SHA256Digest, typed: CivilDate? = nil, beyondCaps: Bool = false,
    evidence: SHA256Digest? = nil, as caller: Caller
  ) async throws(VaultError) -> ApprovedNow {
    let start = draft(.retentionApproved, .single, by: caller)
    return try await gates.withGate(.plans) { () throws(VaultError) -> ApprovedNow in
      var draft = start
      if hash == self.retention.hash {
        return try await self.approvePolicy(draft, evidence, caller)
      }
      let (plan, approval, stage) = try await self.checked(&draft) {
        draft throws(VaultError) -> (KnownPlan, Approval, PurgeProcedure.Stage) in
        try self.allow(.approveRetention, caller)
        let plan = try await self.knownPlan(hash)
        draft.objects = [plan.row.id]
        let approval = try self.approval(
          of: .plan(hash), typed: typed, beyondCaps: beyondCaps, evidence: evidence, by: caller)
        var procedure = try self.procedure(of: plan)
        let isSecondLook =
          procedure.stage != .planned && plan.approvals.contains { $0.person == approval.person }
        do throws(RetentionError) {
          if isSecondLook, typed != nil, !procedure.stage.isFinal {
            // The day has gone on since; what else was approved stays.
            return (plan, approval, procedure.stage)
          }
          try procedure.approve(approval, under: self.retention.purge)
        } catch {
          throw VaultError(retention: error, during: "approving a plan")
        }
        return (plan, approval, procedure.stage)
      }
      draft.evidence = approval.digest
      draft.run = plan.row.id
      draft.outcome = .success
      if let typed { draft.commits[.approval] = Array("day \(typed)".utf8) }
      let position = try await self.record(draft).position
      let subject =
        plan.row.stage == .planned ? hash : Self.daySubject(of: hash)
      var row = plan.row
      row.stage = stage
      // In one transaction: a plan is never `planned` that two have approved.
      try await self.catalog.keep(
        ApprovalRow(
          subject: subject, person: approval.person, bytes: approval.encoded,
          logIndex: position.index),
        bringing: stage == plan.row.stage ? nil : .plan(row), position: position)
      if stage == .approved { row = try await self.startGrace(of: hash) ?? row }
      return ApprovedNow(
        stage: row.stage, graceEnd: self.graceEnd(of: row), logIndex: position.index)
    }
  }

  private func approvePolicy(
    _ start: EntryDraft, _ evidence: SHA256Digest?, _ caller: Caller
  ) async throws(VaultError) -> ApprovedNow {
    var draft = start
    let hash = retention.hash
    let (approval, isSecond) = try await checked(&draft) {
      _ throws(VaultError) -> (Approval, Bool) in
      try self.allow(.approveRetention, caller)
      guard case .awaitsApproval = try await self.policyStanding() else {
        throw VaultError(
          .conflict, during: "approving a policy", detail: "this policy is in force already")
      }
      let approval = try self.approval(
        of: .policy(hash), typed: nil, beyondCaps: false, evidence: evidence, by: caller)
      let earlier = try await self.catalog.approvals(of: hash).map {
        (row) throws(VaultError) in try Approval(row: row)
      }
      guard let first = earlier.first else { return (approval, false) }
      let approved = try await self.approvedPolicy()
      do throws(RetentionError) {
        try PolicyStanding.check(
          ApprovalPair(first, approval), of: self.retention, after: approved)
      } catch {
        throw VaultError(retention: error, during: "approving a policy")
      }
      return (approval, true)
    }
    draft.policy = hash
    draft.evidence = approval.digest
    draft.outcome = .success
    let position = try await record(draft).position
    try await catalog.keep(
      ApprovalRow(
        subject: hash, person: approval.person, bytes: approval.encoded, logIndex: position.index),
      bringing: isSecond ? .policy(hash) : nil, position: position)
    return ApprovedNow(
      stage: isSecond ? .approved : .planned, graceEnd: nil, logIndex: position.index)
  }

  // MARK: Time

  /// Under which hash the days that approvers typed later are kept, beside their approvals.
  static func daySubject(of plan: SHA256Digest) -> SHA256Digest {
    SHA256.hash(Array("callvault/retention-day/v1|\(plan.hex)".utf8))
  }

  /// What time it is for a plan; a leap is an entry and an alarm, and so is not to know.
  ///
  /// - Parameter plan: whose entry a confirmation must cover; anchors are asked first.
  /// - Returns: the day that has come, and by what.
  /// - Throws: ``VaultError/Code/conflict`` when it is not known.
  func judge(_ plan: KnownPlan) async throws(VaultError) -> Judgement {
    let hash = plan.row.hash
    var outside: [OutsideTime] = []
    do {
      try await retentionPlaces().times?.refresh()
      for found in try await retentionPlaces().times?.confirmations() ?? []
      where found.size > plan.row.logIndex ?? .max {
        outside.append(
          OutsideTime(
            kind: found.kind, name: found.name, digest: hash, time: found.time,
            received: found.received))
      }
    } catch {
      throw VaultError(
        .unavailable, during: "reading what anchors confirmed",
        detail: "what anchors confirmed cannot be read", cause: error)
    }
    let oldest = now.milliseconds - 86_400_000
    var typed: [Identifier: CivilDate] = [:]
    for approval in plan.approvals where approval.time.milliseconds >= oldest {
      typed[approval.person] = approval.typedDay
    }
    for row in try await catalog.approvals(of: Self.daySubject(of: hash)) {
      guard let later = try? Approval(parsing: row.bytes), later.person == row.person,
        later.subject == .plan(hash), later.time.milliseconds >= oldest,
        plan.approvals.contains(where: { $0.person == later.person })
      else { continue }
      typed[later.person] = later.typedDay
    }
    let verdict = ClockGuard.judge(
      plan: hash, outside: outside, typed: Array(typed.values), clock: now)
    if let leap = verdict.leap {
      try await raiseAlarm(
        "our clock is \(leap.aheadMilliseconds / 1000) seconds ahead of "
          + (outside.isEmpty ? "the day that was typed" : "outside time"), of: plan.row)
    }
    switch verdict.result {
    case .judged(let judgement):
      if verdict.leap == nil { retentionWork.withLock { $0.alarm = nil } }
      return judgement
    case .refused(let refusal):
      if verdict.leap == nil {
        try await raiseAlarm("the time is not known from outside (\(refusal))", of: plan.row)
      }
      throw VaultError(
        .conflict, during: "telling the time", because: .clockUnsound,
        detail: "our clock alone decides nothing (\(refusal)): wait for a time stamp or a witness "
          + "that covers the plan, or let both approvers type the day: "
          + "callvault retention approve --today")
    }
  }

  /// An entry and an alarm, once while it stands.
  private func raiseAlarm(_ sentence: String, of plan: PlanRow) async throws(VaultError) {
    let isNew = retentionWork.withLock { work in
      // What the seconds say changes; that it is an alarm does not.
      defer {
        work.alarm = ClockAlarm(since: work.alarm?.since ?? self.now, sentence: sentence)
      }
      return work.alarm == nil
    }
    guard isNew else { return }
    var draft = EntryDraft(.retentionRun, .single, by: systemActor, on: [plan.id])
    draft.outcome = .refused
    draft.reason = .clockUnsound
    draft.policy = retention.hash
    draft.evidence = plan.hash
    draft.commits[.reason] = Array(sentence.utf8.prefix(512))
    counters.count(.clockAlarms)
    discard(try await record(draft))
  }

  /// Starts the grace of a plan that two approved, if the time is known.
  ///
  /// - Returns: the plan then; nil if the time is not known yet.
  func startGrace(of hash: SHA256Digest) async throws(VaultError) -> PlanRow? {
    let plan = try await knownPlan(hash)
    guard plan.row.stage == .approved else { return nil }
    let judgement: Judgement
    do throws(VaultError) {
      judgement = try await judge(plan)
    } catch {
      guard error.reason == .clockUnsound else { throw error }
      return nil
    }
    var procedure = try procedure(of: plan)
    do throws(RetentionError) {
      try procedure.startGrace(judgement)
    } catch {
      // Made by a clock that was ahead: it waits until that day has come.
      guard error.code == .tooEarly else {
        throw VaultError(retention: error, during: "starting a plan's grace")
      }
      return nil
    }
    var row = plan.row
    row.stage = procedure.stage
    row.graceSince = procedure.graceSince
    var draft = EntryDraft(.retentionApproved, .single, by: systemActor, on: [row.id])
    draft.outcome = .success
    draft.policy = retention.hash
    draft.evidence = hash
    draft.run = row.id
    draft.commits[.approval] = Array(
      "grace since \(judgement.latest.rfc3339), \(judgement.source.words)".utf8)
    discard(try await record(draft))
    try await catalog.update(row)
    return row
  }

  func graceEnd(of row: PlanRow) -> Timestamp? {
    row.graceSince.map {
      Timestamp(milliseconds: $0.milliseconds + Int64(retention.purge.graceDays) * 86_400_000)
    }
  }

  // MARK: Reading plans

  /// A plan with its approvals; its file is read whole and is what its hash says.
  ///
  /// - Throws: ``VaultError/Code/notFound``; ``VaultError/Code/tampered``.
  func knownPlan(_ hash: SHA256Digest) async throws(VaultError) -> KnownPlan {
    guard var row = try await catalog.plan(hash) else {
      throw VaultError(.notFound, during: "finding a plan")
    }
    let plan = try await readPlan(hash) { _ in }
    let approvals = try await catalog.approvals(of: hash).map {
      (row) throws(VaultError) in try Approval(row: row)
    }
    // Catalogs before version 13 kept approval and stage one after the other, and a crash could come between.
    if row.stage == .planned, approvals.count == 2 { row.stage = .approved }
    return KnownPlan(row: row, plan: plan, approvals: approvals)
  }

  /// Reads a plan's list, and gives its lines out as they come.
  ///
  /// - Returns: the plan, once all of it was read and has its hash.
  func readPlan(
    _ hash: SHA256Digest, _ body: ([PurgeItem]) async throws(VaultError) -> Void
  ) async throws(VaultError) -> PurgePlan {
    let store = try retentionPlaces().plans
    do {
      var reader = try PurgePlanReader()
      var offset: Int64 = 0
      while true {
        let bytes = try await store.read(hash, at: offset, count: 1 << 16)
        guard !bytes.isEmpty else { break }
        offset += Int64(bytes.count)
        try await body(try reader.read(bytes))
      }
      let plan = try reader.finish()
      guard plan.hash == hash, plan.head.tenant == configuration.tenant else {
        throw VaultError(
          .tampered, during: "reading a plan", detail: "the list is not what was approved")
      }
      return plan
    } catch {
      throw VaultError(retention: error, during: "reading a plan")
    }
  }

  func procedure(of plan: KnownPlan) throws(VaultError) -> PurgeProcedure {
    let document = try RunDocument(parsing: plan.row.document)
    let isDone = plan.row.stage == .done
    do throws(RetentionError) {
      // A run counts anew from the first line: what it has behind it is seen in the catalog.
      return try PurgeProcedure(
        restoring: plan.plan, approvals: plan.approvals, graceSince: plan.row.graceSince,
        stage: plan.row.stage, purged: isDone ? Int(clamping: document.purged) : 0,
        skipped: isDone ? document.skippedByReason : [:])
    } catch {
      throw VaultError(.tampered, during: "reading how far a plan is", cause: error)
    }
  }
}

/// Where an approval has brought what was approved.
public struct ApprovedNow: Sendable {
  /// Of a policy: ``PurgeProcedure/Stage/approved`` once two have.
  public let stage: PurgeProcedure.Stage
  /// When its grace is over; nil: it has not begun.
  public let graceEnd: Timestamp?
  public let logIndex: Int64
}
