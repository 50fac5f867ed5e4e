import Audit
import Cryptography
import Drivers
import Encoding
import FaultInjection
import Foundation
import Glibc
import Testing

private struct Holds: PruningHolds {
  var held: Identifier?

  func objectThatMustStay(
    among objects: Set<Identifier>, youngerThan cutoff: Timestamp
  ) async throws -> Identifier? {
    held.flatMap { objects.contains($0) ? $0 : nil }
  }
}

/// What a verifier without keys says of openings, and how they are erased.
@Suite struct OpeningTallyTests {
  /// A log of which the openings of the first 300 entries and more lie under one key, and those of 20
  /// more under the next.
  private struct Practice {
    let harness: Harness
    let log: AuditLog
    let first: Identifier
    let call = Identifier.random()
    let anchor: [UInt8]

    init(keeping retention: Duration) async throws {
      let harness = try Harness { $0.retention = retention }
      let log = try await harness.open()
      first = harness.sealer.keyID
      var draft = harness.draft(.search)
      draft.phase = .single
      draft.outcome = .success
      draft.objects = [call]
      draft.commits = [.via: Array("203.0.113.7".utf8), .filter: Array("all".utf8)]
      let template = draft
      for count in [300, 20] {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for _ in 0..<count {
            group.addTask {
              var draft = template
              draft.id = .random()
              _ = try await log.record(draft)
            }
          }
          try await group.waitForAll()
        }
        if count == 300 { harness.sealer.beginKey() }
      }
      try await log.publish()
      anchor = try #require(await log.publishedCheckpoint)
      self.harness = harness
      self.log = log
    }

    func erase(holds: Holds = Holds()) async throws -> Int64 {
      try await log.eraseOpenings(under: first, by: log.system, holds: holds) { [harness, first] in
        harness.sealer.destroy(first)
      }
    }

    func verify() async throws -> LogReport {
      var verifier = try LogVerifier(key: harness.key, anchors: [anchor])
      verifier.openings = LogFolder(harness.layout.openings)
      return try await verifier.verify(LogFolder(harness.layout.log))
    }

