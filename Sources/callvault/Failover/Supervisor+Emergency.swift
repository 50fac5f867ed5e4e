import Cryptography
import Encoding
import Failover
import Service

/// An emergency call: it is moved at once, and everything else follows.
extension Supervisor {
  func emergency(
    call: CallReference?, id: Identifier?, by caller: SupervisorCaller
  ) async throws(FailoverError) -> JSONObject {
    let began = Self.now
    let routes = supervision.emergency.routes
    let emergency = id ?? .random()
    counters.emergencies += 1
    // People are told while the call is moved, not after.
    tell(
      .emergencyTransfer, .critical, subject: routes.first.map { "\($0.id)" }, call: emergency,
      besides: policy.emergency.notifiers)
    var transferred: Route?
    if let call {
      transfers: for route in routes {
        for mover in parts.movers {
          // A provider that hangs leaves time for the next.
          let deadline = min(began.advanced(byMs: 4_500), Self.now.advanced(byMs: 2_000))
          if await Self.moves(call, by: mover, to: route, before: deadline) {
            transferred = route
            break transfers
          }
        }
      }
    }
    let ms = Self.now.ms(since: began)
    if transferred != nil { history.addEmergency(ms: ms) }
    recorder.record(
      asked(
        "emergency",
        [
          "transferred": .bool(transferred != nil), "ms": .integer(ms),
          "route": .string((transferred ?? routes.first)?.id.description ?? ""),
        ], id: emergency, by: caller.actor))
    if let call, transferred != nil {
      begin { await self.ensureRecording(of: call, emergency) }
    }
    var answer: JSONObject = [
      "id": .string(emergency.description), "decision": "EMERGENCY_HUMAN", "bypass_ai": true,
      "transferred": .bool(transferred != nil), "ms": .integer(ms),
    ]
    // Whoever asked moves the call itself where nothing of ours could: by these, in this order.
    answer["routes"] = .array(
      routes.map { route in
        .object([
          "route": .string(route.id.description), "provider": .string(route.provider.rawValue),
          "records": .bool(route.records),
          "contacts": .array(route.contacts.map { .string($0.uri) }),
        ])
      })
    return answer
  }

  private nonisolated static func moves(
    _ call: CallReference, by mover: any CallMover, to route: Route, before deadline: Moment
  ) async -> Bool {
    do {
      try await mover.move(call, to: route, urgency: .critical, before: deadline)
      return true
    } catch {
      // The next mover and the next route follow at once; what failed is seen by what was taken.
      return false
    }
  }

  private func ensureRecording(of call: CallReference, _ emergency: Identifier) async {
    for mover in parts.movers {
      do {
        try await mover.ensureRecording(of: call, before: Self.now.advanced(byMs: 5_000))
        return
      } catch {
        operatorLog.write(
          .warning, "recording-not-ensured",
          [
            "actuator": .string(mover.id.description),
            "cause": .string(OperatorLog.describe(error)),
          ])
      }
    }
    tell(.recordingMissing, .critical, subject: nil, call: emergency)
  }
}
