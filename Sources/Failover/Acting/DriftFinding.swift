/// Something in a provider's settings that would make a switch fail, or has made one pointless already.
public struct DriftFinding: Hashable, Sendable {
  public enum Severity: String, CaseIterable, Sendable {
    /// The actuator cannot do what a plan asks of it: the next route is taken.
    case blocking
    case warning
  }
  /// Of the closed list in `Documentation/formats/routing.md`, such as `trunk-hides-voice-url`.
  public let code: String
  public let actuator: ActuatorID
  public let severity: Severity
  /// What to change, for the operator; no secret.
  public let advice: String

  public init(code: String, actuator: ActuatorID, severity: Severity, advice: String) {
    self.code = code
    self.actuator = actuator
    self.severity = severity
    self.advice = advice
  }
}

/// Looks for drift: at start, hourly and before a switch.
///
/// Reads only.
public protocol DriftLinter: Sendable {
  /// Looks at all that the routes of a policy depend on there.
  ///
  /// - Parameter routes: all routes of the policy.
  /// - Returns: what was found; nothing where all is as it must be.
  func findings(for routes: [Route]) async -> [DriftFinding]
}