    var firstFile: URL { URL(fileURLWithPath: harness.layout.openings + "/000") }
  }

  @Test func whatWasErasedIsCountedByTheEntryThatSaysSo() async throws {
    let practice = try await Practice(keeping: .zero)
    let before = try await practice.verify()
    #expect(before.verdict == .intact, "\(before.findings)")
    let whole = try #require(before.openings)
    #expect(whole.missing == 0 && whole.erased.isEmpty && whole.present > 640)

    let entries = try await practice.erase()
    #expect(entries >= 300)
    try await practice.log.publish()
    var filter = EntryFilter()
    filter.actions = [.keyDestroy]
    let said = try await practice.log.entries(matching: filter).entries.map(\.entry)
    #expect(said.map(\.phase) == [.intent, .outcome])
    #expect(said.allSatisfy { $0.keyID == practice.first && $0.count == entries })

    let after = try await practice.verify()
    #expect(after.verdict == .intact, "\(after.findings)")
    let tally = try #require(after.openings)
    #expect(tally.erased.map(\.entry) == [said[1].index])
    #expect(tally.present + (tally.erased.first?.count ?? 0) == whole.present)
    #expect(tally.present == 40 && tally.missing == 0)
    // The values are gone, and those under the other key are not.
    let page = try await practice.log.entries(matching: EntryFilter(indices: 2..<3)).entries
    #expect(try await practice.log.openings(of: page[0].entry).isEmpty)
    let late = try await practice.log.entries(matching: EntryFilter(indices: 310..<311)).entries
    #expect(try await practice.log.openings(of: late[0].entry).count == 2)
  }

  /// The disk fails at each call of an erasure in turn: no opening is ever missing without an entry that says so,
  /// and asking again ends it.
  @Test(.timeLimit(.minutes(30))) func whateverCallFailsNothingIsErasedUnsaid() async throws {
    let practice = try await Practice(keeping: .zero)
    let (harness, first) = (practice.harness, practice.first)
    await close(practice.log)
    let kept = harness.directory.path + "-kept"
    try FileManager.default.copyItem(atPath: harness.directory.path, toPath: kept)
    defer { try? FileManager.default.removeItem(atPath: kept) }  // A leftover harms nobody.
    let ledger = await harness.ledger.copy()
    // Each of them in a torture.
    let step = ProcessInfo.processInfo.environment["CALLVAULT_TORTURE"] == nil ? 5 : 1
    var (start, call, destroyed, left) = (0, 0, 0, 0)
    while true {
      try FileManager.default.removeItem(atPath: harness.directory.path)
      try FileManager.default.copyItem(atPath: kept, toPath: harness.directory.path)
      harness.sealer.revive(first)
      let fileSystem = FailingFileSystem(
        FailingFileSystem.Fault(
          call: call == 0 ? nil : start + call, number: EIO, lasting: true, tearing: true))
      let counts = await ledger.copy()
      let log = try await harness.open(on: fileSystem, ledger: counts)
      if call == 0 { start = fileSystem.calls.count }
      do {
        _ = try await log.eraseOpenings(under: first, by: log.system, holds: Holds()) {
          harness.sealer.destroy(first)
        }
      } catch {
        #expect(fileSystem.fired, "call \(call): \(error)")
      }
      let isGone = harness.sealer.hasDestroyed(first)
      if isGone { destroyed += 1 } else { left += 1 }
      let again = try await harness.open(ledger: counts)
      for intent in again.unfinishedIntents {
        _ = try await again.record(intent.recovery(.presumed, by: again.system, about: []))
      }
      try await again.publish()
      for _ in 0..<2 {
        var verifier = try LogVerifier(key: harness.key, anchors: [practice.anchor])
        verifier.openings = LogFolder(harness.layout.openings)
        let report = try await verifier.verify(LogFolder(harness.layout.log))
        #expect(report.verdict == .intact, "call \(call): \(report.findings)")
        #expect(report.openings?.missing == 0, "call \(call)")
        if isGone { #expect(report.openings?.erased.isEmpty == false, "call \(call)") }
        // Whoever asks again comes to the end.
        _ = try await again.eraseOpenings(under: first, by: again.system, holds: Holds()) {
          harness.sealer.destroy(first)
        }
        try await again.publish()
      }
      await close(again)
      if call > 0, !fileSystem.fired { break }
      call += call == 0 ? 1 : step
    }
    #expect(destroyed > 0 && left > 0)
  }

  @Test func whatIsLostOrChangedIsAFinding() async throws {
    let practice = try await Practice(keeping: .zero)
    let file = practice.firstFile
    let stored = try Data(contentsOf: file)
    try FileManager.default.removeItem(at: file)
    var report = try await practice.verify()
    #expect(report.verdict == .altered)
    #expect(report.findings.first?.kind == .removed && report.findings.first?.index == 0)
    #expect(report.findings.first?.path == "openings/000")
    #expect(try #require(report.openings).missing >= 255 * 2)
    // The log itself is as it was signed.
    let alone = try await LogVerifier(key: practice.harness.key, anchors: [practice.anchor])
      .verify(LogFolder(practice.harness.layout.log))
    #expect(alone.verdict == .intact && alone.openings == nil)

    for place in stride(from: 0, to: stored.count, by: stored.count / 7) {
      var bytes = stored
      bytes[place] ^= 4
      try bytes.write(to: file)
      report = try await practice.verify()
      #expect(report.verdict == .altered && report.findings.contains { $0.kind == .edited })
    }

    // A frame that names a key which was destroyed for older entries hides no loss.
    try stored.write(to: file)
    _ = try await practice.erase()
    try await practice.log.publish()
    #expect(try await practice.verify().verdict == .intact)
    let last = URL(fileURLWithPath: practice.harness.layout.openings + "/001")
    var bytes = [UInt8](try Data(contentsOf: last))
    try relabel(&bytes, from: practice.harness.sealer.keyID, to: practice.first)
    try Data(bytes).write(to: last)
    report = try await practice.verify()
    #expect(report.verdict == .altered)
    #expect(report.findings.contains { $0.kind == .edited && $0.path == "openings/001" })
  }

  /// Names another key in the last frame that names `old`, with a right sum.
  private func relabel(
    _ bytes: inout [UInt8], from old: Identifier, to new: Identifier
  ) throws {
    var frames: [Range<Int>] = []
    var start = 0
    while start + 21 <= bytes.count {
      let length = bytes[start..<(start + 4)].reduce(0) { $0 << 8 | Int($1) }
      frames.append(start..<(start + 21 + length))
      start += 21 + length
    }
    let frame = try #require(
      frames.last { range in
        let sealed = range.lowerBound + 5 + 17 + Int(bytes[range.lowerBound + 21])
        return Array(bytes[(sealed + 1)..<(sealed + 17)]) == old.bytes
      })
    let sealed = frame.lowerBound + 5 + 17 + Int(bytes[frame.lowerBound + 21])
    bytes.replaceSubrange((sealed + 1)..<(sealed + 17), with: new.bytes)
    let sum = SHA256.hash(Array(bytes[(frame.lowerBound + 4)..<(frame.upperBound - 16)])).bytes
    bytes.replaceSubrange((frame.upperBound - 16)..<frame.upperBound, with: sum[..<16])
  }

  @Test func whatIsYoungOrHeldStays() async throws {
    let young = try await Practice(keeping: .seconds(86_400))
    await #expect(throws: PruningRefusal.self) { _ = try await young.erase() }
    let practice = try await Practice(keeping: .zero)
    await #expect(throws: PruningRefusal.held(practice.call)) {
      _ = try await practice.erase(holds: Holds(held: practice.call))
    }
    var filter = EntryFilter()
    filter.actions = [.keyDestroy]
    #expect(try await practice.log.entries(matching: filter).entries.isEmpty)
    let page = try await practice.log.entries(matching: EntryFilter(indices: 2..<3)).entries
    #expect(try await practice.log.openings(of: page[0].entry).count == 2)
  }

  @Test func aKeyThatCannotBeDestroyedIsOnRecordAsFailed() async throws {
    struct Broken: Error {}
    let practice = try await Practice(keeping: .zero)
    await #expect(throws: Broken.self) {
      _ = try await practice.log.eraseOpenings(
        under: practice.first, by: practice.log.system, holds: Holds()
      ) { throw Broken() }
    }
    try await practice.log.publish()
    let report = try await practice.verify()
    #expect(report.verdict == .intact)
    #expect(report.openings?.erased == [], "nothing was erased")
  }
}
