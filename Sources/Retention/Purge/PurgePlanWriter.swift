import Cryptography
public import Encoding

/// A call that a plan is to decide about.
public struct PlanCandidate: Sendable {
  public let call: Identifier
  public let facts: RetentionFacts
  public let hold: HoldVerdict
  public let recordings: Int
  /// Of ciphertext.
  public let bytes: Int64

  public init(
    call: Identifier, facts: RetentionFacts, hold: HoldVerdict, recordings: Int, bytes: Int64
  ) {
    self.call = call
    self.facts = facts
    self.hold = hold
    self.recordings = recordings
    self.bytes = bytes
  }
}

/// Makes a plan one call at a time, so that a million of them need no memory.
///
/// Whoever drives it writes what ``drain()`` gives to a file; the plan's hash is that file's.
public struct PurgePlanWriter: ~Copyable {
  private let schedule: RetentionSchedule
  private let head: PurgePlan.Head
  private let limit: Int
  private var totals = PurgePlan.Totals()
  private var last: Identifier?
  private var ready: [UInt8]
  private var line: [UInt8] = []
  private var hasher: SHA256Hasher

  /// Begins a plan.
  ///
  /// - Parameters:
  ///   - plan: a fresh id.
  ///   - tenant: whose calls they are.
  ///   - made: now, by our clock.
  ///   - schedule: the policy in force.
  ///   - limit: at most so many recordings, as the caps count them; what is left over waits for another plan.
  /// - Throws: ``RetentionError/Code/malformed`` if a plan cannot name the policy's rules;
  ///   a ``CryptographyError`` where there is no memory.
  public init(
    plan: Identifier, tenant: Identifier, made: Timestamp, schedule: RetentionSchedule,
    limit: Int = .max
  ) throws {
    guard schedule.rules.count <= PlanLimits.rules, let day = ClockGuard.day(at: made) else {
      throw RetentionError(.malformed, "a plan names at most \(PlanLimits.rules) rules and a day")
    }
    // Before anything is set: what cannot be copied is not half made.
    let hasher = try SHA256Hasher()
    self.schedule = schedule
    self.limit = limit
    head = PurgePlan.Head(
      id: plan, tenant: tenant, made: made, day: day, policy: schedule.hash,
      policyVersion: schedule.version,
      rules: schedule.rules.map {
        PurgePlan.Rule(
          className: $0.className, name: $0.name, version: $0.version, citation: $0.citation)
      })
    self.hasher = hasher
    ready = head.encoded
    self.hasher.update(ready)
  }

  /// How many bytes wait for ``drain()``.
  public var buffered: Int { ready.count }

  /// Decides about the next call, in ascending order of ids.
  ///
  /// - Throws: ``RetentionError/Code/outOfOrder``.
  public mutating func consider(_ candidate: PlanCandidate) throws(RetentionError) {
    if let last, last >= candidate.call {
      throw RetentionError(.outOfOrder, "calls come to a plan in ascending order")
    }
    last = candidate.call
    guard case .from(let day, let rule) = schedule.eligibility(of: candidate.facts) else {
      totals.unknown += 1
      return
    }
    guard day <= head.day else {
      totals.young += 1
      return
    }
    guard candidate.hold.isFree else {
      totals.held += 1
      return
    }
    let weight = PurgeCaps.weight(of: candidate.recordings)
    guard weight <= limit - totals.weight else {
      totals.later += 1
      return
    }
    let item = PurgeItem(
      call: candidate.call, eligible: day, rule: rule + 1, recordings: candidate.recordings,
      bytes: candidate.bytes)
    try totals.add(item)
    line.removeAll(keepingCapacity: true)
    item.write(to: &line)
    hasher.update(line)
    ready += line
  }

  /// Takes the bytes that are ready.
  public mutating func drain() -> [UInt8] {
    let bytes = ready
    ready.removeAll(keepingCapacity: true)
    return bytes
  }

  /// Ends the plan; `rest` are its last bytes.
  public consuming func finish() -> (plan: PurgePlan, rest: [UInt8]) {
    let end = totals.encoded
    var hasher = hasher
    hasher.update(end)
    return (PurgePlan(head: head, totals: totals, hash: hasher.finalize()), ready + end)
  }
}
