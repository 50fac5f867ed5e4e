public import Failover
import Threading

/// One setting of a vendor and the value it is to have.
public struct WantedSetting: Sendable, Equatable {
  public let subject: String
  public let value: String

  init(_ subject: String, _ value: String) {
    self.subject = subject
    self.value = value
  }
}

/// An actuator whose work is to give settings of a vendor their values: what differs between vendors is how one
/// reads and writes them.
///
/// Read, compare, write, read back: no vendor here knows idempotency keys or fencing numbers. Writes go out one
/// after another in the order wanted, so that a board puts first what opens a way and last what closes one; what
/// a crash between two leaves behind is two open ways and never none.
public protocol SettingsActuator: Actuator {
  /// The highest plan that was applied, which no lower one may undo.
  var fence: PlanFence { get }
  /// How long planning and reading back may take, in milliseconds.
  var readLimitMs: Int64 { get }

  /// The values that `plan` wants, in the order in which to write them; empty where the route is nothing to this
  /// actuator.
  func wanted(for plan: RoutePlan) -> [WantedSetting]
  /// The values of those subjects; absent where the vendor has no such setting.
  func read(_ subjects: [String], before deadline: Moment) async throws(FailoverError)
    -> [String: String]
  /// Gives one setting a value: one that ``wanted(for:)`` gave, or that was read before.
  ///
  /// `mark` is that of the plan it belongs to, for those who can refuse a lower one.
  func write(
    _ setting: WantedSetting, of mark: PlanMark, before deadline: Moment
  ) async throws(FailoverError)
}

/// The place of a plan among all plans.
public struct PlanMark: Sendable, Equatable {
  public let fencing: Int64
  public let version: Int64

  init(fencing: Int64, version: Int64) {
    self.fencing = fencing
    self.version = version
  }
}

/// The highest fencing number and version that were acted on, of those this process has seen.
public final class PlanFence: Sendable {
  private let highest = Lock(PlanMark(fencing: .min, version: .min))

  init() {}

  /// Raises the mark.
  ///
  /// - Throws: ``FailoverError/Code/fenced`` for a lower plan than one that was let pass before.
  func pass(_ mark: PlanMark) throws(FailoverError) {
    try highest.withLock { (highest: inout PlanMark) throws(FailoverError) in
      guard (mark.fencing, mark.version) >= (highest.fencing, highest.version) else {
        throw FailoverError(.fenced, during: "acting on a plan that was replaced")
      }
      highest = mark
    }
  }

  /// Checks that no other plan was let pass since.
  ///
  /// - Throws: ``FailoverError/Code/fenced`` otherwise.
  func check(_ mark: PlanMark) throws(FailoverError) {
    guard highest.withLock({ $0 }) == mark else {
      throw FailoverError(.fenced, during: "going on with a plan that was replaced")
    }
  }
}

extension SettingsActuator {
  public var isFenced: Bool { false }

  public func plan(_ plan: RoutePlan) async throws(FailoverError) -> ActuatorPlan {
    let wanted = wanted(for: plan)
    guard !wanted.isEmpty else { return ActuatorPlan(actuator: id, plan: plan, changes: []) }
    let current = try await read(
      wanted.map(\.subject), before: .now.advanced(byMs: readLimitMs))
    var changes: [ActuatorChange] = []
    for setting in wanted {
      guard let value = current[setting.subject] else {
        throw FailoverError(.refused, during: "looking for a setting that the vendor does not have")
      }
      if value != setting.value {
        changes.append(ActuatorChange(setting.subject, before: value, after: setting.value))
      }
    }
    return ActuatorPlan(actuator: id, plan: plan, changes: changes)
  }

  public func apply(
    _ plan: ActuatorPlan, before deadline: Moment
  ) async throws(FailoverError) -> ActuatorReceipt {
    let route = plan.plan
    guard plan.actuator == id else {
      throw FailoverError(.invalid, during: "applying another actuator's plan")
    }
    guard route.expires > .now else {
      throw FailoverError(.tooLate, during: "applying a plan that has expired")
    }
    let mark = PlanMark(fencing: route.fencing, version: route.version)
    try fence.pass(mark)
    return try await carryOut(plan.changes, of: mark, before: min(deadline, route.expires))
  }

  public func verify(_ receipt: ActuatorReceipt) async throws(FailoverError) -> Bool {
    guard !receipt.changes.isEmpty else { return true }
    let current = try await read(
      receipt.changes.map(\.subject), before: .now.advanced(byMs: readLimitMs))
    return receipt.changes.allSatisfy { current[$0.subject] == $0.after }
  }

  public func revert(
    _ receipt: ActuatorReceipt, before deadline: Moment
  ) async throws(FailoverError) -> ActuatorReceipt {
    let mark = PlanMark(fencing: receipt.fencing, version: receipt.version)
    try fence.pass(mark)
    // Backwards: what was closed last is opened first.
    let changes = receipt.changes.reversed().map { change in
      ActuatorChange(change.subject, before: change.after, after: change.before)
    }
    return try await carryOut(changes, of: mark, before: deadline)
  }

  private func carryOut(
    _ changes: [ActuatorChange], of mark: PlanMark, before deadline: Moment
  ) async throws(FailoverError) -> ActuatorReceipt {
    let began = Moment.now
    guard deadline > began else { throw FailoverError(.tooLate, during: "beginning to act") }
    var done: [ActuatorChange] = []
    if !changes.isEmpty {
      let current = try await read(changes.map(\.subject), before: deadline)
      for change in changes where current[change.subject] != change.after {
        guard current[change.subject] == change.before else {
          throw FailoverError(.fenced, during: "changing what somebody else has changed")
        }
        done.append(change)
      }
    }
    for change in done { try await carryOut(change, of: mark, before: deadline) }
    let applied = Moment.now
    var confirmed: Moment?
    do throws(FailoverError) {
      if try await isConfirmed(changes) { confirmed = .now }
    } catch {
      // It was done, and nobody could look: that is what a receipt without confirmation says.
    }
    return ActuatorReceipt(
      actuator: id, fencing: mark.fencing, version: mark.version, changes: done, began: began,
      applied: applied, confirmed: confirmed)
  }

  private func carryOut(
    _ change: ActuatorChange, of mark: PlanMark, before deadline: Moment
  ) async throws(FailoverError) {
    guard deadline > .now else { throw FailoverError(.tooLate, during: "changing a setting") }
    // Between two slow writes a newer plan may have come, whose own this one would undo.
    try fence.check(mark)
    do throws(FailoverError) {
      try await write(WantedSetting(change.subject, change.after), of: mark, before: deadline)
    } catch {
      // An answer that was lost says nothing about what was done.
      guard error.code == .unreachable, try await isConfirmed([change]) else { throw error }
    }
  }

  private func isConfirmed(_ changes: [ActuatorChange]) async throws(FailoverError) -> Bool {
    guard !changes.isEmpty else { return true }
    let current = try await read(
      changes.map(\.subject), before: .now.advanced(byMs: readLimitMs))
    return changes.allSatisfy { current[$0.subject] == $0.after }
  }
}
