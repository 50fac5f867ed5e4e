import Audit
import Cryptography
import Drivers
import Encoding
import Foundation
import Testing

@testable import Vault

@Suite struct ReadingTests {
  @Test func aReadIsAnIntentAndAnOutcomeWithTheBytesReleased() async throws {
    let practice = try await Practice.new()
    let bytes = (0..<150_000).map { UInt8(truncatingIfNeeded: $0) }
    let receipt = try await practice.recording(bytes)
    let clinician = try await practice.caller(.clinician)
    for range in [0..<1, 0..<150_000, 65_470..<65_500, 149_999..<150_000, 70_000..<140_000] {
      let wanted = Int64(range.lowerBound)..<Int64(range.upperBound)
      let entries = try await practice.entriesOf {
        let read = try await practice.read(receipt.recording, wanted, as: clinician)
        #expect(read == Array(bytes[range]))
      }
      #expect(entries.map(\.phase) == [.intent, .outcome])
      #expect(entries.map(\.action) == [.recordingOpened, .recordingOpened])
      #expect(entries[1].reference == entries[0].id)
      #expect(entries[1].released == Int64(range.count))
      #expect(entries[1].outcome == .success)
      #expect(entries.allSatisfy { $0.purpose == .treatment && $0.subjects.count == 1 })
      #expect(entries.allSatisfy { $0.objects == [receipt.call, receipt.recording] })
      #expect(entries[0].actor.id == clinician.actor.id)
    }
  }

