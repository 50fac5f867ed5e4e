public import Encoding

/// What people are told.
///
/// Ids and words from closed lists only, never anything about a patient or a caller.
public struct Notice: Hashable, Sendable {
  public enum Event: String, CaseIterable, Sendable {
    /// Calls go another way.
    case routeChanged = "route-changed"
    /// A route should have been taken, and could not be confirmed before the ceiling.
    case ceilingPassed = "ceiling-passed"
    /// Too many changes: the safer state is kept until a person decides.
    case latched
    /// Everything seemed dead at once; the supervisor's own line is suspected.
    case uplinkSuspected = "uplink-suspected"
    /// A call group has nobody in business hours.
    case callGroupEmpty = "call-group-empty"
    /// No route is left that anybody would answer.
    case noRoute = "no-route"
    /// A call is an emergency and was transferred, or could not be.
    case emergencyTransfer = "emergency-transfer"
    /// A call that should be recorded is not.
    case recordingMissing = "recording-missing"
    /// The settings of a provider are not as they must be for a switch to work.
    case drift
    case drillEnded = "drill-ended"
    /// More calls than the cap went where they cost money; they still go there.
    case spendCap = "spend-cap"
    /// Recovered; a person may go back or wait.
    case failbackReady = "failback-ready"
    /// The supervisor's log or lease is in trouble.
    case supervisorImpaired = "supervisor-impaired"
  }
  /// Of this notice: repetitions and acknowledgements name it.
  public let id: Identifier
  public let event: Event
  public let urgency: Urgency
  public let state: RoutingState
  /// What it is about: a target, a route, a group, an actuator.
  public let subject: String?
  /// Our id of the call, for an emergency.
  public let call: Identifier?
  public let atMs: Int64
  /// 1 for the first time it is sent; higher when nobody acknowledged it.
  public let level: Int

  public init(
    id: Identifier, event: Event, urgency: Urgency, state: RoutingState, subject: String? = nil,
    call: Identifier? = nil, atMs: Int64, level: Int = 1
  ) {
    self.id = id
    self.event = event
    self.urgency = urgency
    self.state = state
    self.subject = subject
    self.call = call
    self.atMs = atMs
    self.level = level
  }
}

/// A way to tell people: e-mail, webhook, text message, PagerDuty.
public protocol Notifier: Sendable {
  var id: NotifierID { get }
  /// Sends it; returns when the other side has taken it.
  func send(_ notice: Notice, before deadline: Moment) async throws(FailoverError)
}
