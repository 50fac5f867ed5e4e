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
    let limit = ContinuousClock.now + .seconds(10)
    while ContinuousClock.now < limit {
      let status = await log.status
      if holds(status) { return status }
      try await Task.sleep(for: .milliseconds(5))
    }
    return await log.status
  }

  @Test(.timeLimit(.minutes(1)))
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

  @Test(.timeLimit(.minutes(1)))
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

  func countedEntries(of subject: Identifier) async -> Int64 {
    await ledger.countedEntries(of: subject)
  }

  func storeCounts(_ counts: [Identifier: Int64], through position: LogPosition) async throws {
    guard isWilling else { throw Refused() }
    await ledger.storeCounts(counts, through: position)
  }
}
