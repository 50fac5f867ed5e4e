import Foundation
import Testing

/// Twenty years of calls, holds, policies, wrong clocks, crashes and failed deletes.
///
/// Two practices live for twenty years and others for four; `CALLVAULT_TORTURE` lives through a thousand whole
/// ones, `CALLVAULT_SEED` through one of them.
@Suite("Years of a practice", .timeLimit(.minutes(30)))
struct SimulatorTests {
  static let environment = ProcessInfo.processInfo.environment
  static var seeds: [UInt64] {
    if let seed = environment["CALLVAULT_SEED"].flatMap({ UInt64($0) }) { return [seed] }
    return Array(1...(environment["CALLVAULT_TORTURE"] == nil ? 24 : 1000))
  }

  @Test("never early, never under a hold, always to the end", arguments: seeds)
  func aPracticeLives(seed: UInt64) throws {
    var simulation = try Simulation(seed: seed)
    let isWhole =
      seed <= 2 || Self.environment["CALLVAULT_TORTURE"] != nil
      || Self.environment["CALLVAULT_SEED"] != nil
    do {
      try simulation.run(days: (isWhole ? 20 : 4) * 365)
    } catch {
      Issue.record("CALLVAULT_SEED=\(seed): \(error)\n\(simulation.counts)")
      return
    }
    guard isWhole else { return }
    // What never happened proves nothing; a hold that comes between an approval and its run is rare enough
    // that one practice in a thousand has none.
    for what in [
      "purged", "crashes", "failed deletes", "holds", "alarms", "clock faults", "policy approvals",
      "plans done", "plans void",
    ] + (seed <= 2 ? ["skipped held"] : []) where simulation.counts[what] == nil {
      Issue.record("CALLVAULT_SEED=\(seed): no \(what) in twenty years\n\(simulation.counts)")
    }
  }
}
