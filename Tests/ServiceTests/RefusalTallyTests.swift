import HTTP
import Testing

@testable import Service

@Suite struct RefusalTallyTests {
  @Test func aFloodIsALineAMinute() {
    var tally = RefusalTally()
    let begin = ContinuousClock.now
    #expect(tally.count(.malformed, at: begin) == 1)
    for second in 1..<60 { #expect(tally.count(.malformed, at: begin + .seconds(second)) == nil) }
    #expect(tally.count(.tls, at: begin + .seconds(59)) == 1)
    #expect(tally.count(.malformed, at: begin + .seconds(60)) == 60)
    #expect(tally.count(.malformed, at: begin + .seconds(61)) == nil)
    #expect(tally.count(.malformed, at: begin + .seconds(3600)) == 2)
  }
}
