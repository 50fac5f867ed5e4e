import Cryptography
import Encoding
import Testing

@testable import Audit

@Suite struct RefusalCountTests {
  private func draft(_ reason: Reason) -> EntryDraft {
    let nobody = Actor(id: .random(), kind: .unknown, method: .none, strength: 0)
    var draft = EntryDraft(.authRefused, .single, by: nobody)
    draft.outcome = .refused
    draft.reason = reason
    return draft
  }

  /// A volume without room may last for days, and whoever floods us then goes on.
  @Test func whatCannotBeRecordedIsBoundedAndStillCounted() {
    var refusals = RefusalAggregates(window: .seconds(60))
    let draft = draft(.credentialUnknown)
    var now = ContinuousClock.now
    var singles: Int64 = 0
    for minute in 0..<20 {
      now += .seconds(61)
      for network in 0..<250 {
        for _ in 0..<12 {
          let refusal = Refusal(draft, from: "10.\(minute).\(network).1")
          let time = Timestamp(milliseconds: Int64(minute) * 60_000)
          if refusals.take(refusal, at: time, now: now) != nil { singles += 1 }
        }
      }
      let drafts = refusals.flush(now: now)
      #expect(drafts.count <= RefusalAggregates.maximumWaiting + 1)
      for draft in drafts { refusals.restore(draft) }
    }
    let counted = refusals.flush(now: now, atLast: true).reduce(0) { $0 + ($1.count ?? 0) }
    #expect(singles == 20 * 250 * 10)
    #expect(singles + counted == 20 * 250 * 12)
  }

  /// A client that goes on for days is a dozen entries a minute, and each attempt is counted.
  @Test func aFloodThatLastsIsAFewEntriesAWindow() {
    var refusals = RefusalAggregates(window: .seconds(60))
    let draft = draft(.credentialRevoked)
    let token = Identifier.random()
    let start = ContinuousClock.now
    var (singles, counts, counted): (Int64, Int, Int64) = (0, 0, 0)
    // Two each half second for ten minutes, and what is counted is asked for as often.
    for half in 0..<1200 {
      let now = start + .milliseconds(500 * half)
      for _ in 0..<2 {
        let refusal = Refusal(draft, from: "192.0.2.1", known: token)
        let time = Timestamp(milliseconds: Int64(half) * 500)
        if refusals.take(refusal, at: time, now: now) != nil { singles += 1 }
      }
      for draft in refusals.flush(now: now) {
        counts += 1
        counted += draft.count ?? 0
      }
    }
    for draft in refusals.flush(now: start, atLast: true) { counted += draft.count ?? 0 }
    #expect(singles == 100)
    #expect(counts <= 20)
    #expect(singles + counted == 2400)
  }
}