  @Test func aClientThatGoesAwayIsChargedWhatItWasGiven() async throws {
    struct Gone: Error {}
    let practice = try await Practice.new()
    let receipt = try await practice.recording([UInt8](repeating: 5, count: 300_000))
    let clinician = try await practice.caller(.clinician)
    let entries = try await practice.entriesOf {
      await #expect(throws: Gone.self) {
        try await practice.vault.openRecording(
          receipt.recording, as: clinician, purpose: .treatment
        ) { reader in
          var pieces = 0
          try await reader.read(0..<300_000) { _ in
            pieces += 1
            if pieces == 2 { throw Gone() }
          }
        }
      }
    }
    #expect(entries.last?.outcome == .partial)
    #expect(entries.last?.reason == .clientGone)
    #expect(entries.last?.released == Int64(196_520))
  }

  @Test func aCancelledTaskStillLeavesItsOutcome() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording([UInt8](repeating: 5, count: 300_000))
    let clinician = try await practice.caller(.clinician)
    let (pieces, given) = AsyncStream.makeStream(of: Void.self)
    let entries = try await practice.entriesOf {
      let task = Task {
        // Whatever ends it, nobody waits for a piece that does not come.
        defer { given.finish() }
        try await practice.vault.openRecording(
          receipt.recording, as: clinician, purpose: .treatment
        ) { reader in
          try await reader.read(0..<300_000) { _ in
            given.yield()
            try await Task.sleep(for: .seconds(3600))
          }
        }
      }
      for await _ in pieces { break }
      task.cancel()
      _ = await task.result
    }
    #expect(entries.map(\.phase) == [.intent, .outcome])
    #expect(entries.last?.released == 65_480)
  }

  @Test func aRecordingOfAnotherPlaceIsNotOpened() async throws {
    let practice = try await Practice.new()
    let first = try await practice.recording([UInt8](repeating: 1, count: 1000))
    let second = try await practice.recording([UInt8](repeating: 2, count: 1000))
    // Somebody with the disk swaps two objects of the same length.
    let rows = try [
      #require(await practice.catalog.recording(first.recording)).recording,
      #require(await practice.catalog.recording(second.recording)).recording,
    ]
    try practice.swapObjects(rows[0].blob, rows[1].blob)
    let clinician = try await practice.caller(.clinician)
    let entries = try await practice.entriesOf {
      let error = await #expect(throws: VaultError.self) {
        try await practice.read(first.recording, as: clinician)
      }
      #expect(error?.code == .tampered)
    }
    #expect(entries.last?.outcome == .failed)
    #expect(entries.last?.reason == .tampered)
    #expect(entries.last?.released == 0)
  }

  /// Also one that is opened together with sound segments before it.
  @Test(arguments: [(1, 65_480), (2, 131_000), (3, 196_520)])
  func aFlippedByteStopsAtItsSegment(segment: Int, sound: Int64) async throws {
    let practice = try await Practice.new()
    let bytes = [UInt8](repeating: 6, count: 300_000)
    let receipt = try await practice.recording(bytes)
    let row = try #require(await practice.catalog.recording(receipt.recording)).recording
    try practice.flip(row.blob, at: segment * 65_536 + 100)
    let clinician = try await practice.caller(.clinician)
    let entries = try await practice.entriesOf {
      let error = await #expect(throws: VaultError.self) {
        try await practice.read(receipt.recording, as: clinician)
      }
      #expect(error?.code == .tampered)
    }
    #expect(entries.last?.outcome == .partial)
    #expect(entries.last?.reason == .tampered)
    #expect(entries.last?.released == sound)
    // What is whole is still given.
    #expect(
      try await practice.read(receipt.recording, 0..<100, as: clinician)
        == [UInt8](repeating: 6, count: 100))
  }

  @Test func aFewStreamsGetLargePiecesAndManyGetSmallOnes() async throws {
    let streams = StreamShare()
    func share(among count: Int) async -> Int {
      count == 0 ? streams.byteCount : await streams.with { await share(among: count - 1) }
    }
    for (count, bytes) in [(0, 262_144), (16, 262_144), (64, 65_536), (200, 32_768)] {
      #expect(await share(among: count) == bytes)
    }
    #expect(streams.byteCount == 262_144)
  }

  @Test func anObjectCutShortIsNotOpened() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording([UInt8](repeating: 6, count: 200_000))
    let row = try #require(await practice.catalog.recording(receipt.recording)).recording
    try practice.cut(row.blob, to: 131_072)
    let clinician = try await practice.caller(.clinician)
    let error = await #expect(throws: VaultError.self) {
      try await practice.read(receipt.recording, as: clinician)
    }
    #expect(error?.code == .tampered)
  }

  /// P2: when the log cannot commit, nothing is released.
  @Test func withoutTheLogNothingIsReleased() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording([UInt8](repeating: 6, count: 1000))
    let clinician = try await practice.caller(.clinician)
    practice.store.fail(after: 0)
    let error = await #expect(throws: VaultError.self) {
      try await practice.vault.openRecording(
        receipt.recording, as: clinician, purpose: .treatment
      ) { _ in Issue.record("opened without an entry") }
    }
    #expect(error?.code == .unavailable)
    for attempt in [
      { () async throws in
        _ = try await practice.vault.findCalls(
          CallSearch(), as: clinician, purpose: .treatment)
      },
      { _ = try await practice.vault.call(receipt.call, as: clinician, purpose: .treatment) },
      { _ = try await practice.vault.notes(of: receipt.call, as: clinician, purpose: .treatment) },
    ] {
      await #expect(throws: VaultError.self) { try await attempt() }
    }
  }

  /// P3: 64 callers at once leave one intent and one outcome each, and no gap.
  @Test func sixtyFourReadersLeaveNoGap() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording([UInt8](repeating: 8, count: 70_000))
    let clinician = try await practice.caller(.clinician)
    let start = await practice.log.durableHead.size
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<64 {
        group.addTask {
          _ = try await practice.read(receipt.recording, 0..<Int64(number + 1), as: clinician)
        }
      }
      try await group.waitForAll()
    }
    let entries = try await practice.entries(from: start)
    #expect(entries.map(\.index) == Array(start..<start + 128))
    let intents = Set(entries.filter { $0.phase == .intent }.map(\.id))
    let outcomes = entries.filter { $0.phase == .outcome }
    #expect(intents.count == 64)
    #expect(Set(outcomes.compactMap(\.reference)) == intents)
    #expect(Set(outcomes.compactMap(\.released)) == Set(1...64))
  }

  @Test func aSearchByPartyFindsTheCallInAnyWayOfWritingTheNumber() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording(location: "main", callExtension: "204")
    _ = try await practice.vault.createCall(
      NewCall(source: "3cx", sourceID: "other", from: "+1 616 555 0199"),
      as: practice.phoneSystem())
    let clinician = try await practice.caller(.clinician)
    for party in ["(313) 555-0142", "+13135550142", "1-313-555-0100", "tel:+1-313-555-0142"] {
      var search = CallSearch()
      search.party = party
      let entries = try await practice.entriesOf {
        let page = try await practice.vault.findCalls(search, as: clinician, purpose: .treatment)
        #expect(page.calls.map(\.call) == [receipt.call])
        #expect(page.calls.first?.details?.from == "+13135550142")
        #expect(page.calls.first?.details?.agent == "Dana")
        #expect(page.calls.first?.recordings == 1)
        #expect(page.calls.first?.durationMilliseconds == 1234)
      }
      #expect(entries.map(\.action) == [.search])
      #expect(entries.first?.objects == [receipt.call])
      #expect(entries.first?.subjects.count == 1)
    }
    var agent = CallSearch()
    agent.agent = "dana"
    #expect(
      try await practice.vault.findCalls(agent, as: clinician, purpose: .treatment).calls.map(
        \.call) == [receipt.call])
    // Whether a number called at all is a caller detail.
    var search = CallSearch()
    search.party = "313 555 0142"
    let error = await #expect(throws: VaultError.self) {
      try await practice.vault.findCalls(search, as: clinician, purpose: nil)
    }
    #expect(error?.code == .invalid)
    search.party = "anonymous"
    #expect(
      try await practice.vault.findCalls(search, as: clinician, purpose: .treatment).calls.isEmpty)
  }

  @Test func pagesNeitherRepeatNorHide() async throws {
    let practice = try await Practice.new()
    let system = try await practice.phoneSystem()
    var calls: [Identifier] = []
    for number in 0..<25 {
      // Five of each five begin in the same millisecond.
      let started = OffsetTime(
        instant: Timestamp(milliseconds: 1_795_000_000_000 + Int64(number / 5)), offsetMinutes: -300
      )
      calls.append(
        try await practice.vault.createCall(
          NewCall(source: "3cx", sourceID: "\(number)", started: started), as: system
        ).call)
    }
    let clinician = try await practice.caller(.clinician)
    var found: [Identifier] = []
    var search = CallSearch(limit: 7)
    repeat {
      let page = try await practice.vault.findCalls(search, as: clinician, purpose: nil)
      #expect(page.calls.allSatisfy { $0.details == nil })
      found += page.calls.map(\.call)
      search.cursor = page.next
    } while search.cursor != nil
    #expect(found.count == 25)
    #expect(Set(found) == Set(calls))
    search = CallSearch(limit: 100)
    search.from = Timestamp(milliseconds: 1_795_000_000_001)
    search.to = Timestamp(milliseconds: 1_795_000_000_003)
    #expect(
      try await practice.vault.findCalls(search, as: clinician, purpose: nil).calls.count == 10)
    for limit in [0, 101, -1] {
      let error = await #expect(throws: VaultError.self) {
        try await practice.vault.findCalls(
          CallSearch(limit: limit), as: clinician, purpose: nil)
      }
      #expect(error?.code == .invalid)
    }
  }

  @Test func anExportedKeyOpensTheCiphertextAndIsFlagged() async throws {
    let practice = try await Practice.new()
    let bytes = [UInt8](repeating: 4, count: 100_000)
    let receipt = try await practice.recording(bytes)
    let officer = try await practice.caller(.privacyOfficer)
    var exported: ExportedKey?
    let entries = try await practice.entriesOf {
      exported = try await practice.vault.exportKey(
        of: receipt.recording, as: officer, purpose: .patientRequest)
    }
    let export = try #require(exported)
    #expect(entries.map(\.action) == [.recordingExported, .recordingExported])
    #expect(entries.allSatisfy { $0.flags == [.keyMaterial] })
    #expect(entries.first?.digest == receipt.digest)
    var ciphertext: [UInt8] = []
    try await practice.vault.readCiphertext(of: receipt.recording, as: officer) { facts, object in
      for try await piece in object { ciphertext += piece }
      #expect(Int64(ciphertext.count) == facts.sealedLength)
    }
    #expect(SHA256.hash(ciphertext) == receipt.digest)
    let key = try SecretBytes(copying: try #require(Hex.decode(export.keyHex)))
    #expect(
      try Envelope.open(
        ciphertext, key: key, associatedData: Array(export.associatedData.utf8),
        segmentSize: export.segmentSize) == bytes)
  }

  @Test func aGrantPlaysOneRecordingInItsCallersName() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording([UInt8](repeating: 4, count: 1000))
    let clinician = try await practice.caller(.clinician)
    let grant = try await practice.vault.grantPlayback(
      of: receipt.recording, as: clinician, purpose: .treatment)
    let entries = try await practice.entriesOf {
      let bytes = try await practice.vault.openPlayback(
        grant.secret, via: "192.0.2.9", request: .random()
      ) { reader in
        var all: [UInt8] = []
        try await reader.read(100..<200) { piece in all += piece }
        return all
      }
      #expect(bytes == [UInt8](repeating: 4, count: 100))
    }
    #expect(entries.map(\.phase) == [.intent, .outcome])
    #expect(entries.first?.actor.id == clinician.actor.id)
    #expect(entries.first?.actor.method == .grant)
    #expect(entries.first?.purpose == .treatment)
    #expect(entries.last?.released == 100)
    // A grant ends with its token, and another text is no grant.
    try await practice.vault.revokeToken(
      try #require(clinician.token), as: practice.administrator())
    for secret in [grant.secret, String(grant.secret.reversed()), "", "x"] {
      let error = await #expect(throws: VaultError.self) {
        try await practice.vault.openPlayback(secret, via: "192.0.2.9", request: .random()) { _ in }
      }
      #expect(error?.code == .notFound)
    }
  }

  @Test func whatStreamsUnderARevokedTokenStops() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording([UInt8](repeating: 4, count: 300_000))
    let clinician = try await practice.caller(.clinician)
    let administrator = try await practice.administrator()
    let error = await #expect(throws: VaultError.self) {
      try await practice.vault.openRecording(
        receipt.recording, as: clinician, purpose: .treatment
      ) { reader in
        try await reader.read(0..<300_000) { _ in
          try await practice.vault.revokeToken(
            try #require(clinician.token), as: administrator)
        }
      }
    }
    #expect(error?.code == .denied)
    let last = try await practice.entries().last
    #expect(last?.reason == .credentialRevoked)
    #expect(last?.released == 65_480)
  }

  @Test func ciphertextThatStreamsUnderARevokedTokenStopsToo() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording([UInt8](repeating: 4, count: 300_000))
    let officer = try await practice.caller(.privacyOfficer)
    let administrator = try await practice.administrator()
    let error = await #expect(throws: VaultError.self) {
      try await practice.vault.readCiphertext(of: receipt.recording, as: officer) { _, object in
        for try await _ in object {
          try await practice.vault.revokeToken(try #require(officer.token), as: administrator)
        }
      }
    }
    #expect(error?.code == .denied)
    let last = try await practice.entries().last
    #expect(last?.outcome == .partial)
    #expect(last?.reason == .credentialRevoked)
  }
}

extension Practice {
  private func path(_ blob: BlobName) throws -> URL {
    let objects = folder.appending(path: "objects")
    let files = FileManager.default.enumerator(at: objects, includingPropertiesForKeys: nil)
    while let file = files?.nextObject() as? URL {
      if file.lastPathComponent == blob.description { return file }
    }
    throw CocoaError(.fileNoSuchFile)
  }

  func swapObjects(_ first: BlobName, _ second: BlobName) throws {
    let (a, b) = (try path(first), try path(second))
    let (bytes, others) = (try Data(contentsOf: a), try Data(contentsOf: b))
    try others.write(to: a)
    try bytes.write(to: b)
  }

  func flip(_ blob: BlobName, at offset: Int) throws {
    let file = try path(blob)
    var bytes = try Data(contentsOf: file)
    bytes[offset] ^= 1
    try bytes.write(to: file)
  }

  func cut(_ blob: BlobName, to count: Int) throws {
    let file = try path(blob)
    try Data(contentsOf: file).prefix(count).write(to: file)
  }
}
