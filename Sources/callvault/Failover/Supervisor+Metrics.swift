import Adapters
import Failover
import Service
import Telephony

/// What the supervisor counts of itself, for Prometheus.
extension Supervisor {
  func metrics() -> String {
    let metrics = MetricsRegistry()
    func set(_ name: String, _ help: String, _ value: Double, _ labels: [(String, String)] = []) {
      metrics.declare(name, .gauge, help: help)
      metrics.set(name, labels, to: value)
    }
    for state in RoutingState.allCases {
      set(
        "callvault_failover_state", "1 for the state that calls are in.",
        state == supervision.routing.state ? 1 : 0, [("state", state.rawValue)])
    }
    for machine in supervision.targets {
      set(
        "callvault_failover_target_down", "1 where a target counts as down.",
        machine.belief == .down ? 1 : 0, [("target", machine.target.id.description)])
    }
    set(
      "callvault_failover_plan_version", "Of the plan that is commanded.",
      Double(supervision.routing.version))
    set(
      "callvault_failover_latched", "1 while a person must look.",
      supervision.routing.budget.isLatched ? 1 : 0)
    set(
      "callvault_failover_paid_calls", "Calls of the policy's last window that cost money.",
      Double(spent))
    set(
      "callvault_failover_log_waiting", "Entries that the log has not taken yet.",
      Double(recorder.backlog.waiting))
    var totals: [(String, String, Int64)] = [
      ("decisions", "Plans that were commanded.", counters.decisions),
      ("signals", "Reports that were taken.", counters.signals),
      ("signals_refused", "Reports beyond the limit.", counters.signalsRefused),
      ("emergencies", "Emergency alerts.", counters.emergencies),
      ("notices_failed", "Notices that reached nobody.", counters.noticesFailed),
      ("stalls", "Times that the supervisor itself stood still.", Int64(supervision.stalls)),
    ]
    if let redirect = parts.redirect { totals += redirect.totals }
    if let voice = parts.voice { totals += voice.totals }
    for (name, help, value) in totals {
      metrics.declare("callvault_failover_\(name)_total", .counter, help: help)
      metrics.add("callvault_failover_\(name)_total", by: Double(value))
    }
    if let voice = parts.voice { add(voice, to: metrics) }
    return metrics.exposition()
  }

  private func add(_ voice: TwilioVoice, to metrics: MetricsRegistry) {
    let name = "callvault_failover_twilio_refused_total"
    metrics.declare(name, .counter, help: "Requests in Twilio's name that were refused.")
    for (reason, count) in voice.refused {
      metrics.add(name, [("reason", reason.rawValue)], by: Double(count))
    }
  }
}
