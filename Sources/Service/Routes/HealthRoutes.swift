import Audit
import CAssets
import Encoding
import HTTP
import Intake
import Vault
import Views

/// Whether the service lives and serves, what it measures, and what it offers.
struct HealthRoutes: Sendable {
  let vault: Vault
  let intakes: [Intake]
  var anchoring: Anchoring?
  let sinks: [Forwarder]
  let metrics: MetricsRegistry

  var routes: [Route] {
    [
      Route("GET", "/v1/health/live", .open) { context in
        try await context.reply.send(200, json: ["status": "live"])
      },
      Route("GET", "/v1/health/ready", .open) { context in
        let health = await vault.health()
        let reasons = health.reasons
        var document = JSONObject()
        document["status"] = .string(reasons.isEmpty ? "ready" : "not-ready")
        if !reasons.isEmpty { document["reasons"] = .array(reasons.map { .string($0) }) }
        // Anchors and sinks are beside the service: it stays ready without them.
        let alarms =
          (await anchoring?.statuses() ?? []).filter(\.isAlarming)
          .map { "anchor \($0.name) is too old" }
          + sinks.enumerated().filter { $0.element.status.trouble != nil }
          .map { "sink \($0.offset + 1) does not get entries" }
          + sinks.enumerated().filter { $0.element.status.skipped > 0 }
          .map {
            "sink \($0.offset + 1) went on behind \($0.element.status.skipped) pruned entries"
          }
          + vault.keyTroubles.map { "\($0.place) is not as it should be" }
          + health.alarms
        if !alarms.isEmpty { document["alarms"] = .array(alarms.map { .string($0) }) }
        try await context.reply.send(reasons.isEmpty ? 200 : 503, json: document)
      },
      Route("GET", "/metrics", .known(.auditRead)) { context in
        try await vault.admitMetricsReader(context.caller)
        await measure()
        try await context.reply.send(
          200, type: "text/plain; version=0.0.4; charset=utf-8",
          body: Array(metrics.exposition().utf8))
      },
      Route("GET", "/openapi.json", .open) { context in
        try await context.reply.send(
          200, type: "application/json", body: Self.openAPI, isStorable: true)
      },
    ]
  }

  /// Reads what the vault and the log count for themselves.
  private func measure() async {
    let health = await vault.health()
    func gauge(_ name: String, _ help: String, _ value: Double) {
      metrics.declare(name, .gauge, help: help)
      metrics.set(name, to: value)
    }
    gauge(
      "callvault_sealed", "Whether no root key is in memory.", health.isSealed ? 1 : 0)
    gauge(
      "callvault_key_place_troubles",
      "Places of the key ring or its anchor that are not as they should be.",
      Double(vault.keyTroubles.count))
    gauge("callvault_ready", "Whether requests can be served.", health.reasons.isEmpty ? 1 : 0)
    gauge("callvault_log_entries", "Durable entries of the log.", Double(health.log.size))
    gauge(
      "callvault_log_unpublished_entries", "Durable entries that are not published yet.",
      Double(health.log.size - health.log.publishedSize))
    gauge(
      "callvault_log_open_intents", "Attempts whose outcome is not known yet.",
      Double(health.log.openIntents))
    if let bytes = health.availableBytes {
      gauge("callvault_available_bytes", "Bytes that may still be written.", Double(bytes))
    }
    if let counts = health.catalog {
      gauge("callvault_calls", "Calls in the catalog.", Double(counts.calls))
      gauge("callvault_recordings", "Recordings in the catalog.", Double(counts.recordings))
      gauge(
        "callvault_recordings_plaintext_bytes", "Bytes of all recordings before sealing.",
        Double(counts.plaintextBytes))
      gauge(
        "callvault_recordings_sealed_bytes", "Bytes of all sealed recordings.",
        Double(counts.ciphertextBytes))
    }
    gauge(
      "callvault_backup_age_seconds", "Time since the last backup, or since a first one is due.",
      Double(health.backupSeconds))
    gauge(
      "callvault_backup_alarm", "Whether the last backup is older than its limit.",
      health.isBackupOld ? 1 : 0)
    gauge(
      "callvault_retention_clock_alarm",
      "Whether nothing is purged because the time is not known from outside.",
      health.clockAlarm == nil ? 0 : 1)
    gauge(
      "callvault_scrub_damaged_objects", "Objects that are damaged and have no second copy.",
      Double(health.scrub?.damaged.count ?? 0))
    if let pass = health.scrub?.lastPass {
      gauge(
        "callvault_scrub_pass_timestamp_seconds", "When all objects had been looked at last.",
        Double(pass.milliseconds) / 1000)
    }
    if let incidents = health.incidents {
      metrics.declare(
        "callvault_incidents_open", .gauge, help: "Calls kept in quarantine, by reason.")
      metrics.set(
        "callvault_incidents_open", [("reason", "card-data")], to: Double(incidents.cardData))
      metrics.set(
        "callvault_incidents_open", [("reason", "consent")], to: Double(incidents.consent))
      gauge(
        "callvault_incidents_overdue", "Incidents that are open beyond their time.",
        Double(incidents.overdue))
    }
    await measureAnchors()
    for (number, intake) in intakes.enumerated() {
      intake.measure(into: metrics, number: number + 1)
    }
    for (number, sink) in sinks.enumerated() {
      sink.measure(into: metrics, number: number + 1, logSize: health.log.size)
    }
    metrics.declare(
      "callvault_upkeep_failing", .gauge,
      help: "Whether work that nobody waits for failed the last time it was tried.")
    for (name, failure) in health.upkeep {
      metrics.set("callvault_upkeep_failing", [("work", name)], to: failure == nil ? 0 : 1)
    }
    metrics.declare(
      "callvault_vault_events_total", .counter, help: "What the vault did since it started.")
    for event in vault.counters.events {
      metrics.set("callvault_vault_events_total", [("event", event.name)], to: Double(event.count))
    }
    metrics.declare(
      "callvault_refusals_total", .counter, help: "Refused attempts by the reason in the log.")
    for refusal in vault.counters.refusals {
      metrics.set(
        "callvault_refusals_total", [("reason", refusal.reason)], to: Double(refusal.count))
    }
  }

  private func measureAnchors() async {
    for status in await anchoring?.statuses() ?? [] {
      func gauge(_ name: String, _ help: String, _ value: Double) {
        metrics.declare(name, .gauge, help: help)
        metrics.set(name, [("anchor", status.name)], to: value)
      }
      gauge(
        "callvault_anchor_entries", "Entries that the anchor confirms.", Double(status.size))
      gauge(
        "callvault_anchor_lag_entries", "Published entries that the anchor does not confirm.",
        Double(status.lag))
      gauge(
        "callvault_anchor_age_seconds", "Time since the anchor last confirmed the log.",
        Double(status.ageSeconds))
      gauge(
        "callvault_anchor_alarm", "Whether the anchor is older than its limit or ahead of the log.",
        status.isAlarming ? 1 : 0)
      gauge(
        "callvault_anchor_failing", "Whether the anchor failed the last time it was asked.",
        status.failure == nil ? 0 : 1)
      if status.name == "copy", let remark = status.remark {
        gauge(
          "callvault_anchor_write_once", "Whether the place was seen to refuse changes.",
          remark == "write-once: proven" ? 1 : 0)
      }
    }
  }

  /// The description of this API, as it was when the program was built.
  static let openAPI: [UInt8] = {
    let asset = unsafe callvault_openapi_json()
    return unsafe Array(UnsafeBufferPointer(start: asset.bytes, count: asset.length))
  }()
}
