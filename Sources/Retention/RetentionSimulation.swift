import Cryptography
public import Encoding

/// A proposed policy replayed over all calls, before anybody adopts it.
///
/// Fed one call at a time; it holds counts only. `Documentation/formats/retention.md`, section 7.
public struct RetentionSimulation: Sendable {
  public struct Counts: Hashable, Sendable {
    public fileprivate(set) var calls = 0
    public fileprivate(set) var same = 0
    /// May go on an earlier day, or a later one.
    public fileprivate(set) var sooner = 0
    public fileprivate(set) var later = 0
    /// Had a day and has none any more, or the other way round.
    public fileprivate(set) var unlimited = 0
    public fileprivate(set) var limited = 0
    /// May go on the day of the simulation, under the policy in force and under the other.
    public fileprivate(set) var destroyableNow = 0
    public fileprivate(set) var destroyableThen = 0
    /// Of those under the other, how many may not go under the one in force.
    public fileprivate(set) var newlyDestroyable = 0
    /// Of those under the other, how many a hold keeps.
    public fileprivate(set) var destroyableButHeld = 0
    /// Recordings of ``newlyDestroyable`` that no hold keeps.
    public fileprivate(set) var recordingsAtStake = 0
  }
  private let current: RetentionSchedule
  private let proposed: RetentionSchedule
  private let day: CivilDate
  public private(set) var total = Counts()
  /// By the class that a call was given; a call of several counts in each, one of none in the default class.
  public private(set) var byClass: [String: Counts] = [:]

  /// Begins a simulation.
  ///
  /// - Parameters:
  ///   - current: the policy in force.
  ///   - proposed: the one that might be.
  ///   - day: for which it is asked what may go.
  public init(from current: RetentionSchedule, to proposed: RetentionSchedule, on day: CivilDate) {
    self.current = current
    self.proposed = proposed
    self.day = day
  }

  public mutating func add(_ facts: RetentionFacts, isHeld: Bool, recordings: Int) {
    let now = current.eligibility(of: facts).day
    let then = proposed.eligibility(of: facts).day
    count(&total, now, then, isHeld, recordings)
    let classes = facts.classes.isEmpty ? [current.defaultClass] : facts.classes
    for name in Set(classes) {
      count(&byClass[name, default: Counts()], now, then, isHeld, recordings)
    }
  }

  private func count(
    _ counts: inout Counts, _ now: CivilDate?, _ then: CivilDate?, _ isHeld: Bool, _ recordings: Int
  ) {
    counts.calls += 1
    switch (now, then) {
    case (nil, nil): counts.same += 1
    case (.some, nil): counts.unlimited += 1
    case (nil, .some): counts.limited += 1
    case (let now?, let then?):
      if then < now {
        counts.sooner += 1
      } else if now < then {
        counts.later += 1
      } else {
        counts.same += 1
      }
    }
    let goesNow = now.map { $0 <= day } ?? false
    if goesNow { counts.destroyableNow += 1 }
    guard then.map({ $0 <= day }) ?? false else { return }
    counts.destroyableThen += 1
    if isHeld { counts.destroyableButHeld += 1 }
    guard !goesNow else { return }
    counts.newlyDestroyable += 1
    if !isHeld { counts.recordingsAtStake += recordings }
  }
}

extension RetentionSimulation {
  /// The answer for programs.
  public var object: JSONObject {
    var classes = JSONObject()
    for (name, counts) in byClass.sorted(by: { $0.key < $1.key }) {
      classes[name] = .object(counts.object)
    }
    return [
      "day": .string(day.description), "from": .string(current.hash.hex),
      "to": .string(proposed.hash.hex), "total": .object(total.object),
      "classes": .object(classes),
    ]
  }
}

extension RetentionSimulation.Counts {
  fileprivate var object: JSONObject {
    func number(_ value: Int) -> JSONValue { .integer(Int64(value)) }
    return [
      "calls": number(calls), "same": number(same), "sooner": number(sooner),
      "later": number(later), "unlimited": number(unlimited), "limited": number(limited),
      "destroyable_now": number(destroyableNow), "destroyable_then": number(destroyableThen),
      "newly_destroyable": number(newlyDestroyable),
      "destroyable_but_held": number(destroyableButHeld),
      "recordings_at_stake": number(recordingsAtStake),
    ]
  }
}
