public import Cryptography
public import YAML

/// What is watched, where calls may go, and when they change their way: `Policies/routing.yaml`.
///
/// Specified in `Documentation/formats/routing.md`. Never changes once read; the supervisor runs under one policy whose
/// SHA-256 is in every entry that it decided.
public struct RoutingPolicy: Sendable {
  /// When a route may be used.
  public enum Hours: String, CaseIterable, Sendable {
    case always
    case businessHours = "business-hours"
    case afterHours = "after-hours"
  }

  /// A route with its place in the order.
  public struct Choice: Sendable {
    public let route: Route
    /// The state that the supervisor is in while calls go this way.
    public let state: RoutingState
    /// Whether calls go to the AI engine first.
    public let usesAI: Bool
    public let hours: Hours

    public init(
      route: Route, state: RoutingState, usesAI: Bool = false, hours: Hours = .always
    ) {
      self.route = route
      self.state = state
      self.usesAI = usesAI
      self.hours = hours
    }
  }

  /// What a section of the file says that an adapter reads: its kind, and the mapping without it.
  public struct Declared: Sendable {
    public let name: String
    public let kind: String
    public let settings: YAMLNode
    /// For an actuator: the states in which it must have confirmed.
    public let states: Set<RoutingState>
  }

  /// A probe of a target, for whoever makes it.
  public struct DeclaredProbe: Sendable {
    public let target: TargetID
    public let signal: SignalKind
    public let settings: YAMLNode
  }

  /// When calls change their way.
  public struct Switching: Hashable, Sendable {
    /// A command that nobody has confirmed by then is given up, and the next route is taken.
    public var ceilingMs: Int64 = 10_000
    /// An outage that has no confirmed route by then is told to people as critical.
    public var pageMs: Int64 = 30_000
    /// After a change no way back is taken for so long.
    public var holdDownMs: Int64 = 10_000
    /// How many changes in ``flapWindowMs`` there may be before the safer state is kept.
    public var flapLimit = 6
    public var flapWindowMs: Int64 = 3_600_000
    /// A longer pause between two looks at the clock means that the supervisor itself stood still.
    public var stallMs: Int64 = 1_000
    /// How long a group must have had nobody before that counts.
    public var emptyMs: Int64 = 30_000
    /// A route whose actuator failed is not tried again for so long.
    public var retryMs: Int64 = 60_000
    /// How long a plan holds without being renewed.
    public var planMs: Int64 = 60_000

    public init() {}
  }

  /// When and how calls go back to a better route.
  public struct Failback: Hashable, Sendable {
    public enum Condition: String, CaseIterable, Sendable {
      /// As soon as it has proved itself.
      case recovered
      /// When no call is on the backup, or at the latest after ``latestMs``.
      case idle
      /// When a person says so.
      case manual
    }
    public var condition = Condition.idle
    /// How long the better route must have been usable without interruption.
    public var dwellMs: Int64 = 120_000
    /// How many test calls in a row must succeed on it.
    public var canaries = 0
    public var idleMs: Int64 = 5_000
    public var latestMs: Int64 = 1_800_000

    public init() {}
  }

  /// Where an emergency call goes, and who is told.
  public struct Emergency: Sendable {
    /// In order of preference; none has an AI engine on it, and the last needs nothing of ours.
    public let routes: [RouteID]
    public let notifiers: [NotifierID]

    public init(routes: [RouteID], notifiers: [NotifierID]) {
      self.routes = routes
      self.notifiers = notifiers
    }
  }

  /// A drill by the calendar: it changes nothing.
  public struct Drill: Sendable {
    public let dead: Set<TargetID>
    public let everyMs: Int64
    /// After a start, at the latest.
    public static let firstMs: Int64 = 600_000
  }

  /// Who may use the API over the network: tokens by their SHA-256.
  public struct Token: Sendable {
    public let name: String
    public let digest: SHA256Digest
    public let scopes: Set<SupervisorScope>

    public init(name: String, digest: SHA256Digest, scopes: Set<SupervisorScope>) {
      self.name = name
      self.digest = digest
      self.scopes = scopes
    }
  }

  public let version: String
  /// SHA-256 of the file.
  public let hash: SHA256Digest
  /// Whether addresses of this machine and of private networks may be contacts: a phone system in the house, a test.
  public let allowsPrivateAddresses: Bool
  /// Digits that are dialled for emergencies at this place besides ``EmergencyNumbers/numbers``.
  public let emergencyNumbers: Set<String>
  public let hours: BusinessHours
  /// Groups, and the actuator that knows their members; nil: told by API, and staffed until told otherwise.
  public let groups: [CallGroupID: ActuatorID?]
  public internal(set) var targets: [Target]
  public let probes: [DeclaredProbe]
  /// In order of preference: the first that can be used is taken.
  ///
  /// The last needs nothing.
  public let choices: [Choice]
  public internal(set) var switching: Switching
  public internal(set) var failback: Failback
  public let emergency: Emergency
  public let actuators: [Declared]
  public let notifiers: [Declared]
  /// Who is told at once, and who when nobody acknowledged for ``escalationMs``.
  public let escalation: [[NotifierID]]
  public let escalationMs: Int64
  /// Settings of the redirect server; nil: there is none.
  public let redirect: YAMLNode?
  public let drills: [Drill]
  /// Calls to paid routes of which people are told; nil: any number.
  public let spend: SpendWatch.Cap?
  /// Settings of what answers Twilio; nil: its requests are not served.
  public let voice: YAMLNode?
  public let tokens: [Token]

  /// The way for calls when nothing is known: the last choice, which needs nothing.
  public var safe: Choice { choices[choices.count - 1] }

  public func choice(_ id: RouteID) -> Choice? { choices.first { $0.route.id == id } }
}

/// What a token of the supervisor may do.
public enum SupervisorScope: String, CaseIterable, Sendable {
  case routeRead = "route:read"
  /// Override, drill, acknowledge, go back.
  case routeWrite = "route:write"
  /// Report what was seen elsewhere; together such reports are one voice.
  case signalsWrite = "signals:write"
  /// Say that a call is an emergency.
  case emergencyWrite = "emergency:write"
  case metricsRead = "metrics:read"
}
