import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import FaultInjection
import Foundation
import Glibc
import Testing
import Threading

@testable import Vault

/// Backups of a vault over real drivers, and what comes back from them.
@Suite struct BackupTests {
  @Test func aBackupIsOfOneInstantAndIsBroughtUpToDate() async throws {
    let practice = try await Practice.new()
    let place = try TemporaryDirectory()
    for number in 0..<5 { _ = try await practice.recording(Practice.sound(number)) }
    let first = try await practice.backUp(to: place.path)
    #expect(first.note.contents.recordings == 5)
    #expect(first.note.contents.copied == 5)
    try await Practice.expectSound(place.path, key: practice.log.verifierKey)
    _ = try await practice.recording(Practice.sound(5))
    let second = try await practice.backUp(to: place.path)
    #expect(second.note.contents.copied == 1)
    #expect(second.note.set == first.note.set + 1)
    try await Practice.expectSound(place.path, key: practice.log.verifierKey)
    #expect(try Directory.names(in: place.path + "/sets", on: LinuxFileSystem()) == ["2"])
    #expect(try await practice.vault.backupAge() == .made(second.note.time))
    let entries = try await practice.entries().filter { $0.action == .backupMade }
    #expect(entries.map(\.phase) == [.intent, .outcome, .intent, .outcome])
    #expect(entries.last?.digest == second.note.contents.manifest)
    #expect(entries.last?.length == second.note.contents.manifestLength)
  }

  /// Calls are stored all the while, and each backup is of a moment that was.
  @Test func whatIsRestoredOpensWhileCallsAreStored() async throws {
    let practice = try await Practice.new()
    _ = try await practice.recording(Practice.sound(0))
    let system = try await practice.phoneSystem()
    try await withThrowingTaskGroup(of: Void.self) { group in
      let isOver = Lock(false)
      for writer in 0..<3 {
        group.addTask {
          var number = 0
          while !isOver.withLock({ $0 }) {
            number += 1
            let call = try await practice.vault.createCall(
              NewCall(
                source: "3cx", sourceID: "\(writer)-\(number)", from: "+13135550142",
                to: "+13135550100", callExtension: nil, agent: nil, location: nil), as: system)
            _ = try await practice.store(Practice.sound(number), in: call.call, as: system)
          }
        }
      }
      for _ in 0..<4 {
        let place = try TemporaryDirectory()
        let made = try await practice.backUp(to: place.path)
        try await Practice.expectSound(place.path, key: practice.log.verifierKey)
        let folder = place.path + "/restored"
        _ = try BackupRestore(place.path, to: folder, key: practice.log.verifierKey).run()
        let restored = try await practice.reopened(URL(filePath: folder), practice.home)
        let counts = try await restored.catalog.counts()
        #expect(counts.recordings <= made.note.contents.recordings)
        #expect(counts.recordings >= 1)
      }
      isOver.withLock { $0 = true }
      try await group.waitForAll()
    }
  }

