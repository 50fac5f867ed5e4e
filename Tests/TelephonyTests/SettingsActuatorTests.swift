import Failover
import Testing
import Threading

@testable import Telephony

/// A vendor without idempotency keys and fencing, in memory, that fails as asked.
final class FakeBoard: SettingsActuator {
  struct State: Sendable {
    var values: [String: String]
    var written: [WantedSetting] = []
    /// The next writes: `lost` is done and not answered, `failed` is not done.
    var faults: [Fault] = []
    /// A plan that is let pass during the next write.
    var overtaking: PlanMark?
  }
  enum Fault: Sendable { case lost, failed, refused }

  let id: ActuatorID
  let fence = PlanFence()
  let readLimitMs: Int64 = 1_000
  let state: Lock<State>

  init(_ values: [String: String]) throws {
    id = try Fixture.name("fake")
    state = Lock(State(values: values))
  }

  func wanted(for plan: RoutePlan) -> [WantedSetting] {
    switch plan.route.id.description {
    case "main": [WantedSetting("a", "on"), WantedSetting("b", "off")]
    case "backup": [WantedSetting("b", "on"), WantedSetting("a", "off")]
    default: []
    }
  }

  func read(
    _ subjects: [String], before deadline: Moment
  ) async throws(FailoverError) -> [String: String] {
    state.withLock { $0.values.filter { subjects.contains($0.key) } }
  }

  func write(
    _ setting: WantedSetting, of mark: PlanMark, before deadline: Moment
  ) async throws(FailoverError) {
    let overtaking: PlanMark? = state.withLock { state in
      defer { state.overtaking = nil }
      return state.overtaking
    }
    if let overtaking { try fence.pass(overtaking) }
    let fault: Fault? = state.withLock { state in
      let fault = state.faults.isEmpty ? nil : state.faults.removeFirst()
      if fault == nil || fault == .lost {
        state.values[setting.subject] = setting.value
        state.written.append(setting)
      }
      return fault
    }
    switch fault {
    case .lost, .failed: throw FailoverError(.unreachable, during: "testing")
    case .refused: throw FailoverError(.refused, during: "testing")
    case nil: break
    }
  }

  func set(_ subject: String, _ value: String) { state.withLock { $0.values[subject] = value } }
  func fail(_ faults: [Fault]) { state.withLock { $0.faults = faults } }
  func overtake(by mark: PlanMark) { state.withLock { $0.overtaking = mark } }
  var values: [String: String] { state.withLock { $0.values } }
  var written: [WantedSetting] { state.withLock { $0.written } }
}

@Suite struct SettingsActuatorTests {
  static let main = ["a": "on", "b": "off"]
  static let backup = ["a": "off", "b": "on"]

  @Test func aPlanChangesNothing() async throws {
    let board = try FakeBoard(Self.main)
    let plan = try await board.plan(try Fixture.plan("backup"))
    #expect(plan.changes.map(\.subject) == ["b", "a"])
    #expect(plan.changes.map(\.before) == ["off", "on"])
    #expect(board.values == Self.main)
    #expect(try await board.plan(try Fixture.plan("other")).changes.isEmpty)
    #expect(try await board.plan(try Fixture.plan("main")).changes.isEmpty)
  }

  @Test func applyingReadsBackAndRevertingPutsBack() async throws {
    let board = try FakeBoard(Self.main)
    let receipt = try await board.apply(
      try await board.plan(try Fixture.plan("backup")), before: Fixture.later)
    #expect(board.values == Self.backup)
    // What opens goes first, so that no moment has no way.
    #expect(board.written.map(\.subject) == ["b", "a"])
    #expect(receipt.confirmed != nil)
    #expect(receipt.began <= receipt.applied)
    #expect(try await board.verify(receipt))
    let reverted = try await board.revert(receipt, before: Fixture.later)
    #expect(board.values == Self.main)
    #expect(board.written.map(\.subject) == ["b", "a", "a", "b"])
    #expect(reverted.confirmed != nil)
    #expect(try await !board.verify(receipt))
  }

