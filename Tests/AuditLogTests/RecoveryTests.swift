import Cryptography
import Drivers
import Encoding
import FaultInjection
import Foundation
import Testing

@testable import Audit

@Suite struct RecoveryTests {
  /// Bytes of the only growing piece of the journal.
  private func journal(_ harness: Harness) throws -> (path: String, bytes: [UInt8]) {
    let name = try #require(
      FileManager.default.contentsOfDirectory(atPath: harness.layout.journal)
        .filter { $0.hasSuffix(".journal") }.sorted().last)
    let path = harness.layout.journal + "/" + name
    return (path, Array(try Data(contentsOf: URL(fileURLWithPath: path))))
  }

  /// A copy of the data directory, in memory where the machine has that, with another journal.
  private func copy(_ harness: Harness, journal bytes: [UInt8]) throws -> String {
    let base =
      FileManager.default.fileExists(atPath: "/dev/shm") ? "/dev/shm/" : NSTemporaryDirectory()
    let copy = base + "callvault-test-" + UUID().uuidString.lowercased()
    try FileManager.default.copyItem(atPath: harness.directory.path, toPath: copy)
    let name = URL(fileURLWithPath: try journal(harness).path).lastPathComponent
    try Data(bytes).write(to: URL(fileURLWithPath: copy + "/journal/" + name))
    return copy
  }

  /// P5: whatever prefix of the last appends a crash leaves, what was acknowledged is there.
  @Test(.timeLimit(.minutes(30)), arguments: [false, true])
  func aJournalCutAtAnyByteOpensWithAllThatWasAcknowledged(published: Bool) async throws {
    let harness = try Harness()
    let log = try await harness.open()
    if published {
      for _ in 0..<3 { _ = try await log.record(harness.draft()) }
      try await log.publish()
    }
    let start = try journal(harness).bytes.count
    var acknowledged: [(receipt: Acknowledged, length: Int)] = []
    for _ in 0..<2 {
      let receipt = try await log.record(harness.draft())
      acknowledged.append((Acknowledged(receipt), try journal(harness).bytes.count))
    }
    let whole = try journal(harness).bytes
    for end in start...whole.count {
      let copy = try copy(harness, journal: Array(whole[..<end]))
      let reopened = try await harness.open(at: copy, ledger: await harness.ledger.copy())
      try await reopened.publish()
      let log = try PublishedLog(copy + "/log", key: harness.key)
      let kept = acknowledged.filter { $0.length <= end }.map(\.receipt)
      #expect(log.holds(kept), "cut at \(end)")
      // No leaf is durable without what its commitments stand for.
      for bytes in log.entries {
        let entry = try Entry(parsing: bytes)
        #expect(try await reopened.openings(of: entry).count == entry.commits.count)
      }
      if end.isMultiple(of: 100) || end == whole.count {
        #expect(try GoVerifier.accepts(copy + "/log", key: harness.key))
        #expect(try await OwnVerifier.findings(copy + "/log", key: harness.key) == [])
      }
      try FileManager.default.removeItem(atPath: copy)
    }
  }

  /// One changed byte anywhere in what a head covers is found; nothing is cut away for it.
  @Test(.timeLimit(.minutes(30)))
  func aJournalChangedInTheMiddleIsRefused() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    for _ in 0..<2 { _ = try await log.record(harness.draft()) }
    let whole = try journal(harness).bytes
    // The last frame is a head: without it the entry before it is what a torn append leaves.
    let lastHead = try #require(
      whole.lastRange(of: Array("\(harness.configuration.origin)\n".utf8)).map { $0.lowerBound - 5 }
    )
    for place in stride(from: 0, to: whole.count, by: 3) {
      var changed = whole
      changed[place] ^= 1 << UInt8(place % 8)
      let copy = try copy(harness, journal: changed)
      var refused = false
      do {
        let reopened = try await harness.open(at: copy, ledger: await harness.ledger.copy())
        try await reopened.publish()
        let log = try PublishedLog(copy + "/log", key: harness.key)
        #expect(log.entries.count == 4)
        #expect(try Entry(parsing: #require(log.entries.last)).flags.contains(.tailCut))
      } catch let error as AuditError {
        refused = true
        #expect(error.code == .damaged, "place \(place)")
        let name = URL(fileURLWithPath: try journal(harness).path).lastPathComponent
        let left = Array(try Data(contentsOf: URL(fileURLWithPath: copy + "/journal/" + name)))
        #expect(left == changed, "place \(place)")
      }
      #expect(refused == (place < lastHead), "place \(place)")
      try FileManager.default.removeItem(atPath: copy)
    }
  }

  @Test(arguments: ["piece missing", "tile", "bundle", "checkpoint", "journal gone", "other key"])
  func aLogThatIsNotWhatWasWrittenIsRefused(damage: String) async throws {
    let harness = try Harness { $0.journalSegmentLength = 2000 }
    let log = try await harness.open()
    for _ in 0..<10 { _ = try await log.record(harness.draft()) }
    try await log.publish()
    for _ in 0..<10 { _ = try await log.record(harness.draft()) }
    func change(_ path: String) throws {
      let url = URL(fileURLWithPath: harness.directory.path + "/" + path)
      var bytes = Array(try Data(contentsOf: url))
      bytes[bytes.count / 2] ^= 1
      try Data(bytes).write(to: url)
    }
    let pieces = try FileManager.default.contentsOfDirectory(atPath: harness.layout.journal)
      .sorted()
    switch damage {
    case "piece missing":
      try FileManager.default.removeItem(
        atPath: harness.layout.journal + "/" + pieces[pieces.count - 2])
    case "tile": try change("log/tile/0/000.p/12")
    case "bundle":
      // Cut short: a changed byte in an old entry is for the verifier to find.
      try Data([0, 9]).write(
        to: URL(fileURLWithPath: harness.layout.log + "/tile/entries/000.p/12"))
    case "checkpoint": try change("log/checkpoint")
    case "journal gone":
      for piece in pieces {
        try FileManager.default.removeItem(atPath: harness.layout.journal + "/" + piece)
      }
    default: break
    }
    do {
      let signer = try NoteSigner(
        name: harness.configuration.origin,
        seed: SecretBytes(
          copying: unsafe (damage == "other key" ? [UInt8](repeating: 9, count: 32) : Harness.seed)
            .span.bytes))
      _ = try await AuditLog.open(
        harness.configuration, store: harness.store(), signer: signer, openings: harness.sealer,
        subjects: harness.ledger, clock: harness.clock)
      Issue.record("opened")
    } catch let error as AuditError {
      let expected: [AuditError.Code] =
        ["checkpoint", "other key"].contains(damage)
        ? [.notAuthentic, .malformed] : [.damaged, .malformed]
      #expect(expected.contains(error.code))
    }
  }

  /// A torn append of three callers: two entries are whole, and nobody was answered.
  @Test(arguments: [0, 7]) func whatNoHeadCoversIsCutAndCounted(torn: Int) async throws {
    let harness = try Harness()
    let log = try await harness.open()
    let receipt = Acknowledged(try await log.record(harness.draft()))
    let covered = try journal(harness).bytes.count
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<2 {
        group.addTask {
          do { _ = try await log.record(harness.draft()) } catch { Issue.record(error) }
        }
      }
    }
    let (path, whole) = try journal(harness)
    let entries = try await log.entries(matching: EntryFilter()).entries.map(\.entry)
    #expect(entries.count == 5)
    // The heads after `covered` taken out: as if both had been one append that lost its head.
    var tail: [UInt8] = []
    var offset = covered
    while let frame = JournalFrame(in: whole, at: &offset) {
      if frame.kind != .head { JournalFrame.append(frame.kind, frame.body, to: &tail) }
    }
    tail += whole[..<torn]
    try Data(whole[..<covered] + tail).write(to: URL(fileURLWithPath: path))
    let reopened = try await harness.open()
    let left = try await reopened.entries(matching: EntryFilter()).entries.map(\.entry)
    #expect(left.map(\.action) == [.logGenesis, .logStart, .recordingOpened, .logStart])
    #expect(left[3].flags == [.tailCut, .uncleanStop])
    #expect(left[3].count == 2)
    #expect(left[3].first == entries[3].time && left[3].last == entries[4].time)
    #expect(left[3].length == Int64(tail.count))
    #expect(left[3].digest == SHA256.hash(tail))
    try await reopened.publish()
    #expect(try PublishedLog(harness.layout.log, key: harness.key).holds([receipt]))
    #expect(try GoVerifier.accepts(harness.layout.log, key: harness.key))
    #expect(try await OwnVerifier.findings(harness.layout.log, key: harness.key) == [])
    // Once cut, it is gone: the next start has nothing to report.
    let third = try await harness.open()
    let last = try #require(await third.entries(matching: EntryFilter(indices: 4..<5)).entries.last)
    #expect(last.entry.flags == [.uncleanStop] && last.entry.count == nil)
  }

  /// Whoever can write to `journal/` and holds no key may chain on entries that nobody acted for.
  ///
  /// They never become the log's; with a head of his own the log does not open at all.
  @Test(arguments: ["entry", "entry and head", "head of another key"])
  func entriesPlantedBehindTheLastHeadAreNotSigned(planted: String) async throws {
    let harness = try Harness()
    let log = try await harness.open()
    let receipt = Acknowledged(try await log.record(harness.draft()))
    let (path, whole) = try journal(harness)
    var entry = try #require(
      await log.entries(matching: EntryFilter(indices: 2..<3)).entries.first
    ).entry
    entry.index = 3
    entry.previous = receipt.leafHash
    entry.id = .random()
    entry.commits = [:]
    var tree = MerkleFrontier()
    for logged in try await log.entries(matching: EntryFilter()).entries {
      tree.append(MerkleTree.leafHash(logged.bytes))
    }
    var bytes = whole
    JournalFrame.append(.entry, try entry.encoded(), to: &bytes)
    tree.append(MerkleTree.leafHash(try entry.encoded()))
    if planted != "entry" {
      let seed = planted == "entry and head" ? [UInt8](repeating: 7, count: 32) : Harness.seed
      let origin =
        planted == "entry and head" ? harness.configuration.origin : "other.example.org/callvault"
      let signer = try NoteSigner(
        name: origin, seed: SecretBytes(copying: unsafe seed.span.bytes))
      let checkpoint = try #require(Checkpoint(origin: origin, size: 4, root: tree.root))
      JournalFrame.append(.head, try signer.sign(checkpoint).encoded, to: &bytes)
    }
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    if planted != "entry" {
      await #expect(throws: AuditError.self) { _ = try await harness.open() }
      #expect(
        Array(try Data(contentsOf: URL(fileURLWithPath: path))) == bytes, "nothing is changed")
      return
    }
    let reopened = try await harness.open()
    let left = try await reopened.entries(matching: EntryFilter()).entries.map(\.entry)
    #expect(left.map(\.action) == [.logGenesis, .logStart, .recordingOpened, .logStart])
    #expect(left[3].flags.contains(.tailCut) && left[3].count == 1)
    #expect(!reopened.unfinishedIntents.contains { $0.entry.id == entry.id })
    try await reopened.publish()
    #expect(try PublishedLog(harness.layout.log, key: harness.key).holds([receipt]))
  }

  /// Ten runs, half of which end as in a crash: the journal goes away once it is published, and
  /// nothing else.
  @Test func manyShortRunsKeepOneLog() async throws {
    let harness = try Harness {
      $0.journalSegmentLength = 3000
      $0.publishInterval = .milliseconds(5)
    }
    var receipts: [Acknowledged] = []
    for round in 0..<10 {
      let log = try await harness.open()
      let run = round.isMultiple(of: 2) ? Task { await log.run() } : nil
      for _ in 0..<30 { receipts.append(Acknowledged(try await log.record(harness.draft()))) }
      if round.isMultiple(of: 3) { try await log.publish() }
      run?.cancel()
      await run?.value
    }
    let log = try await harness.open()
    try await log.publish()
    #expect(try PublishedLog(harness.layout.log, key: harness.key).holds(receipts))
    #expect(try GoVerifier.accepts(harness.layout.log, key: harness.key))
    #expect(try await OwnVerifier.findings(harness.layout.log, key: harness.key) == [])
    // Three pieces of a run that nothing released, the last run's, and this one's.
    let pieces = try FileManager.default.contentsOfDirectory(atPath: harness.layout.journal)
    #expect(pieces.count < 30)
  }

  @Test(arguments: [false, true])
  func intentsWithoutAnOutcomeAreFoundAtTheNextStart(snapshot: Bool) async throws {
    let harness = try Harness()
    var log = try await harness.open()
    let done = harness.draft()
    let open = harness.draft()
    _ = try await log.record(done)
    _ = try await log.record(open)
    _ = try await log.record(done.closing(.success, released: 10))
    if snapshot {
      let run = Task { [log] in await log.run() }
      run.cancel()
      await run.value
    }
    log = try await harness.open()
    let unfinished = log.unfinishedIntents
    #expect(unfinished.map(\.entry.id) == [open.id])
    let recovery = try #require(unfinished.first).recovery(.presumed, by: log.system)
    _ = try await log.record(recovery)
    log = try await harness.open()
    #expect(log.unfinishedIntents.isEmpty)
    let last = try await log.entries(matching: EntryFilter(indices: 0..<100)).entries
      .map(\.entry).last { $0.phase == .outcome }
    #expect(last?.reference == open.id)
    #expect(last?.outcome == .presumed)
    #expect(last?.flags == [.recovered])
    #expect(last?.behalf == Harness.person)
    #expect(last?.objects == open.objects)
  }

  @Test(arguments: ["missing", "cut", "changed"])
  func aLostSnapshotIsRebuiltFromTheEntries(loss: String) async throws {
    let harness = try Harness()
    var log = try await harness.open()
    let open = harness.draft()
    _ = try await log.record(open)
    for _ in 0..<300 {
      let draft = harness.draft()
      _ = try await log.record(draft)
      _ = try await log.record(draft.closing(.success))
    }
    let run = Task { [log] in await log.run() }
    run.cancel()
    await run.value
    // Two starts, so that the journal with the intent is gone.
    log = try await harness.open()
    let second = Task { [log] in await log.run() }
    second.cancel()
    await second.value
    let url = URL(fileURLWithPath: harness.layout.journal + "/snapshot")
    var bytes = Array(try Data(contentsOf: url))
    switch loss {
    case "missing": try FileManager.default.removeItem(at: url)
    case "cut": try Data(bytes.dropLast(3)).write(to: url)
    default:
      bytes[bytes.count / 2] ^= 1
      try Data(bytes).write(to: url)
    }
    log = try await harness.open()
    #expect(log.unfinishedIntents.map(\.entry.id) == [open.id])
  }
}
