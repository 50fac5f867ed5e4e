import Audit
public import Cryptography
import Encoding
import Retention
import Threading

/// The run: what two approved goes, line by line, as long as everything still says so.
extension Vault {
  /// Begins the run of a plan whose grace is over; it goes on in the background.
  ///
  /// - Parameters:
  ///   - hash: the plan's.
  ///   - caller: needs ``Right/runRetention``.
  /// - Returns: the plan, which runs.
  /// - Throws: ``VaultError/Code/conflict`` with what is missing: the grace, a time from outside, the policy's
  ///   approval, room in the caps; ``VaultError/Code/unavailable`` when holds cannot be read.
  public func runPurge(
    _ hash: SHA256Digest, as caller: Caller
  ) async throws(VaultError) -> PlanRow {
    let start = draft(.retentionRun, .intent, by: caller)
    return try await gates.withGate(.plans) { () throws(VaultError) -> PlanRow in
      var draft = start
      let (begun, document) = try await self.checked(&draft) {
        draft throws(VaultError) -> (PlanRow, RunDocument) in
        try self.allow(.runRetention, caller)
        let plan = try await self.knownPlan(hash)
        draft.objects = [plan.row.id]
        guard plan.row.stage == .inGrace else {
          throw VaultError(
            .conflict, during: "beginning a run", detail: "the plan is \(plan.row.stage.rawValue)")
        }
        var (row, document) = try await self.begin(plan)
        document.runner = caller.actor.id
        document.began = self.now
        row.document = document.encoded
        return (row, document)
      }
      draft.evidence = hash
      draft.run = begun.id
      draft.policy = self.retention.hash
      let announced = draft
      return try await self.fulfil(announced) { receipt throws(VaultError) -> PlanRow in
        var (row, document) = (begun, document)
        document.runIndex = receipt.position.index
        self.discard(receipt)
        row.document = document.encoded
        try await self.catalog.update(row)
        self.retentionWork.withLock {
          $0.intent = (row.id, announced)
          $0.done = 0
        }
        return row
      }
    }
  }

  /// Asks everything that must be so before a line goes.
  ///
  /// - Returns: the plan as running, and what the run goes by.
  func begin(_ plan: KnownPlan) async throws(VaultError) -> (PlanRow, RunDocument) {
    let register = try await holds.register()
    var document = try RunDocument(parsing: plan.row.document)
    let judgement = try await judge(plan)
    // What is purged already is counted among what was purged.
    let gone = try await catalog.purgedWeight(ofPlan: plan.row.id)
    let caps = try await capsVerdict(
      planned: max(0, plan.plan.totals.weight - Int(clamping: gone)), at: judgement.earliest)
    var procedure = try procedure(of: plan)
    do throws(RetentionError) {
      try procedure.begin(
        judgement, standing: await standing(), schedule: retention, caps: caps)
    } catch {
      if procedure.stage == .void {
        var row = plan.row
        row.stage = .void
        document.voided = error.detail
        row.document = document.encoded
        try await catalog.update(row)
      }
      throw VaultError(retention: error, during: "beginning a run")
    }
    var row = plan.row
    row.stage = procedure.stage
    document.day = judgement.day.description
    document.timeSource = judgement.source.words
    document.holds = register.count.map(Int64.init)
    switch caps {
    case .within: document.capsVerdict = "within"
    case .beyond(let allowed): document.capsVerdict = "beyond \(allowed), both approvers said so"
    }
    let places = try retentionPlaces()
    document.software = places.software
    document.places = places.copies
    document.origin = log.configuration.origin
    document.policy = plan.plan.head.policy.hex
    document.policyVersion = plan.plan.head.policyVersion
    document.rules = plan.plan.head.rules.map(RunDocument.Rule.init)
    return (row, document)
  }

  private func standing() async throws(RetentionError) -> PolicyStanding {
    do throws(VaultError) {
      return try await policyStanding()
    } catch {
      throw RetentionError(.policy, "the approved policy cannot be read")
    }
  }

  /// Gives a plan up; nothing of it has gone.
  ///
  /// - Parameters:
  ///   - hash: the plan's.
  ///   - reason: the entry commits to it.
  ///   - caller: needs ``Right/runRetention`` or ``Right/approveRetention``.
  /// - Returns: the index of the entry.
  /// - Throws: ``VaultError/Code/conflict`` if it runs, is done, or was given up.
  public func voidPlan(
    _ hash: SHA256Digest, reason: String, as caller: Caller
  ) async throws(VaultError) -> Int64 {
    var start = draft(.retentionRun, .single, by: caller)
    start.commits[.reason] = Array(reason.utf8.prefix(1024))
    let first = start
    return try await gates.withGate(.plans) { () throws(VaultError) -> Int64 in
      var draft = first
      var row = try await self.checked(&draft) { draft throws(VaultError) -> PlanRow in
        do throws(VaultError) {
          try self.allow(.runRetention, caller)
        } catch {
          try self.allow(.approveRetention, caller)
        }
        guard let row = try await self.catalog.plan(hash) else {
          throw VaultError(.notFound, during: "finding a plan")
        }
        draft.objects = [row.id]
        guard row.stage != .running, !row.stage.isFinal else {
          throw VaultError(
            .conflict, during: "giving a plan up", detail: "the plan is \(row.stage.rawValue)")
        }
        return row
      }
      var document = try RunDocument(parsing: row.document)
      document.voided = "withdrawn"
      row.stage = .void
      row.document = document.encoded
      // What narrows takes effect before its entry.
      try await self.catalog.update(row)
      draft.evidence = hash
      draft.outcome = .refused
      draft.reason = .cancelled
      return try await self.record(draft).position.index
    }
  }
}

extension Judgement.Source {
  /// What a certificate says of it.
  var words: String {
    switch self {
    case .outside(let time):
      "\(time.kind == .authority ? "RFC 3161 time stamp" : "witness cosignature") \(time.name) "
        + time.time.rfc3339
    case .typed(let day): "typed by both approvers: \(day)"
    }
  }
}
