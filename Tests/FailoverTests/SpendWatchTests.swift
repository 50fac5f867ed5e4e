import Failover
import Testing
import YAML

/// Many paid calls are told once in each window, and the count forgets.
@Suite struct SpendWatchTests {
  @Test func peopleAreToldOnceInAWindow() {
    var watch = SpendWatch(SpendWatch.Cap(calls: 10, windowMs: 60_000))
    func at(_ seconds: Int64) -> Moment { Moment(milliseconds: 1_000_000 + seconds * 1_000) }
    var told: [Bool] = []
    for (calls, second) in [(10, 0), (1, 1), (5, 2)] as [(Int64, Int64)] {
      told.append(watch.count(calls, at: at(second)))
    }
    #expect(told == [false, true, false])
    #expect(watch.calls == 16)
    // The first ten are forgotten: within the cap again, and told anew when it is passed anew.
    told = [watch.count(0, at: at(60))]
    #expect(watch.calls == 6)
    told.append(watch.count(6, at: at(60)))
    #expect(told == [false, true])
    // Still over after a whole window.
    told = (61..<120).map { watch.count($0 == 61 ? 20 : 0, at: at($0)) }
    #expect(!told.contains(true))
    let last = (watch.count(0, at: at(120)), watch.count(0, at: at(1_000)))
    #expect(last == (true, false))
    #expect(watch.calls == 0)
  }

  @Test func drillsAndTheCapAreRead() throws {
    let policy = try PolicyFiles.policy(
      PolicyFiles.changed(
        "# actuators:\n",
        "drills: [{dead: [pbx, ai], every_ms: 604800000}]\nspend: {calls: 5, window_ms: 3600000}\n")
    )
    #expect(policy.drills.map(\.everyMs) == [604_800_000])
    #expect(policy.spend == SpendWatch.Cap(calls: 5, windowMs: 3_600_000))
    #expect(try PolicyFiles.policy().spend == nil)
  }

  @Test(arguments: [
    "drills: [{dead: [fax], every_ms: 604800000}]", "drills: [{dead: [], every_ms: 604800000}]",
    "drills: [{dead: [pbx], every_ms: 1}]", "drills: [{every_ms: 604800000}]",
    "spend: {calls: 0, window_ms: 3600000}", "spend: {calls: 5}",
    "voice: {origin: \"https://calls.example.org\", path: \"911\"}",
  ])
  func wrongOnesAreRefused(setting: String) throws {
    let text = try PolicyFiles.changed("# actuators:\n", setting + "\n")
    #expect(throws: YAMLError.self) { _ = try PolicyFiles.policy(text) }
  }
}
