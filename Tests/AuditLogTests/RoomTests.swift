import Audit
import Drivers
import Durable
import FaultInjection
import Foundation
import Testing

/// What a log does on a volume that gives no more blocks, and when it gives them again.
@Suite struct RoomTests {
  /// Records intents until the log has no room for one more.
  private func fill(_ log: AuditLog, _ harness: Harness) async throws -> [Acknowledged] {
    var taken: [Acknowledged] = []
    while taken.count < 10_000 {
      do throws(AuditError) {
        taken.append(Acknowledged(try await log.record(harness.draft())))
      } catch {
        #expect(error.code == .noSpace)
        return taken
      }
    }
    Issue.record("a full volume never refused")
    return taken
  }

  private func refusal(_ harness: Harness) -> EntryDraft {
    var draft = harness.draft()
    draft.phase = .single
    draft.outcome = .refused
    draft.reason = .roleLacksRight
    return draft
  }

  @Test(arguments: [ENOSPC, EDQUOT])
  func aFullVolumeRefusesWhatBeginsAndTakesWhatEnds(number: Int32) async throws {
    let harness = try Harness {
      $0.journalSegmentLength = 8192
      $0.journalReserve = 256 << 10
    }
    let disk = FailingFileSystem(FailingFileSystem.Fault(call: nil, number: EIO))
    let log = try await harness.open(on: disk)
    let begun = (0..<20).map { _ in harness.draft() }
    var acknowledged: [Acknowledged] = []
    for draft in begun { acknowledged.append(Acknowledged(try await log.record(draft))) }

    disk.fail(["fallocate"], with: number)
    acknowledged += try await fill(log, harness)
    #expect(await log.status.failure == nil)
    #expect(await log.status.upkeepFailures[.room] != nil)
    // Denials go on record for a while, however many there are; then outcomes still do.
    var refusals = 0
    while refusals < 10_000 {
      do throws(AuditError) {
        acknowledged.append(Acknowledged(try await log.record(refusal(harness))))
        refusals += 1
      } catch {
        #expect(error.code == .noSpace)
        break
      }
    }
    #expect((20..<5000).contains(refusals))
    for draft in begun {
      acknowledged.append(Acknowledged(try await log.record(draft.closing(.success, released: 1))))
    }
    await #expect(throws: AuditError.self) { _ = try await log.record(harness.draft()) }

    disk.fail([], with: number)
    acknowledged.append(Acknowledged(try await log.record(harness.draft())))
    #expect(await log.status.upkeepFailures[.room] == nil)
    let reopened = try await harness.open()
    #expect(reopened.unfinishedIntents.count == acknowledged.count - 40 - refusals)
    try await reopened.publish()
    #expect(try PublishedLog(harness.layout.log, key: harness.key).holds(acknowledged))
    #expect(try GoVerifier.accepts(harness.layout.log, key: harness.key))
    #expect(try await OwnVerifier.findings(harness.layout.log, key: harness.key) == [])
  }

  /// Callers at once, on a volume that fills and empties: each is told the truth.
  @Test func callersAtOnceAreRefusedOneByOne() async throws {
    let harness = try Harness {
      $0.journalSegmentLength = 8192
      $0.journalReserve = 32 << 10
    }
    let disk = FailingFileSystem(FailingFileSystem.Fault(call: nil, number: EIO))
    let log = try await harness.open(on: disk)
    var acknowledged: [Acknowledged] = []
    var refused = 0
    for round in 0..<12 {
      disk.fail(round.isMultiple(of: 4) ? [] : ["fallocate"], with: ENOSPC)
      let answers = await withTaskGroup(
        of: Acknowledged?.self, returning: [Acknowledged?].self
      ) { group in
        for _ in 0..<120 {
          group.addTask {
            do throws(AuditError) {
              return Acknowledged(try await log.record(harness.draft()))
            } catch {
              #expect(error.code == .noSpace)
              return nil
            }
          }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      refused += answers.count { $0 == nil }
      acknowledged += answers.compactMap { $0 }
    }
    #expect(refused > 0 && acknowledged.count > 240)
    #expect(await log.status.failure == nil)
    #expect(await log.status.size == Int64(acknowledged.count) + 2)
    let reopened = try await harness.open()
    try await reopened.publish()
    #expect(try PublishedLog(harness.layout.log, key: harness.key).holds(acknowledged))
    #expect(try await OwnVerifier.findings(harness.layout.log, key: harness.key) == [])
  }

  /// A volume that cannot set blocks aside meets its end in the write: the log ends, and says so.
  @Test func aWriteThatMeetsAFullVolumeEndsTheLog() async throws {
    let harness = try Harness()
    let disk = FailingFileSystem(FailingFileSystem.Fault(call: nil, number: EIO))
    let log = try await harness.open(on: disk)
    let receipt = Acknowledged(try await log.record(harness.draft()))
    disk.fail(["write"], with: ENOSPC)
    await #expect(throws: AuditError.self) { _ = try await log.record(harness.draft()) }
    disk.fail([], with: ENOSPC)
    await #expect(throws: AuditError.self) { _ = try await log.record(harness.draft()) }
    #expect(await log.status.failure?.code == .unavailable)
    let reopened = try await harness.open()
    try await reopened.publish()
    #expect(try PublishedLog(harness.layout.log, key: harness.key).holds([receipt]))
  }

  @Test func aFileSystemThatSetsNothingAsideIsUsedAllTheSame() async throws {
    let harness = try Harness { $0.journalSegmentLength = 8192 }
    let disk = FailingFileSystem(FailingFileSystem.Fault(call: nil, number: EIO))
    disk.fail(["fallocate"], with: EOPNOTSUPP)
    let log = try await harness.open(on: disk)
    for _ in 0..<50 { _ = try await log.record(harness.draft()) }
    #expect(await log.status.upkeepFailures.isEmpty)
  }
}
