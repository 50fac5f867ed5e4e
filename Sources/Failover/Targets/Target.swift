/// What a target is for calls.
public enum TargetRole: String, CaseIterable, Sendable {
  /// The engine that talks to callers.
  case ai
  /// The phone system.
  case pbx
  /// The line between the phone system and the carrier.
  case trunk
  /// Twilio's API and its SIP edge.
  case twilio
  /// A place in the internet that says whether the supervisor itself can reach anything.
  case uplink
}

/// Something that is probed, as the policy describes it.
public struct Target: Hashable, Sendable {
  /// One way of looking at it.
  public struct Signal: Hashable, Sendable {
    public let kind: SignalKind
    public let pace: HealthMachine.Pace
    /// Whether its word alone is enough: the probe goes the very way that calls go.
    public let isDecisive: Bool

    public init(kind: SignalKind, pace: HealthMachine.Pace, isDecisive: Bool = false) {
      self.kind = kind
      self.pace = pace
      self.isDecisive = isDecisive
    }
  }

  public let id: TargetID
  public let role: TargetRole
  /// How many voices must say that it is down.
  public let quorum: Int
  /// At least one, no two of a kind.
  public let signals: [Signal]

  public init(id: TargetID, role: TargetRole, quorum: Int, signals: [Signal]) {
    self.id = id
    self.role = role
    self.quorum = quorum
    self.signals = signals
  }
}
