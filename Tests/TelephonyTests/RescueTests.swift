import Failover
import Testing
import Threading

@testable import Failover
@testable import Telephony

/// Moves calls in memory, and notes how many at once.
private final class FakeMover: CallMover {
  struct State: Sendable {
    var moving = 0
    var most = 0
    var moved: [String] = []
    var failures: [String: [FailoverError.Code]] = [:]
  }
  let id: ActuatorID
  let state = Lock(State())

  init(_ failures: [String: [FailoverError.Code]] = [:]) throws {
    id = try Fixture.name("mover")
    state.withLock { $0.failures = failures }
  }

  func liveCalls() async throws(FailoverError) -> [LiveCall] { [] }
  func ensureRecording(of call: CallReference, before deadline: Moment) async throws(FailoverError)
  {}

  func move(
    _ call: CallReference, to route: Route, urgency: Urgency, before deadline: Moment
  ) async throws(FailoverError) {
    state.withLock {
      $0.moving += 1
      $0.most = max($0.most, $0.moving)
    }
    await Task.yield()
    let failure: FailoverError.Code? = state.withLock {
      $0.moving -= 1
      if var codes = $0.failures[call.description], !codes.isEmpty {
        let code = codes.removeFirst()
        $0.failures[call.description] = codes
        return code
      }
      $0.moved.append(call.description)
      return nil
    }
    if let failure { throw FailoverError(failure, during: "testing") }
  }
}

@Suite struct RescueTests {
  static func calls(_ count: Int) throws -> [LiveCall] {
    try (0..<count).map { number in
      let reference = try #require(CallReference("call-\(number)"))
      let other: Urgency = number.isMultiple(of: 3) ? .urgent : .normal
      let urgency: Urgency = number % 10 == 7 ? .critical : other
      return LiveCall(
        reference, urgency: urgency, began: Moment(milliseconds: Int64(number)))
    }
  }

  @Test func emergenciesGoFirstThenTheOldest() throws {
    var queue = RescueQueue(try Self.calls(100).shuffled())
    var order: [LiveCall] = []
    while let call = queue.next() {
      order.append(call)
      queue.ended(call.reference, failure: nil)
    }
    #expect(order.count == 100)
    #expect(order.map(\.urgency) == order.map(\.urgency).sorted())
    for urgency in Urgency.allCases {
      let began = order.filter { $0.urgency == urgency }.map(\.began)
      #expect(began == began.sorted())
    }
  }

  @Test func neverMoreThanTenAtOnce() throws {
    var queue = RescueQueue(try Self.calls(25))
    var moving: [LiveCall] = []
    while let call = queue.next() { moving.append(call) }
    #expect(moving.count == RescueQueue.limit)
    #expect(queue.remaining == 25)
    queue.ended(moving[0].reference, failure: nil)
    let (another, none) = (queue.next(), queue.next())
    #expect(another != nil && none == nil)
  }

  @Test func aBusyVendorIsAskedAgainAndARefusalIsNot() throws {
    var queue = RescueQueue(try Self.calls(2))
    let next = queue.next()
    let first = try #require(next)
    var again: [Bool] = []
    for failure: FailoverError.Code in [.busy, .unreachable, .busy] {
      again.append(queue.ended(first.reference, failure: failure))
      while let call = queue.next(), call != first {
        queue.ended(call.reference, failure: .refused)
      }
    }
    #expect(again == [true, true, false])
    #expect(queue.remaining == 0)
  }

  @Test func everyCallIsMovedOrAccountedFor() async throws {
    let mover = try FakeMover([
      "call-7": [.busy, .busy], "call-8": [.refused], "call-9": [.unreachable, .busy, .busy],
    ])
    let outcomes = await CallRescue(mover: mover, now: { .now }).move(
      try Self.calls(100), to: try Fixture.route("backup"), before: Fixture.later)
    #expect(outcomes.count == 100)
    #expect(
      Set(outcomes.filter { $0.failure != nil }.map(\.call.reference.description)) == [
        "call-8", "call-9",
      ])
    let state = mover.state.withLock { $0 }
    #expect(state.most <= RescueQueue.limit)
    #expect(state.moved.count == 98)
  }

  @Test func afterTheDeadlineNobodyIsMoved() async throws {
    let mover = try FakeMover()
    let outcomes = await CallRescue(mover: mover, now: { .now }).move(
      try Self.calls(3), to: try Fixture.route("backup"), before: Moment.now.advanced(byMs: -1))
    #expect(outcomes.allSatisfy { $0.failure?.code == .tooLate })
    #expect(mover.state.withLock { $0.moved }.isEmpty)
  }
}
