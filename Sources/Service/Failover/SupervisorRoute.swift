import Failover

/// An operation of the supervisor's API; `failover-openapi.json` describes the same to the world.
enum SupervisorRoute {
  case status
  case evaluate
  case override
  case endOverride
  case failBack
  case release
  case history
  case drill
  case drills
  case signal
  case emergency
  case notices
  case acknowledge(String)
  case serviceLevel
  case lint
  case events
  case metrics

  init?(_ method: String, _ path: [String]) {
    switch (method, path) {
    case ("GET", ["v1", "route"]): self = .status
    case ("POST", ["v1", "route", "evaluate"]): self = .evaluate
    case ("POST", ["v1", "route", "override"]): self = .override
    case ("DELETE", ["v1", "route", "override"]): self = .endOverride
    case ("POST", ["v1", "route", "failback"]): self = .failBack
    case ("POST", ["v1", "route", "release"]): self = .release
    case ("GET", ["v1", "route", "history"]): self = .history
    case ("POST", ["v1", "drills"]): self = .drill
    case ("GET", ["v1", "drills"]): self = .drills
    case ("POST", ["v1", "signals"]): self = .signal
    case ("POST", ["v1", "emergency"]): self = .emergency
    case ("GET", ["v1", "notices"]): self = .notices
    case ("GET", ["v1", "service-level"]): self = .serviceLevel
    case ("GET", ["v1", "lint"]): self = .lint
    case ("GET", ["v1", "events"]): self = .events
    case ("GET", ["metrics"]): self = .metrics
    case ("POST", _)
    where path.count == 4 && path[0] == "v1" && path[1] == "notices"
      && path[3] == "acknowledge":
      self = .acknowledge(path[2])
    default: return nil
    }
  }

  /// What may be asked of a path.
  static func methods(of path: [String]) -> [String] {
    ["GET", "POST", "DELETE"].filter { Self($0, path) != nil }
  }

  /// What a token must have.
  var scope: SupervisorScope {
    switch self {
    case .status, .evaluate, .history, .drills, .notices, .serviceLevel, .lint, .events: .routeRead
    case .override, .endOverride, .failBack, .release, .drill, .acknowledge: .routeWrite
    case .signal: .signalsWrite
    case .emergency: .emergencyWrite
    case .metrics: .metricsRead
    }
  }
}