  @Test func everyRecordingPlaysFromARestoredFolder() async throws {
    let practice = try await Practice.new()
    let place = try TemporaryDirectory()
    var receipts: [(RecordingReceipt, [UInt8])] = []
    for length in [0, 1, 65_480, 65_481, 200_000] {
      let bytes = Practice.sound(length)
      receipts.append((try await practice.recording(bytes), bytes))
    }
    _ = try await practice.backUp(to: place.path)
    let folder = place.path + "/restored"
    _ = try BackupRestore(place.path, to: folder, key: practice.log.verifierKey).run()
    let restored = try await practice.reopened(URL(filePath: folder), practice.home)
    let clinician = try await restored.caller(.clinician)
    for (receipt, bytes) in receipts {
      #expect(try await restored.read(receipt.recording, as: clinician) == bytes)
    }
    // Nothing is written over.
    let error = #expect(throws: VaultError.self) {
      try BackupRestore(place.path, to: folder, key: nil).run()
    }
    #expect(error?.code == .conflict)
  }

  @Test func aChangedBitInAnyFileIsNamed() async throws {
    let practice = try await Practice.new()
    let place = try TemporaryDirectory()
    _ = try await practice.recording(Practice.sound(300))
    _ = try await practice.backUp(to: place.path)
    let key = practice.log.verifierKey
    let files = try Practice.files(below: place.path)
    #expect(files.count >= 10)
    for file in files {
      let path = place.path + "/" + file
      let whole = try Data(contentsOf: URL(filePath: path))
      var changed = whole
      let index = changed.startIndex + changed.count / 2
      changed[index] ^= 0x10
      try changed.write(to: URL(filePath: path))
      let report = try await BackupCheck(place.path, key: key).run()
      #expect(
        report.findings.contains { $0.contains(file) || file == "BACKUP" },
        "\(file): \(report.findings)")
      #expect(throws: VaultError.self, "\(file)") {
        try BackupRestore(place.path, to: place.path + "/restored", key: key).run()
      }
      try whole.write(to: URL(filePath: path))
      try? FileManager.default.removeItem(atPath: place.path + "/restored.part")
    }
    // One that is gone, and one that nobody listed.
    let object = try #require(files.first { $0.hasPrefix("objects/") })
    try FileManager.default.moveItem(
      atPath: place.path + "/" + object, toPath: place.path + "/objects-aside")
    let report = try await BackupCheck(place.path, key: key).run()
    #expect(report.findings.contains("\(object): missing"))
    #expect(report.findings.contains("objects-aside: not listed"))
  }

  /// A restore was cut off, and the backup went on: the vault did not start for a piece of the journal that
  /// the newer backup no longer had.
  @Test func aRestoreKeepsNothingOfAnotherBackup() async throws {
    let practice = try await Practice.new()
    let (place, aside) = (try TemporaryDirectory(), try TemporaryDirectory())
    _ = try await practice.recording(Practice.sound(100))
    _ = try await practice.backUp(to: place.path)
    let restore = BackupRestore(
      place.path, to: aside.path + "/restored", key: practice.log.verifierKey)
    _ = try restore.run()
    let part = aside.path + "/restored.part"
    try FileManager.default.moveItem(atPath: aside.path + "/restored", toPath: part)
    try Data("old".utf8).write(to: URL(filePath: part + "/journal/0000000000009999.journal"))
    let before = try Practice.files(below: part)
    _ = try await practice.backUp(to: place.path)
    _ = try restore.run()
    let after = try Practice.files(below: aside.path + "/restored")
    #expect(before.contains("journal/0000000000009999.journal"))
    #expect(!after.contains("journal/0000000000009999.journal"))
    #expect(after.contains("restored") && after.contains { $0.hasPrefix("objects/") })
  }

  /// Any call of the file system fails: what counted before still does, whole.
  @Test(arguments: [EIO, ENOSPC])
  func whateverCallFailsABackupIsWhole(number: Int32) async throws {
    let practice = try await Practice.new()
    let place = try TemporaryDirectory()
    _ = try await practice.recording(Practice.sound(100))
    _ = try await practice.backUp(to: place.path)
    let key = practice.log.verifierKey
    // Each of them in a torture.
    let step =
      ProcessInfo.processInfo.environment["CALLVAULT_TORTURE"] != nil
      ? 1 : number == EIO ? 5 : 11
    var call = 1
    var failed = 0
    var runs = 0
    while true {
      let files = FailingFileSystem(
        FailingFileSystem.Fault(
          call: call, number: number, lasting: number == ENOSPC, tearing: true))
      do {
        _ = try await practice.backUp(to: place.path, on: files)
        // A call whose failure changes nothing, such as of an object that is read anew.
        if !files.fired { break }
      } catch let error as VaultError {
        failed += 1
        #expect(error.code != .tampered || number == EIO, "\(call): \(error)")
      }
      runs += 1
      if runs.isMultiple(of: 4) {
        let report = try await BackupCheck(place.path, key: key).run()
        let findings = report.findings.filter { !$0.hasSuffix("not listed") }
        #expect(findings.isEmpty, "\(call) \(files.calls.last ?? ""): \(findings)")
      }
      call += step
    }
    #expect(failed > 5)
    try await Practice.expectSound(place.path, key: key)
  }

  /// Any call of the file system fails: the folder is there and whole, or it is not there, and the next
  /// restore makes it.
  @Test(arguments: [EIO, ENOSPC])
  func whateverCallFailsARestoreIsWholeOrNotThere(number: Int32) async throws {
    let practice = try await Practice.new()
    let place = try TemporaryDirectory()
    for length in [100, 70_000] { _ = try await practice.recording(Practice.sound(length)) }
    _ = try await practice.backUp(to: place.path)
    let key = practice.log.verifierKey
    let (target, part) = (place.path + "/restored", place.path + "/restored.part")
    _ = try BackupRestore(place.path, to: target, key: key).run()
    let whole = try Practice.contents(of: target)
    let step =
      ProcessInfo.processInfo.environment["CALLVAULT_TORTURE"] != nil
      ? 1 : number == EIO ? 3 : 11
    var call = 1
    var (failed, resumed) = (0, 0)
    while true {
      // Every other run goes on with what the one before left.
      if failed.isMultiple(of: 2) { try? FileManager.default.removeItem(atPath: part) }
      try FileManager.default.removeItem(atPath: target)
      let files = FailingFileSystem(
        FailingFileSystem.Fault(
          call: call, number: number, lasting: number == ENOSPC, tearing: true))
      var error: (any Error)?
      do {
        _ = try BackupRestore(place.path, to: target, key: key, on: files).run()
      } catch let thrown {
        error = thrown
        failed += 1
      }
      if FileManager.default.fileExists(atPath: target) {
        #expect(try Practice.contents(of: target) == whole, "\(call)")
      } else {
        #expect(error != nil, "\(call)")
        if FileManager.default.fileExists(atPath: part) { resumed += 1 }
        _ = try BackupRestore(place.path, to: target, key: key).run()
        #expect(try Practice.contents(of: target) == whole, "\(call)")
      }
      #expect(!FileManager.default.fileExists(atPath: part), "\(call)")
      if !files.fired { break }
      call += step
    }
    #expect(failed > 5 && resumed > 3)
    let restored = try await practice.reopened(URL(filePath: target), practice.home)
    #expect(try await restored.catalog.counts().recordings == 2)
  }

  @Test func placesThatMustNotBeWrittenToAreRefused() async throws {
    let practice = try await Practice.new()
    let other = try await Practice.new()
    let place = try TemporaryDirectory()
    func refusal(_ path: String) async -> VaultError.Code? {
      do {
        _ = try await practice.backUp(to: path)
        return nil
      } catch {
        return (error as? VaultError)?.code
      }
    }
    #expect(await refusal(place.path + "/absent") == .invalid)
    try FileManager.default.createDirectory(
      atPath: practice.folder.path + "/inside", withIntermediateDirectories: true)
    #expect(await refusal(practice.folder.path + "/inside") == .invalid)
    #expect(await refusal(practice.folder.path) == .invalid)
    #expect(await refusal(practice.folder.deletingLastPathComponent().path) == .invalid)
    try Data("x".utf8).write(to: URL(filePath: place.path + "/letter"))
    #expect(await refusal(place.path) == .invalid)
    try FileManager.default.removeItem(atPath: place.path + "/letter")
    _ = try await other.backUp(to: place.path)
    #expect(await refusal(place.path) == .conflict)
    // Two at once: the second is refused, the first goes on.
    let mine = try TemporaryDirectory()
    let first = try practice.target(mine.path)
    _ = try await first.begin(for: practice.log.verifierKey)
    #expect(await refusal(mine.path) == .conflict)
    await first.abandon()
    #expect(await refusal(mine.path) == nil)
    let refusals = try await practice.entries().filter {
      $0.action == .backupMade && $0.outcome == .refused
    }
    #expect(refusals.count == 7)
  }

  @Test func anObjectThatIsDamagedInTheVaultDoesNotReachTheBackup() async throws {
    let practice = try await Practice.new()
    let place = try TemporaryDirectory()
    _ = try await practice.recording(Practice.sound(1000))
    _ = try await practice.backUp(to: place.path)
    _ = try await practice.recording(Practice.sound(2000))
    try practice.damageObjects()
    let made = try await practice.backUp(to: place.path)
    // The first has its copy from before, the second never had one.
    #expect(made.note.contents.lost == 1)
    try await Practice.expectSound(place.path, key: practice.log.verifierKey)
    let last = try await practice.entries().last { $0.action == .backupMade }
    #expect(last?.outcome == .partial && last?.reason == .tampered)
  }

  @Test func aDrillOpensASampleAndLeavesACertificate() async throws {
    let practice = try await Practice.new()
    let place = try TemporaryDirectory()
    for number in 0..<8 { _ = try await practice.recording(Practice.sound(number * 30_000)) }
    _ = try await practice.backUp(to: place.path)
    let aside = place.path + "/aside"
    let entries = try await practice.entriesOf {
      let report = try await practice.vault.drill(
        RestoredAside(place.path, aside: aside), sample: 5, at: place.path, as: nil)
      #expect(report.sample == 5 && report.opened == 5 && report.damaged == 0)
      let statement = try Statement(
        parsing: report.certificate, as: .drill,
        fields: [
          "tenant", "backup", "log", "files", "bytes", "recordings", "sample", "opened", "purged",
          "damaged", "milliseconds", "time",
        ], key: practice.log.verifierKey)
      #expect(statement.fields[7].value == "5")
    }
    #expect(entries.map(\.action).allSatisfy { $0 == .backupDrilled })
    #expect(entries.contains { $0.count == 5 && $0.phase == .intent })
    #expect(!FileManager.default.fileExists(atPath: aside))
    // A backup whose object decayed is no backup.
    let object = try #require(
      try Practice.files(below: place.path).first { $0.hasPrefix("objects/") })
    try Data([1]).write(to: URL(filePath: place.path + "/" + object))
    let error = await #expect(throws: VaultError.self) {
      try await practice.vault.drill(
        RestoredAside(place.path, aside: aside), sample: 5, at: place.path, as: nil)
    }
    #expect(error?.code == .tampered && error?.detail?.contains(object) == true)
  }

  @Test func noBackupForTwoDaysIsAnAlarm() async throws {
    let clock = MovedClock()
    let practice = try await Practice.new(clock: clock)
    let place = try TemporaryDirectory()
    #expect(await !practice.vault.health().isBackupOld)
    practice.vault.keep(MaintenanceSettings(backupLimit: .seconds(-1)))
    #expect(await practice.vault.health().alarms.contains { $0.contains("there was none") })
    _ = try await practice.backUp(to: place.path)
    practice.vault.keep(MaintenanceSettings())
    #expect(await practice.vault.health().alarms.isEmpty)
    #expect(await practice.vault.health().backupSeconds < 60)
    clock.move(days: 47.9 / 24)
    #expect(await !practice.vault.health().isBackupOld)
    clock.move(days: 0.2 / 24)
    #expect(await practice.vault.health().isBackupOld)
  }
}

