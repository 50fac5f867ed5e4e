import Encoding
import Views

extension Forwarder {
  /// Tells the metrics of a sink, which is known by its place in the settings.
  nonisolated func measure(into metrics: MetricsRegistry, number: Int, logSize: Int64) {
    let status = status
    let sink = ("sink", String(number))
    func gauge(_ name: String, _ help: String, _ value: Double) {
      metrics.declare(name, .gauge, help: help)
      metrics.set(name, [sink], to: value)
    }
    gauge(
      "callvault_sink_failing", "Whether entries do not reach a sink, or wait too long.",
      status.trouble == nil ? 0 : 1)
    gauge(
      "callvault_sink_lag_entries", "Durable entries that a sink has not confirmed; -1: not known.",
      status.next.map { Double(max(0, logSize - $0)) } ?? -1)
    gauge(
      "callvault_sink_lag_seconds", "How long the oldest of them has waited.",
      Double(status.age.components.seconds))
    gauge(
      "callvault_sink_skipped_entries",
      "Entries pruned before this sink got them, since the start.",
      Double(status.skipped))
    metrics.declare(
      "callvault_sink_entries_total", .counter,
      help: "Entries that a sink confirmed since the start.")
    metrics.set("callvault_sink_entries_total", [sink], to: Double(status.delivered))
  }
}
