import Audit
import Encoding
import Failover

/// The entries of the supervisor's log: `Documentation/formats/routing.md`, 6.
extension Supervisor {
  private func draft(_ action: Action, on id: Identifier, by actor: Actor? = nil) -> EntryDraft {
    var draft = EntryDraft(action, .single, by: actor ?? recorder.log.system, on: [id])
    draft.outcome = .success
    draft.policy = policy.hash
    return draft
  }

  // Details are integers, words of closed lists and names of the policy.
  private func commit(_ details: JSONObject, to draft: inout EntryDraft) {
    do {
      var bytes = try JSONValue.object(details).canonical()
      var shorter = details
      // Of many targets, first what says least goes: what lives, then the single signals.
      for step in 0..<3 where bytes.count > Commitment.maximumValueLength {
        shorter["evidence"] = Self.shortened(details["evidence"], step: step)
        bytes = try JSONValue.object(shorter).canonical()
      }
      draft.commits[.details] = bytes
    } catch {
      preconditionFailure("details are integers, texts and truth values: \(error)")
    }
  }

  private static func shortened(_ evidence: JSONValue?, step: Int) -> JSONValue? {
    guard step < 2 else { return nil }
    let telling = (evidence?.array ?? []).compactMap(\.object).filter {
      $0["belief"]?.string != TargetMachine.Belief.alive.rawValue
    }
    return .array(
      telling.map { item in
        var item = item
        if step > 0 { item["signals"] = nil }
        return .object(item)
      })
  }

  func decided(_ decision: Decision) -> EntryDraft {
    var draft = draft(.failoverDecided, on: decision.id)
    commit(decision.details, to: &draft)
    return draft
  }

  func commanded(
    _ decision: Decision, _ outcomes: [ActuatorRun.Outcome], ms: Int64, isConfirmed: Bool
  ) -> EntryDraft {
    var draft = draft(.failoverCommanded, on: decision.id)
    draft.outcome =
      isConfirmed ? .success : outcomes.contains(where: \.isConfirmed) ? .partial : .failed
    if !decision.plan.route.records, let since = unrecordedSince {
      // The three stand together (audit-log.md, 3): so far, an interval without a length.
      draft.count = 0
      draft.first = since
      draft.last = since
    }
    commit(
      [
        "plan": .object([
          "fencing": .integer(decision.plan.fencing), "version": .integer(decision.plan.version),
        ]), "ms": .integer(ms),
        "actuators": .array(
          outcomes.map { outcome in
            var object: JSONObject = [
              "name": .string(outcome.actuator.description),
              "confirmed": .bool(outcome.isConfirmed),
            ]
            if let receipt = outcome.receipt {
              object["ms"] = .integer(receipt.applied.ms(since: receipt.began))
              object["changes"] = .integer(Int64(receipt.changes.count))
            }
            return .object(object)
          }),
      ], to: &draft)
    return draft
  }

  /// Declares a time in which no recording was possible.
  func ended(_ decision: Decision, from: Timestamp, to: Timestamp) -> EntryDraft {
    var draft = draft(.failoverEnded, on: decision.id)
    // The three stand together; entries that were lost, another entry counts.
    draft.count = 0
    draft.first = from
    draft.last = to
    commit(
      [
        "route": .string(decision.fromRoute.description),
        "reason": .string(decision.cause.rawValue),
      ], to: &draft)
    return draft
  }

  func drilled(_ report: JSONObject, id: Identifier, by actor: Actor) -> EntryDraft {
    var draft = draft(.failoverDrilled, on: id, by: actor)
    var kept = JSONObject()
    for key in [
      "decide_ms", "plan_ms", "route", "passed", "confirm_ms", "live_ms", "reverted", "revert_ms",
      "cut_short",
    ] { kept[key] = report[key] }
    commit(kept, to: &draft)
    return draft
  }

  /// What a person or a program asked for by the API.
  func asked(_ what: String, _ details: JSONObject, id: Identifier, by actor: Actor) -> EntryDraft {
    var draft = draft(.failoverCommanded, on: id, by: actor)
    var all = details
    all["asked"] = .string(what)
    commit(all, to: &draft)
    return draft
  }
}