extension Practice {
  /// Bytes of a recording of this length, none like another's.
  static func sound(_ length: Int) -> [UInt8] {
    (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ length) }
  }

  func target(
    _ path: String, on files: any FileSystem = LinuxFileSystem()
  ) throws -> BackupFolder {
    try BackupFolder(
      path, of: StorageLayout(root: folder.path), catalog: catalog, tenant: tenant,
      includesRing: false, on: files)
  }

  @discardableResult
  func backUp(
    to path: String, on files: any FileSystem = LinuxFileSystem()
  ) async throws -> MadeBackup {
    try await vault.makeBackup(into: try target(path, on: files), at: path, as: nil)
  }

  static func expectSound(_ path: String, key: VerifierKey) async throws {
    let report = try await BackupCheck(path, key: key).run()
    let findings = report.findings.filter { !$0.hasPrefix("restored") && !$0.hasPrefix("aside") }
    #expect(findings.isEmpty, "\(findings)")
  }

  /// Plain files below a folder, by their path in it.
  static func files(below folder: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: folder).filter { path in
      var isFolder: ObjCBool = false
      return unsafe FileManager.default.fileExists(
        atPath: folder + "/" + path, isDirectory: &isFolder) && !isFolder.boolValue
    }.sorted()
  }

  /// Every file below a folder, with its bytes.
  static func contents(of folder: String) throws -> [String: Data] {
    var contents: [String: Data] = [:]
    for path in try files(below: folder) {
      contents[path] = try Data(contentsOf: URL(filePath: folder + "/" + path))
    }
    return contents
  }

  /// Changes a bit in every object.
  func damageObjects() throws {
    let objects = folder.path + "/objects"
    for file in try Practice.files(below: objects) {
      let url = URL(filePath: objects + "/" + file)
      var bytes = try Data(contentsOf: url)
      bytes[bytes.startIndex + bytes.count / 2] ^= 1
      try bytes.write(to: url)
    }
  }
}
