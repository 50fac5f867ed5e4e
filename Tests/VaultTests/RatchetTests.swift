import Audit
import ConformanceSuites
import Cryptography
import Database
import Drivers
import Durable
import Encoding
import FaultInjection
import Foundation
import Synchronization
import Testing
import Threading

@testable import Vault

/// What is purged, and what the ratchet makes of it.
@Suite struct RatchetTests {
  /// A practice whose anchors lie in two places, and whose key table lies in two.
  private func anchored(copy: any KeyRingStore = MemoryRingStore()) async throws -> Practice {
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
    home.copies = [copy]
    return try await Practice.new(home: home)
  }

  private func purge(
    _ practice: Practice, _ calls: Identifier..., holds: any DestructionHolds = NoHolds()
  ) async throws -> [PurgeReceipt] {
    try await practice.vault.purge(
      calls.map { PurgeOrder(call: $0, evidence: nil, rule: "test") }, holds: holds,
      by: practice.log.system)
  }

  private func ratchet(_ practice: Practice) async throws -> Vault.Erasure {
    try await practice.vault.ratchet(run: .random(), by: practice.log.system)
  }

  private func copy(_ practice: Practice) throws -> URL {
    let copy = FileManager.default.temporaryDirectory
      .appending(path: "callvault-\(UUID().uuidString)")
    try FileManager.default.copyItem(at: practice.folder, to: copy)
    return copy
  }

  /// The wrapped key of a call, as a catalog somewhere has it.
  private func record(_ call: Identifier, in folder: URL) throws -> [UInt8]? {
    try Connection(folder.path + "/catalog.sqlite", for: .reading).first(
      "SELECT wrapped_key FROM call WHERE id = ?", call.bytes
    ) { (row) throws(DatabaseError) in try row.blob(0) }
  }

  private func opens(_ call: Identifier, _ record: [UInt8], in ring: KeyRing) throws -> Bool {
    let address = try #require(PartAddress(tenant: ring.tenant, call: call, part: .details))
    do {
      _ = try ring.batchKey(at: address, wrapped: record)
      return true
    } catch {
      return false
    }
  }

  // MARK: T0

  @Test func aPurgedCallIsGoneForEverybody() async throws {
    let practice = try await anchored()
    let gone = try await practice.recording([UInt8](repeating: 9, count: 300_000))
    let kept = try await practice.recording([1, 2, 3])
    let clinician = try await practice.caller(.clinician)
    let patient = try await practice.vault.createPatient(reference: "MRN-1", as: clinician)
    for receipt in [gone, kept] {
      _ = try await practice.vault.link(receipt.call, to: patient.id, as: clinician)
    }
    let before = try #require(try record(gone.call, in: practice.folder))
    let entries = try await practice.entriesOf {
      let receipts = try await purge(practice, gone.call)
      #expect(receipts.map(\.call) == [gone.call])
      let row = try await practice.catalog.purgedCall(gone.call)
      #expect(row?.purged == receipts[0].purged && row?.erased == nil)
    }
    #expect(entries.map(\.action) == [.recordingPurged])
    #expect(entries[0].objects.contains(gone.recording) && entries[0].subjects.count == 2)
    let objects = FileManager.default.enumerator(atPath: practice.folder.path + "/objects")
    let files = (objects?.allObjects as? [String] ?? []).filter { $0.count > 20 }
    #expect(files.count == 1, "\(files)")
    for practice in [practice, try await practice.restarted()] {
      let clinician = try await practice.caller(.clinician)
      await refused(.notFound) { _ = try await practice.read(gone.recording, as: clinician) }
      #expect(try await practice.read(kept.recording, as: clinician) == [1, 2, 3])
      let counts = try await practice.catalog.counts()
      #expect(counts.calls == 1 && counts.recordings == 1 && counts.plaintextBytes == 3)
      try await practice.catalog.checkIntegrity()
      // The key does not open again with the row of a backup.
      #expect(try !opens(gone.call, before, in: practice.keys))
      await refused(.notFound) { _ = try await purge(practice, gone.call) }
      // Tags of the patient go on without a gap, although a link is gone.
      _ = try await practice.vault.findPatient(reference: "MRN-1", as: clinician)
    }
  }

