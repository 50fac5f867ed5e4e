import Audit
import Cryptography
import Drivers
import Encoding
import Foundation
import Testing

@Suite struct SequencingTests {
  /// P3: every entry has one number, every number one entry, and each receipt tells the truth.
  @Test(.timeLimit(.minutes(30)))
  func sixtyFourCallersLeaveNoGap() async throws {
    let (callers, each) = (64, 25)
    let harness = try Harness()
    let log = try await harness.open()
    let receipts = try await withThrowingTaskGroup(of: [Acknowledged].self) { group in
      for _ in 0..<callers {
        group.addTask {
          var receipts: [Acknowledged] = []
          for _ in 0..<each {
            let receipt = try await log.record(harness.draft())
            receipts.append(Acknowledged(receipt))
          }
          return receipts
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(Set(receipts.map(\.index)) == Set(2..<Int64(2 + callers * each)))
    try await log.publish()
    let published = try PublishedLog(harness.layout.log, key: harness.key)
    #expect(published.size == Int64(2 + callers * each))
    #expect(published.holds(receipts))
    let ids = try published.parsed().map(\.id)
    #expect(receipts.allSatisfy { ids[Int($0.index)] == $0.id })
    #expect(try GoVerifier.accepts(harness.layout.log, key: harness.key))
    #expect(try await OwnVerifier.findings(harness.layout.log, key: harness.key) == [])
  }

  @Test func aLogBeginsWithItsGenesisAndEveryStartIsAnEntry() async throws {
    let harness = try Harness()
    var log = try await harness.open()
    let genesis = try await log.entries(matching: EntryFilter(indices: 0..<1)).entries[0].entry
    #expect(genesis.action == .logGenesis)
    #expect(genesis.objects == [harness.configuration.tenant])
    let openings = try await log.openings(of: genesis)
    #expect(openings[.origin] == Array(harness.configuration.origin.utf8))
    #expect(openings[.key] == Array(try harness.key.description.utf8))

    log = try await harness.open()
    let run = Task { [log] in await log.run() }
    _ = try await log.record(harness.draft())
    run.cancel()
    await run.value
    log = try await harness.open()
    let entries = try await log.entries(matching: EntryFilter()).entries.map(\.entry)
    #expect(
      entries.map(\.action) == [
        .logGenesis, .logStart, .logStart, .recordingOpened, .logStop, .logStart,
      ])
    // Only what came after a run without a stop says so.
    #expect(
      entries.map { $0.flags.contains(.uncleanStop) } == [false, false, true, false, false, false])
    try await log.publish()
    #expect(try PublishedLog(harness.layout.log, key: harness.key).size == 6)
  }

  @Test func aLogThatWasClosedTakesNothing() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    let run = Task { await log.run() }
    run.cancel()
    await run.value
    await #expect(throws: AuditError.self) { _ = try await log.record(harness.draft()) }
  }

