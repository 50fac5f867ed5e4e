/// Something that goes wrong in a simulated world, from one time to another.
public struct SimulatedFault: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    /// A target answers nothing: killed, stopped, its packets dropped.
    case dead(TargetID)
    /// So many of a thousand probes of a target are lost.
    case lossy(TargetID, permille: Int64)
    /// A target says 503 with Retry-After.
    case draining(TargetID)
    /// A target dies and comes back every so many milliseconds.
    case flapping(TargetID, periodMs: Int64)
    /// The supervisor's own line is cut: everything beyond it is silent at once.
    case uplinkCut
    /// Somebody who may report signals reports failures of a target without end.
    case flood(TargetID)
    /// Nobody of a group is there.
    case empty(CallGroupID)
    /// What moves calls to a route fails; with `isSilent` it never even answers.
    case actuator(RouteID, isSilent: Bool)
    /// The supervisor's process stands still.
    case stall
    /// The supervisor dies, and another takes the lease when this ends.
    case takeover
  }
  public let kind: Kind
  public let from: Moment
  public let to: Moment

  /// The end of a fault that does not end.
  public static let never = Moment(milliseconds: 1 << 50)

  public init(kind: Kind, from: Moment, to: Moment) {
    self.kind = kind
    self.from = from
    self.to = to
  }

  func holds(at now: Moment) -> Bool { from <= now && now < to }
}

/// A promise that did not hold in a simulated world.
public struct BrokenPromise: Hashable, Sendable, CustomStringConvertible {
  public enum Promise: String, CaseIterable, Sendable {
    case oneActiveRoute = "one active route"
    case noFlapBeyondBudget = "no flap beyond the budget"
    case endsOnLiveRoute = "ends on a live route"
    case leavesDeadRoute = "leaves a dead route in time"
    case noSwitchOnPanic = "no switch when the supervisor's own line is cut"
    case noSwitchOnHearsay = "no switch on reports alone"
    case nobodyIsNotARoute = "no switch to nobody"
  }
  public let seed: UInt64
  public let promise: Promise
  public let at: Moment

  public var description: String {
    "seed \(seed): \(promise.rawValue), at \(at.milliseconds) ms"
  }
}
