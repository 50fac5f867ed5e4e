/// A world that goes wrong by a seed, in which the supervisor's real decisions are watched.
///
/// No clock, no thread, no randomness but the seed's: what a seed shows once it shows always.
public struct OutageSimulation: Sendable {
  /// What came of one scenario.
  public struct Outcome: Sendable {
    public var broken: [BrokenPromise] = []
    public var switches = 0
    public var looks = 0
    /// The longest that calls went a way that was truly dead while another was there and the line held, in ms.
    public var worstDeadMs: Int64 = 0
    public var faults: [SimulatedFault] = []
  }

  /// Ways to break the supervisor on purpose, to see that each broken promise is found.
  public struct Sabotage: Sendable {
    /// Changes what a probe reports; nil drops it.
    public var observation: @Sendable (ProbeObservation, _ isCut: Bool) -> ProbeObservation? = {
      observation, _ in observation
    }
    /// Does something to the supervisor after each look.
    public var afterLook: @Sendable (inout Supervision) -> Void = { _ in }
    /// A second supervisor commands too, with the lease of the first.
    public var isDoubled = false

    public init() {}
  }

  /// How long a dead route may be commanded, while another lives and the supervisor hears: the slowest quorum of the
  /// policy, the proof of the line, and a look.
  static let leaveBoundMs: Int64 = 4_000
  static let stepMs: Int64 = 100
  static let restMs: Int64 = 900

  public let policy: RoutingPolicy
  private let sabotage: Sabotage
  private let groups: [CallGroupID]

  public init(_ policy: RoutingPolicy, sabotage: Sabotage = Sabotage()) {
    self.policy = policy
    self.sabotage = sabotage
    groups = policy.groups.keys.sorted()
  }

  /// Runs the scenario of a seed.
  public func run(seed: UInt64) -> Outcome {
    var numbers = SeededNumbers(seed: seed)
    let faults = makeFaults(&numbers)
    return run(faults, numbers: numbers, seed: seed)
  }

  /// Runs a scenario of given faults; the seed decides the rest.
  public func run(_ faults: [SimulatedFault], seed: UInt64) -> Outcome {
    run(faults, numbers: SeededNumbers(seed: seed), seed: seed)
  }

  private func run(
    _ faults: [SimulatedFault], numbers: SeededNumbers, seed: UInt64
  ) -> Outcome {
    let world = SimulatedWorld(
      policy: policy, groups: groups, faults: faults, numbers: numbers, sabotage: sabotage,
      seed: seed)
    world.live()
    return world.outcome
  }

  /// One to four faults in half a minute; what is worth telling apart comes more often.
  private func makeFaults(_ numbers: inout SeededNumbers) -> [SimulatedFault] {
    var faults: [SimulatedFault] = []
    let ours = policy.targets.filter { $0.role != .uplink }.map(\.id)
    for _ in 0..<numbers.number(1...4) {
      let from = Moment(milliseconds: numbers.number(3_000...20_000))
      let lasts = numbers.number(200...15_000)
      // Some never end.
      let to = numbers.happens(100) ? SimulatedFault.never : from.advanced(byMs: lasts)
      let target = ours[Int(numbers.number(0...Int64(ours.count - 1)))]
      let kind: SimulatedFault.Kind
      switch numbers.number(0...19) {
      case 0...5: kind = .dead(target)
      case 6: kind = .lossy(target, permille: numbers.number(20...300))
      case 7: kind = .draining(target)
      case 8...9:
        let kind = SimulatedFault.Kind.flapping(target, periodMs: numbers.number(500...4_000))
        faults.append(SimulatedFault(kind: kind, from: from, to: from.advanced(byMs: lasts)))
        continue
      case 10...12: kind = .uplinkCut
      case 13: kind = .flood(target)
      case 14:
        for group in groups {
          faults.append(
            SimulatedFault(kind: .empty(group), from: from, to: from.advanced(byMs: lasts)))
        }
        continue
      case 15...16:
        let choice = policy.choices[Int(numbers.number(0...Int64(policy.choices.count - 2)))]
        kind = .actuator(choice.route.id, isSilent: numbers.happens(500))
      case 17...18:
        let kind: SimulatedFault.Kind = numbers.happens(500) ? .stall : .takeover
        faults.append(SimulatedFault(kind: kind, from: from, to: from.advanced(byMs: lasts)))
        continue
      default:
        // Everything of ours at once, while the line holds.
        for target in ours {
          faults.append(SimulatedFault(kind: .dead(target), from: from, to: to))
        }
        continue
      }
      faults.append(SimulatedFault(kind: kind, from: from, to: to))
    }
    return faults
  }
}
