public import Audit
public import Encoding
public import Failover

/// Who asks something of the supervisor.
public struct SupervisorCaller: Sendable {
  public let actor: Actor
  public let scopes: Set<SupervisorScope>

  public init(actor: Actor, scopes: Set<SupervisorScope>) {
    self.actor = actor
    self.scopes = scopes
  }
}

/// A drill with callers.
public struct LiveDrill: Sendable {
  /// The route that a person confirmed.
  public let route: RouteID
  public let forMs: Int64

  /// The shortest and the longest time.
  public static let times: ClosedRange<Int64> = 1_000...600_000

  public init(route: RouteID, forMs: Int64) {
    self.route = route
    self.forMs = forMs
  }
}

/// What can be asked of the supervisor; the API is a face of this.
///
/// What changes something is in the supervisor's log, and returns when it has been decided, not when everybody who
/// moves calls has confirmed it: `GET /v1/route` shows that.
public protocol SupervisorDesk: Sendable {
  /// The plan, the state and what is believed of each target.
  func status() async -> JSONObject
  /// Where a call would go if some targets were dead, or at another time; nothing is changed.
  func evaluate(
    dead: Set<TargetID>, at time: Timestamp?, isEmergency: Bool
  ) async throws(FailoverError) -> JSONObject
  func override(
    to route: RouteID, forMs: Int64, isStrict: Bool, by caller: SupervisorCaller
  ) async throws(FailoverError) -> JSONObject
  func endOverride(by caller: SupervisorCaller) async throws(FailoverError) -> JSONObject
  /// Goes back to a better way now, where one has proved itself.
  func failBack(by caller: SupervisorCaller) async throws(FailoverError) -> JSONObject
  /// Somebody has looked at what flapped.
  func release(by caller: SupervisorCaller) async throws(FailoverError) -> JSONObject
  /// The newest decisions first, with their evidence.
  func history(limit: Int) async -> JSONObject
  /// Rehearses the death of some targets: what would be decided and how fast, and what each actuator would change.
  ///
  /// With `live`, calls then really go that way for a time; the report says `running`, and ``drills()`` has what came of it.
  ///
  /// - Throws: ``FailoverError/Code/noRoute`` when another route than the confirmed one would be taken, or calls do not
  ///   go their usual way now.
  func drill(
    dead: Set<TargetID>, live: LiveDrill?, by caller: SupervisorCaller
  ) async throws(FailoverError) -> JSONObject
  func drills() async -> JSONObject
  /// What somebody saw elsewhere of a target; one voice with all others who report.
  ///
  /// - Throws: ``FailoverError/Code/busy`` when too many are reported.
  func report(
    target: TargetID, isAlive: Bool, by caller: SupervisorCaller
  ) async throws(FailoverError)
  /// How many people of a group could take a call.
  func report(
    members: Int, of group: CallGroupID, by caller: SupervisorCaller
  ) async throws(FailoverError)
  /// A call is an emergency: it is transferred, people are told, and a recording is made sure of.
  func emergency(
    call: CallReference?, id: Identifier?, by caller: SupervisorCaller
  ) async throws(FailoverError) -> JSONObject
  func notices() async -> JSONObject
  func acknowledge(_ notice: Identifier, by caller: SupervisorCaller)
    async throws(FailoverError)
  /// Availability and limits, each with its measurement or that it is not measured here.
  func serviceLevel(
    from: Timestamp?, to: Timestamp?
  ) async throws(FailoverError) -> JSONObject
  func lint() async -> JSONObject
  /// In the text format of Prometheus.
  func metrics() async -> String
  /// What changes from now on: one JSON document each, with its number; ends when the reader does.
  func events(after number: Int64?) async -> AsyncStream<(number: Int64, event: JSONObject)>
  /// A caller by what they showed; nil: nobody who is known. The refusal goes to the log after this returns.
  func caller(token: String?, peer: SupervisorPeer) async -> SupervisorCaller?
}

/// Where a request of the supervisor's API came from.
public enum SupervisorPeer: Sendable {
  case local(uid: UInt32)
  case internet(address: String)
}
