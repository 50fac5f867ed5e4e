import Audit
import Cryptography
import Encoding
import Failover
import Service

/// Test calls on a better route, before calls go back to it.
extension Supervisor {
  /// From placing a call to somebody's answer.
  private static let limitMs: Int64 = 30_000

  func callCanary(_ route: RouteID) {
    guard let caller = parts.canaries.first(where: { $0.hasCanary(for: route) }) else {
      supervision.canaryEnded(on: route, succeeded: false, at: Self.now)
      return operatorLog.write(
        .warning, "no-canary",
        [
          "route": .string(route.description),
          "to_do":
            "name a test call for it (`canaries` of a twilio actuator), set `canaries: 0` in `failback`, or approve: callvault failover override --failback",
        ])
    }
    begin { await self.placeCanary(on: route, by: caller) }
  }

  private nonisolated func placeCanary(on route: RouteID, by caller: any CanaryCaller) async {
    let began = Self.now
    do throws(FailoverError) {
      try await caller.callCanary(on: route, before: began.advanced(byMs: Self.limitMs))
      await canaryEnded(route, caller.id, failure: nil, ms: Self.now.ms(since: began))
    } catch {
      await canaryEnded(route, caller.id, failure: error, ms: Self.now.ms(since: began))
    }
  }

  private func canaryEnded(
    _ route: RouteID, _ caller: ActuatorID, failure: FailoverError?, ms: Int64
  ) {
    supervision.canaryEnded(on: route, succeeded: failure == nil, at: Self.now)
    recorder.record(
      asked(
        "canary",
        [
          "route": .string(route.description), "actuator": .string(caller.description),
          "answered": .bool(failure == nil), "ms": .integer(ms),
        ], id: .random(), by: recorder.log.system))
    if let failure {
      operatorLog.write(
        .warning, "canary-failed",
        [
          "route": .string(route.description), "cause": .string(OperatorLog.describe(failure)),
        ])
    }
    publish([
      "event": "canary", "route": .string(route.description), "answered": .bool(failure == nil),
    ])
  }
}
