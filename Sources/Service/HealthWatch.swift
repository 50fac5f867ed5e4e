import Audit
import Encoding
public import Intake
public import Vault

/// Tells the operator when work that nobody waits for begins to fail, and when it succeeds again.
///
/// A request that fails has a line of its own; this is for what no request would show: the log is not
/// published, counted refusals are not recorded, objects are not swept.
public struct HealthWatch: Sendable {
  private let vault: Vault
  private let intakes: [Intake]
  private let log: OperatorLog

  public init(vault: Vault, intakes: [Intake] = [], log: OperatorLog) {
    self.vault = vault
    self.intakes = intakes
    self.log = log
  }

  /// Looks every few seconds until the task is cancelled.
  public func run(every interval: Duration = .seconds(5)) async {
    var failing: Set<String> = []
    while !Task.isCancelled {
      await look(&failing)
      do {
        try await Task.sleep(for: interval)
      } catch {
        return
      }
    }
  }

  /// Looks once: a line for each change since `failing` was what it is.
  func look(_ failing: inout Set<String>) async {
    let health = await vault.health()
    var work = health.upkeep
    work.append(("log-commit", health.log.failure))
    for (number, intake) in intakes.enumerated() {
      work.append(("intake-\(number + 1)", intake.status.trouble))
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
