import Failover

/// Applies a plan with several actuators side by side, and reads back.
enum ActuatorRun {
  struct Outcome: Sendable {
    let actuator: ActuatorID
    let receipt: ActuatorReceipt?
    let error: FailoverError?

    var isConfirmed: Bool { receipt?.confirmed != nil }
  }

  static func apply(
    _ plan: RoutePlan, to actuators: [any Actuator], before deadline: Moment
  ) async -> [Outcome] {
    await withTaskGroup(of: Outcome.self) { group in
      for actuator in actuators {
        group.addTask { await apply(plan, to: actuator, before: deadline) }
      }
      var outcomes: [Outcome] = []
      for await outcome in group { outcomes.append(outcome) }
      return outcomes.sorted { $0.actuator < $1.actuator }
    }
  }

  private static func apply(
    _ plan: RoutePlan, to actuator: any Actuator, before deadline: Moment
  ) async -> Outcome {
    do throws(FailoverError) {
      let receipt = try await actuator.apply(try await actuator.plan(plan), before: deadline)
      return Outcome(actuator: actuator.id, receipt: receipt, error: nil)
    } catch {
      return Outcome(actuator: actuator.id, receipt: nil, error: error)
    }
  }
}
