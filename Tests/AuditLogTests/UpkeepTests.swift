import Audit
import Drivers
import Encoding
import Foundation
import Testing

/// Work that nobody waits for: what fails of it is seen, and seen no more when it succeeds.
@Suite struct UpkeepTests {
  /// Waits until `holds` of the log's status, and gives up after ten seconds.
  private func status(
    of log: AuditLog, _ holds: (LogStatus) -> Bool
  ) async throws -> LogStatus {
    let limit = ContinuousClock.now + .seconds(300)
    while ContinuousClock.now < limit {
      let status = await log.status
      if holds(status) { return status }
      try await Task.sleep(for: .milliseconds(5))
    }
    return await log.status
  }

  /// What became of an intent goes to disk by itself, and what is asked of the log waits for it.
  @Test(.timeLimit(.minutes(30)))
  func anOutcomeThatNobodyWaitsForBecomesDurable() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    let intents = [harness.draft(), harness.draft(), harness.draft()]
    for intent in intents { _ = try await log.record(intent) }
    let size = await log.status.size
    try await log.conclude(intents[0].closing(.success))
    #expect(await log.status.size == size)
    let page = try await log.entries(matching: EntryFilter())
    #expect(page.entries.last?.entry.reference == intents[0].id)
    // Before whatever is recorded after it.
    try await log.conclude(intents[1].closing(.success))
    let next = try await log.record(harness.draft())
    #expect(next.position.index == size + 2)
    let running = Task { await log.run() }
    try await log.conclude(intents[2].closing(.partial))
    #expect(try await status(of: log) { $0.size == size + 4 }.size == size + 4)
    running.cancel()
    await running.value
    let reopened = try await harness.open()
    #expect(reopened.unfinishedIntents.count == 1)
  }

  /// A crash before it leaves the intent open.
  @Test func anOutcomeThatNeverCameToDiskLeavesItsIntentOpen() async throws {
    let harness = try Harness()
    let intent = harness.draft()
    do {
      let log = try await harness.open()
      _ = try await log.record(intent)
      try await log.conclude(intent.closing(.success))
    }
    let reopened = try await harness.open()
    #expect(reopened.unfinishedIntents.map(\.entry.id) == [intent.id])
  }

  @Test func nothingIsConcludedInALogThatWasClosed() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    let intent = harness.draft()
    _ = try await log.record(intent)
    let running = Task { await log.run() }
    running.cancel()
    await running.value
    let error = await #expect(throws: AuditError.self) {
      try await log.conclude(intent.closing(.success))
    }
    #expect(error?.code == .unavailable)
  }

  @Test(.timeLimit(.minutes(30)))
  func aJournalThatCannotBeReleasedIsSeen() async throws {
    let harness = try Harness {
      $0.publishInterval = .milliseconds(10)
      $0.journalSegmentLength = 1
    }
    let ledger = RefusingLedger()
    let log = try await harness.open(ledger: ledger)
    for _ in 0..<3 { _ = try await log.record(harness.draft()) }
    let running = Task { await log.run() }
    let failing = try await status(of: log) { $0.upkeepFailures[.journal] != nil }
    #expect(failing.upkeepFailures[.journal] is RefusingLedger.Refused)
    #expect(failing.upkeepFailures[.publishing] == nil)
    #expect(failing.failure == nil)
    await ledger.relent()
    let well = try await status(of: log) { $0.upkeepFailures.isEmpty }
    #expect(well.upkeepFailures.isEmpty)
    running.cancel()
    await running.value
    #expect(await log.status.upkeepFailures.isEmpty)
  }

  @Test(.timeLimit(.minutes(30)))
  func partialTilesThatCannotBeSweptAreSeen() async throws {
    let harness = try Harness { $0.partialGrace = .milliseconds(10) }
    let log = try await harness.open()
    try await log.publish()
    // A file where a directory of partial tiles would be.
    let stray = URL(filePath: harness.layout.log + "/tile/0/001.p")
    try Data().write(to: stray)
    let running = Task { await log.run() }
    let failing = try await status(of: log) { $0.upkeepFailures[.partials] != nil }
    #expect(failing.upkeepFailures[.partials] != nil)
    try FileManager.default.removeItem(at: stray)
    let well = try await status(of: log) { $0.upkeepFailures.isEmpty }
    #expect(well.upkeepFailures.isEmpty)
    running.cancel()
    await running.value
  }
}

/// A ledger that stores no counts until it is told to.
private actor RefusingLedger: SubjectLedger {
  struct Refused: Error {}
  private let ledger = MemoryLedger()
  private var isWilling = false

  func relent() { isWilling = true }

  func countedPosition() async -> LogPosition? { await ledger.countedPosition() }

  func countedEntries(of subjects: [Identifier]) async -> [Identifier: Int64] {
    await ledger.countedEntries(of: subjects)
  }

  func storeCounts(_ counts: [SubjectCount], through position: LogPosition) async throws {
    guard isWilling else { throw Refused() }
    await ledger.storeCounts(counts, through: position)
  }
}
