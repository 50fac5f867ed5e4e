import Failover

extension DriftFinding {
  /// A vendor's settings could not be looked at; `advice` says which, and why.
  static func settingsUnreadable(by actuator: ActuatorID, _ advice: String) -> DriftFinding {
    DriftFinding(
      code: "settings-unreadable", actuator: actuator, severity: .warning, advice: advice)
  }
}
