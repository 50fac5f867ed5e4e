import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import Foundation
import Testing

/// The keys that sign beside the log's: their succession, their loss, and who vouches for them.
@Suite struct EpochTests {
  private func verdict(
    _ harness: Harness, anchors: [[UInt8]] = []
  ) async throws -> LogReport {
    var verifier = try LogVerifier(key: harness.key, anchors: anchors)
    verifier.rootKey = harness.rootKey
    return try await verifier.verify(LogFolder(harness.layout.log))
  }

  private func keyring(_ harness: Harness) throws -> Keyring {
    try Keyring(
      parsing: AtomicFile.read(
        harness.layout.log + "/keyring", limit: 1 << 20, on: LinuxFileSystem()))
  }

  private func checkpoint(_ harness: Harness) throws -> [UInt8] {
    try AtomicFile.read(harness.layout.log + "/checkpoint", limit: 1 << 16, on: LinuxFileSystem())
  }

  private func keptKeys(_ harness: Harness) throws -> [String] {
    try Directory.names(in: harness.layout.epochKeys, on: LinuxFileSystem())
  }

  @Test func eachEpochNamesTheNext() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    _ = try await log.record(harness.draft())
    try await log.publish()
    #expect(try harness.certify()?.number == 0)
    let anchor = try checkpoint(harness)
    for _ in 0..<3 {
      try await log.rotateEpoch()
      _ = try await log.record(harness.draft())
    }
    try await log.publish()
    await close(log)
    let found = try keyring(harness)
    #expect(found.epochs.count == 4)
    #expect(found.epochs.dropFirst().allSatisfy { $0.hasPredecessorLine })
    for number in 0..<3 {
      let next = found.epochs[number + 1].epoch.firstSize
      #expect(found.window(of: number).upperBound == next)
    }
    // The keyring was written anew by the log, which did not know of the root's line yet.
    _ = try await harness.open()
    #expect(try GoVerifier.accepts(harness.layout.log, key: harness.key))
    #expect(await log.status.epoch == 3)
    let report = try await LogVerifier(key: harness.key, anchors: [anchor])
      .verify(LogFolder(harness.layout.log))
    #expect(report.verdict == .intact, "\(report.findings)")
  }

  @Test func aDayEndsAnEpochAndItsKeyIsGone() async throws {
    let harness = try Harness { $0.epochLength = .seconds(1) }
    let log = try await harness.open()
    try await log.publish()
    _ = try harness.certify()
    harness.clock.set(1_795_188_000_000 + 2_000)
    let running = Task { await log.run() }
    let end = ContinuousClock.now + .seconds(300)
    while try keptKeys(harness) != ["1"] || (try? keyring(harness).epochs.count) != 2,
      ContinuousClock.now < end
    {
      try await Task.sleep(for: .milliseconds(20))
    }
    running.cancel()
    await running.value
    #expect(try keptKeys(harness) == ["1"])
    let report = try await verdict(harness, anchors: [try checkpoint(harness)])
    #expect(report.verdict == .intact, "\(report.findings)")
    #expect(await log.status.isEpochCertified == true)
  }

  @Test func aRestartGoesOnWithTheEpoch() async throws {
    let harness = try Harness()
    await close(try await harness.open())
    await close(try await harness.open())
    #expect(try keyring(harness).epochs.count == 1)
  }

  /// As after a restore: no backup has the key.
  @Test func aLostKeyBeginsAnEpochThatOnlyTheRootCanVouchFor() async throws {
    let harness = try Harness()
    await close(try await harness.open())
    _ = try harness.certify()
    await close(try await harness.open())
    let anchor = try checkpoint(harness)
    #expect(try await verdict(harness, anchors: [anchor]).verdict == .intact)
    try FileManager.default.removeItem(atPath: harness.layout.epochKeys)

    let log = try await harness.open()
    #expect(await log.status.isEpochCertified == false)
    await close(log)
    #expect(try keyring(harness).epochs.count == 2)
    var report = try await verdict(harness, anchors: [anchor])
    #expect(report.verdict == .unanchored, "\(report.findings)")
    #expect(report.findings.first?.path == "keyring")
    #expect(try GoVerifier.accepts(harness.layout.log, key: harness.key))

    #expect(try harness.certify()?.number == 1)
    await close(try await harness.open())
    report = try await verdict(harness, anchors: [anchor])
    #expect(report.verdict == .intact, "\(report.findings)")
    #expect(try harness.certify() == nil)
  }

  /// Who vouches for the log changes by what the log says first, and once.
  @Test func aSignatureOfTheRootIsAnEntryFirst() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    try await log.publish()
    let epoch = try #require(try harness.certify())
    #expect(await log.status.isEpochCertified == false)
    try await log.takeUpCertification()
    try await log.takeUpCertification()
    #expect(await log.status.isEpochCertified == true)
    var filter = EntryFilter()
    filter.actions = [.keyCertified]
    let entries = try await log.entries(matching: filter).entries.map(\.entry)
    #expect(entries.map(\.digest) == [SHA256.hash(epoch.text)])
    #expect(entries.map(\.length) == [Int64(epoch.text.count)])
    await close(log)
    #expect(try keyring(harness).epochs.first?.hasRootLine == true)
  }

  @Test func aKeyringThatIsGoneOrAnothersStopsTheStart() async throws {
    let harness = try Harness()
    await close(try await harness.open())
    let path = harness.layout.log + "/keyring"
    let bytes = try AtomicFile.read(path, limit: 1 << 20, on: LinuxFileSystem())
    try FileManager.default.removeItem(atPath: path)
    await #expect(throws: AuditError.self) { _ = try await harness.open() }
    var changed = bytes
    changed[bytes.count - 10] ^= 1
    try AtomicFile.write(changed, to: path, on: LinuxFileSystem())
    await #expect(throws: AuditError.self) { _ = try await harness.open() }
    try AtomicFile.write(bytes, to: path, on: LinuxFileSystem())
    await close(try await harness.open())
  }
}
