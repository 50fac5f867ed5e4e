import Audit
import Cryptography
import Encoding
import Foundation
import Testing

@Suite struct RefusalTests {
  /// A window that no machine is slow enough to outlive.
  private func harness(
    pace: (inout LogConfiguration) -> Void = { _ in }
  ) throws -> Harness {
    try Harness {
      $0.refusalWindow = .seconds(86_400)
      pace(&$0)
    }
  }

  private func refusal(
    from source: String, _ reason: Reason = .credentialUnknown, known: Identifier? = nil
  ) -> Refusal {
    let nobody = Actor(id: .random(), kind: .unknown, method: .none, strength: 0)
    var draft = EntryDraft(.authRefused, .single, by: nobody)
    draft.outcome = .refused
    draft.reason = reason
    draft.objects = [known].compactMap(\.self)
    return Refusal(draft, from: source, known: known)
  }

  private func refused(_ log: AuditLog) async throws -> [Entry] {
    var filter = EntryFilter()
    filter.actions = [.authRefused]
    return try await log.entries(matching: filter, limit: 1000).entries.map(\.entry)
  }

  @Test func aFloodIsTenEntriesAndACount() async throws {
    let harness = try harness { $0.aggregateInterval = .milliseconds(20) }
    let log = try await harness.open()
    for number in 0..<500 {
      try await log.recordRefusal(refusal(from: "203.0.113.\(number % 250)"))
    }
    #expect(try await refused(log).count == 10)
    let run = Task { await log.run() }
    while try await refused(log).count < 11 { try await Task.sleep(for: .milliseconds(5)) }
    let aggregate = try #require(try await refused(log).last)
    #expect(aggregate.count == 490)
    #expect(try #require(aggregate.first) < #require(aggregate.last))
    #expect(try await log.openings(of: aggregate)[.via] == Array("203.0.113.0/24".utf8))
    run.cancel()
    await run.value
  }

  @Test func everyRefusalIsAccountedForOnce() async throws {
    let harness = try harness()
    let log = try await harness.open()
    let known = Identifier.random()
    let run = Task { await log.run() }
    await withTaskGroup(of: Void.self) { group in
      for caller in 0..<32 {
        group.addTask {
          for _ in 0..<20 {
            do {
              try await log.recordRefusal(
                refusal(
                  from: "2001:db8:\(caller % 4)::\(caller)", known: caller == 0 ? known : nil))
            } catch {
              Issue.record(error)
            }
          }
        }
      }
    }
    run.cancel()
    await run.value
    let reopened = try await harness.open()
    let entries = try await refused(reopened)
    #expect(entries.reduce(0) { $0 + ($1.count ?? 1) } == 32 * 20)
    #expect(entries.filter { $0.count == nil }.count == 5 * 10)
    let named = entries.filter { $0.objects == [known] }
    #expect(named.reduce(0) { $0 + ($1.count ?? 1) } == 20)
  }

  /// Whoever was given a token once must not be able to fill the disk with it for ever after.
  @Test func aFloodWithATokenThatWasRevokedIsCountedUnderItsName() async throws {
    let harness = try harness()
    let log = try await harness.open()
    let token = Identifier.random()
    for number in 0..<500 {
      try await log.recordRefusal(
        refusal(from: "203.0.\(number % 250).1", .credentialRevoked, known: token))
    }
    #expect(try await refused(log).count == 10)
    let run = Task { await log.run() }
    run.cancel()
    await run.value
    let reopened = try await harness.open()
    let entries = try await refused(reopened)
    #expect(entries.count == 11)
    #expect(entries.allSatisfy { $0.objects == [token] })
    let counted = try #require(entries.last)
    #expect(counted.count == 490)
    #expect(try await reopened.openings(of: counted)[.via] == Array("*".utf8))
  }

  @Test func aFloodFromEverywhereStaysBounded() async throws {
    let harness = try harness()
    let log = try await harness.open()
    for number in 0..<2000 {
      try await log.recordRefusal(
        refusal(from: "10.\(number / 250).\(number % 250).1", .credentialMissing))
    }
    #expect(try await refused(log).count == 256)
    let run = Task { await log.run() }
    run.cancel()
    await run.value
    let entries = try await refused(try await harness.open())
    #expect(entries.count == 257)
    #expect(entries.reduce(0) { $0 + ($1.count ?? 1) } == 2000)
  }
}
