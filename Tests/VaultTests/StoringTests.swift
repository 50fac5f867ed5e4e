import Audit
import Cryptography
import Drivers
import Encoding
import Retention
import Testing

@testable import Vault

@Suite struct StoringTests {
  @Test func aCallIsOneEntryThatCommitsToItsDetails() async throws {
    let practice = try await Practice.new()
    let system = try await practice.phoneSystem()
    var receipt: CallReceipt?
    let entries = try await practice.entriesOf {
      receipt = try await practice.vault.createCall(
        NewCall(source: "3cx", sourceID: "2026-11-20_+13135550142.wav", from: "+1 313 555 0142"),
        as: system)
    }
    let entry = try #require(entries.first)
    #expect(entries.count == 1)
    #expect(entry.action == .callCreated)
    #expect(entry.outcome == .success)
    #expect(entry.index == receipt?.logIndex)
    #expect(entry.objects.first == receipt?.call)
    #expect(entry.subjects.count == 1)
    #expect(Set(entry.commits.keys) == [.details, .source, .subject, .via])
    let call = try #require(receipt?.call)
    let row = try #require(await practice.catalog.call(call))
    let openings = try await practice.log.openings(of: entry)
    #expect(openings[.details] == SHA256.hash(row.details).bytes)
    #expect(openings[.source] == Array("3cx".utf8))
  }

