import Audit
import ChildProcess
import Cryptography
import Drivers
import Encoding
import Foundation
import Testing

@testable import Vault

/// P5: what was acknowledged is never lost; what was interrupted is wholly there or wholly absent.
@Suite struct ReconciliationTests {
  @Test func whatWasAnsweredIsThereAfterAStopWithoutWarning() async throws {
    let practice = try await Practice.new()
    let bytes = [UInt8](repeating: 1, count: 70_000)
    let receipt = try await practice.recording(bytes)
    let again = try await practice.restarted()
    #expect(again.vault.reconciliation == Vault.Reconciliation())
    let clinician = try await again.caller(.clinician)
    #expect(try await again.read(receipt.recording, as: clinician) == bytes)
  }

  /// The log fails at each of its appends in turn; after a restart the recording is wholly there or absent.
  @Test(arguments: 0..<6)
  func aLogThatFailsAtAnyStepLeavesNothingHalf(appends: Int) async throws {
    let practice = try await Practice.new()
    let system = try await practice.phoneSystem()
    let bytes = [UInt8](repeating: 1, count: 70_000)
    practice.store.fail(after: appends)
    var call: CallReceipt?
    var stored: RecordingReceipt?
    do {
      call = try await practice.vault.createCall(
        NewCall(source: "3cx", sourceID: "1"), as: system)
      stored = try await practice.store(bytes, in: try #require(call).call, as: system)
      _ = try await practice.store([2], in: try #require(call).call, as: system)
    } catch let error as VaultError {
      #expect(error.code == .unavailable)
    }
    let again = try await practice.restarted()
    #expect(try await again.catalog.pendingRows(limit: 10).isEmpty)
    let rows = try await again.catalog.counts()
    if let call {
      #expect(try await again.catalog.call(call.call) != nil)
    } else {
      #expect(rows.calls == 0)
    }
    let clinician = try await again.caller(.clinician)
    if let stored {
      #expect(try await again.read(stored.recording, as: clinician) == bytes)
    } else {
      #expect(rows.recordings == 0)
    }
    // Every intent has exactly one outcome now.
    let entries = try await again.entries()
    let intents = entries.filter { $0.phase == .intent }.map(\.id)
    let outcomes = entries.compactMap(\.reference)
    #expect(Set(outcomes) == Set(intents))
    #expect(outcomes.count == intents.count)
    // The source tries again, as it was told to.
    let retry = try await again.phoneSystem()
    do {
      _ = try await again.vault.createCall(NewCall(source: "3cx", sourceID: "1"), as: retry)
    } catch {
      #expect(error.code == .conflict)
      #expect(error.existing == call?.call)
    }
  }

  @Test func aRowWhoseEntryIsDurableBecomesLive() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording()
    // As after a crash between the entry and the row: the row is pending again.
    let row = try #require(await practice.catalog.recording(receipt.recording)).recording
    try practice.sql(
      "UPDATE recording SET since = 0, log_index = NULL WHERE number = \(row.number)")
    let again = try await practice.restarted()
    #expect(again.vault.reconciliation.completed == 1)
    let live = try #require(await again.catalog.recording(receipt.recording)).recording
    #expect(live.logIndex == receipt.logIndex)
  }

  @Test func aRowWithoutAnEntryIsDroppedWithItsObject() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording()
    let row = try #require(await practice.catalog.recording(receipt.recording)).recording
    let name = try BlobName.random()
    let writer = try await practice.blobs.create(name)
    try await writer.append([1, 2, 3])
    try await writer.commit()
    try await practice.catalog.insert(
      RecordingRow(
        id: .random(), call: row.call, number: 2, generation: 1, stored: row.stored, blob: name,
        plaintextLength: 1, ciphertextLength: 3, digest: row.digest,
        content: LookupToken(
          field: .content, key: row.content.key, value: [UInt8](repeating: 0, count: 32)),
        keyID: row.keyID, audio: row.audio, logIndex: nil),
      since: await practice.log.durableHead.size)
    let again = try await practice.restarted()
    #expect(again.vault.reconciliation.dropped == 1)
    #expect(try await again.catalog.recordings(of: row.call).count == 1)
    #expect(
      try await again.blobs.names(
        lastChangedBefore: Timestamp(milliseconds: .max), after: nil, limit: 10
      ) == [row.blob])
  }

  @Test func aReadThatWasCutOffIsPresumedDisclosed() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording([UInt8](repeating: 1, count: 200_000))
    let clinician = try await practice.caller(.clinician)
    // The bytes have left, and nobody waits for what the log says of it afterwards.
    try await practice.vault.openRecording(
      receipt.recording, as: clinician, purpose: .treatment
    ) { reader in
      try await reader.read(0..<10) { _ in }
      practice.store.fail(after: 0)
    }
    let error = await #expect(throws: VaultError.self) {
      try await practice.read(receipt.recording, as: clinician)
    }
    #expect(error?.code == .unavailable)
    let again = try await practice.restarted()
    #expect(again.vault.reconciliation.presumedDisclosed == 1)
    let entry = try #require(try await again.entries().last { $0.action == .recordingOpened })
    #expect(entry.outcome == .presumed)
    #expect(entry.flags == [.recovered])
    #expect(entry.behalf == clinician.actor.id)
    #expect(entry.actor.kind == .system)
    #expect(entry.subjects.count == 1)
    // It is said once.
    let third = try await again.restarted()
    #expect(third.vault.reconciliation.presumedDisclosed == 0)
  }

  @Test func aCatalogOlderThanItsLogIsNotServed() async throws {
    let practice = try await Practice.new()
    _ = try await practice.recording()
    let old = try practice.copyOfCatalog()
    _ = try await practice.recording()
    try practice.replaceCatalog(with: old)
    let error = await #expect(throws: VaultError.self) { try await practice.restarted() }
    #expect(error?.code == .behindLog)
  }

  @Test func howFarTheCatalogHasComeIsNotedAndLosesNothing() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording()
    let clinician = try await practice.caller(.clinician)
    for _ in 0..<5 { _ = try await practice.read(receipt.recording, as: clinician) }
    let size = Int64(try await practice.entries().count)
    try await practice.vault.noteProgress()
    #expect(try await practice.catalog.appliedPosition()?.index == size - 1)
    let old = try practice.copyOfCatalog()
    let again = try await practice.restarted()
    _ = try await again.read(receipt.recording, as: again.caller(.clinician))
    // A copy of that catalog is still recognised when something was stored since.
    _ = try await again.recording()
    try again.replaceCatalog(with: old)
    let error = await #expect(throws: VaultError.self) { try await again.restarted() }
    #expect(error?.code == .behindLog)
  }

  @Test func aCatalogThatRevivesATokenIsNotServed() async throws {
    let practice = try await Practice.new()
    let clinician = try await practice.caller(.clinician)
    let old = try practice.copyOfCatalog()
    try await practice.vault.revokeToken(
      try #require(clinician.token), as: practice.administrator())
    try practice.replaceCatalog(with: old)
    let error = await #expect(throws: VaultError.self) { try await practice.restarted() }
    #expect(error?.code == .behindLog)
  }

  @Test func aCatalogOfAnotherLogIsNotServed() async throws {
    let practice = try await Practice.new()
    _ = try await practice.recording()
    let other = try await Practice.new()
    _ = try await other.recording()
    try other.replaceCatalog(with: practice.copyOfCatalog())
    await #expect(throws: (any Error).self) { try await other.restarted() }
  }

  @Test func aPolicyThatChangedIsAnEntryOnce() async throws {
    let practice = try await Practice.new()
    let first = try await practice.entries().filter { $0.action == .policyChanged }
    #expect(first.count == 2)
    #expect(first.contains { $0.policy == practice.vault.policy.hash })
    let again = try await practice.restarted()
    #expect(try await again.entries().filter { $0.action == .policyChanged }.count == 2)
  }

  @Test func orphansOfADayAgoAreSweptAndNothingElse() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording()
    for age in [100_000.0, 10.0] {
      let writer = try await practice.blobs.create(try BlobName.random())
      try await writer.append([1])
      try await writer.commit()
      try practice.ageNewestObject(by: age)
    }
    let row = try #require(await practice.catalog.recording(receipt.recording)).recording
    try practice.ageObject(row.blob, by: 100_000)
    #expect(try await practice.vault.sweepOrphans() == 1)
    #expect(
      try await practice.blobs.names(
        lastChangedBefore: Timestamp(milliseconds: .max), after: nil, limit: 10
      ).count == 2)
    let clinician = try await practice.caller(.clinician)
    _ = try await practice.read(receipt.recording, as: clinician)
  }
}

