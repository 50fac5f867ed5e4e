/// Something that moves calls: a redirect server, a dispatcher, a provider's API.
///
/// Every action is planned, applied, read back, and gives a receipt. A plan that was made may be shown and thrown
/// away: planning changes nothing. Writes have no idempotency keys, so `apply` reads, compares and writes only what
/// differs; doing it twice is as good as once. **Emergency numbers and their routes are never edited.**
public protocol Actuator: Sendable {
  var id: ActuatorID { get }
  /// Whether it refuses a lower fencing number by itself. Those that cannot get a deadline inside the lease, and a
  /// successor reads back and corrects.
  var isFenced: Bool { get }

  /// Reads what is, and says what would change for `plan`; changes nothing.
  ///
  /// - Throws: ``FailoverError/Code/unreachable``, ``FailoverError/Code/refused``,
  ///   ``FailoverError/Code/emergencyNumber``.
  func plan(_ plan: RoutePlan) async throws(FailoverError) -> ActuatorPlan

  /// Makes it so, if nobody changed it since it was planned.
  ///
  /// - Parameters:
  ///   - plan: from this actuator's ``plan(_:)``.
  ///   - deadline: nothing is sent after it; what was begun is read back all the same.
  /// - Returns: what was done, read back.
  /// - Throws: ``FailoverError/Code/fenced``, ``FailoverError/Code/tooLate``, ``FailoverError/Code/busy``.
  func apply(_ plan: ActuatorPlan, before deadline: Moment) async throws(FailoverError)
    -> ActuatorReceipt

  /// Reads back whether what the receipt says is still so.
  func verify(_ receipt: ActuatorReceipt) async throws(FailoverError) -> Bool

  /// Puts back what was before, where it is still as the receipt left it.
  func revert(_ receipt: ActuatorReceipt, before deadline: Moment) async throws(FailoverError)
    -> ActuatorReceipt
}

/// One thing that differs between what is and what a plan wants.
///
/// No secret and nothing from a caller stands in it.
public struct ActuatorChange: Hashable, Sendable {
  /// What is changed, in the actuator's words: `dispatcher 1 sip:pbx`, `trunk origination pbx.priority`.
  public let subject: String
  public let before: String
  public let after: String

  public init(_ subject: String, before: String, after: String) {
    self.subject = subject
    self.before = before
    self.after = after
  }
}

/// What an actuator would do; nothing has happened.
public struct ActuatorPlan: Hashable, Sendable {
  public let actuator: ActuatorID
  public let plan: RoutePlan
  /// Empty: it is so already.
  public let changes: [ActuatorChange]

  public init(actuator: ActuatorID, plan: RoutePlan, changes: [ActuatorChange]) {
    self.actuator = actuator
    self.plan = plan
    self.changes = changes
  }
}

/// What an actuator did, and when.
public struct ActuatorReceipt: Hashable, Sendable {
  public let actuator: ActuatorID
  /// Of the plan that was applied.
  public let fencing: Int64
  public let version: Int64
  /// What was changed; empty: it was so already.
  public let changes: [ActuatorChange]
  /// When the first request left, when the last answer came, and when it was read back.
  public let began: Moment
  public let applied: Moment
  /// Nil: not read back, or what was read is something else.
  public let confirmed: Moment?

  public init(
    actuator: ActuatorID, fencing: Int64, version: Int64, changes: [ActuatorChange],
    began: Moment, applied: Moment, confirmed: Moment?
  ) {
    self.actuator = actuator
    self.fencing = fencing
    self.version = version
    self.changes = changes
    self.began = began
    self.applied = applied
    self.confirmed = confirmed
  }
}