  @Test func theSameCallAgainIsAConflictThatNamesIt() async throws {
    let practice = try await Practice.new()
    let system = try await practice.phoneSystem()
    let new = NewCall(source: "3cx", sourceID: "17")
    let first = try await practice.vault.createCall(new, as: system)
    let entries = try await practice.entriesOf {
      let error = await #expect(throws: VaultError.self) {
        try await practice.vault.createCall(new, as: system)
      }
      #expect(error?.code == .conflict)
      #expect(error?.existing == first.call)
    }
    #expect(entries.map(\.reason) == [.duplicate])
    #expect(entries.first?.objects == [first.call])
    // Another source may use the same name, and so may a name that only looks like source and name together.
    _ = try await practice.vault.createCall(NewCall(source: "asterisk", sourceID: "17"), as: system)
    _ = try await practice.vault.createCall(NewCall(source: "3cx1", sourceID: "7"), as: system)
  }

  @Test func aConflictNamesNoCallOutsideTheScope() async throws {
    let practice = try await Practice.new()
    let system = try await practice.phoneSystem()
    let south = try await practice.vault.createCall(
      NewCall(source: "3cx", sourceID: "17", location: "south"), as: system)
    let north = NewCall(source: "3cx", sourceID: "17", location: "north")
    let confined = try await practice.caller(.service, "recordings:write", "location=north")
    for (caller, named) in [(confined, nil), (system, south.call)] {
      let entries = try await practice.entriesOf {
        let error = await #expect(throws: VaultError.self) {
          try await practice.vault.createCall(north, as: caller)
        }
        #expect(error?.code == .conflict)
        #expect(error?.existing == named)
      }
      // The log knows in either case.
      #expect(entries.map(\.reason) == [.duplicate])
      #expect(entries.first?.objects == [south.call])
    }
  }

  @Test func aClientThatHangsUpDoesNotDecideWhatTheSoundIs() async throws {
    let (looks, beginsToLook) = AsyncStream.makeStream(of: Void.self)
    let (leave, isGone) = AsyncStream.makeStream(of: Void.self)
    let practice = try await Practice.new(
      inspector: CountingInspector(meanwhile: {
        beginsToLook.finish()
        for await _ in leave {}
      }))
    let system = try await practice.phoneSystem()
    let call = try await practice.vault.createCall(
      NewCall(source: "3cx", sourceID: "17"), as: system
    ).call
    let upload = Task {
      try await practice.store([UInt8](repeating: 7, count: 100), in: call, as: system)
    }
    for await _ in looks {}
    upload.cancel()
    isGone.finish()
    _ = try await upload.value
    let facts = try await practice.vault.call(
      call, as: practice.caller(.clinician), purpose: .treatment)
    #expect(facts.recordings.map(\.audio.condition) == [.sound])
  }

  @Test func sixtyFourAtOnceStoreTheSameCallOnce() async throws {
    let practice = try await Practice.new()
    let system = try await practice.phoneSystem()
    let start = await practice.log.durableHead.size
    let results = await withTaskGroup(of: Identifier?.self) { group in
      for _ in 0..<64 {
        group.addTask {
          do {
            return try await practice.vault.createCall(
              NewCall(source: "3cx", sourceID: "1"), as: system
            ).call
          } catch {
            return (error as? VaultError)?.existing
          }
        }
      }
      return await group.reduce(into: [Identifier?]()) { $0.append($1) }
    }
    #expect(Set(results).count == 1)
    let entries = try await practice.entries(from: start)
    #expect(entries.count == 64)
    #expect(entries.filter { $0.outcome == .success }.count == 1)
    #expect(entries.map(\.index) == Array(start..<start + 64))
  }

  @Test(arguments: [
    (NewCall(source: "", sourceID: "1"), "source"),
    (NewCall(source: "3cx", sourceID: ""), "source_id"),
    (NewCall(source: String(repeating: "x", count: 65), sourceID: "1"), "source"),
    (NewCall(source: "3cx", sourceID: "1\n2"), "source_id"),
    (NewCall(source: "3cx", sourceID: "1", from: String(repeating: "1", count: 129)), "from"),
    (NewCall(source: "3cx", sourceID: "1", to: ""), "to"),
    (NewCall(source: "3cx", sourceID: "1", callExtension: "\u{7F}"), "extension"),
    (NewCall(source: "3cx", sourceID: "1", agent: String(repeating: "a", count: 257)), "agent"),
    (NewCall(source: "3cx", sourceID: "1", location: ""), "location"),
  ])
  func aCallThatBreaksARuleIsRefusedByName(call: NewCall, field: String) async throws {
    let practice = try await Practice.new()
    let system = try await practice.phoneSystem()
    let entries = try await practice.entriesOf {
      let error = await #expect(throws: VaultError.self) {
        try await practice.vault.createCall(call, as: system)
      }
      #expect(error?.code == .invalid)
      #expect(error?.detail?.contains("`\(field)`") == true)
    }
    #expect(entries.map(\.reason) == [.malformed])
    #expect(try await practice.catalog.counts().calls == 0)
  }

  @Test(arguments: [0, 1, 100, 65_480, 65_481, 200_000])
  func aRecordingComesBackByteForByte(count: Int) async throws {
    let practice = try await Practice.new()
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    let receipt = try await practice.recording(bytes)
    #expect(receipt.length == Int64(count))
    #expect(receipt.number == 1)
    let clinician = try await practice.caller(.clinician)
    #expect(try await practice.read(receipt.recording, as: clinician) == bytes)
    let entry = try #require(try await practice.entries(from: receipt.logIndex).first)
    #expect(entry.action == .recordingStored)
    #expect(entry.phase == .outcome)
    #expect(entry.digest == receipt.digest)
    #expect(entry.keyID != nil)
    #expect(entry.objects == [receipt.call, receipt.recording])
    // The inspector saw the plaintext in ranges, through the parent.
    #expect(practice.inspector.seen.first == Array(bytes.prefix(16)))
  }

  @Test func theSameBytesAgainAnswerTheSameReceipt() async throws {
    let practice = try await Practice.new()
    let system = try await practice.phoneSystem()
    let bytes = [UInt8](repeating: 3, count: 70_000)
    let call = try await practice.vault.createCall(
      NewCall(source: "3cx", sourceID: "1"), as: system
    ).call
    let first = try await practice.store(bytes, in: call, as: system)
    let again = try await practice.store(bytes, in: call, as: system)
    #expect(!first.isRepeated)
    #expect(again.isRepeated)
    #expect(again.recording == first.recording)
    #expect(again.digest == first.digest)
    #expect(again.logIndex == first.logIndex)
    // In another call they are another recording, and nothing tells that they are the same.
    let other = try await practice.recording(bytes)
    #expect(other.recording != first.recording)
    #expect(other.digest != first.digest)
    #expect(try await practice.catalog.counts().recordings == 2)
    let objects = try await practice.blobs.names(
      lastChangedBefore: Timestamp(milliseconds: .max), after: nil, limit: 10)
    #expect(objects.count == 2)
  }

  @Test func eightUploadsOfTheSameBytesAtOnceAreOneRecording() async throws {
    let practice = try await Practice.new()
    let system = try await practice.phoneSystem()
    let call = try await practice.vault.createCall(
      NewCall(source: "3cx", sourceID: "1"), as: system
    ).call
    let receipts = try await withThrowingTaskGroup(of: RecordingReceipt.self) { group in
      for _ in 0..<8 {
        group.addTask {
          try await practice.store([UInt8](repeating: 9, count: 5000), in: call, as: system)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(Set(receipts.map(\.recording)).count == 1)
    #expect(receipts.filter { !$0.isRepeated }.count == 1)
    #expect(try await practice.catalog.recordings(of: call).count == 1)
  }

  @Test func bytesThatAreNotThosePromisedAreNotKept() async throws {
    let practice = try await Practice.new()
    let system = try await practice.phoneSystem()
    let call = try await practice.vault.createCall(
      NewCall(source: "3cx", sourceID: "1"), as: system
    ).call
    let entries = try await practice.entriesOf {
      let error = await #expect(throws: VaultError.self) {
        try await practice.store([1, 2, 3], in: call, as: system, expecting: SHA256.hash([1, 2]))
      }
      #expect(error?.code == .invalid)
      #expect(error?.detail?.contains("Content-Digest") == true)
    }
    #expect(entries.map(\.phase) == [.intent, .outcome])
    #expect(entries.last?.outcome == .refused)
    let good = try await practice.store(
      [1, 2, 3], in: call, as: system, expecting: SHA256.hash([1, 2, 3]))
    #expect(good.length == 3)
    #expect(try await practice.catalog.counts().recordings == 1)
    #expect(
      try await practice.blobs.names(
        lastChangedBefore: Timestamp(milliseconds: .max), after: nil, limit: 10
      ).count == 1)
  }

  @Test func aBodyThatBreaksOffLeavesNothing() async throws {
    struct Gone: Error {}
    let practice = try await Practice.new()
    let system = try await practice.phoneSystem()
    let call = try await practice.vault.createCall(
      NewCall(source: "3cx", sourceID: "1"), as: system
    ).call
    let entries = try await practice.entriesOf {
      var pieces = 0
      await #expect(throws: VaultError.self) {
        _ = try await practice.vault.storeRecording(in: call, as: system) {
          pieces += 1
          guard pieces < 20 else { throw Gone() }
          return [UInt8](repeating: 1, count: 20_000)
        }
      }
    }
    #expect(entries.last?.outcome == .failed)
    #expect(entries.last?.reason == .clientGone)
    #expect(try await practice.catalog.counts().recordings == 0)
    #expect(try await practice.catalog.pendingRows(limit: 10).isEmpty)
    #expect(
      try await practice.blobs.names(
        lastChangedBefore: Timestamp(milliseconds: .max), after: nil, limit: 10
      ).isEmpty)
  }

  @Test func aRecordingBeyondTheLimitIsRefusedAsItArrives() async throws {
    let practice = try await Practice.new { $0.recordingLimit = 50_000 }
    let system = try await practice.phoneSystem()
    let call = try await practice.vault.createCall(
      NewCall(source: "3cx", sourceID: "1"), as: system
    ).call
    var given = 0
    let error = await #expect(throws: VaultError.self) {
      _ = try await practice.vault.storeRecording(in: call, as: system) {
        given += 1
        return [UInt8](repeating: 1, count: 20_000)
      }
    }
    #expect(error?.code == .tooLarge)
    #expect(given == 3)
  }

  @Test func aCallHasSeveralRecordingsInOrder() async throws {
    let practice = try await Practice.new()
    let system = try await practice.phoneSystem()
    let call = try await practice.vault.createCall(
      NewCall(source: "3cx", sourceID: "1"), as: system
    ).call
    for number in 1...3 {
      let receipt = try await practice.store([UInt8(number)], in: call, as: system)
      #expect(receipt.number == number)
    }
    let clinician = try await practice.caller(.clinician)
    let facts = try await practice.vault.call(call, as: clinician, purpose: nil)
    #expect(facts.recordings.map(\.number) == [1, 2, 3])
    #expect(facts.summary.durationMilliseconds == 3702)
    #expect(
      facts.retention.findings.map(\.rule.label) == ["recording/service@1", "recording/minor@1"])
    #expect(facts.retention.eligible == nil)
    #expect(facts.retention.unknown == [.birthDate])
  }

  @Test func soundThatNobodyCanReadIsKeptAndFlagged() async throws {
    let practice = try await Practice.new(
      inspector: CountingInspector(AudioFacts(condition: .unknown)))
    let receipt = try await practice.recording(Array("not audio at all".utf8))
    let clinician = try await practice.caller(.clinician)
    let facts = try await practice.vault.call(receipt.call, as: clinician, purpose: nil)
    #expect(facts.recordings.first?.audio.condition == .unknown)
    #expect(
      try await practice.read(receipt.recording, as: clinician) == Array("not audio at all".utf8))
  }
}