  @Test func doingItTwiceIsAsGoodAsOnce() async throws {
    let board = try FakeBoard(Self.main)
    let plan = try await board.plan(try Fixture.plan("backup"))
    _ = try await board.apply(plan, before: Fixture.later)
    let again = try await board.apply(plan, before: Fixture.later)
    #expect(board.written.count == 2)
    #expect(again.changes.isEmpty)
    #expect(again.confirmed != nil)
  }

  @Test func whatSomebodyElseChangedIsNotOverwritten() async throws {
    let board = try FakeBoard(Self.main)
    let plan = try await board.plan(try Fixture.plan("backup"))
    board.set("a", "somewhere")
    let error = await #expect(throws: FailoverError.self) {
      try await board.apply(plan, before: Fixture.later)
    }
    #expect(error?.code == .fenced)
    #expect(board.written.isEmpty)
  }

  @Test func aLowerPlanUndoesNoHigherOne() async throws {
    let board = try FakeBoard(Self.main)
    let old = try await board.plan(try Fixture.plan("main", version: 9, fencing: 1))
    let new = try await board.plan(try Fixture.plan("backup", version: 1, fencing: 2))
    let receipt = try await board.apply(new, before: Fixture.later)
    let error = await #expect(throws: FailoverError.self) {
      try await board.apply(old, before: Fixture.later)
    }
    #expect(error?.code == .fenced)
    _ = try await board.apply(
      try await board.plan(try Fixture.plan("backup", version: 2, fencing: 2)),
      before: Fixture.later)
    let late = await #expect(throws: FailoverError.self) {
      try await board.revert(receipt, before: Fixture.later)
    }
    #expect(late?.code == .fenced)
    #expect(board.values == Self.backup)
  }

  @Test func aPlanThatIsOvertakenWritesNoFurther() async throws {
    let board = try FakeBoard(Self.main)
    let old = try await board.plan(try Fixture.plan("backup", version: 1))
    board.overtake(by: PlanMark(fencing: 1, version: 2))
    let error = await #expect(throws: FailoverError.self) {
      try await board.apply(old, before: Fixture.later)
    }
    #expect(error?.code == .fenced)
    #expect(board.written.map(\.subject) == ["b"], "what was under way, and nothing after it")
  }

  @Test func nothingIsSentAfterADeadline() async throws {
    let board = try FakeBoard(Self.main)
    let expired = try Fixture.plan("backup", expires: Moment.now.advanced(byMs: -1))
    for (plan, deadline) in [
      (try Fixture.plan("backup"), Moment.now.advanced(byMs: -1)), (expired, Fixture.later),
    ] {
      let planned = try await board.plan(plan)
      let error = await #expect(throws: FailoverError.self) {
        try await board.apply(planned, before: deadline)
      }
      #expect(error?.code == .tooLate)
    }
    #expect(board.written.isEmpty)
  }

  @Test(arguments: [
    ([FakeBoard.Fault.lost], FailoverError.Code?.none, Self.backup),
    ([.lost, .lost], nil, Self.backup),
    ([.failed], .unreachable, Self.main),
    ([.refused], .refused, Self.main),
  ])
  func aLostAnswerIsReadBack(
    faults: [FakeBoard.Fault], code: FailoverError.Code?, values: [String: String]
  ) async throws {
    let board = try FakeBoard(Self.main)
    let plan = try await board.plan(try Fixture.plan("backup"))
    board.fail(faults)
    var failure: FailoverError.Code?
    do {
      let receipt = try await board.apply(plan, before: Fixture.later)
      #expect(receipt.confirmed != nil)
    } catch { failure = error.code }
    #expect(failure == code)
    #expect(board.values == values)
  }

  @Test func aSettingThatIsNotThereIsRefused() async throws {
    let board = try FakeBoard(["a": "on"])
    let error = await #expect(throws: FailoverError.self) {
      try await board.plan(try Fixture.plan("backup"))
    }
    #expect(error?.code == .refused)
  }
}