  @Test func theRowsOfAPurgedCallAreOverwritten() async throws {
    let practice = try await anchored()
    let receipt = try await practice.recording([1])
    let row = try #require(await practice.catalog.call(receipt.call))
    _ = try await purge(practice, receipt.call)
    // All pages in the file itself.
    try Connection(practice.folder.path + "/catalog.sqlite", for: .writing).checkpoint()
    let file = try Data(contentsOf: practice.folder.appending(path: "catalog.sqlite"))
    for secret in [row.wrappedKey.suffix(48), row.subject.wrappedKey.suffix(48)] {
      #expect(file.range(of: Data(secret)) == nil)
    }
    #expect(file.range(of: Data(row.details.suffix(40))) == nil)
  }

  @Test func whatIsHeldIsNotPurged() async throws {
    let practice = try await anchored()
    let receipt = try await practice.recording()
    let holds = TestHolds()
    holds.held.withLock { _ = $0.insert(receipt.call) }
    await refused(.held) { _ = try await purge(practice, receipt.call, holds: holds) }
    holds.fails.withLock { $0 = true }
    await refused(.unavailable) { _ = try await purge(practice, receipt.call, holds: holds) }
    let clinician = try await practice.caller(.clinician)
    _ = try await practice.read(receipt.recording, as: clinician)
    #expect(try await practice.catalog.purgeCounts().waiting == 0)
  }

  /// A log that fails leaves the call; one that fails after the entry does not bring it back.
  @Test func aPurgeIsWhollyThereOrNot() async throws {
    for appends in 0...3 {
      let practice = try await anchored()
      let receipt = try await practice.recording()
      practice.store.fail(after: appends + 1)
      let purged = try? await purge(practice, receipt.call)
      let after = try await practice.restarted()
      let isThere = try await after.catalog.call(receipt.call) != nil
      let says = try await after.entries().contains {
        $0.action == .recordingPurged && $0.outcome == .success
      }
      #expect(isThere != says)
      if purged != nil { #expect(!isThere) }
      #expect(try await after.catalog.pendingRows(limit: 10).isEmpty)
    }
  }

  @Test func aReaderLosesWhatIsPurgedUnderIt() async throws {
    let practice = try await anchored()
    let receipt = try await practice.recording([UInt8](repeating: 9, count: 1_000_000))
    let clinician = try await practice.caller(.clinician)
    let given = Mutex(0)
    await refused(.notFound) {
      try await practice.vault.openRecording(
        receipt.recording, as: clinician, purpose: .treatment
      ) { reader in
        try await reader.read(0..<1_000_000) { bytes in
          let first = given.withLock { count in
            defer { count += bytes.count }
            return count == 0
          }
          if first { _ = try await purge(practice, receipt.call) }
        }
      }
    }
    #expect(given.withLock { $0 } < 500_000)
  }

  // MARK: T1

  /// Copies of everything are kept at every step; afterwards none of them, with the root key and today's
  /// anchors, opens what was purged, and all survivors open.
  @Test func noCopyOpensWhatWasErased() async throws {
    let practice = try await anchored()
    var survivors: [RecordingReceipt] = []
    for number in 0..<4 { survivors.append(try await practice.recording([UInt8(number)])) }
    let gone = [try await practice.recording([100]), try await practice.recording([101])]
    var catalogs: [URL] = []
    var rings: [[UInt8]] = []
    func keep() throws {
      catalogs.append(try copy(practice))
      for store in [practice.ring as any KeyRingStore] + practice.home.copies {
        rings.append(try #require(try store.read()))
      }
    }
    try keep()
    _ = try await practice.vault.rotateKeys(as: practice.administrator())
    try keep()
    try await practice.vault.keepKeys()
    try keep()
    _ = try await purge(practice, gone[0].call, gone[1].call)
    try keep()
    let entries = try await practice.entriesOf {
      let erasure = try await ratchet(practice)
      #expect(erasure.unproven == nil && erasure.epochs == 2 && erasure.from == 1)
    }
    #expect(
      entries.filter { $0.action == .keyDestroy }.map(\.outcome) == [nil, .success])
    #expect(Set(entries.compactMap(\.run)).count == 1)
    let counts = try await practice.catalog.purgeCounts()
    #expect(counts == PurgeCounts(waiting: 0, erased: 2, proven: 2))
    #expect(try practice.keys.facts().tombstones == 2)

    var tried = 0
    for bytes in rings {
      let old = MemoryRingStore()
      try old.replace(with: bytes)
      await refused(.sealed) {
        _ = try KeyRing.open(
          custodian: practice.custodian, store: old, anchors: practice.home.anchors)
      }
      tried += 1
    }
    for folder in catalogs {
      for receipt in gone {
        guard let record = try record(receipt.call, in: folder) else { continue }
        #expect(try !opens(receipt.call, record, in: practice.keys))
        tried += 1
      }
    }
    #expect(tried >= 8 + 6)
    let clinician = try await practice.caller(.clinician)
    for (number, receipt) in survivors.enumerated() {
      #expect(try await practice.read(receipt.recording, as: clinician) == [UInt8(number)])
    }
    for folder in catalogs { try FileManager.default.removeItem(at: folder) }
  }

  /// Yesterday's catalog with today's log and keys: survivors open, nothing purged comes back.
  @Test(arguments: [true, false])
  func yesterdaysCopyOpensSurvivorsAndRevivesNothing(whole: Bool) async throws {
    let practice = try await anchored()
    let kept = try await practice.recording([1, 2])
    let gone = try await practice.recording([3, 4])
    let late = try await practice.recording([5, 6])
    let yesterday = try copy(practice)
    _ = try await purge(practice, gone.call)
    _ = try await ratchet(practice)
    // After the ratchet: its key is in the table, and in no tombstone but the ring's.
    _ = try await purge(practice, late.call)
    if !whole {
      // Today's log and objects stay.
      for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let (source, target) = (
          yesterday.appending(path: name), practice.folder.appending(path: name)
        )
        try? FileManager.default.removeItem(at: target)
        try? FileManager.default.copyItem(at: source, to: target)
      }
    }
    let restored = try await practice.reopened(
      whole ? yesterday : practice.folder, practice.home)
    let clinician = try await restored.caller(.clinician)
    #expect(try await restored.read(kept.recording, as: clinician) == [1, 2])
    for receipt in [gone, late] {
      await refused(.notFound) { _ = try await restored.read(receipt.recording, as: clinician) }
    }
    #expect(try await restored.catalog.counts().calls == 1)
    #expect(
      restored.vault.reconciliation.rekeyed == 4 - (whole ? 0 : 2)
        || restored.vault.reconciliation.rekeyed > 0)
    if whole { #expect(restored.vault.reconciliation.removedAgain == 2) }
    // And once more: what was put right stays so.
    let again = try await restored.restarted()
    #expect(try await again.read(kept.recording, as: again.caller(.clinician)) == [1, 2])
    #expect(again.vault.reconciliation.rekeyed == 0)
  }

