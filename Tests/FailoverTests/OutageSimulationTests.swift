import Encoding
import Mutation
import Testing

@testable import Failover

/// The real decisions in thousands of outages; a failure prints its seed.
@Suite struct OutageSimulationTests {
  private static let rounds = UInt64(Mutation.rounds(otherwise: 10_000))
  private static let lanes: UInt64 = 4

  @Test(arguments: 0..<lanes)
  func everyPromiseHolds(lane: UInt64) throws {
    let simulation = OutageSimulation(try PolicyFiles.policy().hastened)
    var (switches, looks, worst) = (0, 0, Int64(0))
    for seed in 0..<(Self.rounds / Self.lanes) {
      let outcome = simulation.run(seed: seed * Self.lanes + lane)
      switches += outcome.switches
      looks += outcome.looks
      worst = max(worst, outcome.worstDeadMs)
      for broken in outcome.broken { Issue.record("\(broken): \(outcome.faults)") }
    }
    #expect(switches > 0, "the world must go wrong")
  }

  @Test func aSeedShowsTheSameAlways() throws {
    let simulation = OutageSimulation(try PolicyFiles.policy().hastened)
    for seed in [UInt64(1), 77, 4_711] {
      let (one, two) = (simulation.run(seed: seed), simulation.run(seed: seed))
      #expect(one.switches == two.switches && one.looks == two.looks)
    }
  }

  private static func fault(
    _ kind: SimulatedFault.Kind, _ from: Int64, _ to: Int64
  ) -> SimulatedFault {
    SimulatedFault(kind: kind, from: Moment(milliseconds: from), to: Moment(milliseconds: to))
  }

  /// Each promise broken on purpose is found; unbroken, the same world shows nothing.
  @Test(arguments: BrokenPromise.Promise.allCases)
  func eachBrokenPromiseIsFound(promise: BrokenPromise.Promise) throws {
    var policy = try PolicyFiles.policy().hastened
    let honest = policy
    let pbx = try #require(TargetID("pbx"))
    let ai = try #require(TargetID("ai"))
    var sabotage = OutageSimulation.Sabotage()
    var faults = [Self.fault(.dead(pbx), 5_000, 20_000)]
    switch promise {
    case .oneActiveRoute: sabotage.isDoubled = true
    case .noFlapBeyondBudget:
      faults = (0..<15).map { Self.fault(.dead(pbx), 5_000 + $0 * 10_000, 7_000 + $0 * 10_000) }
      sabotage.afterLook = { $0.release() }
    case .endsOnLiveRoute, .leavesDeadRoute:
      faults = [
        SimulatedFault(
          kind: .dead(pbx), from: Moment(milliseconds: 5_000), to: SimulatedFault.never)
      ]
      // Nobody counts what goes unanswered.
      sabotage.observation = { observation, _ in
        observation.result == .sent ? nil : observation
      }
    case .noSwitchOnPanic:
      faults = [Self.fault(.uplinkCut, 5_000, 15_000)]
      // The line seems proved although it is cut.
      sabotage.observation = { observation, isCut in
        guard isCut, observation.signal == .uplink else { return observation }
        return ProbeObservation(
          target: observation.target, signal: observation.signal, result: .alive(roundTripMs: 0),
          at: observation.at)
      }
    case .noSwitchOnHearsay:
      faults = [Self.fault(.flood(pbx), 5_000, 15_000)]
      // One voice is enough, also that of others.
      policy.targets = policy.targets.map {
        Target(id: $0.id, role: $0.role, quorum: 1, signals: $0.signals)
      }
    case .nobodyIsNotARoute:
      faults = policy.groups.keys.map { Self.fault(.empty($0), 4_000, 30_000) }
      faults.append(Self.fault(.dead(ai), 12_000, 25_000))
      policy.switching.emptyMs = 3_600_000
    }
    let broken = OutageSimulation(policy, sabotage: sabotage).run(faults, seed: 1).broken
    #expect(broken.contains { $0.promise == promise }, "\(broken)")
    let unbroken = OutageSimulation(honest).run(faults, seed: 1).broken
    #expect(unbroken.isEmpty, "\(unbroken)")
  }
}
