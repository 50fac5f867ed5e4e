import Failover
import Testing

/// Belief goes by deadline: silence for long enough, and enough probes that went unanswered.
@Suite struct HealthTests {
  private static let pace = HealthMachine.Pace(
    silenceMs: 600, probes: 12, dwellMs: 2_000, staleMs: 60_000)

  /// A machine that heard life every 50 ms for a second, and the time of the last.
  private static func living() -> (HealthMachine, Int64) {
    var machine = HealthMachine(pace, at: Moment(milliseconds: 0))
    for step in 0..<20 { observe(&machine, .alive(roundTripMs: 2), at: Int64(step) * 50) }
    return (machine, 950)
  }

  private static func observe(
    _ machine: inout HealthMachine, _ result: ProbeObservation.Result, at ms: Int64
  ) {
    machine.observe(.sent, at: Moment(milliseconds: ms))
    machine.observe(result, at: Moment(milliseconds: ms + 2))
    machine.judge(at: Moment(milliseconds: ms + 3))
  }

  @Test(arguments: [
    (ProbeObservation.Result.missed(.refused), "refused"), (.missed(.serverError), "5xx"),
    (.missed(.wrongAnswer), "nonsense"), (.missed(.timeout), "silence"),
  ])
  func whatIsNoAnswerIsDownAfterTheSilence(miss: ProbeObservation.Result, name: String) {
    var (machine, last) = Self.living()
    var ms = last
    while machine.belief == .alive, ms < 10_000 {
      ms += 50
      Self.observe(&machine, miss, at: ms)
    }
    #expect(machine.belief == .down)
    #expect((600...660).contains(ms - last), "\(ms - last) ms for \(name)")
  }

  @Test func silenceAloneIsNotDownBeforeEnoughProbesLeft() {
    var (machine, last) = Self.living()
    for step in 1...11 {
      machine.observe(.sent, at: Moment(milliseconds: last + Int64(step) * 500))
    }
    machine.judge(at: Moment(milliseconds: last + 6_000))
    #expect(machine.belief == .alive)
    machine.observe(.sent, at: Moment(milliseconds: last + 6_000))
    machine.judge(at: Moment(milliseconds: last + 6_001))
    #expect(machine.belief == .down)
  }

  @Test func lostPacketsAreNoOutage() {
    var numbers = SeededNumbers(seed: 30)
    var machine = HealthMachine(Self.pace, at: Moment(milliseconds: 0))
    var changes = 0
    // Four minutes at 30 % loss.
    for step in 0..<4_800 {
      let before = machine.belief
      let isLost = numbers.next() % 10 < 3
      let ms = Int64(step) * 50
      machine.observe(.sent, at: Moment(milliseconds: ms))
      if !isLost { machine.observe(.alive(roundTripMs: 2), at: Moment(milliseconds: ms + 2)) }
      machine.judge(at: Moment(milliseconds: ms + 3))
      if before != .unknown, machine.belief != before { changes += 1 }
    }
    #expect(changes == 0)
  }

  @Test func itIsAliveAgainOnlyAfterItLivedForTheDwell() {
    var (machine, last) = Self.living()
    for step in 1...14 {
      Self.observe(&machine, .missed(.refused), at: last + Int64(step) * 50)
    }
    #expect(machine.belief == .down)
    let back = last + 800
    var ms = back
    while machine.belief == .down, ms < back + 10_000 {
      ms += 50
      Self.observe(&machine, .alive(roundTripMs: 2), at: ms)
    }
    #expect((2_000...2_100).contains(ms - back), "\(ms - back) ms")
  }

  @Test func aDrainIsNoOutageAndEndsByItself() {
    var (machine, last) = Self.living()
    Self.observe(&machine, .drain(forMs: 5_000), at: last + 50)
    #expect(machine.belief == .draining)
    for step in 2...90 { machine.observe(.sent, at: Moment(milliseconds: last + Int64(step) * 50)) }
    var (other, time) = Self.living()
    Self.observe(&other, .drain(forMs: .max), at: time + 50)
    other.judge(at: Moment(milliseconds: time + HealthMachine.longestDrainMs + 100))
    #expect(other.belief != .draining, "a drain without end is not believed")
  }

  @Test func aSupervisorThatStoodStillBlamesNobody() {
    var (machine, last) = Self.living()
    for step in 1...12 { machine.observe(.sent, at: Moment(milliseconds: last + Int64(step) * 10)) }
    machine.resume(at: Moment(milliseconds: last + 30_000))
    machine.judge(at: Moment(milliseconds: last + 30_001))
    #expect(machine.belief == .alive)
  }

  @Test func reportsOfOthersAreOneVoiceHoweverMany() throws {
    let pace = HealthMachine.Pace(silenceMs: 600, probes: 3, dwellMs: 0, staleMs: 60_000)
    let target = Target(
      id: try #require(TargetID("pbx")), role: .pbx, quorum: 2,
      signals: [
        .init(kind: .sipOptions, pace: pace), .init(kind: .http, pace: pace),
        .init(kind: .passive, pace: pace),
      ])
    var machine = TargetMachine(target, at: Moment(milliseconds: 0))
    for step in 0..<100 {
      let now = Moment(milliseconds: Int64(step) * 50)
      for kind in [SignalKind.sipOptions, .http] {
        machine.observe(kind, .sent, at: now)
        machine.observe(kind, .alive(roundTripMs: 1), at: now)
      }
      for _ in 0..<50 { machine.observe(.passive, .sent, at: now) }
      machine.judge(at: now)
    }
    #expect(machine.belief == .suspect)
    #expect(machine.downVoices == [.passive])
    for step in 100..<120 {
      let now = Moment(milliseconds: Int64(step) * 50)
      for kind in SignalKind.allCases { machine.observe(kind, .sent, at: now) }
      machine.observe(.http, .alive(roundTripMs: 1), at: now)
      machine.judge(at: now)
    }
    #expect(machine.belief == .down, "a probe of ours and the reports are two")
  }
}
