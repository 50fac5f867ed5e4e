public import Audit
import Encoding
public import Intake
public import Vault
public import Views

/// Tells the operator when work that nobody waits for begins to fail, and when it succeeds again.
///
/// A request that fails has a line of its own; this is for what no request would show: the log is not
/// published, counted refusals are not recorded, objects are not swept.
public struct HealthWatch: Sendable {
  private let vault: Vault
  private let intakes: [Intake]
  private let anchoring: Anchoring?
  private let sinks: [Forwarder]
  private let log: OperatorLog

  public init(
    vault: Vault, intakes: [Intake] = [], anchoring: Anchoring? = nil, sinks: [Forwarder] = [],
    log: OperatorLog
  ) {
    self.vault = vault
    self.intakes = intakes
    self.anchoring = anchoring
    self.sinks = sinks
    self.log = log
  }

  /// Looks each second, closely every few, until the task is cancelled or the vault is at an end.
  ///
  /// - Returns: what only another start can mend, or nil when the task was cancelled.
  public func run() async -> (any Error)? {
    var failing: Set<String> = []
    var second = 0
    while !Task.isCancelled {
      if second.isMultiple(of: 5) { await look(&failing) }
      if let failure = await vault.lastingFailure() { return failure }
      second += 1
      do {
        try await Task.sleep(for: .seconds(1))
      } catch {
        return nil
      }
    }
    return nil
  }

  /// Looks once: a line for each change since `failing` was what it is.
  func look(_ failing: inout Set<String>) async {
    let health = await vault.health()
    var work = health.upkeep
    work += [
      ("log-commit", health.log.failure), ("catalog", health.catalogFailure),
      ("storage", health.storageFailure),
    ]
    work.append(("backup", health.isBackupOld ? Overdue() : nil))
    work.append(("retention-clock", health.clockAlarm.map { ClockDoubt(sentence: $0.sentence) }))
    work.append(("objects", health.scrub?.damaged.isEmpty == false ? Decay() : nil))
    for (number, intake) in intakes.enumerated() {
      work.append(("intake-\(number + 1)", intake.status.trouble))
    }
    for status in await anchoring?.statuses() ?? [] {
      work.append(
        ("anchor-" + status.name, status.failure ?? (status.isAlarming ? AnchorAge() : nil)))
    }
    for (number, sink) in sinks.enumerated() {
      work.append(("sink-\(number + 1)", sink.status.trouble))
      let skipped = sink.status.skipped
      if skipped > 0, failing.insert("sink-\(number + 1)-skipped").inserted {
        log.write(
          .warning, "sink-skipped",
          ["work": .string("sink-\(number + 1)"), "entries": .integer(skipped)])
      }
    }
    for (name, failure) in work {
      var fields: JSONObject = ["work": .string(name)]
      if let failure, failing.insert(name).inserted {
        fields["cause"] = .string(OperatorLog.describe(failure))
        log.write(.error, "upkeep-failing", fields)
      } else if failure == nil, failing.remove(name) != nil {
        log.write(.info, "upkeep-recovered", fields)
      }
    }
  }
}

/// An anchor that has not confirmed the log for longer than the settings allow.
private struct AnchorAge: Error, CustomStringConvertible {
  let description = "the anchor has not confirmed the log for longer than its limit"
}

/// No backup for longer than the settings allow.
private struct Overdue: Error, CustomStringConvertible {
  let description = "the last backup is older than its limit; callvault backup"
}

/// A clock that retention does not believe.
private struct ClockDoubt: Error, CustomStringConvertible {
  let sentence: String
  var description: String { "nothing is purged: \(sentence)" }
}

/// Objects that are not what was stored, and that no second copy mends.
private struct Decay: Error, CustomStringConvertible {
  let description = "objects are damaged and have no second copy; callvault scrub lists them"
}