  @Test func timeMayStepBackAndOrderDoesNot() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    harness.clock.set(1_795_188_500_000)
    let late = try await log.record(harness.draft())
    harness.clock.set(1_795_188_100_000)
    let early = try await log.record(harness.draft())
    #expect(early.index == late.index + 1)
    #expect(early.time < late.time)
    try await log.publish()
    _ = try PublishedLog(harness.layout.log, key: harness.key)
  }

  @Test func anIdleLogBeats() async throws {
    let harness = try Harness {
      $0.heartbeatInterval = .milliseconds(50)
      $0.publishInterval = .milliseconds(10)
    }
    let log = try await harness.open()
    let run = Task { await log.run() }
    while try await log.entries(matching: EntryFilter()).entries.count < 5 {
      try await Task.sleep(for: .milliseconds(10))
    }
    run.cancel()
    await run.value
    let published = try PublishedLog(harness.layout.log, key: harness.key)
    #expect(try published.parsed()[2...4].allSatisfy { $0.action == .logHeartbeat })
  }

  @Test(arguments: ["many objects", "many parts", "subject twice", "long value", "outcome"])
  func aDraftThatBreaksARuleLeavesNothing(rule: String) async throws {
    let harness = try Harness()
    let log = try await harness.open()
    let subject = try harness.subject()
    var draft = harness.draft(subjects: [subject])
    switch rule {
    case "many objects": draft.objects = (0..<100).map { _ in .random() }
    case "many parts": draft.parts = Array(repeating: draft.parts[0], count: 101)
    case "subject twice": draft.subjects = [subject, subject]
    case "long value": draft.commits = [.via: [UInt8](repeating: 0x61, count: 4097)]
    default: draft.phase = .outcome
    }
    do {
      _ = try await log.record(draft)
      Issue.record("accepted")
    } catch {
      #expect(error.code == .invalidDraft)
    }
    // The number that the refused entry's tag had is given again, the index too.
    let receipt = try await log.record(harness.draft(subjects: [subject]))
    #expect(receipt.index == 2)
    let entry = try await log.entries(matching: EntryFilter(indices: 2..<3)).entries[0].entry
    #expect(entry.subjects == [try subject.tag(1, in: harness.configuration.origin)])
    try await log.publish()
    _ = try PublishedLog(harness.layout.log, key: harness.key)
  }

  @Test func publishingFollowsTheLogThroughFullTiles() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    var receipts: [Acknowledged] = []
    for target in [3, 255, 256, 257, 511, 512, 513, 700] {
      while receipts.count + 2 < target {
        receipts.append(Acknowledged(try await log.record(harness.draft())))
      }
      try await log.publish()
      let published = try PublishedLog(harness.layout.log, key: harness.key)
      #expect(published.size == Int64(target))
      #expect(published.holds(receipts))
      #expect(try GoVerifier.accepts(harness.layout.log, key: harness.key))
      #expect(try await OwnVerifier.findings(harness.layout.log, key: harness.key) == [])
    }
    // Every published checkpoint is in the history, each once.
    let history = try Data(
      contentsOf: URL(fileURLWithPath: harness.layout.log + "/checkpoints/2026-11"))
    var sizes: [Int64] = []
    var rest = Array(history)[...]
    while rest.count >= 2 {
      let length = Int(rest.removeFirst()) << 8 | Int(rest.removeFirst())
      let note = try SignedNote(parsing: Array(rest.prefix(length)))
      sizes.append(try VerifiedCheckpoint(note, key: harness.key).checkpoint.size)
      rest = rest.dropFirst(length)
    }
    #expect(sizes == [3, 255, 256, 257, 511, 512, 513, 700])
  }

  @Test func supersededPartialsStayForOneSweep() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    let store = try harness.store()
    for _ in 0..<3 {
      _ = try await log.record(harness.draft())
      try await log.publish()
    }
    func partials() throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: harness.layout.log + "/tile/0/000.p")
        .sorted()
    }
    #expect(try partials() == ["3", "4", "5"])
    // What a killed writer left is nobody's.
    let left = harness.layout.log + "/tile/0/.000.0123456789abcdef.tmp"
    try Data([1]).write(to: URL(fileURLWithPath: left))
    try await store.removeSupersededPartials(below: 5)
    #expect(!FileManager.default.fileExists(atPath: left))
    #expect(try partials() == ["3", "4", "5"])
    try await store.removeSupersededPartials(below: 5)
    #expect(try partials() == ["5"])
    _ = try PublishedLog(harness.layout.log, key: harness.key)
    while await log.durableHead.size < 256 { _ = try await log.record(harness.draft()) }
    try await log.publish()
    try await store.removeSupersededPartials(below: 256)
    try await store.removeSupersededPartials(below: 256)
    #expect(throws: (any Error).self) { try partials() }
    _ = try PublishedLog(harness.layout.log, key: harness.key)
  }

  @Test func aProofConvincesWhoHasOnlyTheKey() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    var receipts: [Acknowledged] = []
    for _ in 0..<300 { receipts.append(Acknowledged(try await log.record(harness.draft()))) }
    let policy = try #require(WitnessPolicy(log: harness.key, witnesses: [], quorum: 0))
    for receipt in [receipts[0], receipts[100], receipts[299]] {
      let proof = try TLogProof(parsing: try await log.proof(of: receipt.index).encoded)
      #expect(proof.index == receipt.index)
      #expect(try proof.verify(leaf: receipt.leafHash, policy: policy).checkpoint.size == 302)
      #expect(throws: AuditError.self) {
        try proof.verify(leaf: receipts[50].leafHash, policy: policy)
      }
    }
    await #expect(throws: AuditError.self) { try await log.proof(of: 302) }
    #expect(try await log.leafHash(at: receipts[7].index) == receipts[7].leafHash)
    let position = LogPosition(index: 9, leafHash: receipts[7].leafHash)
    #expect(try await log.contains(position))
    #expect(try await !log.contains(LogPosition(index: 8, leafHash: receipts[7].leafHash)))
    #expect(try await !log.contains(LogPosition(index: 900, leafHash: receipts[7].leafHash)))
  }

  @Test func questionsFindTheirEntriesPageByPage() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    let (object, other) = (
      Identifier.random(),
      Actor(
        id: .random(), kind: .service, role: .service, method: .token, strength: 1)
    )
    var expected: [Int64] = []
    for number in 0..<600 {
      var draft = harness.draft(number.isMultiple(of: 2) ? .recordingOpened : .noteOpened)
      if number.isMultiple(of: 50) {
        draft.objects.append(object)
        expected.append(Int64(number + 2))
      }
      if number.isMultiple(of: 100) { draft.actor = other }
      _ = try await log.record(draft)
      if number == 400 { try await log.publish() }
    }
    var filter = EntryFilter()
    filter.object = object
    var found: [Int64] = []
    repeat {
      let page = try await log.entries(matching: filter, limit: 5)
      #expect(page.entries.count <= 5)
      found += page.entries.map(\.entry.index)
      guard let next = page.next else { break }
      filter.indices = next..<Int64.max
    } while true
    #expect(found == expected)

    filter = EntryFilter()
    filter.actor = other.id
    #expect(try await log.entries(matching: filter).entries.count == 6)
    filter.actions = [.noteOpened]
    #expect(try await log.entries(matching: filter).entries.isEmpty)
    filter = EntryFilter()
    filter.actions = [.noteOpened]
    #expect(try await log.entries(matching: filter, limit: 1000).entries.count == 300)
    let times = try await log.entries(matching: EntryFilter(), limit: 1000).entries.map(
      \.entry.time)
    filter = EntryFilter()
    filter.since = times[10]
    filter.until = times[20]
    #expect(try await log.entries(matching: filter).entries.map(\.entry.index) == Array(10..<20))
    let beyond = try await log.entries(matching: EntryFilter(indices: 5000..<6000))
    #expect(beyond.entries.isEmpty && beyond.next == nil)
    for indices in [Int64.max - 1..<Int64.max, Int64.min..<(-1), 3..<3, Int64.min..<Int64.min] {
      let page = try await log.entries(matching: EntryFilter(indices: indices))
      #expect(page.entries.isEmpty && page.next == nil)
    }
    for index in [Int64.min, -1, 602, Int64.max] {
      await #expect(throws: AuditError.self) { try await log.leafHash(at: index) }
      await #expect(throws: AuditError.self) { try await log.proof(of: index) }
    }
  }
}
