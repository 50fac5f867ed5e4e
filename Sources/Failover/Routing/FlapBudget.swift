/// How often calls may change their way before somebody must look.
///
/// A change for the worse is always allowed: calls must not stay where they die. A change for the better is not, when it
/// and the change for the worse that may follow would exceed the budget: then the safer state is kept until a
/// person decides.
public struct FlapBudget: Sendable {
  public let limit: Int
  public let windowMs: Int64
  private var changes: [Moment] = []
  public private(set) var isLatched = false

  public init(limit: Int, windowMs: Int64) {
    self.limit = limit
    self.windowMs = windowMs
  }

  /// How many changes lie in the window.
  public func count(at now: Moment) -> Int {
    changes.reduce(0) { $0 + (now.ms(since: $1) < windowMs ? 1 : 0) }
  }

  /// Notes a change.
  public mutating func spend(at now: Moment) {
    changes.removeAll { now.ms(since: $0) >= windowMs }
    changes.append(now)
  }

  /// Whether a change for the better may be made; if not, the budget is latched from now on.
  public mutating func allowsReturn(at now: Moment) -> Bool {
    if !hasRoomForReturn(at: now) { isLatched = true }
    return !isLatched
  }

  func hasRoomForReturn(at now: Moment) -> Bool { !isLatched && count(at: now) + 2 <= limit }

  /// A person has looked: counting begins anew.
  public mutating func release() {
    changes = []
    isLatched = false
  }

  /// What was counted before the supervisor was started again.
  mutating func restore(changes: [Moment], isLatched: Bool) {
    self.changes = changes
    self.isLatched = isLatched
  }

  var remembered: [Moment] { changes }
}