extension Practice {
  private var catalogFiles: [URL] {
    ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"].map {
      folder.appending(path: $0)
    }
  }

  /// Runs a statement by the outside program, as somebody with the disk would.
  func sql(_ statement: String) throws {
    let outcome = try ChildProcess.run(
      "/usr/bin/python3",
      [
        "-c",
        "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()",
        catalogFiles[0].path, statement,
      ])
    #expect(outcome.status == 0, "\(outcome.errors)")
  }

  func copyOfCatalog() throws -> [Data?] {
    catalogFiles.map { try? Data(contentsOf: $0) }
  }

  func replaceCatalog(with copy: [Data?]) throws {
    for (file, bytes) in zip(catalogFiles, copy) {
      if FileManager.default.fileExists(atPath: file.path) {
        try FileManager.default.removeItem(at: file)
      }
      if let bytes, file.pathExtension != "sqlite-shm" { try bytes.write(to: file) }
    }
  }

  private var objectFiles: [URL] {
    let objects = folder.appending(path: "objects")
    let all = FileManager.default.enumerator(at: objects, includingPropertiesForKeys: nil)
    var files: [URL] = []
    while let file = all?.nextObject() as? URL {
      if file.lastPathComponent.utf8.count == 32 { files.append(file) }
    }
    return files
  }

  func ageObject(_ blob: BlobName, by seconds: Double) throws {
    for file in objectFiles where file.lastPathComponent == blob.description {
      try FileManager.default.setAttributes(
        [.modificationDate: Date().addingTimeInterval(-seconds)], ofItemAtPath: file.path)
    }
  }

  func ageNewestObject(by seconds: Double) throws {
    let newest = try objectFiles.max { left, right in
      let dates = try [left, right].map {
        try FileManager.default.attributesOfItem(atPath: $0.path)[.modificationDate] as? Date
          ?? .distantPast
      }
      return dates[0] < dates[1]
    }
    if let newest, let blob = BlobName(newest.lastPathComponent) {
      try ageObject(blob, by: seconds)
    }
  }
}
