import Audit
import Encoding
import HTTP
import Intake
import Vault

/// How the watched folders go, in numbers only.
struct IntakeRoutes: Sendable {
  let vault: Vault
  let intakes: [Intake]

  var routes: [Route] {
    [
      Route("GET", "/v1/intake", .known(.auditRead)) { context in
        try await vault.admitMetricsReader(context.caller)
        try await context.reply.send(
          200, json: ["folders": .array(intakes.map { .object($0.json) })])
      }
    ]
  }
}

extension Intake {
  fileprivate nonisolated var json: JSONObject {
    let status = status
    var object = JSONObject()
    object["source"] = .string(configuration.source)
    if let location = configuration.location { object["location"] = .string(location) }
    object["state"] = .string(
      status.failure != nil ? "not-readable" : status.postponed > 0 ? "retrying" : "watching")
    object["waiting"] = .integer(Int64(status.waiting))
    object["retrying"] = .integer(Int64(status.postponed))
    if let count = status.lyingInQuarantine { object["in_quarantine"] = .integer(Int64(count)) }
    object["taken"] = .integer(status.taken)
    object["recognised"] = .integer(status.recognised)
    object["quarantined"] = .object(
      JSONObject(
        status.quarantined.map { ($0.key.rawValue, JSONValue.integer($0.value)) }
          .sorted { $0.0 < $1.0 }))
    return object
  }
}

extension Intake {
  /// Tells the metrics of a folder, which is known by its place in the settings.
  nonisolated func measure(into metrics: MetricsRegistry, number: Int) {
    let status = status
    let folder = ("folder", String(number))
    func gauge(_ name: String, _ help: String, _ value: Double) {
      metrics.declare(name, .gauge, help: help)
      metrics.set(name, [folder], to: value)
    }
    gauge(
      "callvault_intake_failing",
      "Whether a watched folder cannot be listed or a file waits for a retry.",
      status.trouble == nil ? 0 : 1)
    gauge(
      "callvault_intake_waiting_files", "Files in a watched folder at the last look.",
      Double(status.waiting))
    gauge(
      "callvault_intake_quarantine_files", "What lies in a folder's quarantine; -1: not known.",
      Double(status.lyingInQuarantine ?? -1))
    metrics.declare(
      "callvault_intake_files_total", .counter,
      help: "What became of dropped files since the start.")
    for (what, count) in [
      ("taken", status.taken), ("recognised", status.recognised),
      ("quarantined", status.quarantined.values.reduce(0, +)),
      ("postponed", status.postponements),
    ] {
      metrics.set("callvault_intake_files_total", [folder, ("result", what)], to: Double(count))
    }
  }
}
