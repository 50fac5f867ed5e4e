extension RoutingPolicy {
  /// The same policy with less patience: half a minute of a simulated world then shows what takes an hour.
  ///
  /// Silences are at most 1.5 s and a probe goes out every tenth of a second, so that fewer probes count; what
  /// decides is untouched.
  public var hastened: RoutingPolicy {
    var policy = self
    policy.switching.holdDownMs = min(switching.holdDownMs, 500)
    policy.switching.emptyMs = min(switching.emptyMs, 1_000)
    policy.switching.ceilingMs = min(switching.ceilingMs, 3_000)
    policy.switching.retryMs = min(switching.retryMs, 5_000)
    policy.failback.condition = failback.condition == .manual ? .idle : failback.condition
    policy.failback.dwellMs = min(failback.dwellMs, 2_000)
    policy.failback.canaries = min(failback.canaries, 1)
    policy.failback.idleMs = min(failback.idleMs, 300)
    policy.failback.latestMs = min(failback.latestMs, 5_000)
    policy.targets = targets.map { target in
      Target(
        id: target.id, role: target.role, quorum: target.quorum,
        signals: target.signals.map { signal in
          var pace = signal.pace
          pace.silenceMs = min(pace.silenceMs, 1_500)
          // As many as go out in such a silence, but for two that chance may lose.
          pace.probes = min(pace.probes, Int(pace.silenceMs / OutageSimulation.stepMs) - 2)
          pace.dwellMs = min(pace.dwellMs, 1_000)
          return Target.Signal(kind: signal.kind, pace: pace, isDecisive: signal.isDecisive)
        })
    }
    return policy
  }
}
