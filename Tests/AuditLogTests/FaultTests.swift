import Audit
import Drivers
import Durable
import FaultInjection
import Foundation
import Testing

/// What holds however one system call of the log fails, for every call.
@Suite struct FaultTests {
  private struct Run {
    var acknowledged: [Acknowledged] = []
    /// What was thrown, in order.
    var codes: [AuditError.Code] = []
    var opened = false
  }

  /// A life of a log: opened, written to, published, written to, turned over, published.
  private func live(_ harness: Harness, on fileSystem: FailingFileSystem) async -> Run {
    var run = Run()
    func attempt(_ step: () async throws -> Void) async {
      do {
        try await step()
      } catch {
        run.codes.append((error as? AuditError)?.code ?? .unavailable)
      }
    }
    var log: AuditLog?
    await attempt { log = try await harness.open(on: fileSystem) }
    guard let log else { return run }
    run.opened = true
    for round in 0..<3 {
      for _ in 0..<2 {
        await attempt {
          run.acknowledged.append(Acknowledged(try await log.record(harness.draft())))
        }
      }
      if round == 0 { await attempt { try await log.rotateEpoch() } }
      if round < 2 { await attempt { try await log.publish() } }
    }
    await close(log)
    return run
  }

  /// The other error numbers take the same paths.
  private static let plans = FaultPlan.all.filter { $0.number == EIO || $0.number == ENOSPC }

  @Test(.timeLimit(.minutes(30)), arguments: plans)
  func whateverCallFailsNothingAcknowledgedIsLost(plan: FaultPlan) async throws {
    var call = 0
    while true {
      call += 1
      let harness = try Harness { $0.journalSegmentLength = 2500 }
      // Something is there already, so that the start has work too.
      let before = try await harness.open()
      let first = Acknowledged(try await before.record(harness.draft()))
      let fileSystem = FailingFileSystem(
        FailingFileSystem.Fault(
          call: call, number: plan.number, lasting: plan.lasting, tearing: true))
      let run = await live(harness, on: fileSystem)

      // The next start, on a disk that works again.
      let log = try await harness.open()
      try await log.publish()
      let published = try PublishedLog(harness.layout.log, key: harness.key)
      #expect(published.holds(run.acknowledged + [first]), "call \(call)")
      for bytes in published.entries {
        let entry = try Entry(parsing: bytes)
        let openings = try await log.openings(of: entry)
        #expect(openings.count == entry.commits.count, "call \(call)")
      }
      if call.isMultiple(of: 10) {
        #expect(try GoVerifier.accepts(harness.layout.log, key: harness.key), "call \(call)")
        #expect(
          try await OwnVerifier.findings(harness.layout.log, key: harness.key) == [], "call \(call)"
        )
      }
      #expect(
        run.codes.allSatisfy { $0 == .unavailable || $0 == .noSpace && plan.number == ENOSPC },
        "call \(call): \(run.codes)")
      if !fileSystem.fired {
        #expect(run.codes.isEmpty && run.acknowledged.count == 6)
        print(": \(plan): \(call - 1) calls of a log's life failed in turn")
        break
      }
    }
  }

  /// A failed append ends the log, also for those who wait; a failed publishing does not.
  @Test func aFailedAppendPoisonsTheLog() async throws {
    for (failing, poisons) in [("fdatasync", true), ("rename", false)] {
      let harness = try Harness()
      let counting = FailingFileSystem(FailingFileSystem.Fault(call: nil, number: EIO))
      _ = try await harness.open(on: counting)
      let opened = counting.calls.count
      // The first append after the start: write, fdatasync. The first publication: its renames.
      var call = opened + 2
      if !poisons {
        let probe = try Harness()
        let calls = FailingFileSystem(FailingFileSystem.Fault(call: nil, number: EIO))
        let log = try await probe.open(on: calls)
        try await log.publish()
        call = try #require(calls.calls[opened...].firstIndex(of: "rename")) + 1
      }
      let second = try Harness()
      let fileSystem = FailingFileSystem(FailingFileSystem.Fault(call: call, number: EIO))
      let log = try await second.open(on: fileSystem)
      if !poisons { await #expect(throws: AuditError.self) { try await log.publish() } }
      let outcomes = await withTaskGroup(of: Acknowledged?.self) { group in
        for _ in 0..<20 {
          group.addTask {
            do {
              return Acknowledged(try await log.record(second.draft()))
            } catch {
              return nil
            }
          }
        }
        return await group.reduce(into: [Acknowledged?]()) { $0.append($1) }
      }
      #expect(fileSystem.calls[call - 1] == failing)
      #expect(outcomes.allSatisfy { ($0 == nil) == poisons })
      #expect(await (log.status.failure != nil) == poisons)
      if poisons {
        let length = fileSystem.calls.count
        await #expect(throws: AuditError.self) { _ = try await log.record(second.draft()) }
        #expect(fileSystem.calls.count == length, "a poisoned log touches no file")
      }
      let reopened = try await second.open()
      try await reopened.publish()
      #expect(
        try PublishedLog(second.layout.log, key: second.key).holds(outcomes.compactMap(\.self)))
    }
  }
}
