import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import FaultInjection
import Foundation
import Testing

private struct Holds: PruningHolds {
  var held: Identifier?

  func objectThatMustStay(
    among objects: Set<Identifier>, youngerThan cutoff: Timestamp
  ) async throws -> Identifier? {
    held.flatMap { objects.contains($0) ? $0 : nil }
  }
}

/// What is removed at the left edge, and what a crash in between leaves.
@Suite struct PruningTests {
  /// A log of 600 entries and more, closed.
  private func practice() async throws -> (Harness, Identifier) {
    let harness = try Harness { $0.retention = .zero }
    let log = try await harness.open()
    let call = Identifier.random()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<300 {
        group.addTask {
          var draft = harness.draft()
          draft.objects = [call]
          _ = try await log.record(draft)
          _ = try await log.record(draft.closing(.success))
        }
      }
      try await group.waitForAll()
    }
    try await log.publish()
    await close(log)
    return (harness, call)
  }

  @Test func whatIsLeftVerifies() async throws {
    let (harness, call) = try await practice()
    let log = try await harness.open()
    let anchor = try #require(await log.publishedCheckpoint)
    await #expect(throws: PruningRefusal.held(call)) {
      _ = try await log.prune(before: 600, by: log.system, holds: Holds(held: call))
    }
    await #expect(throws: PruningRefusal.nothingToPrune) {
      _ = try await log.prune(before: 255, by: log.system, holds: Holds())
    }
    #expect(try await log.prune(before: 600, by: .testPerson, holds: Holds()) == 512)
    try await log.publish()
    var pruning = EntryFilter()
    pruning.actions = [.logPrune]
    let said = try await log.entries(matching: pruning).entries.map(\.entry)
    #expect(said.map(\.actor) == [.testPerson, .testPerson])
    for path in ["tile/entries/000", "tile/0/000", "tile/entries/001", "tile/0/001"] {
      #expect(!FileManager.default.fileExists(atPath: harness.layout.log + "/" + path))
    }
    #expect(!FileManager.default.fileExists(atPath: harness.layout.openings + "/000"))
    let report = try await LogVerifier(key: harness.key, anchors: [anchor])
      .verify(LogFolder(harness.layout.log))
    #expect(report.verdict == .intact, "\(report.findings)")
    #expect(report.notes.contains { $0.hasPrefix("pruned: entries 0 to 511") })
    let page = try await log.entries(matching: EntryFilter(), limit: 1)
    #expect(page.entries.first?.entry.index == 512)
    await #expect(throws: AuditError.self) { _ = try await log.proof(of: 511) }
    let proof = try await log.proof(of: 512)
    #expect(proof.index == 512)
    await close(log)
    // A start reads what is left, a lost snapshot included.
    try FileManager.default.removeItem(atPath: harness.layout.journal + "/snapshot")
    await close(try await harness.open())
  }

  @Test func youngEntriesAndOpenIntentsStay() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<300 { group.addTask { _ = try await log.record(harness.draft()) } }
      try await group.waitForAll()
    }
    await #expect(throws: PruningRefusal.openIntent(index: 2)) {
      _ = try await log.prune(before: 256, by: log.system, holds: Holds())
    }
    let (old, _) = try await practice()
    var configuration = old.configuration
    configuration.retention = .seconds(86_400)
    let kept = try await old.open(with: configuration)
    await #expect(throws: PruningRefusal.self) {
      _ = try await kept.prune(before: 600, by: kept.system, holds: Holds())
    }
    #expect(FileManager.default.fileExists(atPath: old.layout.log + "/tile/entries/000"))
  }

  @Test(.timeLimit(.minutes(30))) func whateverCallFailsWhatIsLeftVerifies() async throws {
    let (harness, _) = try await practice()
    let kept = harness.directory.path + "-kept"
    try FileManager.default.copyItem(atPath: harness.directory.path, toPath: kept)
    defer { try? FileManager.default.removeItem(atPath: kept) }  // A leftover harms nobody.
    let ledger = await harness.ledger.copy()
    var start = 0
    var call = 0
    while true {
      try FileManager.default.removeItem(atPath: harness.directory.path)
      try FileManager.default.copyItem(atPath: kept, toPath: harness.directory.path)
      let fileSystem = FailingFileSystem(
        FailingFileSystem.Fault(
          call: call == 0 ? nil : start + call, number: EIO, lasting: true, tearing: true))
      let counts = await ledger.copy()
      let log = try await harness.open(on: fileSystem, ledger: counts)
      if call == 0 { start = fileSystem.calls.count }
      let anchor = try #require(await log.publishedCheckpoint)
      var isPruned = true
      do {
        _ = try await log.prune(before: 600, by: log.system, holds: Holds())
      } catch {
        isPruned = false
      }
      let again = try await harness.open(ledger: counts)
      try await again.publish()
      // Before and after what was interrupted is finished.
      for _ in 0..<2 {
        let report = try await LogVerifier(key: harness.key, anchors: [anchor])
          .verify(LogFolder(harness.layout.log))
        #expect(report.verdict == .intact, "call \(call): \(report.findings)")
        await close(again)
      }
      if call > 0, !fileSystem.fired {
        #expect(isPruned)
        print(": \(call - 1) calls of a pruning failed in turn")
        break
      }
      call += 1
    }
  }
}