  /// A backup of yesterday, restored with today's keys after a ratchet: every survivor opens, nothing purged comes
  /// back, neither from before the ratchet nor from after it, and what came since is lost and nothing else.
  @Test func yesterdaysBackupOpensEverySurvivorAndRevivesNothing() async throws {
    let practice = try await anchored()
    var survivors: [RecordingReceipt] = []
    for number in 0..<6 { survivors.append(try await practice.recording([UInt8(number)])) }
    let gone = try await practice.recording([100])
    let late = try await practice.recording([101])
    let clinician = try await practice.caller(.clinician)
    let note = try await practice.vault.storeNote(
      "seen", of: survivors[0].call, as: clinician, purpose: .treatment)
    let place = try TemporaryDirectory()
    _ = try await practice.backUp(to: place.path)
    _ = try await purge(practice, gone.call)
    let erasure = try await ratchet(practice)
    #expect(erasure.unproven == nil)
    _ = try await purge(practice, late.call)
    let since = try await practice.recording([7])
    let folder = place.path + "/restored"
    _ = try BackupRestore(place.path, to: folder, key: practice.log.verifierKey).run()
    // Put right once, it stays so. A practice that goes takes its folder along.
    var opened: [Practice] = []
    for _ in 0..<2 {
      let again = try await practice.reopened(URL(filePath: folder), practice.home)
      opened.append(again)
      let reader = try await again.caller(.clinician)
      for (number, receipt) in survivors.enumerated() {
        #expect(try await again.read(receipt.recording, as: reader) == [UInt8(number)])
      }
      let notes = try await again.vault.notes(
        of: survivors[0].call, as: reader, purpose: .treatment)
      #expect(notes.map(\.text) == ["seen"] && notes[0].version == note.version)
      for receipt in [gone, late, since] {
        await refused(.notFound) { _ = try await again.read(receipt.recording, as: reader) }
      }
      #expect(try await again.catalog.counts().calls == 6)
      #expect(try await again.keys.stuckKeys(in: again.catalog, limit: 9).count == 0)
      try await again.catalog.checkIntegrity()
    }
    // Its catalog alone, under today's log, is older than what the log says was stored.
    let files = FileManager.default
    for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
      let target = practice.folder.path + "/" + name
      if files.fileExists(atPath: target) { try files.removeItem(atPath: target) }
    }
    let set = try #require(
      try Practice.files(below: place.path).first {
        $0.hasSuffix("/catalog.sqlite") && $0.hasPrefix("sets/")
      })
    try files.copyItem(
      atPath: place.path + "/" + set, toPath: practice.folder.path + "/catalog.sqlite")
    await refused(.behindLog) { _ = try await practice.restarted() }
  }

  @Test func withoutAKeyTableAnOldCatalogIsRefusedAndUnchanged() async throws {
    let practice = try await anchored()
    let kept = try await practice.recording([1])
    let yesterday = try copy(practice)
    _ = try await ratchet(practice)
    var home = practice.home
    home.storage.tables = []
    await refused(.tampered) { _ = try await practice.reopened(yesterday, home) }
    let restored = try await practice.reopened(yesterday, practice.home)
    #expect(try await restored.read(kept.recording, as: restored.caller(.clinician)) == [1])
  }

  /// Keys made before there were anchors stay unproven for ever; later ones do not.
  @Test func withoutAnchorsT1IsNeverSaid() async throws {
    let practice = try await Practice.new()
    let early = try await practice.recording([1])
    let survivor = try await practice.recording([2])
    _ = try await purge(practice, early.call)
    let first = try await ratchet(practice)
    #expect(first.sentence.contains("access removed, erasure not proven"))
    #expect(
      try await practice.catalog.purgeCounts() == PurgeCounts(waiting: 0, erased: 1, proven: 0))
    let other = try await anchored()
    var home = other.home
    // Its own copy of the ring: another practice's is left as it is.
    home.copies = [MemoryRingStore()]
    let anchoredNow = try await practice.reopened(practice.folder, home)
    _ = try await ratchet(anchoredNow)
    let late = try await anchoredNow.recording([3])
    _ = try await purge(anchoredNow, survivor.call, late.call)
    let second = try await ratchet(anchoredNow)
    #expect(second.unproven == nil && second.from > 1)
    #expect(
      try await anchoredNow.catalog.purgeCounts() == PurgeCounts(waiting: 0, erased: 3, proven: 1))
    #expect(try await anchoredNow.catalog.purgedCall(late.call)?.isProven == true)
    #expect(try await anchoredNow.catalog.purgedCall(survivor.call)?.isProven == false)
  }

  @Test func aHoldAfterAPurgeStopsTheRatchet() async throws {
    let practice = try await anchored()
    let receipt = try await practice.recording()
    _ = try await purge(practice, receipt.call)
    let holds = TestHolds()
    var home = practice.home
    home.storage.holds = holds
    let held = try await practice.reopened(practice.folder, home)
    holds.undecided.withLock { $0 = .random() }
    await refused(.held) { _ = try await ratchet(held) }
    holds.fails.withLock { $0 = true }
    await refused(.unavailable) { _ = try await ratchet(held) }
    #expect(try held.keys.facts().epochs.map(\.number) == [1])
    holds.fails.withLock { $0 = false }
    holds.undecided.withLock { $0 = nil }
    _ = try await ratchet(held)
    #expect(try await held.catalog.purgeCounts().proven == 1)
  }

  /// A key that does not open is in the way; an object that does not, is listed.
  @Test func aLiveKeyThatDoesNotOpenStopsItAndADamagedObjectDoesNot() async throws {
    let practice = try await anchored()
    let good = try await practice.recording([1])
    let damaged = try await practice.recording([UInt8](repeating: 2, count: 100_000))
    let row = try #require(await practice.catalog.recording(damaged.recording)).recording
    let object = practice.folder.appending(path: "objects").path
    let path = try #require(
      FileManager.default.enumerator(atPath: object)?.allObjects.compactMap { $0 as? String }
        .first {
          $0.hasSuffix(row.blob.description) || $0.contains(row.blob.description.suffix(20))
        })
    var bytes = try Data(contentsOf: URL(fileURLWithPath: object + "/" + path))
    bytes[bytes.count - 5] ^= 1
    try bytes.write(to: URL(fileURLWithPath: object + "/" + path))

    let connection = try Connection(
      practice.folder.path + "/catalog.sqlite", for: .writing)
    let record = try #require(try record(good.call, in: practice.folder))
    var changed = record
    changed[94] ^= 1
    try connection.run("UPDATE call SET wrapped_key = ? WHERE id = ?", changed, good.call.bytes)
    await refused(.conflict) { _ = try await ratchet(practice) }
    let facts = try practice.keys.facts()
    #expect(facts.epochs.map(\.number) == [1, 2])
    try connection.run("UPDATE call SET wrapped_key = ? WHERE id = ?", record, good.call.bytes)
    let run = try practice.vault.keyWork.withLock { (work) throws(VaultError) in
      try work.begin(.ratchet, by: practice.log.system, at: practice.vault.now)
    }
    await practice.vault.carryOutRatchet(run: run.id, by: practice.log.system)
    let ended = try #require(practice.vault.keyWork.withLock { $0.last })
    #expect(ended.damaged == [damaged.call] && ended.damagedCount == 1)
    guard case .done = ended.state else {
      Issue.record("\(ended.state)")
      return
    }
    #expect(try practice.keys.facts().epochs.map(\.number) == [3])
    #expect(try await practice.read(good.recording, as: practice.caller(.clinician)) == [1])
  }

  /// What stops a ratchet is named, by the run and by whoever opens the catalog without a service.
  @Test func keysThatStopARatchetAreNamed() async throws {
    let practice = try await anchored()
    let good = try await practice.recording([1])
    let bad = try await practice.recording([2])
    let connection = try Connection(practice.folder.path + "/catalog.sqlite", for: .writing)
    var record = try #require(try self.record(bad.call, in: practice.folder))
    record[90] ^= 1
    try connection.run("UPDATE call SET wrapped_key = ? WHERE id = ?", record, bad.call.bytes)
    let administrator = try await practice.administrator()
    _ = try await practice.vault.startRatchet(as: administrator)
    try await practice.vault.keepKeys()
    let run = try #require(try await practice.vault.keyStatus(as: administrator).run)
    guard case .failed(let sentence) = run.state else {
      Issue.record("\(run.state)")
      return
    }
    #expect(sentence.hasPrefix("nothing was destroyed: 1 live keys do not open"))
    #expect(run.stuckCount == 1 && run.stuck.map(\.id) == [bad.call])
    #expect(run.stuck.map(\.owner) == [.call])
    let named = try await practice.keys.stuckKeys(in: practice.catalog, limit: 9)
    #expect(named.count == 1 && named.rows.map(\.id) == [bad.call])
    #expect(try await practice.keys.stuckKeys(in: practice.catalog, limit: 0).rows.isEmpty)
    #expect(try await practice.read(good.recording, as: practice.caller(.clinician)) == [1])
  }

  /// A place of the ring that fails is in nobody's way, is told, and is mended when it is back.
  @Test func callsComeWhileAPlaceOfTheRingFails() async throws {
    let failing = FailingRingStore()
    let practice = try await anchored(copy: failing)
    #expect(try practice.keys.lookAtPlaces())
    failing.isAway.withLock { $0 = true }
    let receipt = try await practice.recording([1])
    #expect(try await practice.read(receipt.recording, as: practice.caller(.clinician)) == [1])
    #expect(throws: VaultError.self) { try practice.vault.lookAtKeyPlaces() }
    #expect(practice.vault.keyTroubles.map(\.place) == ["ring copy 1"])
    // What has to be everywhere does not come about, and what was is as before.
    await refused(.unavailable) { _ = try await ratchet(practice) }
    await refused(.unavailable) { _ = try await purge(practice, receipt.call) }
    #expect(try practice.keys.facts().epochs.map(\.number) == [1])
    #expect(try await practice.read(receipt.recording, as: practice.caller(.clinician)) == [1])
    // It comes back empty, as a new disk does.
    failing.isAway.withLock { $0 = false }
    failing.forget()
    try practice.vault.lookAtKeyPlaces()
    #expect(practice.vault.keyTroubles.isEmpty)
    #expect(try failing.read() == practice.ring.read())
    // Where nothing is wrong, nothing is written.
    let writes = failing.writes
    try practice.vault.lookAtKeyPlaces()
    #expect(failing.writes == writes)
    _ = try await ratchet(practice)
    #expect(try await practice.read(receipt.recording, as: practice.caller(.clinician)) == [1])
  }

  /// A key that was made before its epoch was retired, and comes to the catalog after it, is refused.
  @Test func nothingIsStoredUnderARetiredEpoch() async throws {
    let practice = try await anchored()
    let receipt = try await practice.recording()
    let template = try #require(await practice.catalog.call(receipt.call))
    let key = try practice.keys.createCallKey(for: .random())
    _ = try await ratchet(practice)
    let row = CallRow(
      id: key.call, subject: SubjectRow(id: key.call, wrappedKey: key.wrapped.encoded),
      created: template.created, started: template.started, direction: .inbound, source: "x",
      location: nil, callExtension: nil, keyID: key.id, wrappedKey: key.wrapped.encoded,
      details: [1], detailsGeneration: 1, recordingNumbers: 0)
    await refused(.unavailable) { try await practice.catalog.insert(row, tokens: [], since: 1) }
    #expect(try await practice.catalog.call(key.call) == nil)
  }

  /// Calls come and are read while keys are wrapped again; none is lost and none unreadable.
  @Test func theVaultServesBesideARotation() async throws {
    let practice = try await anchored()
    var receipts: [RecordingReceipt] = []
    for number in 0..<30 { receipts.append(try await practice.recording([UInt8(number)])) }
    let first = receipts
    let clinician = try await practice.caller(.clinician)
    let system = try await practice.phoneSystem()
    let stored = try await withThrowingTaskGroup(of: [RecordingReceipt].self) { group in
      group.addTask {
        for _ in 0..<5 {
          _ = try await practice.vault.ratchet(run: .random(), by: practice.log.system)
        }
        return []
      }
      for lane in 0..<2 {
        group.addTask {
          var made: [RecordingReceipt] = []
          for number in 0..<15 {
            do {
              let call = try await practice.vault.createCall(
                NewCall(
                  source: "pbx", sourceID: "\(lane)-\(number)", from: nil, to: nil,
                  callExtension: nil, agent: nil, location: nil), as: system)
              made.append(
                try await practice.store([UInt8(number), UInt8(lane)], in: call.call, as: system))
            } catch let error as VaultError where error.code == .unavailable {
              // The keys were being changed: whoever sends a call sends it again.
              continue
            }
            _ = try await practice.read(first[number].recording, as: clinician)
          }
          return made
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(stored.count >= 28)
    for practice in [practice, try await practice.restarted()] {
      let clinician = try await practice.caller(.clinician)
      for receipt in first + stored {
        _ = try await practice.read(receipt.recording, as: clinician)
      }
    }
    #expect(try practice.keys.facts().epochs.map(\.number) == [6])
  }

  private func refused(
    _ code: VaultError.Code, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
  ) async {
    do {
      try await body()
      Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    } catch {
      #expect((error as? VaultError)?.code == code, "\(error)", sourceLocation: sourceLocation)
    }
  }
}

/// A place of the ring that is sometimes out of reach.
final class FailingRingStore: KeyRingStore {
  let isAway = Mutex(false)
  private let state = Mutex<(bytes: [UInt8]?, writes: Int)>((nil, 0))

  var writes: Int { state.withLock { $0.writes } }

  func forget() { state.withLock { $0.bytes = nil } }

  private func check() throws(VaultError) {
    guard !isAway.withLock({ $0 }) else {
      throw VaultError(.unavailable, during: "reaching a place of a ring", detail: "it is away")
    }
  }

  func read() throws(VaultError) -> [UInt8]? {
    try check()
    return state.withLock { $0.bytes }
  }

  func replace(with new: [UInt8]) throws(VaultError) {
    try check()
    state.withLock { $0 = (new, $0.writes + 1) }
  }
}

/// Holds that a test sets.
final class TestHolds: DestructionHolds {
  struct Unreadable: Error {}
  let held = Mutex<Set<Identifier>>([])
  let undecided = Mutex<Identifier?>(nil)
  let fails = Mutex(false)

  func heldCall(among calls: [Identifier]) async throws -> Identifier? {
    if fails.withLock({ $0 }) { throw Unreadable() }
    return held.withLock { held in calls.first { held.contains($0) } }
  }

  func undecidedHold(on purged: [PurgedCallRow]) async throws -> Identifier? {
    if fails.withLock({ $0 }) { throw Unreadable() }
    return undecided.withLock { $0 }
  }
}
