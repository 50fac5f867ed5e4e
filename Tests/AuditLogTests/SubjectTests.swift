import Audit
import Encoding
import Foundation
import Testing

@Suite struct SubjectTests {
  /// The tags of one subject's entries, in order, and whether they are 1…N with N+1 absent.
  private func tagsAreExact(
    _ log: AuditLog, of subject: SubjectKey, count: Int
  ) async throws -> Bool {
    var found: [SubjectTag] = []
    var filter = EntryFilter()
    filter.object = subject.id
    while true {
      let page = try await log.entries(matching: filter, limit: 1000)
      found += page.entries.flatMap { entry in
        zip(entry.entry.objects, entry.entry.subjects).filter { $0.0 == subject.id }.map(\.1)
      }
      guard let next = page.next else { break }
      filter.indices = next..<Int64.max
    }
    return found
      == (try (0..<count).map { try subject.tag(Int64($0 + 1), in: "vault.example.org/callvault") })
  }

  @Test(.timeLimit(.minutes(30)))
  func tagsCountWithoutGapUnderConcurrencyAndAcrossCrashes() async throws {
    let harness = try Harness {
      $0.journalSegmentLength = 20_000
      $0.publishInterval = .milliseconds(5)
    }
    let subjects = try (0..<3).map { _ in try harness.subject() }
    let rounds = 6
    for round in 0..<rounds {
      let log = try await harness.open()
      // Every third run ends as in a crash.
      let run = round % 3 == 2 ? nil : Task { await log.run() }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for caller in 0..<16 {
          group.addTask {
            for _ in 0..<5 {
              let about = caller.isMultiple(of: 2) ? subjects : [subjects[caller % 3]]
              _ = try await log.record(harness.draft(subjects: about))
            }
          }
        }
        try await group.waitForAll()
      }
      run?.cancel()
      await run?.value
    }
    let log = try await harness.open()
    for (number, subject) in subjects.enumerated() {
      let odd = (0..<16).filter { !$0.isMultiple(of: 2) && $0 % 3 == number }.count
      #expect(
        try await tagsAreExact(log, of: subject, count: rounds * 5 * (8 + odd)))
    }
  }

  @Test func aLedgerOfYesterdayIsBroughtUpToDate() async throws {
    let harness = try Harness()
    let subject = try harness.subject()
    var log = try await harness.open()
    let nothing = await harness.ledger.copy()
    func finish() async {
      let run = Task { [log] in await log.run() }
      run.cancel()
      await run.value
    }
    for _ in 0..<4 { _ = try await log.record(harness.draft(subjects: [subject])) }
    await finish()
    let yesterday = await harness.ledger.copy()
    #expect(await yesterday.countedEntries(of: [subject.id]) == [subject.id: 4])
    for _ in 0..<2 {
      // Two starts, so that the journal of the entries is gone and the bundles must do.
      log = try await harness.open()
      for _ in 0..<3 { _ = try await log.record(harness.draft(subjects: [subject])) }
      await finish()
    }
    log = try await harness.open(ledger: yesterday)
    _ = try await log.record(harness.draft(subjects: [subject]))
    #expect(try await tagsAreExact(log, of: subject, count: 11))
    log = try await harness.open(ledger: nothing)
    _ = try await log.record(harness.draft(subjects: [subject]))
    #expect(try await tagsAreExact(log, of: subject, count: 12))
  }

  /// A call that was played for hours must not make the start after a crash a long one.
  @Test func aStartAsksOnceForAllSubjects() async throws {
    let harness = try Harness()
    let subjects = try (0..<2).map { _ in try harness.subject() }
    var log = try await harness.open()
    for _ in 0..<20 { _ = try await log.record(harness.draft(subjects: subjects)) }
    let before = await (harness.ledger.aliasQuestions, harness.ledger.countQuestions)
    log = try await harness.open()
    let after = await (harness.ledger.aliasQuestions, harness.ledger.countQuestions)
    #expect(after == (before.0 + 1, before.1 + 1))
    for subject in subjects { #expect(try await tagsAreExact(log, of: subject, count: 20)) }
  }

  /// In a vault of a million calls the log knows few subjects of a page by itself.
  @Test func anEntryAboutManySubjectsAsksOnce() async throws {
    let harness = try Harness()
    let subjects = try (0..<50).map { _ in try harness.subject() }
    let log = try await harness.open()
    let before = await harness.ledger.countQuestions
    for _ in 0..<2 { _ = try await log.record(harness.draft(subjects: subjects)) }
    #expect(await harness.ledger.countQuestions == before + 1)
    for subject in subjects { #expect(try await tagsAreExact(log, of: subject, count: 2)) }
  }

  @Test func aLedgerFromALaterOrAnotherLogIsRefused() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    let receipt = Acknowledged(try await log.record(harness.draft()))
    for position in [
      LogPosition(index: 40, leafHash: receipt.leafHash),
      LogPosition(index: 1, leafHash: receipt.leafHash),
    ] {
      let ledger = MemoryLedger(counts: [:], position: position)
      do {
        _ = try await harness.open(ledger: ledger)
        Issue.record("opened")
      } catch let error as AuditError {
        #expect(error.code == .inconsistent)
      }
    }
  }
}
