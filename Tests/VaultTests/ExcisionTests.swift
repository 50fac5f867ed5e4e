import Audit
import ConformanceSuites
import Cryptography
import Database
import Drivers
import Durable
import Encoding
import FaultInjection
import Foundation
import Glibc
import Retention
import Synchronization
import Testing

@testable import Vault

/// A span taken out of a recording: gone for good, and never half of it.
@Suite(.timeLimit(.minutes(30))) struct ExcisionTests {
  private func refused(
    _ code: VaultError.Code, _ body: () async throws -> Void
  ) async {
    let error = await #expect(throws: VaultError.self) { try await body() }
    #expect(error?.code == code)
  }

  /// A practice whose anchors lie in two places.
  private func anchored() async throws -> Practice {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "callvault-keys-\(UUID().uuidString)")
    var home = KeyHome()
    for (number, name) in ["a", "b"].enumerated() {
      let path = folder.appending(path: name).path
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      home.anchors.append(
        DedicatedAnchors(
          FileRingAnchorStore(path, data: folder.path), volume: UInt64(number)))
      home.storage.tables.append(try FileKeyTableStore(path))
    }
    home.copies = [MemoryRingStore()]
    return try await Practice.new(home: home)
  }

  private func copy(_ practice: Practice) throws -> URL {
    let copy = FileManager.default.temporaryDirectory
      .appending(path: "callvault-\(UUID().uuidString)")
    try FileManager.default.copyItem(at: practice.folder, to: copy)
    return copy
  }

  @Test func theSpanIsSilentAndTheRestIsAsItWas() async throws {
    let practice = try await anchored()
    let card = try await CardCall.stored(in: practice)
    let officer = try await practice.caller(.privacyOfficer)
    let before = try #require(await practice.catalog.recording(card.recording))
    #expect(try await card.isExcised(in: practice, as: officer) == false)
    var receipt: ExcisionReceipt?
    let entries = try await practice.entriesOf {
      receipt = try await practice.vault.excise(card, as: officer)
    }
    let excised = try #require(receipt)
    #expect(entries.map(\.action) == [.recordingExcised, .recordingExcised])
    #expect(entries.map(\.phase) == [.intent, .outcome])
    #expect(
      entries[0].parts.map(\.description).sorted() == [
        "consent", "details", "notes", "recording-1", "recording-2", "transcript-1", "transcript-2",
      ])
    let after = try #require(await practice.catalog.recording(card.recording))
    #expect(after.recording.generation == 2 && after.call.detailsGeneration == 2)
    #expect(after.call.keyID != before.call.keyID && after.recording.keyID == after.call.keyID)
    #expect(entries[1].digest == after.recording.digest && entries[1].keyID == after.call.keyID)
    #expect(after.recording.logIndex == entries[1].index && excised.logIndex == entries[1].index)
    #expect(excised.destroyedKey == before.call.keyID && !excised.holdsCardNumber)
    // The other recording may say the number too: that is for a person to hear.
    #expect(excised.otherRecordings == 1 && excised.closed.isEmpty && excised.ratchetDue != nil)
    await refused(.notFound) {
      _ = try await practice.read(card.recording, as: practice.caller(.clinician))
    }
    try await card.heard(in: practice)
    // Within reach again for whoever may hear calls.
    // Whichever goes first takes the folder along.
    let restarted = try await practice.restarted()
    defer { withExtendedLifetime(restarted) {} }
    for practice in [practice, restarted] {
      let clinician = try await practice.caller(.clinician)
      #expect(try await card.isExcised(in: practice, as: clinician) == true)
      try await practice.catalog.checkIntegrity()
      #expect(throws: VaultError.self) { try practice.keys.checkAlive(before.call.keyID) }
    }
    // The old object is gone, and the old row opens nothing.
    await refused(.tampered) { _ = try await practice.blobs.open(before.recording.blob) }
    let address = try #require(
      PartAddress(
        tenant: practice.tenant, call: card.call, part: .recording(1), generation: 1))
    #expect(throws: VaultError.self) {
      _ = try practice.keys.batchKey(at: address, wrapped: before.call.wrappedKey)
    }
    // The original, sent again, is recognised and not stored.
    let again = try await practice.store(
      card.sound, in: card.call, as: practice.phoneSystem())
    #expect(again.isRepeated && again.recording == card.recording)
    #expect(again.digest == after.recording.digest)
    // And once more, elsewhere.
    let span = try #require(TimeSpan(3000, 4000))
    let second = try await practice.vault.excise(
      span, from: card.recording, as: officer, purpose: .operations)
    #expect(second.generation == 3)
    #expect(try await practice.catalog.excisedKeys().count == 2)
  }

  /// A hold keeps a call as it is, also one that is placed while the call is sealed anew.
  @Test func whatIsHeldIsNotExcised() async throws {
    let practice = try await Practice.new()
    let card = try await CardCall.stored(in: practice, alone: true)
    let officer = try await practice.caller(.privacyOfficer)
    let manager = try await practice.caller(.recordsManager)
    var scope = HoldScope()
    scope.calls = [card.call]
    let hold = try await practice.vault.setHold(
      HoldRequest(matter: "m", reason: "r", custodian: "c", scope: scope), as: manager)
    let entries = try await practice.entriesOf {
      await refused(.held) { _ = try await practice.vault.excise(card, as: officer) }
    }
    #expect(entries.map(\.action) == [.recordingExcised] && entries[0].reason == .held)
    #expect(
      try await practice.read(card.recording, as: officer, purpose: .operations) == card.sound)
    #expect(try await practice.catalog.openIncidents(of: card.call).count == 1)
    for person in [manager, officer] {
      _ = try await practice.vault.releaseHold(hold.id, reason: "settled", as: person)
    }
    let receipt = try await practice.vault.excise(card, as: officer)
    // The only recording is clean, and so is what was said: nobody need look again.
    #expect(receipt.otherRecordings == 0 && receipt.closed.count == 1)
  }

  @Test func aSpanThatIsTooNarrowLeavesTheCallInQuarantine() async throws {
    let practice = try await Practice.new()
    let card = try await CardCall.stored(in: practice, alone: true)
    let officer = try await practice.caller(.privacyOfficer)
    let span = try #require(TimeSpan(0, 500))
    let receipt = try await practice.vault.excise(
      span, from: card.recording, as: officer, purpose: .operations)
    #expect(receipt.holdsCardNumber && receipt.closed.isEmpty)
    let clinician = try await practice.caller(.clinician)
    await refused(.notFound) { _ = try await practice.read(card.recording, as: clinician) }
    _ = try await practice.vault.excise(card, as: officer)
    _ = try await practice.read(card.recording, as: clinician)
  }

  @Test func whatCannotBeSilencedIsRefusedAndStays() async throws {
    let practice = try await Practice.new()
    let card = try await CardCall.stored(in: practice)
    let officer = try await practice.caller(.privacyOfficer)
    let clinician = try await practice.caller(.clinician)
    let vault = practice.vault
    let mp3 = try await practice.store(
      [0xFF, 0xFB] + [UInt8](repeating: 3, count: 5000), in: card.call,
      as: practice.phoneSystem())
    func excise(_ recording: Identifier, _ from: Int64, _ to: Int64, _ caller: Caller) async throws
    {
      _ = try await vault.excise(
        #require(TimeSpan(from, to)), from: recording, as: caller, purpose: .operations)
    }
    let row = try #require(await practice.catalog.call(card.call))
    let entries = try await practice.entriesOf {
      await refused(.invalid) { try await excise(mp3.recording, 0, 100, officer) }
      await refused(.invalid) { try await excise(card.recording, 5000, 6000, officer) }
      await refused(.invalid) { try await excise(card.recording, 500, 500, officer) }
      await refused(.denied) { try await excise(card.recording, 0, 100, clinician) }
      await refused(.notFound) { try await excise(.random(), 0, 100, officer) }
    }
    #expect(
      entries.map(\.outcome) == [nil, .refused, nil, .refused, .refused, .refused, .refused])
    #expect(entries[1].reason == .unsupported)
    #expect(try await practice.catalog.call(card.call)?.keyID == row.keyID)
    #expect(
      try await practice.read(card.recording, as: officer, purpose: .operations) == card.sound)
    // Nothing is left of the attempts.
    let objects = FileManager.default.enumerator(atPath: practice.folder.path + "/objects")
    #expect((objects?.allObjects as? [String] ?? []).filter { $0.count > 20 }.count == 3)
  }

  /// Copies of everything are kept at every step; after the ratchet none of them, with the root key and
  /// today's anchors, opens what was excised.
  @Test func noCopyOpensWhatWasExcised() async throws {
    let practice = try await anchored()
    let card = try await CardCall.stored(in: practice)
    let officer = try await practice.caller(.privacyOfficer)
    var rings: [[UInt8]] = []
    var records: [[UInt8]] = []
    func keep() async throws {
      for store in [practice.ring as any KeyRingStore] + practice.home.copies {
        rings.append(try #require(try store.read()))
      }
      records.append(try #require(await practice.catalog.call(card.call)).wrappedKey)
    }
    try await keep()
    _ = try await practice.vault.rotateKeys(as: practice.administrator())
    try await practice.vault.keepKeys()
    try await keep()
    _ = try await practice.vault.excise(card, as: officer)
    try await keep()
    let erasure = try await practice.vault.ratchet(run: .random(), by: practice.log.system)
    #expect(erasure.unproven == nil && erasure.from == 1)
    #expect(try await practice.catalog.excisedKeys().isEmpty)
    #expect(try await practice.vault.ratchetDue() == nil)
    // Its tombstone is not needed any more.
    #expect(try practice.keys.facts().tombstones == 2)
    for bytes in rings {
      let old = MemoryRingStore()
      try old.replace(with: bytes)
      await refused(.sealed) {
        _ = try KeyRing.open(
          custodian: practice.custodian, store: old, anchors: practice.home.anchors)
      }
    }
    let address = try #require(
      PartAddress(
        tenant: practice.tenant, call: card.call, part: .recording(1), generation: 1))
    for record in records {
      #expect(throws: VaultError.self) {
        _ = try practice.keys.batchKey(at: address, wrapped: record)
      }
    }
    #expect(try await card.isExcised(in: practice, as: officer) == true)
    let row = try #require(
      try Connection(practice.folder.path + "/catalog.sqlite", for: .reading).first(
        "SELECT is_proven FROM excised_key"
      ) { (row) throws(DatabaseError) in try row.integer(0) })
    #expect(row == 1)
  }

  /// A backup from before: its call opens nothing any more, so it is removed like a purged one.
  @Test(arguments: [true, false])
  func anOlderCopyDoesNotBringItBack(afterRatchet: Bool) async throws {
    let practice = try await anchored()
    let card = try await CardCall.stored(in: practice)
    let kept = try await practice.recording([1, 2])
    let yesterday = try copy(practice)
    _ = try await practice.vault.excise(card, as: practice.caller(.privacyOfficer))
    if afterRatchet {
      _ = try await practice.vault.ratchet(run: .random(), by: practice.log.system)
    }
    let restored = try await practice.reopened(yesterday, practice.home)
    #expect(restored.vault.reconciliation.removedAgain == 1)
    let officer = try await restored.caller(.privacyOfficer)
    await refused(.notFound) {
      _ = try await restored.read(card.recording, as: officer, purpose: .operations)
    }
    #expect(
      try await restored.read(kept.recording, as: restored.caller(.clinician)) == [1, 2])
    try await restored.catalog.checkIntegrity()
  }

  /// Yesterday's catalog beside today's log would show what is in quarantine, or what was excised.
  @Test func anOlderCatalogBesideTheLogIsRefused() async throws {
    let practice = try await anchored()
    let card = try await CardCall.stored(in: practice)
    let yesterday = try copy(practice)
    _ = try await practice.vault.excise(card, as: practice.caller(.privacyOfficer))
    for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
      let target = practice.folder.appending(path: name)
      try? FileManager.default.removeItem(at: target)
      try? FileManager.default.copyItem(at: yesterday.appending(path: name), to: target)
    }
    await refused(.behindLog) { _ = try await practice.restarted() }
  }

  @Test func aRecordingThatArrivesMeanwhileIsAskedForAgain() async throws {
    let practice = try await Practice.new()
    let card = try await CardCall.stored(in: practice)
    let officer = try await practice.caller(.privacyOfficer)
    let system = try await practice.phoneSystem()
    var pieces = 2
    await refused(.unavailable) {
      _ = try await practice.vault.storeRecording(in: card.call, as: system) {
        pieces -= 1
        if pieces == 0 { _ = try await practice.vault.excise(card, as: officer) }
        return pieces >= 0 ? [UInt8](repeating: 5, count: 1000) : nil
      }
    }
    let again = try await practice.store([5, 5], in: card.call, as: system)
    #expect(
      try await practice.read(again.recording, as: officer, purpose: .operations) == [5, 5])
    #expect(try await card.isExcised(in: practice, as: officer) == nil)
  }

  @Test func aRatchetBeginsByItself() async throws {
    let practice = try await anchored()
    let card = try await CardCall.stored(in: practice)
    #expect(try await practice.vault.ratchetDue() == nil)
    let receipt = try await practice.vault.excise(card, as: practice.caller(.privacyOfficer))
    let due = try #require(receipt.ratchetDue)
    #expect((3_500_000...3_600_000).contains(due.milliseconds - practice.vault.now.milliseconds))
    #expect(try await !practice.vault.startRatchetIfExcised())
    // An hour later.
    try Connection(practice.folder.path + "/catalog.sqlite", for: .writing).execute(
      "UPDATE excised_key SET excised = excised - 3600001")
    #expect(try await practice.vault.startRatchetIfExcised())
    try await practice.vault.keepKeys()
    #expect(try await practice.catalog.excisedKeys().isEmpty)
    let status = try await practice.vault.keyStatus(as: practice.administrator())
    #expect(status.excised == 0 && status.ratchetDue == nil)
  }

  // MARK: Crashes

  /// After any failure and a start: wholly the old call or wholly the new one, as the log says.
  private func check(
    _ practice: Practice, _ card: CardCall, old: Identifier, succeeded: Bool, _ comment: Comment
  ) async throws {
    let after = try await practice.restarted()
    let officer = try await after.caller(.privacyOfficer)
    guard let isNew = try await card.isExcised(in: after, as: officer) else {
      Issue.record("neither old nor new: \(comment)")
      return
    }
    let says = try await after.entries().contains {
      $0.action == .recordingExcised && $0.outcome == .success
    }
    #expect(isNew == says, comment)
    if succeeded { #expect(isNew, comment) }
    if isNew {
      #expect(throws: VaultError.self, comment) { try after.keys.checkAlive(old) }
      #expect(try await after.catalog.excisedKeys().allSatisfy { $0.blobs.isEmpty }, comment)
    }
    #expect(try await after.catalog.pendingRows(limit: 10).isEmpty, comment)
    try await after.catalog.checkIntegrity()
    // What was not done can be done now.
    if !isNew {
      _ = try await after.vault.excise(card, as: officer)
      #expect(try await card.isExcised(in: after, as: officer) == true, comment)
    }
  }

  @Test func aLogThatFailsLeavesOldOrNew() async throws {
    for appends in 0...4 {
      let practice = try await Practice.new()
      let card = try await CardCall.stored(in: practice)
      let officer = try await practice.caller(.privacyOfficer)
      let old = try #require(await practice.catalog.call(card.call)).keyID
      practice.store.fail(after: appends)
      let receipt = try? await practice.vault.excise(card, as: officer)
      try await check(
        practice, card, old: old, succeeded: receipt != nil, "the log fails after \(appends)")
    }
  }

  /// Each call of the file system under the objects fails once; in torture with every error, for good
  /// too.
  @Test func storageThatFailsLeavesOldOrNew() async throws {
    let isTorture = ProcessInfo.processInfo.environment["CALLVAULT_TORTURE"] != nil
    var runs = 0
    for plan in FaultPlan.all where isTorture || plan.number == EIO && !plan.lasting {
      runs += try await plan.failEachCall {
        let practice = try await Practice.new()
        return (practice, try await CardCall.stored(in: practice), Kept())
      } operation: { state, files in
        let (practice, card, kept) = state
        let failing = try await practice.restarted(objectsOn: files)
        kept.practice.withLock { $0 = failing }
        _ = try await failing.vault.excise(card, as: failing.caller(.privacyOfficer))
      } afterwards: { state, call, thrown in
        let (practice, card, _) = state
        let excised = try await practice.catalog.excisedKeys().first?.keyID
        let present = try await practice.catalog.call(card.call)?.keyID
        let old = try #require(excised ?? present)
        try await check(
          practice, card, old: old, succeeded: thrown == nil, "call \(call): \(plan)")
      }
    }
    print(": excision: \(runs) failing calls of the file system, each left old or new")
    #expect(runs > 10)
  }

  /// What is on the disk when the machine dies between two commits of the catalog or the log.
  @Test func aCopyAtEachStepIsOldOrNew() async throws {
    for appends in 1...3 {
      let practice = try await Practice.new()
      let card = try await CardCall.stored(in: practice)
      let officer = try await practice.caller(.privacyOfficer)
      let old = try #require(await practice.catalog.call(card.call)).keyID
      // Rows pending, and no log to say more: the commit of the catalog fails next.
      practice.store.fail(after: appends)
      _ = try? await practice.vault.excise(card, as: officer)
      let twin = try copy(practice)
      let dead = try await practice.reopened(twin, practice.home)
      try await check(dead, card, old: old, succeeded: false, "copied after \(appends) appends")
    }
  }
}

/// Whichever practice of a folder goes first takes the folder along, so it stays.
private final class Kept: Sendable {
  let practice = Mutex<Practice?>(nil)
}
