import Audit
import Drivers
import Durable
import FaultInjection
import Foundation
import Mutation
import Testing

/// What holds wherever in a log's life the power goes, and whatever the disk had not yet taken.
@Suite struct PowerCutTests {
  /// A life of a log; what it acknowledged before the power went.
  private func live(_ harness: Harness, on disk: PowerCut) async -> [Acknowledged] {
    var acknowledged: [Acknowledged] = []
    // After the cut every step fails; what was acknowledged before it counts.
    do {
      let log = try await harness.open(on: disk)
      for round in 0..<4 {
        for _ in 0..<3 {
          acknowledged.append(Acknowledged(try await log.record(harness.draft())))
        }
        if round == 1 { try await log.rotateEpoch() }
        if round % 2 == 0 { try await log.publish() }
      }
      await close(log)
    } catch {
      #expect(disk.isOff, "\(error)")
    }
    return acknowledged
  }

  private static let rounds: UInt64 =
    ProcessInfo.processInfo.environment["CALLVAULT_TORTURE"] == nil ? 2 : 50

  @Test(.timeLimit(.minutes(30)), arguments: 1...rounds)
  func nothingAcknowledgedIsLost(seed: UInt64) async throws {
    var call = 0
    var cuts = 0
    var isWhole = false
    while !isWhole {
      call += 1
      var dice = Dice(seed: seed << 32 | UInt64(call))
      let harness = try Harness { $0.journalSegmentLength = 2500 }
      let before = try await harness.open()
      let first = Acknowledged(try await before.record(harness.draft()))
      let disk = try PowerCut(below: harness.directory.path, atCall: call)
      let acknowledged = await live(harness, on: disk)
      isWhole = !disk.isOff
      try disk.restore(&dice)
      cuts += 1
      let log = try await harness.open()
      try await log.publish()
      let published = try PublishedLog(harness.layout.log, key: harness.key)
      let isHeld = published.holds(acknowledged + [first])
      #expect(isHeld, "seed \(seed), call \(call)")
      for bytes in published.entries {
        let entry = try Entry(parsing: bytes)
        let openings = try await log.openings(of: entry)
        #expect(openings.count == entry.commits.count, "seed \(seed), call \(call)")
      }
      if call.isMultiple(of: 10) {
        #expect(
          try await OwnVerifier.findings(harness.layout.log, key: harness.key) == [],
          "seed \(seed), call \(call)")
      }
    }
    print(": the power went \(cuts) times in a log's life, seed \(seed)")
  }

  /// A sync that fails leaves bytes that every later process reads and no disk has.
  ///
  /// The program ends and is started again; what it acknowledges from then on must not stand on them.
  @Test(.timeLimit(.minutes(30)), arguments: [false, true])
  func nothingIsBuiltOnWhatASyncFailedToWrite(publishing: Bool) async throws {
    var sync = 0
    while true {
      sync += 1
      var dice = Dice(seed: UInt64(sync))
      let harness = try Harness { $0.journalSegmentLength = 2500 }
      let disk = try PowerCut(below: harness.directory.path, atCall: nil, failingSync: sync)
      var acknowledged: [Acknowledged] = []
      do {
        let log = try await harness.open(on: disk)
        for round in 0..<4 {
          acknowledged.append(Acknowledged(try await log.record(harness.draft())))
          if round % 2 == 1 { try await log.publish() }
        }
      } catch is AuditError {
        #expect(disk.syncs >= sync)
      }
      if disk.syncs < sync { break }
      let again = try await harness.open(on: disk)
      acknowledged.append(Acknowledged(try await again.record(harness.draft())))
      if publishing { try await again.publish() }
      acknowledged.append(Acknowledged(try await again.record(harness.draft())))
      try disk.restore(&dice)
      let log = try await harness.open()
      try await log.publish()
      let published = try PublishedLog(harness.layout.log, key: harness.key)
      #expect(published.holds(acknowledged), "sync \(sync)")
      for bytes in published.entries {
        let entry = try Entry(parsing: bytes)
        #expect(try await log.openings(of: entry).count == entry.commits.count, "sync \(sync)")
      }
      #expect(
        try await OwnVerifier.findings(harness.layout.log, key: harness.key) == [], "sync \(sync)")
    }
    print(": \(sync - 1) syncs of a log's life failed, each before a power cut")
  }
}
