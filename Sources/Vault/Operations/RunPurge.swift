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
      let begun = try await self.checked(&draft) {
        draft throws(VaultError) -> BegunRun in
        try self.allow(.runRetention, caller)
        let plan = try await self.knownPlan(hash)
        draft.objects = [plan.row.id]
        guard plan.row.stage == .inGrace else {
          throw VaultError(
            .conflict, during: "beginning a run", detail: "the plan is \(plan.row.stage.rawValue)")
        }
        var begun = try await self.begin(plan)
        begun.document.runner = caller.actor.id
        begun.document.began = self.now
        return begun
      }
      draft.evidence = hash
      draft.run = begun.row.id
      draft.policy = self.retention.hash
      let announced = draft
      return try await self.fulfil(announced) { receipt throws(VaultError) -> PlanRow in
        var (row, document) = (begun.row, begun.document)
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
  /// A plan of another policy is given up here: an entry, then the row.
  func begin(_ plan: KnownPlan) async throws(VaultError) -> BegunRun {
    let register = try await holds.register()
    var document = try RunDocument(parsing: plan.row.document)
    let judgement = try await judge(plan)
    // What is purged already is counted among what was purged.
    let gone = try await catalog.purged(ofPlan: plan.row.id).weight
    let caps = try await capsVerdict(
      planned: max(0, plan.plan.totals.weight - Int(clamping: gone)), at: judgement.earliest)
    var procedure = try procedure(of: plan)
    do throws(RetentionError) {
      try procedure.begin(
        judgement, standing: await standing(), schedule: retention, caps: caps)
    } catch {
      if procedure.stage == .void {
        var draft = EntryDraft(.retentionRun, .single, by: systemActor, on: [plan.row.id])
        draft.policy = retention.hash
        draft.commits[.reason] = Array(error.detail.utf8)
        _ = try await giveUp(plan.row, because: error.detail, draft)
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
    return BegunRun(row: row, document: document, procedure: procedure, judgement: judgement)
  }

  private func standing() async throws(RetentionError) -> PolicyStanding {
    do throws(VaultError) {
      return try await policyStanding()
    } catch {
      throw RetentionError(.policy, "the approved policy cannot be read")
    }
  }

  /// Takes a plan back, also one that runs: nothing more of it goes, and what has gone is certified.
  ///
  /// - Parameters:
  ///   - hash: the plan's.
  ///   - reason: the entry commits to it.
  ///   - caller: needs ``Right/runRetention`` or ``Right/approveRetention``.
  /// - Returns: the index of the entry.
  /// - Throws: ``VaultError/Code/conflict`` if it is done or was given up.
  public func voidPlan(
    _ hash: SHA256Digest, reason: String, as caller: Caller
  ) async throws(VaultError) -> Int64 {
    var start = draft(.retentionRun, .single, by: caller)
    start.commits[.reason] = Array(reason.utf8.prefix(1024))
    let first = start
    return try await gates.withGate(.plans) { () throws(VaultError) -> Int64 in
      var draft = first
      let row = try await self.checked(&draft) { draft throws(VaultError) -> PlanRow in
        do throws(VaultError) {
          try self.allow(.runRetention, caller)
        } catch {
          try self.allow(.approveRetention, caller)
        }
        guard let row = try await self.catalog.plan(hash) else {
          throw VaultError(.notFound, during: "finding a plan")
        }
        draft.objects = [row.id]
        guard !row.stage.isFinal else {
          throw VaultError(
            .conflict, during: "giving a plan up", detail: "the plan is \(row.stage.rawValue)")
        }
        return row
      }
      return try await self.giveUp(row, because: "withdrawn", draft)
    }
  }

  /// Says that a plan is given up, and gives it up; behind the gate of plans.
  ///
  /// A crash in between leaves the plan as it was, with an entry of an attempt that nobody was told had
  /// succeeded.
  ///
  /// - Parameters:
  ///   - row: not final.
  ///   - reason: what people are shown.
  ///   - start: in whose name.
  /// - Returns: the index of the entry.
  /// - Throws: ``VaultError/Code/unavailable`` if the log cannot take it; nothing is given up then.
  private func giveUp(
    _ row: PlanRow, because reason: String, _ start: EntryDraft
  ) async throws(VaultError) -> Int64 {
    var draft = start
    draft.evidence = row.hash
    draft.run = row.id
    draft.outcome = .refused
    draft.reason = .cancelled
    let index = try await record(draft).position.index
    var document = try RunDocument(parsing: row.document)
    document.voided = reason
    guard row.stage == .running else {
      var row = row
      row.stage = .void
      row.document = document.encoded
      try await catalog.update(row)
      return index
    }
    document.purged = try await catalog.purged(ofPlan: row.id).calls
    try await end(row, document, as: .void, .partial, because: .cancelled)
    return index
  }

  /// Says that a run has ended, and keeps a head that covers all of it for the certificates.
  ///
  /// A crash before the last step does it again: another entry, and nothing else.
  func end(
    _ row: PlanRow, _ document: RunDocument, as stage: PurgeProcedure.Stage,
    _ outcome: OutcomeCode, because reason: Reason? = nil
  ) async throws(VaultError) {
    var draft: EntryDraft
    let announced = retentionWork.withLock { $0.intent }
    if let announced, announced.plan == row.id {
      draft = announced.draft.closing(outcome, because: reason)
    } else {
      draft = EntryDraft(.retentionRun, .single, by: systemActor, on: [row.id])
      draft.outcome = outcome
      draft.reason = reason
      draft.flags = [.recovered]
      draft.evidence = row.hash
      draft.run = row.id
      draft.policy = retention.hash
    }
    draft.commits[.rule] = Array("purged \(document.purged) of \(row.calls) calls".utf8)
    let position = try await record(draft).position
    retentionWork.withLock { $0.intent = nil }
    var (row, document) = (row, document)
    document.ended = now
    document.endIndex = position.index
    document.checkpoint = String(decoding: await log.durableHead.note, as: UTF8.self)
    row.stage = stage
    row.document = document.encoded
    try await catalog.update(row)
    try await catalog.advance(to: position)
  }
}

/// A run of which everything was asked that must be so.
struct BegunRun: Sendable {
  /// With the stage that it has now, and not yet this document.
  var row: PlanRow
  /// What it goes by.
  var document: RunDocument
  var procedure: PurgeProcedure
  let judgement: Judgement
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
