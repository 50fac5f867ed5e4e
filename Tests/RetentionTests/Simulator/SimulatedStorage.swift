import Encoding
import Retention

/// What survives a crash: rows, plans, approvals, the log and the certificates.
///
/// Each function is one durable step, and a crash comes between any two.
struct SimulatedStorage {
  struct Certificate {
    let call: Identifier
    let plan: Identifier
    let rule: String
    let approvals: ApprovalPair
  }
  /// A plan on its way, in the columns that a catalog would have.
  struct PlanRow {
    let plan: PurgePlan
    let bytes: [UInt8]
    var approvals: [[UInt8]] = []
    var graceSince: Timestamp?
    var stage = PurgeProcedure.Stage.planned
    /// What became of each line that is done with.
    var handled: [Identifier: SkipReason?] = [:]

    /// Brings the procedure back from what was kept.
    func procedure() throws -> PurgeProcedure {
      var skipped: [SkipReason: Int] = [:]
      var purged = 0
      for outcome in handled.values {
        if let outcome { skipped[outcome, default: 0] += 1 } else { purged += 1 }
      }
      return try PurgeProcedure(
        restoring: plan, approvals: approvals.map { try Approval(parsing: $0) },
        graceSince: graceSince, stage: stage, purged: purged, skipped: skipped)
    }
  }

  /// In order of ids, which is the order of arrival here.
  var calls: [SimulatedCall] = []
  var plan: PlanRow?
  /// Calls with an entry that says they are purged, and the plan it was for.
  var entries: [(call: Identifier, plan: Identifier)] = []
  /// Entries whose call is not removed yet, or whose certificate is not written: a start goes on with them.
  var pending: [(call: Identifier, certificate: Certificate)] = []
  var certificates: [Certificate] = []
  /// What went when, by the time that was judged.
  var history: [(time: Timestamp, recordings: Int)] = []
  var alarms = 0

  func place(of call: Identifier) -> Int? {
    var low = 0
    var high = calls.count
    while low < high {
      let middle = (low + high) / 2
      if calls[middle].id < call { low = middle + 1 } else { high = middle }
    }
    return low < calls.count && calls[low].id == call ? low : nil
  }

  var weight: Int { calls.reduce(0) { $0 + PurgeCaps.weight(of: $1.recordings) } }

  /// The entry, durable before anything goes.
  mutating func enter(_ certificate: Certificate, weight: Int, at time: Timestamp) {
    entries.append((certificate.call, certificate.plan))
    history.append((time, weight))
    pending.append((certificate.call, certificate))
  }

  /// Removes what an entry says is purged, writes its certificate and closes the line of its plan.
  ///
  /// Every step may have been taken before.
  mutating func finish(_ purge: (call: Identifier, certificate: Certificate)) {
    if let place = place(of: purge.call) { calls.remove(at: place) }
    if !certificates.contains(where: { $0.call == purge.call }) {
      certificates.append(purge.certificate)
    }
    if plan?.plan.head.id == purge.certificate.plan {
      plan?.handled[purge.call] = .some(nil)
    }
    pending.removeAll { $0.call == purge.call }
  }
}
