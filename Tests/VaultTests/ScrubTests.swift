import Audit
import Cryptography
import Database
import Drivers
import Durable
import Encoding
import FaultInjection
import Foundation
import Glibc
import Testing
import Threading

@testable import Vault

/// Looking at every stored object, and mending what is damaged.
@Suite struct ScrubTests {
  @Test(arguments: ScrubLevel.allCases)
  func whatIsWholeIsFoundWhole(level: ScrubLevel) async throws {
    let practice = try await Practice.new()
    for length in [0, 1, 65_480, 65_481, 1_200_000] {
      _ = try await practice.recording(Practice.sound(length))
    }
    let entries = try await practice.entriesOf {
      let state = try await practice.vault.scrub(level, as: nil)
      #expect(state.isFinished && state.examined == 5 && state.damaged.isEmpty)
    }
    // Recordings; above the lowest level the texts of the calls besides.
    let batches = level == .presence ? 1 : 2
    #expect(entries.map(\.phase) == (0..<batches).flatMap { _ in [.intent, .outcome] })
    #expect(entries.allSatisfy { $0.count == 5 && $0.action == .scrubRun })
    #expect(try await practice.vault.scrubState()?.lastPass != nil)
  }

  @Test func eachLevelFindsWhatItLooksFor() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording(Practice.sound(200_000))
    _ = try await practice.recording(Practice.sound(3))
    let object = try #require(
      try Practice.files(below: practice.folder.path + "/objects").max { left, right in
        practice.objectLength(left) < practice.objectLength(right)
      })
    let url = URL(filePath: practice.folder.path + "/objects/" + object)
    let whole = try Data(contentsOf: url)
    func damaged(_ level: ScrubLevel) async throws -> [Identifier] {
      try await practice.vault.scrub(level, as: nil).damaged
    }
    var changed = whole
    changed[changed.startIndex + 150_000] ^= 1
    try changed.write(to: url)
    #expect(try await damaged(.presence).isEmpty)
    #expect(try await damaged(.digest) == [receipt.recording])
    // What was found stays listed until it is found whole, at whatever level.
    try whole.write(to: url)
    #expect(try await damaged(.tags).isEmpty)
    try changed.write(to: url)
    #expect(try await damaged(.tags) == [receipt.recording])
    try whole.dropLast().write(to: url)
    #expect(try await damaged(.presence) == [receipt.recording])
    try FileManager.default.removeItem(at: url)
    #expect(try await damaged(.presence) == [receipt.recording])
    #expect(await practice.vault.health().alarms.count == 1)
    let outcome = try await practice.entries().last { $0.action == .scrubRun }
    #expect(outcome?.outcome == .partial && outcome?.objects == [receipt.recording])
  }

  @Test func damageIsMendedFromTheBackupAfterAnEntry() async throws {
    let practice = try await Practice.new()
    let place = try TemporaryDirectory()
    var receipts: [(RecordingReceipt, [UInt8])] = []
    for length in [100, 70_000] {
      let bytes = Practice.sound(length)
      receipts.append((try await practice.recording(bytes), bytes))
    }
    _ = try await practice.backUp(to: place.path)
    practice.vault.keep(MaintenanceSettings(secondCopy: try FileBlobStore.ofBackup(place.path)))
    try practice.damageObjects()
    let entries = try await practice.entriesOf {
      let state = try await practice.vault.scrub(.tags, as: nil)
      #expect(state.repaired == 2 && state.damaged.isEmpty)
    }
    let repairs = entries.filter { $0.action == .recordingRepaired }
    #expect(repairs.map(\.phase) == [.intent, .outcome, .intent, .outcome])
    #expect(Set(repairs.flatMap(\.objects)).isSuperset(of: receipts.map(\.0.recording)))
    let clinician = try await practice.caller(.clinician)
    for (receipt, bytes) in receipts {
      #expect(try await practice.read(receipt.recording, as: clinician) == bytes)
    }
    // A second copy that is no better is not taken.
    try practice.damageObjects()
    for file in try Practice.files(below: place.path) where file.hasPrefix("objects/") {
      try Data([1, 2, 3]).write(to: URL(filePath: place.path + "/" + file))
    }
    let state = try await practice.vault.scrub(.digest, as: nil)
    #expect(state.repaired == 0 && state.damaged.count == 2)
  }

  /// Details, transcripts and notes decay in the database as objects do on the disk.
  @Test func damagedTextsAreFound() async throws {
    let practice = try await Practice.new()
    let clinician = try await practice.caller(.clinician)
    let system = try await practice.phoneSystem()
    let receipt = try await practice.recording([1])
    let other = try await practice.recording([2])
    let transcript = try await practice.vault.storeTranscript(
      Transcript(
        provider: "p", language: "en-US",
        segments: [
          Transcript.Segment(
            speaker: "caller", text: String(repeating: "word ", count: 2000), startMilliseconds: 0,
            endMilliseconds: 1000, confidence: nil)
        ]), of: receipt.call, as: system)
    let note = try await practice.vault.storeNote(
      "seen", of: receipt.call, as: clinician, purpose: .treatment)
    func damaged(_ level: ScrubLevel) async throws -> [Identifier] {
      try await practice.vault.scrub(level, as: nil).damaged
    }
    #expect(try await damaged(.tags).isEmpty)
    let connection = try Connection(practice.folder.path + "/catalog.sqlite", for: .writing)
    func change(_ table: SQL, _ column: SQL, _ id: Identifier) throws -> [UInt8] {
      let bytes = try #require(
        try connection.first("SELECT " + column + " FROM " + table + " WHERE id = ?", id.bytes) {
          (row) throws(DatabaseError) in try row.blob(0)
        })
      var changed = bytes
      changed[bytes.count - 20] ^= 1
      try connection.run(
        "UPDATE " + table + " SET " + column + " = ? WHERE id = ?", changed, id.bytes)
      return bytes
    }
    let details = try change("call", "details", other.call)
    _ = try change("text", "sealed", note.id)
    _ = try change("text", "sealed", transcript.id)
    #expect(try await damaged(.presence).isEmpty)
    #expect(Set(try await damaged(.digest)) == [note.id, transcript.id])
    #expect(Set(try await damaged(.tags)) == [note.id, transcript.id, other.call])
    let outcome = try await practice.entries().last { $0.action == .scrubRun }
    #expect(outcome?.outcome == .partial && Set(outcome?.objects ?? []).contains(other.call))
    try connection.run(
      "UPDATE call SET details = ? WHERE id = ?", details, other.call.bytes)
    #expect(Set(try await damaged(.tags)) == [note.id, transcript.id])
    // A digest that was changed along with the bytes is caught by the tags.
    let row = try #require(await practice.catalog.text(note.id))
    try connection.run(
      "UPDATE text SET digest = ? WHERE id = ?", SHA256.hash(row.sealed).bytes, note.id.bytes)
    #expect(try await damaged(.digest) == [transcript.id])
    #expect(Set(try await damaged(.tags)) == [note.id, transcript.id])
  }

  /// A disk that cannot read is something found.
  @Test func aDiskThatSuffersIsAFinding() async throws {
    let files = FailingFileSystem(FailingFileSystem.Fault(call: nil, number: EIO))
    let practice = try await Practice.new(objectsOn: files)
    let receipt = try await practice.recording(Practice.sound(100_000))
    files.fail(["pread"], with: EIO)
    let state = try await practice.vault.scrub(.tags, as: nil)
    #expect(state.isFinished && state.damaged == [receipt.recording])
    files.fail([], with: EIO)
    #expect(try await practice.vault.scrub(.tags, as: nil).damaged.isEmpty)
  }

  /// A crash costs the batch that it interrupts.
  @Test func aPassGoesOnWhereItWas() async throws {
    let practice = try await Practice.new()
    for number in 0..<11 { _ = try await practice.recording(Practice.sound(number)) }
    practice.vault.keep(MaintenanceSettings(scrubInterval: .nanoseconds(1), scrubBatch: 8))
    try await practice.vault.scrubIfDue()
    #expect(try await practice.vault.scrubState()?.examined == 0)
    try await practice.vault.scrubIfDue()
    #expect(try await practice.vault.scrubState()?.examined == 8)
    practice.vault.keep(MaintenanceSettings(scrubInterval: .seconds(1000), scrubBatch: 8))
    // The next batch has its time.
    try await practice.vault.scrubIfDue()
    #expect(try await practice.vault.scrubState()?.examined == 8)
    let restarted = try await practice.restarted()
    restarted.vault.keep(MaintenanceSettings(scrubInterval: .nanoseconds(1), scrubBatch: 8))
    try await restarted.vault.scrubIfDue()
    let state = try await restarted.vault.scrubState()
    #expect(state?.examined == 11 && state?.isFinished == false)
    // Then the end of the objects, the texts of 8 calls, of 3, and the end.
    for calls: Int64 in [0, 8, 11, 11] {
      #expect(try await restarted.vault.scrubState()?.isFinished == false)
      try await restarted.vault.scrubIfDue()
      #expect(try await restarted.vault.scrubState()?.calls == calls)
    }
    #expect(try await restarted.vault.scrubState()?.isFinished == true)
  }

  @Test func whatIsDueIsSpreadOverTheInterval() throws {
    let plan = ScrubPlan(interval: .seconds(1000))
    let start = Timestamp(milliseconds: 5_000_000)
    var state = ScrubState(began: start)
    func after(_ seconds: Int64) -> Timestamp {
      Timestamp(milliseconds: start.milliseconds + seconds * 1000)
    }
    #expect(!plan.isDue(state, of: 10, at: after(89)))
    #expect(plan.isDue(state, of: 10, at: after(91)))
    state.examined = 5
    #expect(!plan.isDue(state, of: 10, at: after(539)))
    #expect(plan.isDue(state, of: 10, at: after(541)))
    #expect(plan.isDue(state, of: 3, at: after(901)))
    state.isFinished = true
    #expect(!plan.isDue(state, of: 10, at: after(999)))
    #expect(plan.isDue(state, of: 10, at: after(1000)))
    state.damaged = [.random()]
    state.cursor = BlobName("00112233445566778899aabbccddeeff")
    state.lastPass = after(3)
    state.hasSeenObjects = true
    state.callCursor = .random()
    state.calls = 4
    #expect(try ScrubState(parsing: state.encoded) == state)
  }

  /// Examining takes the receipt of an entry that names exactly these objects.
  @Test func noReceiptNoExamination() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording(Practice.sound(100))
    let (intent, batch) = try await practice.vault.beginExamination(
      .scrubRun, of: [.random()], run: .random(), by: nil)
    let error = await #expect(throws: VaultError.self) {
      let (recording, call) = try #require(
        try await practice.catalog.recording(receipt.recording))
      try await practice.vault.examine(
        recording, of: call, wrapped: call.wrappedKey, in: batch, from: practice.blobs)
    }
    #expect(error?.code == .denied)
    _ = intent
    // Of another action, or of a list that is another one.
    for (action, ids) in [(Action.search, [receipt.recording]), (.scrubRun, [])] {
      var draft = EntryDraft(action, .intent, by: practice.log.system)
      let mark = KeyRing.mark(of: ids, in: .random())
      draft.run = mark.run
      draft.digest = mark.digest
      draft.count = mark.count
      draft.first = Timestamp(milliseconds: 1)
      draft.last = draft.first
      let spent = try await practice.log.record(draft)
        .spend(for: action, by: practice.log.system.id)
      #expect(throws: VaultError.self) {
        try practice.keys.examination(of: [receipt.recording], under: spent)
      }
    }
  }
}

extension Practice {
  func objectLength(_ file: String) -> Int64 {
    MachineLength.of(folder.path + "/objects/" + file)
  }
}

private enum MachineLength {
  static func of(_ path: String) -> Int64 {
    (try? Directory.status(of: path, on: LinuxFileSystem()))??.length ?? 0
  }
}
